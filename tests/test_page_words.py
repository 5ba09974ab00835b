"""What the page says: languages, numbers, examples, shared links, programs to copy, and "none of these"."""
import base64
import csv
import io
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import (
    COMMAND,
    EXAMPLES,
    ROOT,
    SIX,
    dyno,
    example,
    free_port,
    idle,
    open_page,
    serving,
    upload_of,
    wait_for_server,
)
from loopback import Server
from PIL import Image
from test_page import PATCH

from clothing_classifier.page.static_files import static_text
from clothing_classifier.settings import Serve
from clothing_classifier.texts import Texts

pytestmark = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')
EN, LT = Texts('en'), Texts('lt')
NAME = "my 'best' socks.jpg" # quotes, for whoever puts it into a program
NOTES = dict(name='notes.jpg', mimeType='image/jpeg', buffer=b'text')


def with_api(folder):
    "Let the page of a folder say that the API is there"
    notebook = folder/'nbs'/'app.ipynb'
    last = '"page = Page(answer, classifier, title=title, sentence=sentence)\\n"'
    text = notebook.read_text()
    assert text.count(last) == 1
    notebook.write_text(text.replace(last, last + ',\n    "page.about = page.about | dict(api=True)\\n"'))
    return folder


@pytest.fixture(scope='module')
def web(tmp_path_factory):
    "A web server with a picture: this machine, which a server asks only with `env`"
    folder = tmp_path_factory.mktemp('web')
    (folder/'socks.jpg').write_bytes(example('socks'))
    with Server(folder) as web: yield web


@pytest.fixture(scope='module')
def env(tmp_path_factory):
    "The environment of a server that may ask the one next to it"
    folder = tmp_path_factory.mktemp('patch')
    (folder/'sitecustomize.py').write_text(PATCH)
    return dict(PYTHONPATH=f'{folder}:{ROOT}')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return with_api(dyno(tmp_path_factory.mktemp('words'), feedback_store='folder', feedback_folder='kept'))


@pytest.fixture(scope='module')
def url(folder, env):
    "A page that follows links, keeps corrections, and has an API beside it"
    with serving(folder, **env) as (_, url): yield url


@pytest.fixture(scope='module')
def silent_url(tmp_path_factory):
    "A page that neither follows links nor keeps anything"
    with serving(dyno(tmp_path_factory.mktemp('silent'), links_follow=False)) as (_, url): yield url


@pytest.fixture
def visit(browser):
    "A function that opens an address in a browser without a past; in the end nothing must have gone wrong"
    pages, wrongs = [], []
    def opened(url, **options):
        page, wrong = open_page(browser, url, permissions=['clipboard-read', 'clipboard-write'], **options)
        pages.append(page)
        wrongs.append(wrong)
        return page
    yield opened
    for page in pages: page.close()
    assert not any(wrongs), wrongs


def send(page, *files):
    "Choose files, and wait for their answers"
    before = page.locator('.cc-done, .cc-error').count()
    page.set_input_files('.cc-upload input', list(files))
    return idle(page, before+len(files))


def follow(page, url):
    before = page.locator('.cc-done, .cc-error').count()
    page.fill('.cc-url', url)
    page.press('.cc-url', 'Enter')
    return idle(page, before+1).first


def english_left(page):
    "English texts on a Lithuanian page"
    text = page.inner_text('main')
    return [k for k, v in EN.texts.items() if len(v) > 6 and ' ' in v and v in text and v != LT.texts[k]]


def clipboard(page): return page.evaluate('navigator.clipboard.readText()')


# Languages

def test_the_switch_changes_all_that_is_there_and_what_comes_later(visit, url):
    "Title, answers, errors, examples and the status, without another request; then an error of the server"
    page = visit(url)
    send(page, upload_of('jeans'), NOTES)
    page.locator('.cc-strip button').first.click()
    idle(page, 3)
    answers = page.locator('.cc-answer').all_inner_texts()
    page.evaluate('window.sameDocument = true')
    page.click('[data-language=lt]')
    assert page.title() == page.inner_text('h1') == 'Ką dėvite?' and page.get_attribute('html', 'lang') == 'lt'
    assert english_left(page) == [] and page.evaluate('window.sameDocument')
    assert page.inner_text('.cc-error .cc-answer') == LT('image_unreadable')
    assert page.inner_text('.cc-status') == 'Peržiūrėta 1 nuotrauka.'
    assert page.locator('.cc-name').all_inner_texts() == ['Pavyzdys: marškiniai', 'jeans.jpg', 'notes.jpg']
    assert page.evaluate('document.activeElement.dataset.language') == 'lt'
    send(page, NOTES | dict(buffer=b''), NOTES)
    assert page.locator('.cc-error .cc-answer').nth(1).inner_text() == LT('image_unreadable')
    page.click('[data-language=en]')
    assert page.title() == 'What are you wearing?'
    assert page.locator('.cc-answer').all_inner_texts()[2:] == answers


