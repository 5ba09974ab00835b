"The API as a process under a real server: what is refused before it is read, what a crowd gets, and what a stop loses"

import http.client
import io
import json
import os
import re
import signal
import socket
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image
from tiny import noise, picture, served, write_settings


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


def raw(port, head, *parts, timeout=10):
    "Send bytes, return what comes back until the server closes or stops to talk"
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
    out = raw(server[0], 'POST /v1/predict HTTP/1.1\nHost: x\nContent-Type: image/jpeg\nContent-Length: 200000000\nExpect: 100-continue\n\n')
    assert out.startswith('HTTP/1.1 413') and '100 Continue' not in out and 'application/problem+json' in out and '20 MB' in out


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
        r = c.post(f'http://127.0.0.1:{server[0]}/v1/predict', content=(bytes(1_000_000) for _ in range(40)), headers={'Content-Type': 'image/jpeg'})
    assert r.status_code == 413


def test_a_sender_that_stalls_loses_its_place(server):
    t = time.monotonic()
    out = raw(server[0], 'POST /v1/predict HTTP/1.1\nHost: x\nContent-Type: image/jpeg\nContent-Length: 1000\n\n', b'x' * 10, timeout=15)
    assert out.startswith('HTTP/1.1 408') and 2 < time.monotonic() - t < 12


def test_an_upload_that_is_cut_leaves_nothing_behind(server):
    port, p, log = server
    for _ in range(20):
        with socket.create_connection(('127.0.0.1', port)) as s:
            s.sendall(b'POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\nabc')
    time.sleep(0.5)
    text = httpx.get(f'http://127.0.0.1:{port}/metrics').text
    assert 'clothing_classifier_requests_inside 0.0' in text and 'Traceback' not in log.read_text()


@pytest.mark.skipif(not os.path.isdir('/proc'), reason='reads memory from /proc')
def test_memory_stays_bounded(server):
    "A hundred uploads of 18 MB, thirty at a time: 1.8 GB pass through, most are sent away, the process stays small"
    port, p, _ = server
    before, data = rss(p)[0], noise(2450)
    assert 15e6 < len(data) < 20e6

    def one(i):
        return httpx.post(f'http://127.0.0.1:{port}/v1/predict', content=data, headers={'Content-Type': 'image/png'}, timeout=120).status_code

    with ThreadPoolExecutor(30) as ex:
        got = list(ex.map(one, range(100)))
    assert set(got) <= {200, 503, 408} and 200 in got, got
    assert rss(p)[1] - before < 350, (before, rss(p))


def largest():
    "(kind, content) of pictures that take much more memory than their files: 25 megapixels in every mode, 15 as WebP and as progressive CMYK"

    def encoded(im, format, **kw):
        b = io.BytesIO()
        im.save(b, format, **kw)
        return format, b.getvalue()

    exif = Image.Exif()
    exif[0x0112] = 6
    for mode in ('I;16', 'LA', 'RGBA', 'P'):
        im = Image.new(mode, (5000, 5000))
        yield encoded(im, 'PNG', compress_level=1, exif=exif)
    yield encoded(Image.new('F', (5000, 5000)), 'TIFF', compression='tiff_lzw')
    yield encoded(Image.new('CMYK', (3870, 3870)), 'JPEG', progressive=True)
    yield encoded(Image.new('RGBA', (3870, 3870)), 'WEBP', method=0, quality=50)


@pytest.mark.skipif(not os.path.isdir('/proc'), reason='reads memory from /proc')
def test_the_largest_pictures_fit_into_a_small_dyno(tmp_path):
    "Each of them twice at the same time; a dyno has 512 MB, and the shipped network takes 60 MB more than the one here"
    write_settings(tmp_path)
    with served(tmp_path) as (port, p, _), ThreadPoolExecutor(2) as ex:
        for format, data in largest():
            ask = lambda i, data=data: httpx.post(f'http://127.0.0.1:{port}/v1/predict', files=dict(file=data), timeout=120).status_code
            assert list(ex.map(ask, range(2))) == [200, 200], format
            print(f'{format}: {len(data) / 1e6:.1f} MB, peak {rss(p)[1]:.0f} MB')
        assert rss(p)[1] < 430


def post(c, data, **headers):
    "The status of one request on a connection"
    c.request('POST', '/v1/predict', data, {'Content-Type': 'image/jpeg', **headers})
    r = c.getresponse()
    r.read()
    return r.status


def crowd(port, clients, seconds, data):
    "Status, or the name of the error, of every request of so many clients, each on its own connection"
    out, start = [], threading.Barrier(clients)

    def one(i):
        c = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
        start.wait()
        stop = time.monotonic() + seconds
        while time.monotonic() < stop:
            try:
                out.append(post(c, data))
            except (OSError, http.client.HTTPException) as e:
                out.append(type(e).__name__)
            if out[-1] == 503:
                time.sleep(0.2)

    ts = [threading.Thread(target=one, args=(i,)) for i in range(clients)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    return out


def test_a_crowd_gets_answers_or_is_asked_to_wait(tmp_path):
    "Fifty clients at once where there is room for ten; `bench/api.py` does it for a minute"
    write_settings(tmp_path, api_requests=10)
    with served(tmp_path) as (port, p, log):
        kinds = Counter(crowd(port, 50, 5, noise(600)))
        print(dict(kinds))
        assert set(kinds) == {200, 503} and 'Traceback' not in log.read_text()


def test_sigterm_under_load_loses_nothing_that_was_accepted(tmp_path):
    write_settings(tmp_path)
    with served(tmp_path) as (port, p, log):
        data, got, failed, stop = picture(size=(900, 700)), {}, [], threading.Event()

        def one(i):
            c = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
            while not stop.is_set():
                rid = uuid.uuid4().hex
                try:
                    got[rid] = post(c, data, **{'X-Request-ID': rid})
                except ConnectionRefusedError:
                    return  # The door is shut: nobody was let in
                except (OSError, http.client.HTTPException) as e:
                    failed.append((rid, e))
                    c.close()

        ts = [threading.Thread(target=one, args=(i,)) for i in range(12)]
        for t in ts:
            t.start()
        time.sleep(2)
        p.send_signal(signal.SIGTERM)
        p.wait(30)
        stop.set()
        for t in ts:
            t.join()
        text = log.read_text()
        received, answered = (set(re.findall(rf'request=(\w+) {o}', text)) & (set(got) | {r for r, _ in failed}) for o in ('received', 'answered'))
        print(f'{len(got)} answers, {len(received)} received, {len(failed)} connections lost before they were')
        assert len(got) > 20 and set(got.values()) == {200}
        assert received == answered == set(got)
        assert 'Traceback' not in text
