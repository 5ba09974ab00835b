"The API as a process: errors before a body is read, many clients at once, and a stop that loses nothing"

import http.client
import json
import os
import re
import signal
import socket
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image
from tiny import encoded, hostile_tiff, noise, picture, served, wait_until, write_settings


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    d = tmp_path_factory.mktemp('server')
    write_settings(d, serve_max_upload_mb=20, api_upload_seconds=3)
    with served(d) as (port, p, log):
        yield port, p, log


def rss(p):
    "Megabytes of memory of a process, and the most it ever had"
    text = Path(f'/proc/{p.pid}/status').read_text()
    return tuple(int(re.search(rf'{k}:\s+(\d+)', text)[1]) / 1000 for k in ('VmRSS', 'VmHWM'))


def url(port):
    return f'http://127.0.0.1:{port}/v1/predict'


HEAD = 'POST /v1/predict HTTP/1.1\nHost: x\nContent-Type: image/jpeg\n'


def raw(port, head, *parts, timeout=10):
    "Send bytes, return what comes back until the server closes the connection or is silent"
    with socket.create_connection(('127.0.0.1', port), timeout=timeout) as s:
        s.sendall(head.replace('\n', '\r\n').encode())
        for o in parts:
            s.sendall(o)
        out = b''
        try:
            while b := s.recv(65536):
                out += b
        except TimeoutError:
            pass
        return out.decode()


def test_413_before_a_byte_of_the_body_is_sent(server):
    out = raw(server[0], HEAD + 'Content-Length: 200000000\nExpect: 100-continue\n\n')
    assert out.startswith('HTTP/1.1 413') and '100 Continue' not in out
    assert 'application/problem+json' in out and '20 MB' in out


def test_a_client_that_sends_on_gets_the_413_and_no_broken_pipe(server):
    c = http.client.HTTPConnection('127.0.0.1', server[0], timeout=20)
    c.putrequest('POST', '/v1/predict')
    c.putheader('Content-Type', 'image/jpeg')
    c.putheader('Content-Length', '60000000')
    c.endheaders()
    for _ in range(60):
        c.send(bytes(1_000_000))
    r = c.getresponse()
    assert r.status == 413 and json.loads(r.read())['status'] == 413


def test_413_for_chunks_without_a_length(server):
    with httpx.Client(timeout=20) as c:
        chunks = (bytes(1_000_000) for _ in range(40))
        r = c.post(url(server[0]), content=chunks, headers={'Content-Type': 'image/jpeg'})
    assert r.status_code == 413


def test_a_sender_that_stalls_is_not_waited_for(server):
    out = raw(server[0], HEAD + 'Content-Length: 1000\n\n', b'x' * 10, timeout=60)
    assert out.startswith('HTTP/1.1 408')


def test_an_upload_that_is_cut_leaves_nothing_behind(server):
    port, p, log = server
    for _ in range(20):
        with socket.create_connection(('127.0.0.1', port)) as s:
            s.sendall(f'{HEAD}Content-Length: 1000\n\n'.replace('\n', '\r\n').encode() + b'abc')
    metrics = lambda: httpx.get(f'http://127.0.0.1:{port}/metrics').text
    wait_until(lambda: log.read_text().count('answered 400') >= 20)
    wait_until(lambda: 'clothing_classifier_requests_in_progress 0.0' in metrics())
    assert 'Traceback' not in log.read_text()


def test_a_hostile_picture_adds_two_lines_to_the_log(server):
    port, _, log = server
    before = log.read_text().count('\n')
    httpx.post(url(port), content=hostile_tiff(), headers={'Content-Type': 'image/tiff', 'X-Request-ID': 'hostile'})
    wait_until(lambda: 'request=hostile answered' in log.read_text())
    assert log.read_text().count('\n') == before + 2


@pytest.mark.skipif(not os.path.isdir('/proc'), reason='reads memory from /proc')
def test_memory_stays_bounded(server):
    "A hundred uploads of 18 MB, thirty at a time: most get 503, and the process stays small"
    port, p, _ = server
    before, data = rss(p)[0], noise(2450)
    assert 15e6 < len(data) < 20e6

    def send(i):
        headers = {'Content-Type': 'image/png'}
        return httpx.post(url(port), content=data, headers=headers, timeout=120).status_code

    with ThreadPoolExecutor(30) as ex:
        statuses = Counter(ex.map(send, range(100)))
    assert set(statuses) <= {200, 503, 408} and 200 in statuses, statuses
    assert rss(p)[1] - before < 350, (before, rss(p))