def test_the_language_is_remembered(visit, url):
    page = visit(url)
    page.click('[data-language=lt]')
    page.reload()
    page.wait_for_selector('.cc-upload')
    assert page.inner_text('h1') == 'Ką dėvite?'


def test_the_address_chooses_the_language(visit, url):
    "Until the visitor chooses another one; a language that does not exist is not chosen"
    page = visit(f'{url}?lang=lt')
    assert page.inner_text('h1') == 'Ką dėvite?'
    page.click('[data-language=en]')
    assert page.inner_text('h1') == 'What are you wearing?' and page.url == url
    assert visit(f'{url}?lang=toString').inner_text('h1') == 'What are you wearing?'


def test_what_is_under_way_goes_on_in_the_other_language(visit, url):
    page = visit(url)
    page.fill('.cc-url', 'https://not.finished')
    page.set_input_files('.cc-upload input', [upload_of(category) for category in SIX])
    page.click('[data-language=lt]')
    assert idle(page, 6).count() == 6
    assert page.inner_text('.cc-status') == 'Peržiūrėtos 6 nuotraukos.' and english_left(page) == []
    assert page.input_value('.cc-url') == 'https://not.finished'


def test_only_the_shipped_title_is_translated():
    assert EN('title') == Serve.model_fields['title'].default
    assert (LT.title(EN('title')), LT.title('Which hat is it?')) == ('Ką dėvite?', 'Which hat is it?')


@pytest.fixture
def dom(browser):
    "What a function of `dom.js` returns for arguments, in a language"
    module = base64.b64encode(static_text('dom.js').encode()).decode()
    page = browser.new_page()
    def call(code, language):
        start = f"const dom = await import('data:text/javascript;base64,{module}'); dom.writeNumbersIn(language);"
        values = dict(language=language, texts=Texts(language).texts)
        return page.evaluate(f"async ({{ language, texts }}) => {{ {start} return {code}; }}", values)
    yield call
    page.close()


@pytest.mark.parametrize('language, percent, megabytes', [('en', '55.8', '1.5'), ('lt', '55,8', '1,5')])
def test_numbers_are_written_as_the_language_does(dom, language, percent, megabytes):
    assert dom('dom.percent(.5581, 1)', language) == percent
    assert dom('dom.percent(.5581)', language) == '56'
    assert dom('dom.megabytes(1.5e6)', language) == megabytes
    assert dom("dom.translator(texts, language)('too_big', { mb: 1.5, most: 20 })", language).count(megabytes) == 1


@pytest.mark.parametrize('language, rounded, precise', [('en', '> 99', '> 99.9'), ('lt', '> 99', '> 99,9')])
def test_nothing_is_certain(dom, language, rounded, precise):
    assert dom('[.994, .995, 1].map(p => dom.percent(p))', language) == ['99', rounded, rounded]
    assert dom('[.9996, 1].map(p => dom.percent(p, 1))', language) == [precise]*2


@pytest.mark.parametrize('language, said', [
    ('en', ['1 picture looked at.', '2 pictures looked at.', '10 pictures looked at.', '21 pictures looked at.']),
    ('lt', ['Peržiūrėta 1 nuotrauka.', 'Peržiūrėtos 2 nuotraukos.', 'Peržiūrėta 10 nuotraukų.',
        'Peržiūrėta 21 nuotrauka.'])])
def test_plurals_are_those_of_the_language(dom, language, said):
    code = "[1, 2, 10, 21].map(n => dom.translator(texts, language).count('looked', n))"
    assert dom(code, language) == said


def test_a_lithuanian_page_writes_commas_and_its_csv_points(visit, url):
    page = visit(f'{url}?lang=lt', accept_downloads=True)
    send(page, upload_of('jeans'))
    assert all(re.fullmatch(r'\d+,\d\s%', o) for o in page.locator('.cc-pct').all_inner_texts())
    with page.expect_download() as download: page.click('[data-do=csv]')
    row, = csv.DictReader(io.StringIO(open(download.value.path(), encoding='utf-8-sig').read()))
    assert re.fullmatch(r'0\.\d{4}', row['probability']) and row['answer'] == 'jeans'


# Examples and links

def test_every_example_has_a_caption(visit, url):
    page = visit(url)
    captions = page.locator('.cc-strip button span')
    assert captions.all_inner_texts() == [name.split('/')[0] for name in (EXAMPLES/'best.txt').read_text().split()]
    page.click('[data-language=lt]')
    assert captions.first.inner_text() == 'marškiniai'


