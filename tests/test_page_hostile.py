"""Anything may be sent to the page: people get a sentence, memory stays bounded, and the kernel goes on."""
import csv
import io
import random
import struct
import threading
import zlib
from pathlib import Path

import psutil
import pytest
from conftest import ROOT, SHARED, example, idle, inference_processes, needs_photos, open_page
from PIL import Image
from visitor import PART, Visitor, pack
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')
LINUX = pytest.mark.skipif(not psutil.LINUX, reason='reads high-water marks of memory from Linux')


def encoded(im, form='PNG', **kw):
    b = io.BytesIO()
    im.save(b, form, **kw)
    return b.getvalue()


@pytest.fixture(scope='module')
def socks(): return example('socks')


@pytest.fixture
def server(page_server): return page_server


def peak(server, but='nothing'):
    "Megabytes: the most that any process of the server ever held; `but` names those left out"
    most = 0
    for process in [server, *server.children(recursive=True)]:
        try:
            if process.name() == but: continue
            status = Path(f'/proc/{process.pid}/status').read_text()
            most = max(most, int(status.split('VmHWM:')[1].split()[0])/1000)
        except (psutil.Error, OSError, IndexError): pass # it has just ended
    return most


@needs_photos
@LINUX
def test_all_the_uploads_at_once(browser, server):
    "138 files that were made to break things, chosen together: each a picture or one sentence"
    proc, url = server
    index = SHARED/'uploads'/'index.csv'
    files = [f for o in csv.DictReader(index.read_text().splitlines()) if (f := SHARED/'uploads'/o['path']).is_file()]
    p, wrong = open_page(browser, url)
    p.set_input_files('.cc-upload input', files)
    p.click('[data-view=table]')
    p.wait_for_function("""n => document.querySelectorAll('tbody tr').length === n
        && !document.querySelector('.cc-status.cc-busy')""", arg=len(files), timeout=480_000)
    said = [o.inner_text() for o in p.locator('td.cc-bad').all()]
    assert len(files) > 100 and 20 < len(said) < len(files)-20
    assert all(o.endswith('.') and len(o) < 250 for o in said) and not [o for o in said if 'our side' in o], said
    assert 'Traceback' not in p.content()
    p.close()
    assert wrong == []
    assert peak(proc) < 400


def claims(width, height):
    "A PNG of a few hundred bytes that claims so many pixels"
    chunk = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    head = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + head + chunk(b'IDAT', zlib.compress(bytes(9999))) + chunk(b'IEND', b'')


@LINUX
@pytest.mark.parametrize('make, says', [
    (lambda: encoded(Image.new('1', (13_300, 13_300))), '177 megapixels'),
    (lambda: claims(64_250, 64_250), 'far too large'),
    (lambda: claims(13_000, 13_000), '169 megapixels')])
def test_giants_are_refused_before_they_are_decoded(server, socks, make, says):
    proc, url = server
    with Visitor(url) as v:
        assert says in v.look(make())['error']
        assert v.look(socks)['answer'] == 'socks'
    assert peak(proc) < 400


@LINUX
def test_the_largest_that_is_allowed_is_decoded_one_at_a_time(server, socks):
    "24 megapixels with transparency, by three visitors at once: the memory of one of them"
    proc, url = server
    data, said = encoded(Image.new('RGBA', (6000, 4000), (200, 30, 30, 128))), []

    def visit():
        with Visitor(url) as v: said.append(v.look(data))
    ts = [threading.Thread(target=visit) for _ in range(3)]
    for t in ts: t.start()
    for t in ts: t.join()
    assert len(said) == 3 and all('answer' in o for o in said)
    assert peak(proc) < 400


def test_a_file_that_is_too_large_is_not_even_sent(browser, server, tmp_path):
    "200 MB: refused in the browser"
    (tmp_path/'film.jpg').write_bytes(b'')
    with open(tmp_path/'film.jpg', 'r+b') as f: f.truncate(200_000_000)
    p, wrong = open_page(browser, server[1])
    p.set_input_files('.cc-upload input', tmp_path/'film.jpg')
    said = idle(p, 1, 60_000).first.locator('.cc-answer').inner_text()
    assert said == 'This file has 200 MB; the most is 20 MB. Send a smaller copy.'
    p.close()
    assert wrong == []


def test_what_the_server_did_not_hear_is_said_again(browser, server, socks):
    "For two seconds nothing of what the browser sends arrives; the visitor only waits a little longer"
    p, wrong = open_page(browser, server[1])
    p.evaluate("""() => {
        const send = WebSocket.prototype.send, until = Date.now() + 2000;
        WebSocket.prototype.send = function(...a) { if (Date.now() > until) return send.apply(this, a) };
    }""")
    p.set_input_files('.cc-upload input', dict(name='socks.jpg', mimeType='image/jpeg', buffer=socks))
    assert 'socks' in idle(p, 1, 25_000).first.locator('.cc-answer').inner_text()
    p.close()
    assert wrong == []


