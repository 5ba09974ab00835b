"Links reach public servers only, and the server behind a link can neither fill our memory nor keep us waiting"

import ast
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest
from tiny import run_async, write_settings

import clothing_classifier
from clothing_classifier.images import open_image
from clothing_classifier.page.inference import InferenceServer
from clothing_classifier.serving import safe_fetch
from clothing_classifier.serving.safe_fetch import Guard, LinkError, SafeFetcher, is_public, open_links
from clothing_classifier.settings import load_settings

PUBLIC, PRIVATE = '127.0.0.1', '127.0.0.2'  # on loopback, one stands for the internet, the other for a private server
NAMES = {'shop.example': [PUBLIC], 'inside.example': [PRIVATE], 'both.example': [PUBLIC, PRIVATE]}


JEANS = next(Path(__file__).parents[1].glob('examples/photos/jeans/*.jpg')).read_bytes()


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
        self.send(body=JEANS, Content_Type='image/jpeg')

    def slow_jpg(self):
        s = self.server
        with s.lock:
            s.now, s.most = s.now + 1, max(s.most, s.now + 1)
        time.sleep(0.3)
        with s.lock:  # before the answer, since the next request may follow at once
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
def fetcher():
    guard = Guard(lambda ip: ip == PUBLIC, resolve)
    return SafeFetcher(max_mb=1, deadline=2, at_once=3, redirects=3, guard=guard, ports=None)


def error(fetcher, url):
    "The key of the error that a link gets"
    with pytest.raises(LinkError) as e:
        fetcher.fetch(url)
    assert len(str(e.value)) > 20
    return e.value.key


def test_picture_arrives(servers, fetcher):
    public, _ = servers
    data = fetcher.fetch(f'http://shop.example:{public.server_port}/jeans.jpg?size=1')
    assert open_image(data).size == open_image(JEANS).size
    _, path, headers = public.seen[-1]
    assert path == '/jeans.jpg?size=1' and headers['Host'] == f'shop.example:{public.server_port}'
    assert set(headers) == {'Host', 'User-Agent', 'Accept', 'Accept-Encoding'}


def test_a_redirect_on_the_same_server_is_followed(servers, fetcher):
    assert fetcher.fetch(f'http://{PUBLIC}:{servers[0].server_port}/relative')[:2] == b'\xff\xd8'


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
def test_the_private_server_never_sees_a_connection(servers, fetcher, url):
    public, private = servers
    assert error(fetcher, url.format(public.server_port)) == 'link_not_public'
    assert not private.seen


def test_dns_that_changes_between_check_and_connection(servers):
    public, private = servers
    answers = iter([[PUBLIC], [PRIVATE]])

    async def rebind(host, port, **kw):
        return [(socket.AF_INET, 1, 6, '', (o, port)) for o in next(answers)]

    fetcher, url = SafeFetcher(guard=Guard(lambda ip: ip == PUBLIC, rebind), ports=None), f'http://rebind.example:{public.server_port}/jeans.jpg'
    assert fetcher.fetch(url)[:2] == b'\xff\xd8'  # one look-up, and the connection goes where it pointed
    assert error(fetcher, url) == 'link_not_public'
    assert not private.seen


@pytest.mark.parametrize(
    'path,key',
    [
        ('page', 'link_web_page'),
        ('gone', 'link_status'),
        ('loop', 'link_redirects'),
        ('to_file', 'link_unsupported'),
        ('nowhere', 'link_no_server'),
        ('large', 'link_too_large'),
        ('liar', 'link_too_large'),
        ('drip', 'link_timeout'),
        ('cut', 'link_broken'),
        ('nonsense', 'link_broken'),
    ],
)
def test_each_fault_has_its_error(servers, fetcher, path, key):
    assert error(fetcher, f'http://shop.example:{servers[0].server_port}/{path}') == key


def test_a_resolver_that_hangs():
    async def hang(*args, **kw):
        await anyio.sleep_forever()

    assert error(SafeFetcher(deadline=0.3, guard=Guard(resolve=hang)), 'http://shop.example/') == 'link_timeout'


def test_a_coroutine_can_fetch_too(servers, fetcher):
    url = f'http://shop.example:{servers[0].server_port}/jeans.jpg'
    assert run_async(fetcher.fetch_async, url) == fetcher.fetch(url)