def test_a_link_that_fails_stays_in_the_field(visit, url, web):
    page = visit(url)
    follow(page, f'{web.url}/status/404/1.jpg')
    assert page.input_value('.cc-url') == f'{web.url}/status/404/1.jpg'
    follow(page, f'{web.url}/file/socks.jpg')
    assert page.input_value('.cc-url') == ''


def test_what_is_no_link_is_answered_below_the_field(visit, url):
    "Without a card, also when the address of the page holds it; the sentence goes when the visitor types"
    page = visit(f'{url}?url=jeans')
    assert page.inner_text('.cc-mistake') == EN('link_no_link')
    for text in ('file:///etc/passwd', 'https://', 'https:// a'):
        page.fill('.cc-url', text)
        assert not page.locator('.cc-mistake').is_visible()
        page.press('.cc-url', 'Enter')
        assert page.inner_text('.cc-mistake') == EN('link_no_link')
        assert page.get_attribute('.cc-url', 'aria-invalid') == 'true'
    assert page.locator('.cc-card').count() == 0


def test_a_shared_link_opens_the_page_with_its_answer(visit, url, web):
    "The button copies an address; there the picture is asked for once"
    page, link = visit(url), f'{web.url}/file/socks.jpg?a=1&b=č'
    card = follow(page, link)
    card.locator('[data-act=share]').click()
    card.locator('.cc-said').wait_for()
    assert card.locator('.cc-said').inner_text() == EN('shared')
    shared = clipboard(page)
    assert shared.startswith(f'{url}?url=')
    before = web.counts()
    page = visit(shared)
    assert idle(page, 1).first.locator('.cc-answer').get_attribute('data-answer') == 'socks'
    assert page.locator('.cc-name').inner_text() == link and page.input_value('.cc-url') == ''
    assert sum((web.counts() - before).values()) == 1


def test_a_shared_link_that_fails_can_be_corrected(visit, url):
    page = visit(f'{url}?url=http://127.0.0.1/')
    card = idle(page, 1).first
    assert 'cc-error' in card.get_attribute('class') and page.input_value('.cc-url') == 'http://127.0.0.1/'


def test_without_links_nothing_is_asked_for(visit, silent_url):
    page = visit(f'{silent_url}?url=https://example.org/a.jpg')
    send(page, upload_of('socks'))
    assert page.locator('.cc-card').count() == 1 and page.locator('[data-act=share], .cc-url').count() == 0


# The foot

@pytest.fixture(scope='module')
def api(tmp_path_factory, env):
    "The address of an API"
    folder, port = tmp_path_factory.mktemp('api'), free_port()
    command = [COMMAND, 'serve', '--api', '--port', str(port)]
    with open(folder/'log', 'w') as log:
        process = subprocess.Popen(command, cwd=dyno(folder), env=os.environ | env, stdout=log, stderr=log)
    wait_for_server(process, f'http://127.0.0.1:{port}/', folder/'log')
    yield f'http://127.0.0.1:{port}/'
    process.terminate()
    process.wait(30)


