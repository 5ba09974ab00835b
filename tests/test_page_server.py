"""The page's server: there at once, a place for who is really there, another kernel for who has lost one."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from conftest import (
    COMMAND,
    ROOT,
    dyno,
    example,
    free_port,
    idle,
    inference_processes,
    kernels,
    open_page,
    serving,
    upload_of,
    wait_for_server,
    wait_until,
)
from visitor import Visitor, new_kernel

pytestmark = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')


@pytest.fixture
def server(tmp_path):
    "A server of our own, and its address"
    with serving(dyno(tmp_path)) as (process, url): yield psutil.Process(process.pid), url


def get(url, **headers):
    "Status and content of an answer"
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer: return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e: return e.code, e.read().decode()


def start(folder, port, more=()):
    "Start `serve` at a port"
    env = os.environ | dict(OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    command = [COMMAND, 'serve', '--port', str(port), *more]
    with open(folder/'log', 'a') as log: return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)


def wait_for_port(port):
    "Return when somebody listens"
    def listens():
        try: return socket.create_connection(('127.0.0.1', port), 1).close() is None
        except OSError: return False
    assert wait_until(listens, 60)


# There at once

def test_the_page_is_there_before_voila(browser, tmp_path):
    "With the port comes the page; a photo chosen before there is a kernel is classified as soon as there is one"
    port = free_port()
    process = start(dyno(tmp_path), port)
    try:
        wait_for_port(port)
        status, text = get(f'http://127.0.0.1:{port}/')
        assert status == 200 and 'What are you wearing?' in text
        assert json.loads(get(f'http://127.0.0.1:{port}/kernel')[1]) == dict(wait='starting')
        page, wrong = open_page(browser, f'http://127.0.0.1:{port}/')
        page.set_input_files('.cc-upload input', [upload_of('jeans')])
        assert idle(page, 1).first.locator('[data-answer=jeans]').count() == 1
        page.close()
        assert wrong == []
    finally:
        process.terminate()
        process.wait(30)


def test_a_network_that_cannot_be_used_ends_the_server_with_a_sentence(tmp_path):
    (dyno(tmp_path)/'export.onnx').write_bytes(b'not a network')
    process = start(tmp_path, free_port())
    assert process.wait(60) == 2
    said = (tmp_path/'log').read_text()
    assert 'is not an ONNX file' in said and 'Traceback' not in said


# Places

def test_who_opens_no_socket_takes_no_place(server):
    "A crawler, a link preview, an uptime check: no kernel is started for them"
    process, url = server
    Visitor(url).socket.close() # the server has started
    assert wait_until(lambda: not kernels(process), 60)
    for _ in range(30):
        for path in ('', 'healthz', 'robots.txt'): assert get(url+path)[0] == 200
        assert urllib.request.urlopen(urllib.request.Request(url, method='HEAD'), timeout=60).status == 200
    assert not kernels(process)


def test_kernels_do_not_listen_on_the_network(server):
    process, url = server
    with Visitor(url) as visitor:
        assert visitor.look(example('jeans'))['answer'] == 'jeans'
        everybody = [process, *process.children(recursive=True)]
        listening = [c.laddr.port for o in everybody for c in o.net_connections('tcp') if c.status == 'LISTEN']
        assert listening == [int(url.rsplit(':')[-1].strip('/'))]


WITHOUT_FORK = """
import sys
from clothing_classifier.page.fork_server import ForkServer
from clothing_classifier.page.server import serve_page
from clothing_classifier.settings import load_settings
ForkServer.possible = False
serve_page(load_settings(serve_port=int(sys.argv[1])), 'nbs/app.ipynb')
"""


def test_jupyter_starts_the_kernels_where_they_cannot_be_forked(tmp_path):
    port = free_port()
    command = [sys.executable, '-c', WITHOUT_FORK, str(port)]
    process = subprocess.Popen(command, cwd=dyno(tmp_path), env=os.environ | dict(PYTHONPATH=str(ROOT)))
    try:
        wait_for_port(port)
        with Visitor(f'http://127.0.0.1:{port}/') as visitor:
            assert visitor.look(example('jeans'))['answer'] == 'jeans'
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_an_icon_is_there_for_pages_that_are_json(server):
    assert get(f'{server[1]}favicon.ico')[1].startswith('<svg')


def test_a_cookie_of_another_start_is_not_logged(tmp_path):
    with serving(dyno(tmp_path)) as (_, url):
        Visitor(url).socket.close() # the server has started
        name = f'username-127-0-0-1-{url.rsplit(":")[-1].strip("/")}'
        assert get(f'{url}kernel', Cookie=f'{name}="2|1:0|10:1700000000|8:username|4:abcd|00"')[0] == 200
        assert 'cookie' not in (tmp_path/'log').read_text()


# In a frame

class Shop(BaseHTTPRequestHandler):
    "A page of another origin, which shows ours"
    content = ''

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.end_headers()
        self.wfile.write(f'<!DOCTYPE html><title>A shop</title><body>{self.content}</body>'.encode())

    def log_message(self, *_): pass


@pytest.fixture
def shop():
    "A server of such a page, and its address"
    shop = ThreadingHTTPServer(('127.0.0.1', 0), Shop)
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    yield f'http://localhost:{shop.server_port}' # a name of its own: another origin, another site
    shop.shutdown()


SNIPPETS = '<iframe src="{url}" style="width: 100%; height: 700px"></iframe>', '<script src="{url}embed.js"></script>'


@pytest.mark.parametrize('snippet', SNIPPETS)
def test_a_page_of_another_origin_may_show_it(browser, tmp_path, shop, snippet):
    "Upload and answer inside of a frame, where the settings name the origin"
    with serving(dyno(tmp_path, serve_embed=shop)) as (_, url):
        Shop.content = snippet.format(url=url)
        page = browser.new_page()
        page.goto(shop)
        frame = page.frame_locator('iframe')
        frame.locator('.cc-upload input').set_input_files([upload_of('jeans')])
        frame.locator('[data-answer=jeans]').wait_for(timeout=120_000)
        page.close()


def test_nobody_else_may_show_it(browser, page_url, shop):
    Shop.content = SNIPPETS[0].format(url=page_url)
    page = browser.new_page()
    with page.expect_console_message(lambda message: 'frame-ancestors' in message.text): page.goto(shop)
    assert page.frame_locator('iframe').locator('.cc').count() == 0
    page.close()


def test_a_space_may_be_shown_by_its_host(tmp_path, monkeypatch):
    "Hugging Face names the Space in SPACE_ID"
    with serving(dyno(tmp_path), SPACE_ID='somebody/clothes') as (_, url):
        with urllib.request.urlopen(url) as answer: policy = answer.headers['Content-Security-Policy']
    assert "frame-ancestors 'self' https://huggingface.co" in policy


# Lost and found

def test_the_visit_goes_on_after_the_server_was_killed(browser, tmp_path):
    "The visitor reads it; a photo sent meanwhile is answered by the next server, without a reload"
    port = free_port()
    url = f'http://127.0.0.1:{port}/'
    first = start(dyno(tmp_path), port)
    wait_for_server(first, url, tmp_path/'log')
    page, _ = open_page(browser, url)
    page.set_input_files('.cc-upload input', [upload_of('jeans')])
    idle(page, 1)
    for process in psutil.Process(first.pid).children(): process.suspend() # the next photo gets no answer
    page.set_input_files('.cc-upload input', [upload_of('socks')])
    page.wait_for_selector('.cc-busy')
    everybody = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    for process in everybody: process.kill()
    first.wait()
    page.wait_for_selector('.cc-lost:not([hidden])')
    page.set_input_files('.cc-upload input', [upload_of('shoes')])
    second = start(tmp_path, port)
    try:
        idle(page, 3)
        answers = page.locator('.cc-answer[data-answer]').evaluate_all('all => all.map(o => o.dataset.answer)')
        assert sorted(answers) == ['jeans', 'shoes', 'socks']
        page.wait_for_selector('.cc-lost', state='hidden')
        page.close()
    finally:
        second.terminate()
        second.wait(30)


def test_a_server_that_says_nothing_is_noticed(browser, server):
    "It is stopped, so that no connection breaks; the page's heartbeat finds out, and finds it again later"
    process, url = server
    page, _ = open_page(browser, url)
    page.set_input_files('.cc-upload input', [upload_of('jeans')])
    idle(page, 1)
    process.suspend()
    page.wait_for_selector('.cc-lost:not([hidden])')
    process.resume()
    page.wait_for_selector('.cc-lost', state='hidden')
    page.close()


def test_a_kernel_that_dies_is_replaced(browser, server):
    process, url = server
    page, _ = open_page(browser, url)
    page.set_input_files('.cc-upload input', [upload_of('jeans')])
    idle(page, 1)
    lost, = kernels(process)
    lost.kill()
    page.set_input_files('.cc-upload input', [upload_of('shoes')])
    assert idle(page, 2).first.locator('[data-answer=shoes]').count() == 1
    assert [kernel.pid for kernel in kernels(process)] != [lost.pid]
    page.close()


# The end

@pytest.mark.parametrize('when', ['at once', 'after a visit'])
def test_term_to_all_processes_ends_them_without_a_traceback(tmp_path, when):
    "As Heroku does it, children first"
    port = free_port()
    process = start(dyno(tmp_path), port)
    wait_for_port(port)
    if when == 'after a visit': Visitor(f'http://127.0.0.1:{port}/').look(example('jeans'))
    everybody = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for one in everybody: one.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert wait_until(lambda: not any(one.is_running() for one in everybody), 60)
    assert 'Traceback' not in (tmp_path/'log').read_text() and 'Error' not in (tmp_path/'log').read_text()


def test_nothing_is_left_of_a_server_that_is_killed(tmp_path):
    port = free_port()
    process = start(dyno(tmp_path), port)
    wait_for_port(port)
    Visitor(f'http://127.0.0.1:{port}/')
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 3
    process.kill()
    process.wait()
    assert wait_until(lambda: not any(child.is_running() for child in children), 60)


# The API at the same address

def post(url, data, kind='image/jpeg'):
    request = urllib.request.Request(f'{url}v1/predict', data, {'Content-Type': kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer: return answer.status, json.load(answer)
    except urllib.error.HTTPError as e: return e.code, json.load(e)


def test_the_api_is_at_the_same_address(server):
    process, url = server
    new_kernel(url)
    assert json.loads(get(f'{url}v1/categories')[1])['categories'][0] == 'jeans'
    assert post(url, example('jeans'))[1]['results'][0]['answer'] == 'jeans'
    assert post(url, b'Dear diary')[0] == 422
    assert post(url, bytes(21_000_000))[0] == 413
    assert get(f'{url}v1/nothing')[0] == 404
    assert get(f'{url}openapi.json')[0] == get(f'{url}docs')[0] == get(f'{url}readyz')[0] == 200
    assert 'text/plain' in urllib.request.urlopen(f'{url}metrics').headers['Content-Type']


def test_a_body_without_a_length_is_passed_on(server):
    process, url = server
    new_kernel(url)
    def parts(): yield from (example('jeans')[i:i+1000] for i in range(0, len(example('jeans')), 1000))
    assert post(url, parts())[1]['results'][0]['answer'] == 'jeans'
    status, problem = post(url, (bytes(100_000) for _ in range(300)))
    assert status == 413


def test_the_api_says_that_it_is_started_again(server):
    process, url = server
    new_kernel(url)
    assert post(url, example('jeans'))[0] == 200
    inference, = inference_processes(process)
    inference.kill()
    assert wait_until(lambda: post(url, example('jeans'))[0] == 200, 60)


def test_answers_in_progress_are_finished_when_the_server_is_stopped(server):
    "TERM comes while the API waits for the rest of a picture: it is sent, and answered"
    process, url = server
    new_kernel(url)
    assert post(url, example('jeans'))[0] == 200
    photo, found = example('jeans'), []
    half = threading.Event()
    def parts():
        yield photo[:1000]
        half.set()
        assert wait_until(lambda: not process.is_running() or closed(url), 60)
        yield photo[1000:]
    thread = threading.Thread(target=lambda: found.append(post(url, parts())))
    thread.start()
    half.wait()
    time.sleep(.2) # the first part is on its way
    process.terminate()
    thread.join()
    assert found[0][1]['results'][0]['answer'] == 'jeans'


def closed(url):
    "Whether the server accepts no connection any more"
    try: return get(f'{url}healthz')[0] == 0
    except OSError: return True
