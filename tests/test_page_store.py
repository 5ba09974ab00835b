"""The browser keeps a visit over a reload, until the visitor clears it."""
import pytest
from conftest import ROOT, idle, open_page, upload_of
from test_page_rows import HOLD, TEXT, send

from clothing_classifier.page.static_files import static_text
from clothing_classifier.texts import Texts

pytestmark = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')


@pytest.fixture
def page(browser, page_url):
    p, wrong = open_page(browser, page_url)
    yield p
    p.close()
    assert wrong == []


def reload(page):
    page.reload()
    page.wait_for_selector('.cc-upload', timeout=120_000)


KEPT = """() => new Promise(resolve => {
  const open = indexedDB.open('clothing_classifier');
  open.onsuccess = () => {
    const files = open.result.transaction('files').objectStore('files').count();
    files.onsuccess = () => resolve(files.result);
  };
})"""


def wait_until_kept(page, n):
    "The browser has written so many pictures"
    page.wait_for_function(f'async n => (await ({KEPT})()) === n', arg=n)


def test_a_reload_brings_the_answers_back(page):
    "In the same order, with thumbnails, failures and Why?; nothing is asked again"
    send(page, upload_of('jeans'))
    send(page, upload_of('socks'), TEXT)
    before = page.locator('.cc-cards').inner_text()
    wait_until_kept(page, 3)
    reload(page)
    assert page.locator('.cc-cards').inner_text() == before and page.locator('.cc-done').count() == 2
    assert page.locator('.cc-done img').first.evaluate('o => o.decode().then(() => o.naturalWidth)') > 50
    page.locator('[data-act=why]').first.click()
    said = page.locator('.cc-card .cc-said')
    said.wait_for()
    assert 'looked for socks' in said.inner_text()
    assert send(page, upload_of('shirt')).first.get_attribute('aria-label') == 'shirt.jpg'


def test_pictures_without_an_answer_are_queued_again(page):
    page.evaluate(HOLD, 0)
    page.set_input_files('.cc-upload input', [upload_of('jeans', '1.jpg'), upload_of('jeans', '2.jpg')])
    wait_until_kept(page, 2)
    reload(page)
    assert idle(page, 2).count() == 2 and page.locator('.cc-done').count() == 2


def test_what_is_cleared_or_removed_does_not_come_back(page):
    send(page, upload_of('jeans'), upload_of('socks'))
    page.click('[aria-label="Remove jeans.jpg"]')
    wait_until_kept(page, 1)
    reload(page)
    assert page.locator('.cc-name').all_inner_texts() == ['socks.jpg']
    page.click('[data-do=clear]')
    wait_until_kept(page, 0)
    reload(page)
    assert page.locator('.cc-card').count() == 0 and not page.locator('h2').is_visible()


def test_a_removal_is_undone_until_the_next_action(page):
    "Clear and x; what is undone comes back after a reload too, in the language of the moment"
    send(page, upload_of('jeans'), TEXT, upload_of('socks'))
    names = ['jeans.jpg', 'socks.jpg', 'notes.jpg']
    page.click('[aria-label="Remove socks.jpg"]')
    assert page.inner_text('.cc-status') == 'Removed: socks.jpg.'
    page.click('[data-do=undo]')
    assert page.locator('.cc-name').all_inner_texts() == names
    page.click('[data-do=clear]')
    wait_until_kept(page, 0)
    page.click('[data-language=lt]')
    page.click('[data-do=undo]')
    assert page.locator('.cc-name').all_inner_texts() == names and 'tikimybė' in page.inner_text('.cc-cards')
    assert not page.locator('[data-do=undo]').is_visible()
    wait_until_kept(page, 3)
    reload(page)
    assert page.locator('.cc-name').all_inner_texts() == names and page.locator('.cc-done').count() == 2
    page.click('[data-do=clear]')
    send(page, upload_of('shirt'))
    assert not page.locator('[data-do=undo]').is_visible()


def test_what_waited_when_it_was_cleared_waits_again(page):
    send(page, upload_of('socks')) # the page has its kernel
    page.evaluate(HOLD, 0)
    page.set_input_files('.cc-upload input', [upload_of('jeans', '1.jpg'), upload_of('jeans', '2.jpg')])
    page.click('[data-do=clear]')
    page.evaluate('heard(false)')
    page.click('[data-do=undo]')
    assert page.locator('.cc-stopped').count() == 2
    page.click('[data-do=go-on]')
    assert idle(page, 3).count() == 3 and page.locator('.cc-done').count() == 3


def test_the_page_says_that_pictures_stay(page):
    send(page, upload_of('jeans'))
    assert page.locator('.cc-kept').inner_text() == Texts('en')('kept_here')


def refused(name):
    "A script after which the browser refuses a part of itself"
    return f"Object.defineProperty(window, '{name}', {{ get() {{ throw new DOMException('no') }} }})"


REFUSED = {
    'no_database': refused('indexedDB'),
    'no_storage': refused('localStorage'),
    'no_room': "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError') }",
    'no_reply': "IDBFactory.prototype.open = () => ({})"}


@pytest.mark.parametrize('script', REFUSED.values(), ids=REFUSED)
def test_a_browser_that_keeps_nothing_still_shows_the_page(browser, page_url, script):
    with browser.new_context() as context:
        context.add_init_script(script)
        page = context.new_page()
        errors = []
        page.on('pageerror', lambda error: errors.append(str(error)))
        page.goto(page_url)
        page.wait_for_selector('.cc-upload')
        send(page, upload_of('socks'))
        page.click('[data-view=table]')
        page.click('[data-do=clear]')
        assert page.locator('.cc-card').count() == 0 and errors == []


FILL = """async ([text, pictures, megabytes]) => {
  const { Store } = await import(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
  const store = new Store(['jeans', 'socks']);
  await store.load();
  await store.clear();
  const blob = new Blob([new Uint8Array(megabytes * 1e6)]);
  for (let number = 1; number <= pictures; number++) {
    await store.keep({ number, batch: number, name: `${number}`, blob, url: null });
    await store.keepAnswer({ number, answer: { answer: 'jeans' }, thumbnail: null, error: null });
  }
  const names = (await store.load()).map(({ name }) => name);
  const others = await new Store(['hats']).load();
  return [names, others.filter(({ answer }) => answer).length, others.length];
}"""


@pytest.mark.parametrize('pictures, megabytes, kept', [(205, 0, 200), (5, 60, 3)])
def test_the_oldest_pictures_make_room(page, pictures, megabytes, kept):
    "At most 200 pictures and 200 MB; the answers of another network count for nothing"
    names, answered, others = page.evaluate(FILL, [static_text('store.js'), pictures, megabytes])
    assert names == [str(number) for number in range(pictures, pictures-kept, -1)]
    assert answered == 0 and others == kept
