"Each call, each error, hostile pictures: what a client sees"

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tiny import noise, picture, write_settings

from clothing_classifier.api.app import create_app
from clothing_classifier.serving.safe_fetch import LinkError
from clothing_classifier.settings import load_settings

UPLOADS = Path(__file__).resolve().parents[2] / 'shared' / 'data' / 'uploads'


def client(folder, **changes):
    "A client of an application with these settings"
    return TestClient(create_app(load_settings(write_settings(folder, **changes))))


@pytest.fixture(scope='module')
def api(tmp_path_factory):
    d = tmp_path_factory.mktemp('api')
    return client(d, feedback_store='folder', feedback_folder=d / 'feedback')


def send(api, data=b'', kind='image/jpeg', **kw):
    return api.post('/v1/predict', content=data, headers={'Content-Type': kind, **kw})


def is_problem(r, status):
    assert r.status_code == status, r.text
    assert r.headers['content-type'] == 'application/problem+json'
    problem = r.json()
    assert problem['status'] == status and problem['title'] and problem['type']
    assert len(problem['detail']) > 10 and problem['request_id'] == r.headers['x-request-id']
    return problem['detail']


def test_bytes_of_one_picture(api):
    (result,) = send(api, picture('blue')).json()['results']
    assert result['answer'] == 'jeans' and result['known'] and result['error'] is None
    assert sum(result['probabilities'].values()) == pytest.approx(1)


def test_forms_with_one_and_with_many(api):
    r = api.post('/v1/predict', files=dict(photo=('a.jpg', picture('red'))))
    assert [(o['file'], o['answer']) for o in r.json()['results']] == [('a.jpg', 'socks')]
    many = [('files', (f'{i}.jpg', picture('red' if i % 2 else 'blue'))) for i in range(15)]
    results = api.post('/v1/predict', files=[*many, ('files', ('bad.jpg', b'no picture'))]).json()['results']
    assert [r['answer'] for r in results] == ['jeans', 'socks'] * 7 + ['jeans', None]
    assert 'not a picture' in results[-1]['error']


def test_none_of_the_categories(api):
    (result,) = send(api, picture('gray')).json()['results']
    assert (result['answer'], result['known']) == ('unknown', False) and result['category'] in ('jeans', 'socks')


def test_categories_and_model_card(api):
    assert api.get('/v1/categories').json() == dict(categories=['jeans', 'socks'], unknown='unknown')
    card = api.get('/v1/model').json()
    assert len(card['sha256']) == 64 and card['bytes'] > 0
    assert card['learner_sha256'] == '0' * 64 and card['labels'] == ['jeans', 'socks']


def test_the_model_card_beside_the_network(tmp_path):
    api = client(tmp_path)
    (tmp_path / 'MODEL_CARD.md').write_text('# What it can do\n')
    assert api.get('/v1/model').json()['card'] == '# What it can do\n'


def test_the_root_leads_to_the_docs(api):
    assert api.get('/', follow_redirects=False).headers['location'] == 'docs'
    policy = api.get('/').headers['content-security-policy']
    assert "default-src 'none'" in policy and 'unsafe' not in policy


def test_the_calls_have_tags_and_a_browser_asks_for_an_icon_in_peace(api):
    calls = [call for path in api.get('/openapi.json').json()['paths'].values() for call in path.values()]
    assert {tuple(call['tags']) for call in calls} == {('Classifier',), ('Server',)}
    assert api.get('/favicon.ico').status_code == 204


def test_health_and_metrics(api):
    assert api.get('/healthz').json() == dict(status='alive')
    assert api.get('/readyz').json() == dict(status='ready')
    send(api, picture())
    text = api.get('/metrics').text
    assert 'clothing_classifier_requests_total{method="POST",route="/v1/predict",status="200"}' in text
    assert 'clothing_classifier_answers_total{answer="jeans"}' in text
    assert 'clothing_classifier_request_seconds_bucket' in text and 'process_resident_memory_bytes' in text


def test_unknown_paths_do_not_fill_the_metrics(api):
    for i in range(20):
        api.get(f'/wp-admin/{i}')
    text = api.get('/metrics').text
    assert 'wp-admin' not in text and 'route="other"' in text


FORM_WITHOUT_FILE = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'


