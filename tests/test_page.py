"""The page in Voila and Chromium, with the shipped model: no errors in the console, no requests to another host."""
import base64
import csv
import io
import random
import re

import pytest
from conftest import EXAMPLES, ROOT, SIX, dyno, example, idle, open_page, serving, upload_of
from loopback import Server
from PIL import Image

pytestmark = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')


@pytest.fixture
def page(browser, page_url):
    p, wrong = open_page(browser, page_url, accept_downloads=True)
    yield p
    p.close()
    assert wrong == []


def upload(page, *files):
    "Choose files with the upload button, and wait for their answers"
    before = page.locator('.cc-done, .cc-error').count()
    with page.expect_file_chooser() as f: page.click('.cc-upload')
    f.value.set_files(list(files))
    return idle(page, before+len(files))


# Pictures in

def test_says_what_it_can_tell_apart(page):
    assert all(c in page.inner_text('.cc-page') for c in SIX)


def test_names_photos(page):
    "Two photos of each category: nearly all are named, with a bar for every category"
    upload(page, *[upload_of(category, f'{category} {n}.jpg', n=n+3) for category in SIX for n in range(2)])
    page.click('[data-view=cards]')
    cards = page.locator('.cc-card')
    assert cards.count() == 12
    names = [name.inner_text().split()[0] for name in page.locator('.cc-name').all()]
    first = [card.locator('.cc-row').first.get_attribute('data-category') for card in cards.all()]
    right = sum(name == category for name, category in zip(names, first, strict=True))
    assert right >= 10, first
    assert cards.first.locator('.cc-row').count() == 6
    assert cards.first.locator('img').evaluate('o => o.decode().then(() => o.naturalWidth)') > 50


def test_answers_with_calibrated_bars(page):
    card = upload(page, upload_of('socks')).first
    assert card.locator('.cc-answer').get_attribute('data-answer') == 'socks'
    probs = [float(o.get_attribute('data-probability')) for o in card.locator('.cc-row').all()]
    assert len(probs) == 6 and abs(sum(probs)-1) < .01 and probs == sorted(probs, reverse=True)


def test_says_when_it_does_not_know(page):
    b = io.BytesIO()
    Image.effect_mandelbrot((300, 300), (-2, -1.5, 1, 1.5), 90).convert('RGB').save(b, 'PNG')
    card = upload(page, dict(name='fractal.png', mimeType='image/png', buffer=b.getvalue())).first
    if card.locator('.cc-answer').get_attribute('data-answer') != 'unknown': pytest.skip('this model knows fractals')
    assert 'Probably none of these' in card.inner_text() and 'nearest' in card.inner_text()


def test_a_text_file_gets_a_sentence_and_the_others_go_on(page):
    text = dict(name='holiday <b>.jpg', mimeType='image/jpeg', buffer=b'Dear diary')
    cards = upload(page, upload_of('socks', 'one.png'), text, upload_of('shoes', 'two.png'))
    assert cards.count() == 3
    bad = page.locator('.cc-error')
    assert bad.count() == 1 and 'not a picture' in bad.inner_text() and 'holiday <b>.jpg' in bad.inner_text()
    assert 'Traceback' not in page.content()
    assert upload(page, upload_of('jeans', 'three.png')).count() == 4


def test_a_large_upload_arrives_in_parts(page, tmp_path):
    "14 MB, where Voila's own limit for a message is 10"
    large = tmp_path/'large.png'
    Image.frombytes('RGB', (2200, 2200), random.Random(0).randbytes(2200*2200*3)).save(large)
    assert large.stat().st_size > 14e6
    assert upload(page, large).first.locator('.cc-row').count() == 6


_transfer = """([name, bytes, kind]) => {
  const file = new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], name, { type: 'image/jpeg' });
  const data = new DataTransfer();
  data.items.add(file);
  const options = { dataTransfer: data, clipboardData: data, bubbles: true, cancelable: true };
  const area = document.querySelector('.cc-drop');
  if (kind === 'paste') return document.querySelector('main').dispatchEvent(new ClipboardEvent('paste', options));
  area.dispatchEvent(new DragEvent('dragover', options));
  window.shown = area.className;
  area.dispatchEvent(new DragEvent('drop', options));
}"""
_drop_link = """url => {
  const data = new DataTransfer();
  data.setData('text/uri-list', url);
  const options = { dataTransfer: data, bubbles: true, cancelable: true };
  document.querySelector('.cc-drop').dispatchEvent(new DragEvent('drop', options));
}"""