@LINUX
def test_a_program_that_sends_it_all_the_same_is_refused(server, socks):
    "200 MB that are announced, and 200 MB that are not; neither is kept, and the same kernel goes on"
    proc, url = server
    with Visitor(url) as v:
        id = v.start(200_000_000)
        assert 'the most is 20 MB' in v.hear(id)[0]['error']
        for _ in range(20): v.tell(dict(do='part', id=id), bytes(PART))
        id = v.start(PART)
        for _ in range(800): v.tell(dict(do='part', id=id), bytes(PART))
        assert v.look(socks)['answer'] == 'socks'
    assert peak(proc, but='inference') < 200


def test_an_upload_that_is_cut(server, socks):
    "The line breaks in the middle; the same visitor comes back, another one never noticed"
    with Visitor(server[1]) as v, Visitor(server[1]) as other:
        v.tell(dict(do='part', id=v.start(5_000_000)), bytes(PART))
        v.socket.close()
        assert other.look(socks)['answer'] == 'socks'
        v.open()
        assert v.look(socks)['answer'] == 'socks'


NONSENSE = [dict(do='part', id='9'), dict(do='start'), dict(do='start', id=[], what='about'),
    dict(do='start', id='9', what='__init__', size=-5), dict(do='start', id='9', what='answer', size='many'),
    dict(do='start', id='9', what='explain', category='../..', size=1),
    dict(do='start', id='9', what='correct', category='jeans', size=0)]


def test_messages_that_make_no_sense(server, socks):
    "To the widget, to the kernel, to the websocket"
    with Visitor(server[1]) as v:
        for content in ('text', 7, None, [], {}, *NONSENSE): v.tell(content, b'x')
        assert v.look(socks)['answer'] == 'socks'
    for data in (b'\xff'*8, b'', b'\x07', random.Random(0).randbytes(999)): # offsets that lie beyond the end
        with Visitor(server[1]) as v:
            v.socket.send(data)
            with pytest.raises(ConnectionClosed):
                while True: v.socket.recv(timeout=20)
    with Visitor(server[1]) as v: v.socket.send((3).to_bytes(8, 'little') + b'\xff'*40)
    with Visitor(server[1]) as v: assert v.look(socks)['answer'] == 'socks'


CHANNELS = 'shell', 'control', 'stdin', 'iopub'


def test_no_message_runs_code(server, socks, tmp_path):
    "Neither on any channel nor as any kind of message; the same kernel goes on"
    ran = tmp_path/'ran'
    code = dict(code=f'open({str(ran)!r}, "w")', user_expressions=dict(a=f'open({str(ran)!r}, "w")'), silent=False)
    with Visitor(server[1]) as v:
        for kind in ('execute_request', 'inspect_request', 'complete_request', 'debug_request', 'input_reply'):
            for channel in CHANNELS: v.socket.send(pack(channel, [v.header(kind), {}, {}, code]))
        assert v.look(socks)['answer'] == 'socks'
    assert not ran.exists()


@LINUX
def test_little_waits_for_a_kernel_that_is_busy(server, socks):
    "300 MB while it answers a large photo"
    proc, url = server
    photo = encoded(Image.effect_noise((4900, 4900), 90).convert('RGB'), 'JPEG')
    with Visitor(url) as v:
        id = v.start(len(photo))
        for at in range(0, len(photo), PART): v.tell(dict(do='part', id=id), photo[at:at+PART])
        for _ in range(300): v.tell(dict(do='part', id='none'), bytes(1_000_000))
        assert v.look(socks)['answer'] == 'socks'
        assert peak(proc, but='inference') < 150


@LINUX
def test_what_a_browser_does_not_read_is_not_kept(server, socks):
    "Changes of the page that the kernel repeats to a program that never reads: the line is closed, others never notice"
    proc, url = server
    with Visitor(url) as v, Visitor(url) as other:
        state = dict(about='x'*900_000)
        change = dict(comm_id=v.model, data=dict(method='update', state=state, buffer_paths=[]))
        with pytest.raises(ConnectionClosed):
            while True: v.socket.send(pack('shell', [v.header('comm_msg'), {}, {}, change]))
        assert other.look(socks)['answer'] == 'socks'
    assert peak(proc, but='inference') < 200


@LINUX
def test_an_older_protocol_is_not_spoken(server, socks):
    "Its head of four bytes would be believed to announce two thousand million parts"
    proc, url = server
    with Visitor(url) as v:
        v.socket.close()
        v.open(protocols=None)
        v.socket.send(b'\x7f\xff'.ljust(600_000, b'\0'))
        with pytest.raises(ConnectionClosed):
            while True: v.socket.recv(timeout=20)
        assert peak(proc, but='inference') < 150
        v.open()
        assert v.look(socks)['answer'] == 'socks'


def test_an_inference_process_that_ends_is_started_again(server, socks):
    "As if a picture had broken a codec: one sentence, then answers again"
    proc, url = server
    with Visitor(url) as v:
        inference, = inference_processes(proc)
        inference.kill()
        for _ in range(5):
            if 'answer' in (o := v.look(socks)): break
            assert o['error'].startswith('Something went wrong on our side')
        assert o['answer'] == 'socks'