def run_snippet(name, text, folder):
    "What a program from the page prints"
    commands = dict(curl=['bash', '-c', text], Python=[sys.executable, '-c', text],
        JavaScript=['node', '--input-type=module', '-e', text])
    out = subprocess.run(commands[name], cwd=folder, capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    return out.stdout


def shown_snippets(page):
    "Name and text of what can be copied"
    page.locator('.cc-api').evaluate('o => o.open = true')
    shown = page.locator('[data-snippet]').all()
    return {o.get_attribute('data-snippet'): o.locator('code').inner_text() for o in shown}


@pytest.mark.parametrize('name', ['curl', 'Python', 'JavaScript'])
@pytest.mark.parametrize('kind', ['file', 'link'])
def test_what_the_page_shows_runs_and_gets_the_answer(visit, url, api, web, tmp_path, name, kind):
    "Each program, as it is shown, with this page's address replaced by that of an API"
    if name == 'JavaScript' and not shutil.which('node'): pytest.skip('needs node')
    (tmp_path/NAME).write_bytes(example('socks'))
    page = visit(url)
    if kind == 'file': send(page, upload_of('socks', NAME))
    else: follow(page, f"{web.url}/file/socks.jpg?it's=1")
    text = shown_snippets(page)[name]
    assert text.count(f'{url}v1/predict') == 1
    assert 'socks' in run_snippet(name, text.replace(url, api), tmp_path)


def test_a_program_is_copied_as_it_is_shown(visit, url):
    page = visit(url)
    shown = shown_snippets(page)['Python']
    page.click('[data-snippet=Python] button')
    page.wait_for_selector('.cc-api .cc-said:not(:empty)')
    assert page.inner_text('.cc-api .cc-said') == EN('copied') and clipboard(page) == shown


def test_a_page_without_https_can_copy_too(visit, url):
    page = visit(url)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    shown = shown_snippets(page)['curl']
    page.click('[data-snippet=curl] button')
    page.wait_for_selector('.cc-api .cc-said:not(:empty)')
    page.focus('.cc-url')
    page.keyboard.press('Control+V')
    assert page.input_value('.cc-url') == shown


def test_the_foot_leads_to_documentation_and_model(visit, url):
    page = visit(f'{url}?lang=en')
    assert page.locator('.cc-foot a').evaluate_all('o => o.map(a => a.href)') == [f'{url}docs', f'{url}model?lang=en']
    assert 'clothing-classifier 0.1.0' in page.inner_text('.cc-foot')


CARD = '''# What it can do

| category | recall |
| --- | --- |
| <b>jeans</b> | 78 % |

[How](docs/benchmarks.md), [where](https://example.org/photos)
'''


def test_the_page_about_the_model_shows_its_card(visit, url, folder):
    "As HTML in which nothing of the card is markup; links to files that are not served are text"
    page = visit(f'{url}?lang=lt')
    page.click('.cc-foot a[href*=model]')
    assert page.inner_text('h1') == LT('model') and LT('model_missing') in page.inner_text('main')
    (folder/'MODEL_CARD.md').write_text(CARD)
    page.reload()
    (folder/'MODEL_CARD.md').unlink()
    assert page.inner_text('h1') == 'What it can do'
    assert page.locator('td').all_inner_texts() == ['<b>jeans</b>', '78 %']
    hrefs = [a.get_attribute('href') for a in page.locator('a').all()]
    assert hrefs == ['.?lang=lt', 'https://example.org/photos', 'v1/model']
    page.click('text=← ')
    page.wait_for_selector('.cc-upload')
    assert page.inner_text('h1') == 'Ką dėvite?'


def test_a_shared_page_has_a_title_and_a_description(visit, url):
    page, tells = visit(url), EN('tells', labels=EN.list(sorted(SIX)))
    said = {name: page.get_attribute(f'meta[{name}]', 'content')
        for name in ('name=description', 'property="og:title"', 'property="og:description"')}
    assert list(said.values()) == [tells, EN('title'), tells]


def test_what_it_says_of_privacy_follows_the_settings(visit, url, silent_url):
    assert EN('privacy') in visit(silent_url).inner_text('.cc-foot')
    said = visit(url).inner_text('.cc-foot')
    assert EN('privacy_feedback') in said and EN('privacy') not in said


# None of these

def offered(card):
    "The categories that the form offers"
    card.locator('[data-act=wrong]').click()
    return card.locator('select option').evaluate_all('o => o.map(option => option.value).filter(value => value)')


def test_a_correction_can_say_none_of_these(visit, url, folder):
    "It is kept in the folder `unknown`"
    page = visit(url)
    card = send(page, upload_of('shoes')).first
    assert offered(card) == [c for c in SIX if c != 'shoes'] + ['unknown']
    card.locator('select').select_option(label='none of these')
    card.locator('input[type=checkbox]').check()
    card.locator('[type=submit]').click()
    card.locator('.cc-said:not(:empty)').wait_for()
    assert card.locator('.cc-said').inner_text() == 'Thank you. The next training counts it as none of these.'
    assert 'You said: none of these' in card.locator('.cc-head').inner_text()
    assert page.evaluate('document.activeElement.dataset.act') == 'wrong'
    assert len(list(folder.rglob('unknown/*.jpg'))) == 1


def test_the_form_names_what_is_missing(visit, url):
    card = send(visit(url), upload_of('shoes')).first
    card.locator('[data-act=wrong]').click()
    card.locator('[type=submit]').click()
    assert card.locator('.cc-said').inner_text() == EN('must_choose')
    card.locator('select').select_option('socks')
    assert not card.locator('.cc-said').is_visible()
    card.locator('[type=submit]').click()
    assert card.locator('.cc-said').inner_text() == EN('must_agree')


def test_an_unknown_picture_can_be_any_category_and_not_unknown_again(visit, url):
    file = io.BytesIO()
    Image.effect_mandelbrot((300, 300), (-2, -1.5, 1, 1.5), 90).convert('RGB').save(file, 'PNG')
    page = visit(url)
    card = send(page, dict(name='fractal.png', mimeType='image/png', buffer=file.getvalue())).first
    if card.locator('.cc-answer').get_attribute('data-answer') != 'unknown': pytest.skip('this model knows fractals')
    assert offered(card) == SIX