def test_at_most_so_many_at_once(servers, fetcher):
    public, _ = servers
    public.most = 0
    url = f'http://shop.example:{public.server_port}/slow.jpg'
    with ThreadPoolExecutor(9) as ex:
        got = list(ex.map(fetcher.fetch, [url] * 9))
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
    assert error(SafeFetcher(), f'http://{host}/') in ('link_not_public', 'link_no_server', 'link_no_link')


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
    error(SafeFetcher(), url)


def test_public_addresses():
    assert all(map(is_public, ['8.8.8.8', '93.184.215.14', '2606:4700:4700::1111', '::ffff:93.184.215.14']))


def addresses(*ips):
    "The addresses of a host that resolves to these"

    async def resolve(*args, **kw):
        return [(0, 0, 0, '', (ip, 80)) for ip in ips]

    return run_async(Guard(resolve=resolve).addresses, 'shop.example', 80)


def test_ipv4_is_tried_first():
    assert addresses('2606:4700::1', '93.184.215.14') == ['93.184.215.14', '2606:4700::1']


def test_one_private_address_is_enough_for_an_error():
    with pytest.raises(LinkError, match='public server'):
        addresses('93.184.215.14', '10.0.0.7')


def test_a_setting_turns_links_off(tmp_path):
    settings = load_settings(write_settings(tmp_path, links_follow='no'))
    assert open_links(settings) is None and open_links(settings.changed(links_follow='yes')) is not None


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
ASKING = ('urlopen', 'open_connection', 'create_connection', 'AsyncHTTPClient', 'connect_tcp')
# Modules of the serving wing that may use a network library, and which: they speak to processes of this machine only
ALLOWED = {
    'serving/safe_fetch.py': {'httpx', 'httpcore', 'socket'},
    'page/inference_process.py': {'socket'},
    'page/fork_server.py': {'socket'},
    'page/voila_server.py': {'socket'},  # it asks whether there are sockets of files
    'api/server.py': {'socket'},  # it is given one
    'cli.py': {'socket'},  # it checks whether a port is free
    'command/serving.py': {'socket'},  # the same
}
LIBRARY = Path(clothing_classifier.__file__).parent
FLOOR = [LIBRARY / f'{name}.py' for name in ('settings', 'files', 'images', 'predict', 'cli', 'doctor')]
FOLDERS = ('serving', 'page', 'api', 'texts', 'command')
SERVING = [*FLOOR, *(file for folder in FOLDERS for file in (LIBRARY / folder).glob('*.py'))]


def imported(tree):
    "Modules that a tree imports anywhere"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from (node.module, *(f'{node.module}.{alias.name}' for alias in node.names))


@pytest.mark.parametrize('file', SERVING, ids=lambda file: file.relative_to(LIBRARY).as_posix())
def test_only_safe_fetch_can_fetch(file):
    name, text = file.relative_to(LIBRARY).as_posix(), file.read_text()
    assert FETCHERS & set(imported(ast.parse(text))) <= ALLOWED.get(name, set())
    if name != 'serving/safe_fetch.py':
        assert not any(word in text for word in ASKING) and '.connect((' not in text


@pytest.fixture
def openings(monkeypatch):
    "What was opened; an opening waits a little for a second one beside it, which would be one too many"
    openings, both = [], threading.Barrier(2, timeout=.5)

    def opening(open_it):
        def opened(*args, **kwargs):
            openings.append(open_it.__name__)
            with suppress(threading.BrokenBarrierError): both.wait()
            return open_it(*args, **kwargs)
        return opened

    for name in ('start_blocking_portal', 'open_links'):
        monkeypatch.setattr(safe_fetch, name, opening(getattr(safe_fetch, name)))
    return openings


def test_two_threads_with_the_first_link_open_one_fetcher(openings, tmp_path):
    "Its thread, and the fetcher of the page: so `at_once` counts the fetches of all visitors"
    page = InferenceServer(load_settings(write_settings(tmp_path)))
    with ThreadPoolExecutor(2) as pool:
        fetchers = list(pool.map(lambda _: page.links, range(2)))
        portals = list(pool.map(lambda fetcher: fetcher._portal, fetchers))
    assert fetchers[0] is fetchers[1] and portals[0] is portals[1]
    assert openings == ['open_links', 'start_blocking_portal']
