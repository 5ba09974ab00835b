"""The real ddgs library asks a stand-in of its search engines: our requests, their failures, what stays on disk"""
import json
import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import ddgs.http_client
import primp
import pytest
import stamina
from collected import rows, sentences
from loopback import Server
from tiny import settings_text

from clothing_classifier.collect import collect
from clothing_classifier.collecting.found import CollectError, CollectWarning
from clothing_classifier.collecting.search import Search, web_search
from clothing_classifier.settings import load_settings


class Engines(BaseHTTPRequestHandler):
    "duckduckgo.com and www.bing.com as one server; the host is the first part of the path"
    def log_message(self, *_): pass

    def pictures(self, host, query, first, n):
        start = 1000*(host == 'www.bing.com') + number_of(query)
        return [f'{self.server.pictures}/ok/{start+i}.jpg' for i in range(first, first+n)]

    def do_GET(self):
        url = urlsplit(self.path)
        host, _, path = url.path.strip('/').partition('/')
        query = {k: v[0] for k,v in parse_qs(url.query).items()}
        self.server.asked.append((host, path, query))
        fault = self.server.faults.get((host, path), lambda query: None)
        answer = getattr(self, path.replace('/', '_').replace('.', '_') or 'start')
        status, body = fault(query) or (200, answer(host, query))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def start(self, host, query): return f'<html><script>x={{"q":"{query["q"]}"}};vqd="4-123";</script></html>'

    def i_js(self, host, query):
        first = int(query.get('s', 0))
        urls = self.pictures(host, query['q'], first, 100) if first < 200 else []
        results = [dict(title=query['q'], image=url, thumbnail=url, url=f'https://shop.example/{i}', height=9, width=9,
            source='Bing') for i,url in enumerate(urls)]
        return json.dumps({'results': results})

    def images_async(self, host, query):
        def item(url):
            about = json.dumps(dict(t=query['q'], murl=url, turl=url, purl='https://b.example/'))
            link = f'<a class="iusc" m="{escape(about)}"></a>'
            return f'<div><div class="imgpt">{link}</div><div class="infopt"></div></div>'
        urls = self.pictures(host, query['q'], int(query['first']), 35)
        return f'<html><body>{"".join(map(item, urls))}</body></html>'


def number_of(query): return 10_000*sum(map(ord, query))


@pytest.fixture
def engines(monkeypatch):
    "The stand-in; the HTTP client of ddgs goes there with whatever ddgs asks of it"
    server = ThreadingHTTPServer(('127.0.0.1', 0), Engines)
    server.asked, server.faults, server.pictures = [], {}, 'http://pictures.example'
    threading.Thread(target=server.serve_forever, daemon=True).start()

    real = primp.Client

    class Client:
        def __init__(self, **kw): self.client = real(**kw)
        def headers_update(self, h): self.client.headers_update(h)
        def request(self, method, url, **kw):
            path = url.split('://')[1]
            return self.client.request(method, f'http://127.0.0.1:{server.server_port}/{path}', **kw)

    monkeypatch.setattr(ddgs.http_client.primp, 'Client', Client)
    monkeypatch.setenv('no_proxy', '*')
    stamina.set_testing(True, attempts=3, cap=True)
    yield server
    stamina.set_testing(False)
    server.shutdown()
    server.server_close()


def settings_for(folder, **changes):
    "Settings with two categories of two phrases and one"
    folder.mkdir(exist_ok=True)
    text = settings_text(['jeans', 'socks']).replace('jeans = jeans', 'jeans = jeans, denim trousers')
    (folder/'settings.ini').write_text(text.replace('socks = socks', 'socks = wool socks'))
    return load_settings(folder/'settings.ini', **(dict(collect_pause=0) | changes))


def asked(server, path, *keys):
    "Some parameters of each request for a path"
    return [tuple(query.get(k) for k in keys) for _,requested,query in server.asked if requested == path]


def test_what_is_asked(engines, tmp_path):
    settings = settings_for(tmp_path, collect_region='de-de', collect_safe_search='off', collect_addresses=250,
        collect_pages=2)
    found = list(web_search(settings))
    always = 'de-de', '-1', '4-123'
    assert asked(engines, 'i.js', 'q', 's', 'l', 'p', 'vqd') == [
        ('jeans', None, *always), ('denim trousers', None, *always), ('jeans', '100', *always),
        ('wool socks', None, *always), ('wool socks', '100', *always)]
    assert [sum(o.category == c for o in found) for c in ('jeans', 'socks')] == [250, 200]
    assert len({o.url for o in found}) == 450
    assert found[0].query == 'jeans' and found[0].page == 'https://shop.example/0'