@pytest.mark.parametrize('kind', ['drop', 'paste'])
def test_takes_what_is_dropped_and_pasted(page, kind):
    page.evaluate(_transfer, ['shirt.jpg', base64.b64encode(example('shirt')).decode(), kind])
    assert idle(page, 1).first.locator('.cc-answer').get_attribute('data-answer') == 'shirt'
    if kind == 'drop': assert 'cc-over' in page.evaluate('window.shown')


def test_a_phone_offers_its_camera(browser, page_url):
    p, wrong = open_page(browser, page_url, viewport=dict(width=390, height=844), has_touch=True, is_mobile=True)
    camera = p.locator('.cc-camera')
    assert camera.is_visible() and camera.locator('input').get_attribute('capture') == 'environment'
    with p.expect_file_chooser() as f: camera.click()
    f.value.set_files([upload_of('jeans')])
    idle(p, 1)
    p.close()
    assert wrong == []


def test_an_example_can_be_tried(page):
    "Each photo that best.txt names is offered, and answered with its category"
    best = [name.split('/')[0] for name in (EXAMPLES/'best.txt').read_text().split()]
    strip = page.locator('.cc-strip button')
    names = [button.get_attribute('aria-label').removeprefix('Example: ') for button in strip.all()]
    assert names == best
    for button in strip.all(): button.click()
    for card in idle(page, len(best)).all():
        answer = card.locator('.cc-answer').get_attribute('data-answer')
        assert card.locator('.cc-name').inner_text() == f'Example: {answer}'


# Links

def follow(page, url):
    before = page.locator('.cc-done, .cc-error').count()
    page.fill('.cc-url', url)
    page.press('.cc-url', 'Enter')
    return idle(page, before+1).first


@pytest.mark.parametrize('url', ['http://127.0.0.1/a.jpg', 'http://169.254.169.254/latest/meta-data/',
    'http://[::ffff:10.0.0.1]/', 'http://2130706433/'])
def test_a_link_to_the_inside_gets_a_sentence(page, url):
    card = follow(page, url)
    assert 'cc-error' in card.get_attribute('class') and card.locator('.cc-answer').inner_text().endswith('.')


PATCH = '''
import clothing_classifier.serving.safe_fetch as l
real = l.open_links
l.open_links = lambda s=None, **kw: real(s, guard=l.Guard(allowed=lambda o: True), ports=None, **kw)
'''


def test_a_link_is_followed(browser, tmp_path):
    "From a server that may, for this test, ask a machine inside: the one next to it"
    (tmp_path/'patch').mkdir()
    (tmp_path/'patch'/'sitecustomize.py').write_text(PATCH)
    (tmp_path/'socks.jpg').write_bytes(example('socks'))
    (tmp_path/'dyno').mkdir()
    with Server(tmp_path) as web, serving(dyno(tmp_path/'dyno'), PYTHONPATH=f"{tmp_path/'patch'}:{ROOT}") as (_, url):
        p, wrong = open_page(browser, url)
        assert follow(p, f'{web.url}/file/socks.jpg').locator('.cc-answer').get_attribute('data-answer') == 'socks'
        assert 'answered 404' in follow(p, f'{web.url}/status/404/1.jpg').inner_text()
        assert 'too large' in follow(p, f'{web.url}/huge/1.jpg').inner_text()
        p.evaluate(_drop_link, f'{web.url}/file/socks.jpg?dropped')
        assert idle(p, 4).first.locator('.cc-answer').get_attribute('data-answer') == 'socks'
        p.close()
        assert wrong == []


# What came out

def test_many_pictures_stay_cards_and_make_a_csv(page):
    names = [f'{c}{i}.png' for c in SIX[:5] for i in range(3)]
    bad = dict(name='=HYPERLINK("http://evil")', mimeType='image/png', buffer=b'no')
    upload(page, *[upload_of(n[:-5], n) for n in names], bad)
    assert page.locator('.cc-cards').is_visible() and page.locator('.cc-card').count() == 16
    page.click('[data-view=table]')
    assert page.locator('.cc-scroll').is_visible() and not page.locator('.cc-cards').is_visible()
    assert page.locator('tbody tr').count() == 16 and page.locator('tbody td.cc-bad').count() == 1
    with page.expect_download() as d: page.click('[data-do=csv]')
    rows = list(csv.DictReader(io.StringIO(open(d.value.path(), encoding='utf-8', newline='').read())))
    assert [r['file'] for r in rows] == [*names, '\'=HYPERLINK("http://evil")']
    columns = list(rows[0])
    assert columns[:6] == ['file', 'answer', 'category', 'probability', 'known', 'error']
    assert sorted(columns[6:]) == sorted(SIX)
    assert all(abs(sum(float(r[c]) for c in SIX)-1) < .01 for r in rows[:-1]) and 'not a picture' in rows[-1]['error']


