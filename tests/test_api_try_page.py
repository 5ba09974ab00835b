"The page at / in a real browser: its content security policy lets it work, and nothing else is asked"

import pytest
from tiny import picture, served, wait_until, write_settings


@pytest.fixture(scope='module')
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp('try')
    write_settings(folder)
    with served(folder) as (port, _, _):
        yield f'http://127.0.0.1:{port}/'


@pytest.fixture
def page(browser, url):
    "The page, and at the end no error in it and no request to anybody else"
    page, wrong = browser.new_page(), []
    page.on('pageerror', lambda error: wrong.append(str(error)))
    page.on('console', lambda message: wrong.append(message.text) if 'Security Policy' in message.text else None)
    page.on('request', lambda r: None if r.url.startswith((url, 'data:', 'blob:')) else wrong.append(r.url))
    page.goto(url)
    yield page
    page.close()
    assert not wrong


IMAGE_WIDTHS = "[...document.querySelectorAll('article img')].map(image => image.naturalWidth)"


def file(name, data):
    return dict(name=name, mimeType='image/jpeg', buffer=data)


def test_a_photo_gets_its_answer(page):
    page.set_input_files('#file', [file('blue.jpg', picture('blue')), file('red.jpg', picture('red'))])
    page.locator('article h2').nth(1).wait_for()
    assert page.locator('article h2').all_inner_texts() == ['socks', 'jeans']  # newest first
    assert page.locator('article').first.locator('progress').count() == 2
    wait_until(lambda: page.evaluate(IMAGE_WIDTHS) == [80, 80])


def test_names_and_errors_are_text(page):
    name = '<img src=x onerror=alert(1)>.jpg'
    page.set_input_files('#file', [file(name, b'no picture')])
    error = page.locator('article h2.bad')
    error.wait_for()
    assert 'not a picture' in error.inner_text()
    assert page.locator('article p').inner_text() == name


def test_a_link_gets_its_error(page):
    page.fill('#url', 'http://127.0.0.1/a.jpg')
    page.click('button')
    error = page.locator('article h2.bad')
    error.wait_for()
    assert 'public server' in error.inner_text()


def test_it_works_in_a_small_window(page):
    page.set_viewport_size(dict(width=320, height=600))
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
