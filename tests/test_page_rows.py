"""The results of a visit: in sight at once, without a jump, enlarged, sorted, filtered, stopped and continued."""
import io
import subprocess

import pytest
from conftest import COMMAND, EXAMPLES, ROOT, SIX, dyno, example, idle, open_page, serving, upload_of
from PIL import Image

from clothing_classifier.texts import Texts

pytestmark = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')
SIZES = [(390, 844), (1280, 800)]
TEXT = dict(name='notes.jpg', mimeType='image/jpeg', buffer=b'text')

# From now on the server hears nothing until `heard` is called; before that, `after` messages still reach it
HOLD = """after => {
  const send = WebSocket.prototype.send;
  const held = [];
  WebSocket.prototype.send = function(data) { after-- > 0 ? send.call(this, data) : held.push([this, data]) };
  window.heard = again => {
    WebSocket.prototype.send = send;
    for (const [socket, data] of held) if (again) send.call(socket, data);
  };
}"""


def encoded(image, form='PNG'):
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def fractal():
    image = Image.effect_mandelbrot((300, 300), (-2, -1.5, 1, 1.5), 90).convert('RGB')
    return dict(name='fractal.png', mimeType='image/png', buffer=encoded(image))


def choose(page, *files): page.set_input_files('.cc-upload input', list(files))


def send(page, *files):
    "Choose files, and wait for their answers"
    before = page.locator('.cc-done, .cc-error').count()
    choose(page, *files)
    return idle(page, before+len(files))


@pytest.fixture
def page(browser, page_url):
    p, wrong = open_page(browser, page_url, accept_downloads=True)
    yield p
    p.close()
    assert wrong == []


def sized(browser, url, size, **options):
    width, height = size
    return open_page(browser, url, viewport=dict(width=width, height=height), has_touch=width < 500, **options)


def in_sight(page, locator):
    box, view = locator.bounding_box(), page.viewport_size
    assert box, f'{locator} is not shown'
    return box['y'] >= 0 and box['y']+box['height'] <= view['height'] and box['x']+box['width'] <= view['width']


# In sight, without a jump

@pytest.mark.parametrize('size', SIZES)
def test_the_answer_and_all_bars_of_one_photo_are_in_sight_without_a_scroll(browser, page_url, size):
    p, wrong = sized(browser, page_url, size)
    card = send(p, upload_of('jeans')).first
    rows = card.locator('.cc-row')
    assert rows.count() == 6 and p.evaluate('scrollY') == 0
    assert all(in_sight(p, o) for o in [card.locator('.cc-answer'), card.locator('.cc-pic'), *rows.all()])
    p.close()
    assert wrong == []


@pytest.mark.parametrize('size', SIZES)
def test_the_input_shrinks_after_its_first_use_and_stays_usable(browser, page_url, size):
    p, wrong = sized(browser, page_url, size)
    before = p.locator('.cc-drop').bounding_box()
    send(p, upload_of('jeans'))
    after = p.locator('.cc-drop').bounding_box()
    assert after['height']*after['width'] < .7*before['height']*before['width']
    assert in_sight(p, p.locator('.cc-upload')) and in_sight(p, p.locator('.cc-url'))
    send(p, upload_of('socks'))
    p.click('[data-do=clear]')
    cleared = p.locator('.cc-drop').bounding_box()
    assert (cleared['width'], cleared['height']) == (before['width'], before['height'])
    assert in_sight(p, p.locator('.cc-upload'))
    p.close()
    assert wrong == []


@pytest.mark.parametrize('motion, behavior', [('reduce', 'auto'), ('no-preference', 'smooth')])
def test_the_newest_answer_comes_into_sight_as_calmly_as_the_visitor_wants(browser, page_url, motion, behavior):
    p, wrong = sized(browser, page_url, (390, 844), reduced_motion=motion)
    send(p, *[upload_of(category) for category in ('jeans', 'socks', 'shoes')])
    p.evaluate("""() => {
      const scroll = Element.prototype.scrollIntoView;
      Element.prototype.scrollIntoView = function(options) {
        window.behavior = options.behavior;
        scroll.call(this, options);
      };
      window.scrollTo(0, document.body.scrollHeight);
    }""")
    p.wait_for_function('() => scrollY > 300')
    choose(p, upload_of('shirt', 'newest.jpg'))
    card = idle(p, 4).first
    p.wait_for_function('() => document.querySelector(".cc-card").getBoundingClientRect().top >= 0')
    assert card.get_attribute('aria-label') == 'newest.jpg' and in_sight(p, card)
    assert p.evaluate('behavior') == behavior
    p.close()
    assert wrong == []


WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver(list => shifts.push(...list.getEntries().map(entry => entry.value)))
  .observe({ type: 'layout-shift', buffered: true });
window.boxes = [];
new MutationObserver(() => {
  const card = document.querySelector('.cc-card');
  if (!card) return;
  const { width, height } = card.getBoundingClientRect();
  boxes.push([card.className, width, height]);
}).observe(document, { subtree: true, childList: true, attributes: true });
"""


@pytest.mark.parametrize('size', SIZES)
def test_nothing_jumps_while_a_photo_is_answered(browser, page_url, size):
    "Layout shifts of the load, a photo and its answer, those after input included; the card keeps its size"
    width, height = size
    context = browser.new_context(viewport=dict(width=width, height=height), has_touch=width < 500)
    context.add_init_script(WATCH_SHIFTS)
    p = context.new_page()
    p.goto(page_url)
    p.wait_for_selector('.cc-upload')
    send(p, upload_of('jeans'))
    p.evaluate('() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))')
    boxes = p.evaluate('boxes')
    assert {state for state, *_ in boxes} >= {'cc-card cc-busy', 'cc-card cc-done'}
    assert len({(width, round(height)) for _, width, height in boxes}) == 1, boxes
    assert sum(p.evaluate('shifts')) < .05
    context.close()


def test_the_picture_is_shown_at_once_and_a_format_that_no_browser_shows_has_a_placeholder(page):
    tiff = dict(name='a.tif', mimeType='image/tiff', buffer=encoded(Image.new('RGB', (90, 90), 'red'), 'TIFF'))
    page.evaluate(HOLD, 0)
    choose(page, upload_of('socks'), tiff)
    photo = page.locator('.cc-busy img')
    assert photo.evaluate('o => o.decode().then(() => o.naturalWidth)') > 50
    page.wait_for_selector('[aria-label="a.tif"] img[hidden]', state='attached')
    assert page.locator('[aria-label="a.tif"] .cc-pic').bounding_box()['width'] > 80
    page.evaluate('heard(true)')
    idle(page, 2)
    assert page.locator('[aria-label="a.tif"] img').evaluate('o => o.decode().then(() => o.naturalWidth)') == 90


@pytest.mark.parametrize('size', SIZES)
def test_the_foot_ends_with_the_first_screen(browser, page_url, size):
    p, wrong = sized(browser, page_url, size)
    assert p.evaluate('document.documentElement.scrollHeight') == size[1]
    foot = p.locator('.cc-foot').bounding_box()
    assert size[1]-30 < foot['y']+foot['height'] <= size[1]
    assert p.locator('.cc-desk').is_visible() == (size[0] > 560)
    p.close()
    assert wrong == []


def test_a_button_under_the_mouse_does_not_look_pressed(page):
    page.hover('[data-language=lt]')
    page.wait_for_function("() => document.getAnimations().every(animation => animation.playState !== 'running')")
    color = 'o => getComputedStyle(o).backgroundColor'
    under, pressed = (page.locator(f'[data-language={o}]').evaluate(color) for o in ('lt', 'en'))
    assert under not in (pressed, 'rgba(0, 0, 0, 0)')


# An unknown thing

def test_the_bars_of_an_unknown_thing_do_not_read_as_an_answer(page):
    unknown, known = send(page, fractal(), upload_of('socks')).all()
    assert unknown.locator('.cc-answer').inner_text() == Texts('en')('none')
    assert unknown.locator('.cc-rows').inner_text().startswith(Texts('en')('nearest_of'))
    assert '%' not in unknown.inner_text() and '%' in known.inner_text()
    fill = "o => getComputedStyle(o).backgroundImage"
    assert 'gradient' in unknown.locator('.cc-fill').first.evaluate(fill)
    assert known.locator('.cc-fill').first.evaluate(fill) == 'none'
    for part in ('.cc-track', '.cc-row'):
        small, large = (card.locator(part).first.bounding_box() for card in (unknown, known))
        assert small['height'] < large['height']
    page.click('[data-view=table]')
    row = page.locator('tbody tr').first
    assert '%' not in row.inner_text() and Texts('en')('none') in row.inner_text()
    assert row.locator('.cc-fill').count() == 0


# Large

@pytest.mark.parametrize('size', SIZES)
def test_a_picture_is_enlarged_with_and_without_the_glow(browser, page_url, size):
    "Escape closes it, and the focus is where it was"
    p, wrong = sized(browser, page_url, size)
    photo = Image.open(io.BytesIO(example('socks'))).resize((1200, 1200))
    card = send(p, dict(name='socks.png', mimeType='image/png', buffer=encoded(photo))).first
    card.locator('[data-act=why]').click()
    card.locator('.cc-heat').wait_for()
    card.locator('.cc-pic').click()
    large = p.locator('dialog[open]')
    large.locator('.cc-heat').wait_for()
    assert large.locator('.cc-pic').bounding_box()['height'] > 1.8*card.locator('.cc-pic').bounding_box()['height']
    assert large.locator('.cc-heat').evaluate('o => o.decode().then(() => o.naturalWidth)') > 480
    assert 'looked for socks' in large.inner_text()
    large.locator('[data-act=why]').click()
    assert large.locator('.cc-heat').count() == 0
    p.keyboard.press('Escape')
    large.wait_for(state='detached')
    assert card.locator('.cc-pic').evaluate('o => o === document.activeElement')
    p.close()
    assert wrong == []


def test_the_glow_of_a_spread_map_is_said_to_be_spread(page):
    "An example whose heat is in no one place"
    photo = EXAMPLES/'t-shirt'/'5b6762a94d32.jpg'
    card = send(page, photo).first
    card.locator('[data-act=why]').click()
    card.locator('.cc-said').wait_for()
    assert Texts('en')('glow_spread') in card.locator('.cc-said').inner_text()


# The table

def test_the_view_changes_only_when_the_visitor_says_so_and_is_kept(page):
    send(page, *[upload_of('jeans', f'{i}.jpg') for i in range(14)])
    assert page.locator('.cc-cards').is_visible()
    page.click('[data-view=table]')
    send(page, upload_of('socks'))
    assert page.locator('.cc-scroll').is_visible() and not page.locator('.cc-cards').is_visible()
    page.reload()
    page.wait_for_selector('.cc-scroll:visible')
    assert page.locator('tbody tr').count() == 15


def names(page): return page.locator('tbody .cc-file').all_inner_texts()


def test_the_table_sorts(page):
    send(page, *[upload_of(category, f'{name}.jpg') for category, name in
        (('socks', 'b10'), ('shirt', 'a'), ('jeans', 'b9'))])
    page.click('[data-view=table]')
    as_they_came = names(page)
    file, answer = page.locator('[data-column=file]'), page.locator('[data-column=answer]')
    file.locator('button').click()
    assert names(page) == ['a.jpg', 'b9.jpg', 'b10.jpg'] and file.get_attribute('aria-sort') == 'ascending'
    file.locator('button').click()
    assert names(page) == ['b10.jpg', 'b9.jpg', 'a.jpg'] and file.get_attribute('aria-sort') == 'descending'
    answer.locator('button').click()
    assert names(page) == ['b9.jpg', 'a.jpg', 'b10.jpg'] and file.get_attribute('aria-sort') is None
    page.click('[data-column=probability] button')
    shown = page.locator('td.cc-num').all_inner_texts()
    numbers = [float(text.lstrip('> ').split()[0]) for text in shown]
    assert len(numbers) == 3 and numbers == sorted(numbers)
    for _ in range(2): page.click('[data-column=probability] button')
    assert names(page) == as_they_came
    assert page.locator('td .cc-fill').count() == 3


def test_counts_of_each_answer_filter_the_pictures(page):
    send(page, upload_of('socks', 'one.jpg'), upload_of('socks', 'two.jpg', 1), fractal(), TEXT, upload_of('jeans'))
    chips = page.locator('.cc-chips button:visible')
    assert [chip.split() for chip in chips.all_inner_texts()] == [['All', '5'], ['jeans', '1'], ['socks', '2'],
        ['None', 'of', 'these', '1'], ['Failed', '1']]
    for view, shown in (('cards', '.cc-card:visible'), ('table', 'tbody tr:visible')):
        page.click(f'[data-view={view}]')
        page.click('[data-outcome="answer socks"]')
        assert page.locator(shown).count() == 2
        page.click('[data-outcome=failed]')
        assert page.locator(shown).count() == 1 and 'notes.jpg' in page.locator(shown).inner_text()
        page.click('[data-outcome=all]')
        assert page.locator(shown).count() == 5


@pytest.mark.parametrize('size', SIZES)
def test_chips_wrap_or_fade_at_the_edge(browser, page_url, size):
    p, wrong = sized(browser, page_url, size)
    send(p, *[upload_of(category) for category in SIX], fractal(), TEXT)
    chips = p.locator('.cc-chips')
    assert ('gradient' in chips.evaluate('o => getComputedStyle(o).maskImage')) == (size[0] < 700)
    assert size[0] < 700 or chips.evaluate('o => o.scrollWidth <= o.clientWidth')
    p.close()
    assert wrong == []


def test_names_in_the_table_have_two_lines_on_a_phone(browser, page_url):
    p, wrong = sized(browser, page_url, (390, 844))
    send(p, upload_of('socks', 'Example: socks'))
    p.click('[data-view=table]')
    fits = 'o => o.scrollHeight <= o.clientHeight && o.scrollWidth <= o.clientWidth'
    assert p.locator('.cc-file button').evaluate(fits)
    p.close()
    assert wrong == []


def test_more_cards_are_shown_on_demand(page):
    send(page, *[upload_of('jeans', f'{i}.jpg') for i in range(45)])
    more, shown = page.locator('[data-do=more]'), page.locator('.cc-card:visible')
    assert shown.count() == 40 and more.inner_text() == 'Show 5 more'
    more.click()
    assert shown.count() == 45 and not more.is_visible()
    assert page.evaluate('document.activeElement.ariaLabel') == '40.jpg'


def test_an_example_takes_the_focus_to_its_card(page):
    page.locator('.cc-strip button').first.focus()
    page.keyboard.press('Enter')
    card = idle(page, 1).first
    assert card.evaluate('o => o === document.activeElement')


def test_a_row_opens_its_card(browser, tmp_path):
    "With the keyboard or a click; it explains and takes a correction"
    with serving(dyno(tmp_path, feedback_store='folder', feedback_folder='kept')) as (_, url):
        p, wrong = open_page(browser, url)
        send(p, upload_of('socks'), upload_of('jeans'))
        p.click('[data-view=table]')
        p.focus('tbody tr:nth-child(2) button')
        p.keyboard.press('Enter')
        large = p.locator('dialog[open]')
        assert large.locator('.cc-answer').get_attribute('data-answer') == 'jeans'
        assert large.locator('.cc-row').count() == 6
        large.locator('[data-act=why]').click()
        large.locator('.cc-heat').wait_for()
        large.locator('[data-act=wrong]').click()
        assert large.locator('.cc-wrong select').is_visible()
        large.locator('.cc-close').click()
        large.wait_for(state='detached')
        p.locator('tbody tr').first.locator('td').nth(2).click()
        assert large.locator('.cc-answer').get_attribute('data-answer') == 'socks'
        p.close()
        assert wrong == []


# Stop, go on, remove

def test_a_stopped_queue_can_go_on(page):
    "What waits is not shown as an error"
    page.evaluate(HOLD, 0)
    choose(page, *[upload_of('jeans', f'{i}.jpg') for i in range(4)])
    page.click('[data-do=stop]')
    page.wait_for_selector('[data-do=go-on]:visible')
    assert page.locator('.cc-stopped').count() == 4 and page.locator('.cc-error, .cc-bad').count() == 0
    assert page.inner_text('.cc-status') == 'Stopped. 4 pictures wait.'
    page.evaluate('heard(false)')
    send(page, upload_of('socks', 'another.jpg'))
    assert page.locator('.cc-stopped').count() == 4
    page.click('[data-do=go-on]')
    assert idle(page, 5).count() == 5 and page.locator('.cc-done').count() == 5
    assert not page.locator('[data-do=go-on]').is_visible()


def test_one_large_upload_can_be_stopped(page, tmp_path):
    "The server drops what has arrived of it, and answers the next picture and then the same one"
    large = tmp_path/'large.png'
    Image.effect_noise((2000, 2000), 90).convert('RGB').save(large, compress_level=0)
    page.evaluate(HOLD, 12)
    choose(page, large)
    page.click('[data-do=stop]')
    page.wait_for_selector('.cc-stopped')
    page.evaluate('heard(false)')
    assert send(page, upload_of('socks')).first.locator('.cc-answer').get_attribute('data-answer') == 'socks'
    page.click('[data-do=go-on]')
    idle(page, 2)
    assert page.locator('.cc-done').count() == 2


def test_failed_pictures_come_after_the_others_and_are_thin(page):
    cards = send(page, TEXT, upload_of('socks'), upload_of('jeans'))
    assert cards.locator('.cc-name').all_inner_texts() == ['socks.jpg', 'jeans.jpg', 'notes.jpg']
    assert page.locator('.cc-error').bounding_box()['height'] < 90
    page.click('[data-do=clear]')
    page.set_viewport_size(dict(width=390, height=844))
    assert send(page, TEXT).first.bounding_box()['height'] < 130


def test_the_line_of_status_is_seen_while_something_is_in_progress(page):
    page.evaluate(HOLD, 0)
    choose(page, upload_of('socks'))
    page.wait_for_selector('.cc-status.cc-busy')
    assert page.locator('.cc-status').bounding_box()['width'] > 50
    page.evaluate('heard(true)')
    idle(page, 1)
    assert page.locator('.cc-status').bounding_box()['width'] <= 1 and page.inner_text('.cc-status') != ''


def test_failed_pictures_are_counted_and_removed_one_by_one(page):
    send(page, upload_of('socks'), TEXT, TEXT | dict(name='more.jpg'), upload_of('jeans'))
    assert page.inner_text('h2') == 'This visit · 2 answered, 2 failed'
    assert page.inner_text('.cc-status') == '2 answered, 2 failed.'
    page.click('[aria-label="Remove notes.jpg"]')
    assert page.locator('.cc-error').count() == 1 and page.inner_text('h2') == 'This visit · 2 answered, 1 failed'
    page.click('[data-view=table]')
    page.click('tbody [aria-label="Remove more.jpg"]')
    assert page.locator('tbody tr').count() == 2 and page.inner_text('h2') == 'This visit · 2'


# The same answers as the command

def test_the_csv_is_that_of_the_command(page, tmp_path):
    "Byte for byte, for photos, an unknown thing, a file that is no picture, and names that need care"
    photos = [*sorted(EXAMPLES.glob('*/*.jpg'))[::12], EXAMPLES/'jeans'/'0f9ec0801a56.jpg']
    files = {f'{path.parent.name} {path.name}': path.read_bytes() for path in photos}
    files |= {'fractal, "large".png': fractal()['buffer'], 'notes ž.jpg': b'text', '=1+1.jpg': photos[0].read_bytes()}
    for name, content in files.items(): (tmp_path/name).write_bytes(content)
    chosen = [dict(name=name, mimeType='image/jpeg', buffer=content) for name, content in files.items()]
    send(page, *chosen[:5])
    send(page, *chosen[5:])
    with page.expect_download() as download: page.click('[data-do=csv]')
    settings = f'--settings={ROOT/"settings.ini"}'
    command = [COMMAND, 'predict', settings, '--csv', *files]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300)
    ours = open(download.value.path(), 'rb').read()
    assert len(ours.splitlines()) == len(files)+1, said.stderr
    assert ours == said.stdout