def test_the_visit_is_remembered_until_it_is_cleared(page):
    upload(page, upload_of('jeans'))
    upload(page, upload_of('socks'), upload_of('shirt'))
    names = [o.inner_text() for o in page.locator('.cc-name').all()]
    assert names == ['socks.jpg', 'shirt.jpg', 'jeans.jpg'] and page.inner_text('h2') == 'This visit · 3'
    page.click('[data-do=clear]')
    assert page.locator('.cc-card').count() == 0 and not page.locator('h2').is_visible()


def test_why_shows_what_it_looked_at(page):
    card = upload(page, upload_of('socks')).first
    why = card.locator('[data-act=why]')
    if not why.count(): pytest.skip('the export in this tree has no map; export it again')
    why.click()
    heat = card.locator('.cc-heat')
    card.locator('.cc-said').wait_for()
    assert heat.evaluate('o => o.decode().then(() => o.naturalWidth)') > 50
    assert heat.get_attribute('alt') == 'Heat map: socks.jpg'
    assert re.search('looked for socks: mostly (in|at|on|across|from|along) ', card.locator('.cc-said').inner_text())
    why.click()
    assert heat.count() == 0 and why.get_attribute('aria-pressed') == 'false'


def test_nothing_is_kept_unless_the_operator_wants_it(page):
    assert upload(page, upload_of('jeans')).first.locator('[data-act=wrong]').count() == 0


# For everybody

def test_three_requests_are_enough(browser, page_url):
    "Until a picture can be chosen, on a first visit"
    with browser.new_context() as context:
        page, asked = context.new_page(), []
        page.on('request', lambda request: asked.append(request.url))
        page.goto(page_url)
        page.wait_for_selector('.cc-upload')
        assert len([url for url in asked if url.startswith('http')]) <= 3, asked


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [390, 1280])
def test_fits_the_screen(browser, page_url, width, scheme):
    "No sideways scrolling on a phone or a desk, in cards and in the table, with long names"
    viewport = dict(width=width, height=844)
    p, wrong = open_page(browser, page_url, viewport=viewport, color_scheme=scheme, has_touch=width < 500)
    text = dict(name='n'*150 + '.jpg', mimeType='image/jpeg', buffer=b'text')
    upload(p, upload_of('jeans', 'a very long name '*8 + '.jpg'), text)
    for view in ('cards', 'table'):
        p.click(f'[data-view={view}]')
        assert p.evaluate('document.documentElement.scrollWidth') <= width
    p.close()
    assert wrong == []


_focused_name = """() => {
  const element = document.activeElement;
  return element.ariaLabel || element.closest('label')?.innerText || element.innerText || element.tagName;
}"""


def test_works_from_the_keyboard(page):
    "Everything that can be done can be reached with Tab, in the order of the page, and shows that it is reached"
    upload(page, upload_of('jeans'))
    seen = []
    for _ in range(60): # Round and round
        page.keyboard.press('Tab')
        seen.append(page.evaluate(_focused_name))
    seen = seen[seen.index('Choose photos'):]
    order = ['Choose photos', 'Address of a picture', 'Classify link',
        'Cards', 'Table', 'Download CSV', 'Clear', 'Enlarge jeans.jpg', 'Remove jeans.jpg', 'Example: jeans']
    at = [seen.index(o) for o in order]
    assert at == sorted(at), seen
    page.focus('.cc-strip button')
    page.keyboard.press('Enter')
    idle(page, 2)
    if page.locator('[data-act=why]').count():
        page.focus('.cc-card [data-act=why]')
        page.keyboard.press('Space')
        page.wait_for_selector('.cc-heat')
        assert page.evaluate("document.activeElement.dataset.act") == 'why'


def test_says_aloud_what_happens(page):
    "The line of status is a live region, an error is read with its card, and every picture has a name"
    upload(page, upload_of('jeans'), dict(name='notes.jpg', mimeType='image/jpeg', buffer=b'text'))
    assert page.locator('.cc-status').get_attribute('role') == 'status'
    assert page.inner_text('.cc-status') == '1 answered, 1 failed.'
    assert page.evaluate("[...document.images].every(o => o.hasAttribute('alt'))")
    assert page.get_attribute('html', 'lang') == 'en'
    assert page.locator('main h1').count() == 1