@pytest.mark.parametrize(
    'kind,data,status,says',
    [
        ('text/plain', b'hello', 415, 'multipart'),
        ('', picture(), 415, 'multipart'),
        ('application/x-www-form-urlencoded', b'a=b', 415, 'multipart'),
        ('image/jpeg', b'', 422, 'empty'),
        ('image/jpeg', b'<svg xmlns="http://www.w3.org/2000/svg"/>', 422, 'not a picture'),
        ('image/png', noise(50)[:3000], 422, 'damaged'),
        ('application/json', b'{"url": ', 400, 'not JSON'),
        ('application/json', b'\xff\xfe', 400, 'not JSON'),
        ('application/json', b'[' * 100_000, 400, 'not JSON'),
        ('application/json', b'[]', 422, 'url'),
        ('application/json', b'{"url": 1}', 422, 'url'),
        ('application/json', b'{"url": "http://127.0.0.1/"}', 422, 'public'),
        ('application/json', b'{"url": "file:///etc/passwd"}', 422, 'https://'),
        ('multipart/form-data', b'hello', 400, 'form'),
        ('multipart/form-data; boundary=x', b'hello', 400, 'form'),
        ('multipart/form-data; boundary=x', b'--x\r\nContent-Disposition: nonsense\r\n\r\n1\r\n--x--', 400, 'form'),
        ('multipart/form-data; boundary=x', FORM_WITHOUT_FILE, 422, 'no file'),
    ],
)
def test_errors(api, kind, data, status, says):
    assert says in is_problem(send(api, data, kind), status)


def test_too_many_files(api):
    assert '16' in is_problem(api.post('/v1/predict', files=[('files', picture())] * 17), 400)


def test_no_such_path(api):
    is_problem(api.get('/v2/predict'), 404)


def test_wrong_method(api):
    is_problem(api.put('/v1/predict'), 405)


@pytest.mark.parametrize(
    'given,kept', [('abc-1.2:3', True), ('a' * 65, False), ('a\tb', False), ('<script>', False), ('', False)]
)
def test_request_id(api, given, kept):
    got = api.get('/healthz', headers={'X-Request-ID': given}).headers['x-request-id']
    assert (got == given) == kept and len(got) > 4