def test_an_answer_on_disk_needs_no_engine(engines, tmp_path):
    search = Search(settings_for(tmp_path, collect_pages=1))
    answer = [dict(image='https://a.example/sock.jpg', url='https://a.example/shop')]
    search.cache.put(['duckduckgo', 'wool socks', 1, 'us-en', 'moderate'], answer)
    found, = search.category('socks', ['wool socks'])
    assert found.url == 'https://a.example/sock.jpg' and not engines.asked


def test_answers_are_kept(engines, tmp_path):
    settings = settings_for(tmp_path, collect_pages=1)
    first = list(web_search(settings))
    n = len(engines.asked)
    assert list(web_search(settings)) == first and len(engines.asked) == n
    assert len(list(web_search(settings.changed(collect_cache_days=0)))) == 300 and len(engines.asked) == 2*n
    list(web_search(settings.changed(collect_region='fr-fr')))
    assert len(engines.asked) == 3*n, 'another region is another question'


@pytest.mark.parametrize('fault', [(429, ''), (403, ''), (202, ''), (500, ''), (200, '{"results": []}')])
def test_the_next_engine_is_asked(engines, tmp_path, fault):
    engines.faults['duckduckgo.com', 'i.js'] = lambda q: fault
    found = list(web_search(settings_for(tmp_path, collect_pages=1)))
    assert len(found) == 3*35 and all('wool' in o.query or o.category == 'jeans' for o in found)
    tries = asked(engines, 'i.js', 'q')
    assert tries == [('jeans',)]*3 + [('denim trousers',)]*3, 'three tries for each of two phrases, then it is left out'
    assert asked(engines, 'images/async', 'q') == [('jeans',), ('denim trousers',), ('wool socks',)]


def test_a_rate_limit_that_passes(engines, tmp_path):
    engines.faults['duckduckgo.com', 'i.js'] = lambda q: (429, '') if len(asked(engines, 'i.js')) < 3 else None
    assert len(list(web_search(settings_for(tmp_path, collect_pages=1)))) == 300
    assert not asked(engines, 'images/async')


def test_when_all_fail_what_was_found_is_kept(engines, tmp_path):
    "The first phrase is answered, then both engines break: one with its page changed, one with an error"
    engines.faults['duckduckgo.com', ''] = lambda q: None if q['q'] == 'jeans' else (200, '<html>redesigned</html>')
    engines.faults['www.bing.com', 'images/async'] = lambda q: (500, 'no')
    with Server() as web:
        engines.pictures = web.url
        with pytest.warns(CollectWarning) as warned: df = collect(settings=settings_for(tmp_path, collect_pages=1))
    text = '\n'.join(sentences(warned))
    assert df.loc['jeans', 'kept'] == 100
    assert "no search engine answered 'denim trousers', 'wool socks'" in text
    assert 'duckduckgo: _extract_vqd()' in text and 'bing: No results found.' in text and 'pip install -U ddgs' in text


def test_nothing_at_all(engines, tmp_path):
    engines.faults['duckduckgo.com', ''] = engines.faults['www.bing.com', 'images/async'] = lambda q: (500, 'no')
    settings = settings_for(tmp_path)
    with pytest.raises(CollectError, match="no search engine answered 'jeans'"): collect(settings=settings)


def test_engines_that_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.setenv('DDGS_PROXY', 'http://127.0.0.1:9')
    stamina.set_testing(True, attempts=1)
    try:
        with pytest.raises(CollectError, match='duckduckgo: .*Error.*bing: .*Error'):
            list(web_search(settings_for(tmp_path)))
    finally: stamina.set_testing(False)


def test_an_engine_that_does_not_exist(tmp_path):
    settings = settings_for(tmp_path, collect_backends='duckduckgo, altavista')
    with pytest.raises(CollectError, match="'altavista'; write some of bing, duckduckgo"): list(web_search(settings))


def test_from_words_to_pictures(engines, tmp_path):
    "Search, download, store; a second run asks nothing and fetches nothing"
    settings = settings_for(tmp_path, collect_addresses=20)
    with Server() as web:
        engines.pictures = web.url
        with pytest.warns(CollectWarning): df = collect(settings=settings)
        requests = len(engines.asked), web.counts().total()
        with pytest.warns(CollectWarning): assert collect(settings=settings).equals(df)
        assert requests == (len(engines.asked), web.counts().total())
    assert df.loc['all', 'kept'] == 40
    row = rows(tmp_path/'data')[0]
    assert (row.query, row.page) == ('jeans', 'https://shop.example/0')