def largest_pictures():
    "Pictures that take much more memory than their files: 25 megapixels, 15 as WebP and as progressive CMYK"
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode in ('I;16', 'LA', 'RGBA', 'P'):
        yield encoded(Image.new(mode, (5000, 5000)), 'PNG', compress_level=1, exif=exif)
    yield encoded(Image.new('F', (5000, 5000)), 'TIFF', compression='tiff_lzw')
    yield encoded(Image.new('CMYK', (3870, 3870)), 'JPEG', progressive=True)
    yield encoded(Image.new('RGBA', (3870, 3870)), 'WEBP', method=0, quality=50)


@pytest.mark.skipif(not os.path.isdir('/proc'), reason='reads memory from /proc')
def test_the_largest_pictures_fit_into_a_small_dyno(tmp_path):
    "Each of them twice at the same time; a dyno has 512 MB, and the shipped network takes 60 MB more than this one"
    write_settings(tmp_path)
    with served(tmp_path) as (port, process, _), ThreadPoolExecutor(2) as ex:
        for data in largest_pictures():
            send = lambda i, data=data: httpx.post(url(port), files=dict(file=data), timeout=120).status_code
            assert list(ex.map(send, range(2))) == [200, 200], data[:20]
        assert rss(process)[1] < 430


def post(connection, data, **headers):
    "The status of one request on a connection"
    connection.request('POST', '/v1/predict', data, {'Content-Type': 'image/jpeg', **headers})
    response = connection.getresponse()
    response.read()
    return response.status


def statuses_of(port, clients, requests, data):
    "Status, or the name of the error, of all requests of so many clients, each on its own connection"
    start = threading.Barrier(clients)

    def client(_):
        connection, statuses = http.client.HTTPConnection('127.0.0.1', port, timeout=60), []
        start.wait()
        for _ in range(requests):
            try:
                statuses.append(post(connection, data))
            except (OSError, http.client.HTTPException) as e:
                statuses.append(type(e).__name__)
        return Counter(statuses)

    with ThreadPoolExecutor(clients) as ex:
        return sum(ex.map(client, range(clients)), Counter())


def test_many_clients_get_answers_or_are_asked_to_wait(tmp_path):
    "Fifty clients at once where ten requests are allowed; `bench/api.py` does it for a minute"
    write_settings(tmp_path, api_requests=10)
    with served(tmp_path) as (port, _, log):
        statuses = statuses_of(port, 50, 10, noise(600))
        assert set(statuses) == {200, 503}, statuses
        assert 'Traceback' not in log.read_text()


class Client(threading.Thread):
    "Sends pictures, each with its own id, until the server no longer listens"

    def __init__(self, port, data):
        super().__init__(daemon=True)
        self.port, self.data, self.statuses, self.failed = port, data, {}, []

    def run(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        while True:
            request_id = uuid.uuid4().hex
            try:
                self.statuses[request_id] = post(connection, self.data, **{'X-Request-ID': request_id})
            except ConnectionRefusedError:
                return
            except (OSError, http.client.HTTPException):
                self.failed.append(request_id)
                connection.close()


def test_sigterm_under_load_loses_nothing_that_was_accepted(tmp_path):
    write_settings(tmp_path)
    with served(tmp_path) as (port, process, log):
        clients = [Client(port, picture(size=(900, 700))) for _ in range(12)]
        for client in clients:
            client.start()
        wait_until(lambda: sum(len(client.statuses) for client in clients) > 50)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        for client in clients:
            client.join(60)
        answered = {k: status for client in clients for k, status in client.statuses.items()}
        sent = set(answered) | {k for client in clients for k in client.failed}
        text = log.read_text()
        in_log = {word: set(re.findall(rf'request=(\w+) {word}', text)) & sent for word in ('received', 'answered')}
        assert set(answered.values()) == {200}
        assert in_log['received'] == in_log['answered'] == set(answered)
        assert 'Traceback' not in text