def test_feedback_is_kept_without_metadata(api, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = 'at home'
    files = dict(file=('me.jpg', picture('red', exif=exif)))
    r = api.post('/v1/feedback', files=files, data=dict(category='jeans', answer='socks'))
    assert r.status_code == 201
    (kept,) = api.app.state.service.settings.feedback.folder.glob('jeans/*.jpg')
    assert (kept.parent.name, kept.stem) == ('jeans', r.json()['id'])
    assert b'at home' not in kept.read_bytes()


def test_feedback_can_say_none_of_these(api):
    r = api.post('/v1/feedback', files=dict(file=picture('gray')), data=dict(category='unknown', answer='socks'))
    assert (r.status_code, r.json()['category']) == (201, 'unknown')
    folder = api.app.state.service.settings.feedback.folder
    assert (folder / 'unknown' / f'{r.json()["id"]}.jpg').is_file()


@pytest.mark.parametrize(
    'form,status',
    [
        (dict(data=dict(category='hats'), files=dict(file=picture())), 422),
        (dict(data=dict(category='../jeans'), files=dict(file=picture())), 422),
        (dict(data=dict(category='jeans'), files=dict(file=b'no picture')), 422),
        (dict(data=dict(category='jeans'), files=dict(other=picture())), 422),
        (dict(data=dict(category='jeans')), 415),
        (dict(json={}), 415),
        (dict(files=dict(file=picture())), 422),
        (dict(files=dict(file=picture(), category=picture())), 400),
    ],
)
def test_feedback_errors(api, form, status):
    is_problem(api.post('/v1/feedback', **form), status)


def test_feedback_is_off_by_default(tmp_path):
    r = client(tmp_path).post('/v1/feedback', data=dict(category='jeans'), files=dict(file=picture()))
    assert 'not turned' in is_problem(r, 403)


def test_token(tmp_path, monkeypatch):
    monkeypatch.setenv('CLOTHING_CLASSIFIER_TOKEN', 'open sesame')
    api = client(tmp_path)
    calls = ['GET /v1/categories', 'GET /v1/model', 'GET /metrics', 'POST /v1/predict', 'POST /v1/feedback']
    for token in (None, 'Bearer wrong', 'Basic b3BlbiBzZXNhbWU=', b'Bearer \xff'):
        for call in calls:
            r = api.request(*call.split(), headers={'Authorization': token} if token else {})
            is_problem(r, 401)
            assert r.headers['www-authenticate'] == 'Bearer'
    assert api.get('/v1/categories', headers={'Authorization': 'Bearer open sesame'}).status_code == 200
    assert api.get('/healthz').status_code == api.get('/readyz').status_code == api.get('/').status_code == 200


def test_rate(tmp_path):
    api = client(tmp_path, api_rate=3)
    assert [api.get('/v1/categories').status_code for _ in range(4)] == [200] * 3 + [429]
    r = api.get('/v1/categories')
    is_problem(r, 429)
    assert 1 <= int(r.headers['retry-after']) <= 61
    assert api.get('/healthz').status_code == 200


def test_cors(tmp_path):
    ask = dict(headers={'Origin': 'https://shop.example', 'Access-Control-Request-Method': 'POST'})
    assert 'access-control-allow-origin' not in client(tmp_path).options('/v1/predict', **ask).headers
    api = client(tmp_path, api_cors='https://other.example, https://shop.example')
    assert api.options('/v1/predict', **ask).headers['access-control-allow-origin'] == 'https://shop.example'
    assert 'access-control-allow-origin' not in api.get('/v1/categories', headers={'Origin': 'https://evil.example'}).headers


def test_too_large_by_its_header_and_by_its_bytes(tmp_path):
    api = client(tmp_path, serve_max_upload_mb=1)
    assert '1 MB' in is_problem(send(api, bytes(1_000_001)), 413)
    assert '1 MB' in is_problem(send(api, (bytes(100_000) for _ in range(20))), 413)
    assert '1 MB' in is_problem(api.post('/v1/predict', files=dict(a=bytes(2_000_000))), 413)


def test_a_busy_server_says_when_to_try_again(tmp_path):
    api = client(tmp_path, api_requests=1)
    with api.app.state.service.admission.admit(10):
        r = send(api, picture())
        is_problem(r, 503)
        assert int(r.headers['retry-after']) >= 1
        is_problem(api.get('/readyz'), 503)
    assert send(api, picture()).status_code == api.get('/readyz').status_code == 200


def test_a_failure_of_ours_has_no_details(api, monkeypatch):
    def fail(*args):
        raise RuntimeError('secret')

    monkeypatch.setattr(api.app.state.service.classifier, 'answers', fail)
    assert 'secret' not in is_problem(send(api, picture()), 500)
    assert api.app.state.service.admission.requests == 0


def test_link(api, monkeypatch):
    async def fetch_async(url):
        if 'gone' in url:
            raise LinkError('link_status', status=404)
        return picture('red')

    monkeypatch.setattr(api.app.state.service.fetcher, 'fetch_async', fetch_async)
    (o,) = api.post('/v1/predict', json=dict(url='https://shop.example/a.jpg')).json()['results']
    assert (o['file'], o['answer']) == ('https://shop.example/a.jpg', 'socks')
    assert '404' in is_problem(api.post('/v1/predict', json=dict(url='https://shop.example/gone.jpg')), 422)


HOSTILE = (
    'http://localhost/ http://127.0.0.1/ http://127.1/ http://2130706433/ http://0x7f000001/ http://0/ http://[::1]/ '
    'http://[::ffff:127.0.0.1]/ http://[::ffff:169.254.169.254]/ http://169.254.169.254/latest/meta-data/ '
    'http://10.0.0.1/ http://192.168.1.1/ http://100.64.0.1/ http://[fe80::1]/ http://[fd00::1]/ '
    'http://[64:ff9b::7f00:1]/ http://[2002:7f00:1::]/ http://224.0.0.1/ http://user:pw@1.1.1.1/ http://1.1.1.1:22/ '
    'http://1.1.1.1:99999/ ftp://1.1.1.1/a.jpg file:///etc/passwd gopher://1.1.1.1/ data:image/png;base64,AA== '
    '//1.1.1.1/ https:// http:/// javascript:alert(1) \x00 x'
).split(' ')


@pytest.mark.parametrize('url', [*HOSTILE, '', ' ', 'http://' + 'a' * 70 + '.example/', 'http://' + 'a.' * 5000])
def test_hostile_links(api, url):
    "The links that the page is tested with: each gets a sentence, and no private server is asked"
    is_problem(api.post('/v1/predict', json=dict(url=url)), 422)


def test_links_can_be_turned_off(tmp_path):
    api = client(tmp_path, links_follow='no')
    is_problem(api.post('/v1/predict', json=dict(url='https://shop.example/a.jpg')), 403)


def claims(width, height):
    "A GIF of a few bytes that claims a size"
    size = width.to_bytes(2, 'little') + height.to_bytes(2, 'little')
    return b'GIF89a' + size + b'\xf0\0\0' + bytes(6) + b',\0\0\0\0' + size + b'\0\x02\x02D\x01\0;'


@pytest.mark.parametrize(
    'data',
    [
        claims(65000, 65000),
        claims(13000, 13000),
        noise(100)[:-400],
        b'\xff\xd8\xff' + bytes(100_000),
        bytes(1000),
        b'%PDF-1.7',
        b'PK\x03\x04' + bytes(50),
        b'<html>',
    ],
)
def test_hostile_pictures_of_our_own(api, data):
    is_problem(send(api, data), 422)


@pytest.mark.skipif(not UPLOADS.is_dir(), reason='needs the uploads in ../shared/data')
def test_hostile_uploads(api):
    "Every file of the index: an answer or a sentence, never a failure"
    statuses = Counter()
    for row in csv.DictReader((UPLOADS / 'index.csv').read_text().splitlines()):
        file = UPLOADS / row['path']
        r = api.post('/v1/predict', files=dict(file=(file.name, file.read_bytes())))
        statuses[r.status_code] += 1
        if r.status_code != 200:
            is_problem(r, 422)
    assert set(statuses) == {200, 422}


def test_names_are_echoed_as_data(api):
    name = '"><script>alert(1)</script>\u202e.jpg'
    r = api.post('/v1/predict', files=dict(file=(name, io.BytesIO(picture()))))
    assert r.headers['content-type'] == 'application/json'
