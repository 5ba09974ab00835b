"The page at /docs in a real browser, at the root and below a prefix: pictures can be tried, nothing else is asked"

import threading

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from tiny import free_port, picture, wait_until, write_settings

from clothing_classifier.api.app import create_app
from clothing_classifier.settings import load_settings


@pytest.fixture(scope='module')
def url(tmp_path_factory):
    "The address of a server that has the API twice: at its root, and below a prefix"
    api = create_app(load_settings(write_settings(tmp_path_factory.mktemp('docs'))))
    app = Starlette(routes=[Mount('/shop/api', api), Mount('/', api)])
    server = uvicorn.Server(uvicorn.Config(app, port=(port := free_port()), log_level='warning'))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield f'http://127.0.0.1:{port}'
    server.should_exit = True
    thread.join()


@pytest.fixture(params=['/', '/shop/api/'], ids=['root', 'prefix'])
def page(browser, url, request):
    "The page, and at the end no error in it and no request to anybody else"
    page, wrong, start = browser.new_page(), [], url + request.param
    ours = (start, 'data:', 'blob:')
    page.on('pageerror', lambda error: wrong.append(str(error)))
    page.on('console', lambda message: wrong.append(message.text) if message.type == 'error' else None)
    page.on('request', lambda r: None if r.url.startswith(ours) else wrong.append(r.url))
    page.goto(start)
    yield page
    page.close()
    assert not wrong


def opened(page, call):
    "A call of the page, unfolded"
    block = page.locator('.opblock', has_text=call)
    block.locator('.opblock-summary-control').click()
    return block


def answer(block):
    "What the server answers when a call is executed"
    block.locator('.execute').click()
    return block.locator('.live-responses-table .highlight-code').first.inner_text()


def test_a_picture_can_be_tried(page):
    block = opened(page, '/v1/predict')
    block.get_by_role('button', name='Add string item').click()
    file = dict(name='blue.jpg', mimeType='image/jpeg', buffer=picture('blue'))
    block.locator('input[type=file]').first.set_input_files(file)
    assert '"answer": "jeans"' in answer(block)


def test_every_call_is_shown(page):
    page.locator('.opblock').first.wait_for()
    calls = {o.get_attribute('data-path') for o in page.locator('.opblock-summary-path').all()}
    assert {'/v1/predict', '/v1/feedback', '/v1/categories', '/healthz'} <= calls


def test_a_call_without_a_body_can_be_tried(page):
    assert 'socks' in answer(opened(page, '/v1/categories'))
