"A link reaches public servers only, and a server at its other end can neither fill the memory nor hold a place for ever"

import ast
import io
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

import clothing_classifier
from drawings import draw_picture
from clothing_classifier.images import open_image
from clothing_classifier.serving.safe_fetch import Guard, LinkError, Links, is_public
from clothing_classifier.settings import load_settings

PUBLIC, PRIVATE = '127.0.0.1', '127.0.0.2'  # On loopback, one stands for the internet and the other for what only we can reach
NAMES = {'shop.example': [PUBLIC], 'inside.example': [PRIVATE], 'both.example': [PUBLIC, PRIVATE]}


def jpeg():
    b = io.BytesIO()
    draw_picture('jeans').save(b, 'JPEG')
    return b.getvalue()


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def send(self, status=200, body=b'', **headers):
        self.send_response(status)
        for k, v in ({'Content-Length': len(body)} | headers).items():
            self.send_header(k.replace('_', '-'), v)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        s = self.server
        s.seen.append((self.client_address[0], self.path, dict(self.headers)))
        try:
            getattr(self, self.path.strip('/').split('?')[0].replace('.', '_'))()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def jeans_jpg(self):
        self.send(body=jpeg(), Content_Type='image/jpeg')

    def slow_jpg(self):
        s = self.server
        with s.lock:
            s.now, s.most = s.now + 1, max(s.most, s.now + 1)
        time.sleep(0.3)
        with s.lock:  # Before the answer: whoever has read it may ask again at once
            s.now -= 1
        self.jeans_jpg()

    def page(self):
        self.send(body=b'<p>Look at our jeans</p>', Content_Type='text/html; charset=utf-8')

    def gone(self):
        self.send(404, b'no')

    def relative(self):
        self.send(302, Location='/jeans.jpg')

    def loop(self):
        self.send(302, Location='/loop')

    def to_inside(self):
        self.send(302, Location=f'http://inside.example:{self.server.server_port}/jeans.jpg')

    def to_file(self):
        self.send(302, Location='file:///etc/passwd')

    def nowhere(self):
        self.send(302, Location='http://[')

    def large(self):
        self.send(body=bytes(3_000_000))

    def liar(self):
        self.send_response(200)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(b'186a0\r\n' + bytes(100_000) + b'\r\n')

    def drip(self):
        self.send_response(200)
        self.send_header('Content-Length', '1000')
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b'x')
            self.wfile.flush()
            time.sleep(0.1)

    def cut(self):
        self.send_response(200)
        self.send_header('Content-Length', '1000')
        self.end_headers()
        self.close_connection = True

    def nonsense(self):
        self.wfile.write(b'\x00\x01 hello\r\n\r\n')
        self.close_connection = True


def serve(ip, port=0):
    s = ThreadingHTTPServer((ip, port), Handler)
    s.seen, s.lock, s.now, s.most = [], threading.Lock(), 0, 0
    threading.Thread(target=s.serve_forever, args=(0.05,), daemon=True).start()
    return s


@pytest.fixture(scope='module')
def servers():
    public = serve(PUBLIC)
    private = serve(PRIVATE, public.server_port)
    yield public, private
    for s in (public, private):
        s.shutdown()


async def resolve(host, port, **kw):
    "The names of this test; spellings of addresses go to the real resolver"
    if host not in NAMES:
        return await anyio.getaddrinfo(host, port, **kw)
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, '', (ip, port)) for ip in NAMES[host]]


@pytest.fixture(scope='module')
def links():
    return Links(max_mb=1, deadline=2, at_once=3, redirects=3, guard=Guard(lambda ip: ip == PUBLIC, resolve), ports=None)


def refused(links, url):
    with pytest.raises(LinkError) as e:
        links.fetch(url)
    return str(e.value)


