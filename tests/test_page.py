"""The page as a visitor meets it: a real Voila, a real Chromium, the shipped model."""
import io

import pytest
from conftest import ROOT, SIX, needs_photos, photos

from clothing_classifier.examples import draw_picture

pytestmark = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')


@pytest.fixture
def page(browser, page_url):
    "A page that is ready; afterwards: no error in its console, but for fonts from elsewhere"
    p = browser.new_page(viewport=dict(width=1280, height=900))
    errors = []
    p.on('console', lambda m: errors.append(f'{m.text} {m.location.get("url", "")}') if m.type == 'error' else None)
    p.on('pageerror', lambda e: errors.append(str(e)))
    p.goto(page_url, wait_until='domcontentloaded')
    p.wait_for_selector('.cc-upload', timeout=90_000)
    yield p
    p.close()
    assert [e for e in errors if 'cdn.' not in e and 'font' not in e.lower()] == []


def upload(page, *files):
    "Choose files with the upload button, and wait for as many new cards"
    before = page.locator('.cc-card').count()
    with page.expect_file_chooser() as f: page.click('.cc-upload')
    f.value.set_files(list(files))
    page.wait_for_function(f"document.querySelectorAll('.cc-card').length >= {before+len(files)}", timeout=60_000)
    page.wait_for_selector('.cc-status:not(.cc-busy)', timeout=30_000)
    return page.locator('.cc-card')


def drawn(category, name=None):
    b = io.BytesIO()
    draw_picture(category, 3).save(b, 'PNG')
    return dict(name=name or f'{category}.png', mimeType='image/png', buffer=b.getvalue())


def test_says_what_it_can_tell_apart(page):
    text = page.inner_text('.cc-page')
    assert all(c in text for c in SIX)


@needs_photos
@pytest.mark.parametrize('category', SIX)
def test_names_a_photo(page, category):
    "Three photos of each category: the first answer on at least two cards is the right one, with a bar for every category"
    cards = upload(page, *photos(category)[:3])
    first = [cards.nth(i).locator('.cc-row').first.get_attribute('data-category') for i in range(3)]
    assert first.count(category) >= 2, first
    assert cards.first.locator('.cc-row').count() == 6
    assert cards.first.locator('img').evaluate('o => o.naturalWidth') > 50


def test_answers_a_drawing(page):
    card = upload(page, drawn('jeans')).first
    assert card.locator('.cc-answer').get_attribute('data-answer') in [*SIX, 'unknown']
    probs = [float(o.get_attribute('data-probability')) for o in card.locator('.cc-row').all()]
    assert len(probs) == 6 and abs(sum(probs)-1) < .01 and probs == sorted(probs, reverse=True)


def test_a_text_file_gets_a_sentence_and_the_others_go_on(page):
    text = dict(name='holiday <b>.jpg', mimeType='image/jpeg', buffer=b'Dear diary')
    cards = upload(page, drawn('socks', 'one.png'), text, drawn('shoes', 'two.png'))
    assert cards.count() == 3
    bad = page.locator('.cc-error')
    assert bad.count() == 1 and 'not a picture' in bad.inner_text() and 'holiday <b>.jpg' in bad.inner_text()
    assert 'Traceback' not in page.content()
    assert upload(page, drawn('jeans', 'three.png')).count() == 4


def test_a_large_upload_arrives(page, tmp_path):
    "Over Voila's own limit of 10 MB for a message"
    import random

    from PIL import Image
    large = tmp_path/'large.png'
    Image.frombytes('RGB', (2200, 2200), random.Random(0).randbytes(2200*2200*3)).save(large)
    assert large.stat().st_size > 14e6
    assert upload(page, large).first.locator('.cc-row').count() == 6


@pytest.mark.parametrize('width', [390, 1280])
def test_fits_the_screen(browser, page_url, width):
    "No sideways scrolling on a phone or a desk"
    p = browser.new_page(viewport=dict(width=width, height=844))
    p.goto(page_url, wait_until='domcontentloaded')
    p.wait_for_selector('.cc-upload', timeout=90_000)
    upload(p, drawn('jeans'), dict(name='notes.jpg', mimeType='image/jpeg', buffer=b'text'))
    assert p.evaluate('document.documentElement.scrollWidth') <= width
    assert p.locator('.cc-card').first.bounding_box()['width'] <= width
    p.close()