def test_picture_arrives(servers, links):
    public, _ = servers
    data = links.fetch(f'http://shop.example:{public.server_port}/jeans.jpg?size=1')
    assert open_image(data).size == (256, 256)
    _, path, headers = public.seen[-1]
    assert path == '/jeans.jpg?size=1' and headers['Host'] == f'shop.example:{public.server_port}'
    assert set(headers) == {'Host', 'User-Agent', 'Accept', 'Accept-Encoding'}


def test_a_redirect_on_the_same_server_is_followed(servers, links):
    assert links.fetch(f'http://{PUBLIC}:{servers[0].server_port}/relative')[:2] == b'\xff\xd8'


@pytest.mark.parametrize(
    'url',
    [
        'http://inside.example:{}/jeans.jpg',
        'http://both.example:{}/jeans.jpg',
        'http://shop.example:{}/to_inside',
        'http://127.0.0.2:{}/jeans.jpg',
        'http://127.2:{}/jeans.jpg',
        'http://0x7f000002:{}/jeans.jpg',
        'http://2130706434:{}/jeans.jpg',
        'http://017700000002:{}/jeans.jpg',
        'http://127。0。0。2:{}/jeans.jpg',
    ],
)
def test_the_private_server_never_sees_a_connection(servers, links, url):
    public, private = servers
    assert 'does not lead to a public server' in refused(links, url.format(public.server_port))
    assert not private.seen


def test_dns_that_changes_between_check_and_connection(servers):
    public, private = servers
    answers = iter([[PUBLIC], [PRIVATE]])

    async def rebind(host, port, **kw):
        return [(socket.AF_INET, 1, 6, '', (o, port)) for o in next(answers)]

    links, url = Links(guard=Guard(lambda ip: ip == PUBLIC, rebind), ports=None), f'http://rebind.example:{public.server_port}/jeans.jpg'
    assert links.fetch(url)[:2] == b'\xff\xd8'  # One look-up, and the connection goes where it pointed
    assert 'public server' in refused(links, url)
    assert not private.seen


@pytest.mark.parametrize(
    'path,says',
    [
        ('page', 'web page'),
        ('gone', '404'),
        ('loop', 'more than 3 times'),
        ('to_file', 'can be followed here'),
        ('nowhere', 'no server'),
        ('large', 'too large'),
        ('liar', 'too large'),
        ('drip', 'within 2 seconds'),
        ('cut', 'cannot be talked to'),
        ('nonsense', 'cannot be talked to'),
    ],
)
def test_faults_become_sentences(servers, links, path, says):
    t = time.monotonic()
    assert says in refused(links, f'http://shop.example:{servers[0].server_port}/{path}')
    assert time.monotonic() - t < 20


def test_a_name_that_hangs_does_not_hold_us(links):
    async def hang(*args, **kw):
        await anyio.sleep(60)

    t = time.monotonic()
    assert 'within 0.3 seconds' in refused(Links(deadline=0.3, guard=Guard(resolve=hang)), 'http://shop.example/')
    assert time.monotonic() - t < 20


def test_at_most_so_many_at_once(servers, links):
    public, got = servers[0], []
    public.most = 0
    ts = [threading.Thread(target=lambda: got.append(links.fetch(f'http://shop.example:{public.server_port}/slow.jpg'))) for _ in range(9)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert (len(got), public.most) == (9, 3)


@pytest.mark.parametrize(
    'host',
    [
        '127.0.0.1',
        '127.8.8.8',
        'localhost',
        '0.0.0.0',
        '0',
        '10.0.0.1',
        '172.16.5.5',
        '172.31.255.255',
        '192.168.0.1',
        '169.254.169.254',
        '100.64.0.1',
        '198.18.0.1',
        '192.0.2.1',
        '224.0.0.1',
        '240.0.0.1',
        '255.255.255.255',
        '[::1]',
        '[::]',
        '[fe80::1]',
        '[fc00::1]',
        '[fd00:ec2::254]',
        '[ff02::1]',
        '[2001:db8::1]',
        '[::ffff:127.0.0.1]',
        '[::ffff:10.0.0.1]',
        '[::ffff:7f00:1]',
        '[64:ff9b::127.0.0.1]',
        '[2002:7f00:1::]',
        '[2001:0:7f00:1::]',
        '[::127.0.0.1]',
        '0x7f.1',
        '0x7f000001',
        '017700000001',
        '0177.0.0.1',
        '2130706433',
        '127.1',
        '127.0.1',
        '0xa9fea9fe',
        '①②⑦.⓪.⓪.①',
    ],
)
def test_addresses_that_are_not_public(host):
    assert 'public server' in (s := refused(Links(deadline=5), f'http://{host}/')) or 'no server' in s or 'not a link' in s


@pytest.mark.parametrize(
    'url',
    [
        '',
        'jeans',
        '/etc/passwd',
        'file:///etc/passwd',
        'gopher://127.0.0.1/',
        'ftp://example.org/a.jpg',
        'data:image/png;base64,AAAA',
        'dict://example.org/',
        '//example.org/a.jpg',
        'http://',
        'http:///a.jpg',
        'http://example.org:22/',
        'http://example.org:99999/',
        'http://example.org:x/',
        'http://me:secret@example.org/',
        'http://example.org@127.0.0.1/',
        'http://a b/',
        'https://' + 'a' * 3000,
        'http://example.org/\r\nX: y',
        'http://example.org/\x00',
        'http://' + 'a' * 300 + '.example/',
    ],
)
def test_what_is_no_link(url):
    assert len(refused(Links(deadline=5), url)) > 20


def test_public_addresses_pass():
    assert all(map(is_public, ['8.8.8.8', '93.184.215.14', '2606:4700:4700::1111']))


FETCHERS = {
    'urllib.request',
    'urllib3',
    'http.client',
    'requests',
    'httpx',
    'httpx2',
    'httpcore',
    'aiohttp',
    'socket',
    'ftplib',
    'smtplib',
    'telnetlib',
    'safehttpx',
    'websocket',
    'websockets',
    'tornado.httpclient',
    'subprocess',
}
ROOMS = [p.read_text() for p in (Path(__file__).resolve().parents[1] / 'nbs').glob('[12][0-9]*.ipynb')]  # Numbers from 10 on are the serving wing
SERVING = ['settings', *(m[1] for o in ROOMS if (m := re.search(r'#\| default_exp (\w+)', o)))]


def imported(tree):
    "Modules that a tree imports anywhere"
    for o in ast.walk(tree):
        if isinstance(o, ast.Import):
            yield from (a.name for a in o.names)
        if isinstance(o, ast.ImportFrom) and not o.level:
            yield from (o.module, *(f'{o.module}.{a.name}' for a in o.names))


def test_no_other_room_of_the_serving_wing_can_fetch():
    lib = Path(clothing_classifier.__file__).parent
    assert len(SERVING) >= 10
    found = {m: FETCHERS & set(imported(ast.parse((lib / f'{m}.py').read_text()))) for m in SERVING if (lib / f'{m}.py').is_file()}
    assert found.pop('links') == {'httpx', 'httpcore', 'socket'}
    for m in ('engine', 'kernels'):  # They start processes of ours and speak to them through a socket of this machine
        assert found[m] == {'socket', 'subprocess'} and 'AF_INET' not in (lib / f'{m}.py').read_text()
        found[m] = set()
    assert found['cli'] == {'socket'} and '.connect(' not in (lib / 'cli.py').read_text()  # It looks whether a port is free
    found['cli'] = set()
    assert not any(found.values()), found
    for m in found:
        text = (lib / f'{m}.py').read_text()
        assert not any(o in text for o in ('urlopen', 'open_connection', 'create_connection', 'AsyncHTTPClient', 'connect_tcp')), m


def test_a_setting_turns_it_off():
    from clothing_classifier.serving.safe_fetch import open_links

    assert open_links(load_settings(links_follow='no')) is None
