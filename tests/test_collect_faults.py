"""Whatever a web server does, a download ends soon, in a whole file or in a reason"""
import multiprocessing
import resource
import shutil
import time
from pathlib import Path

import pytest
from loopback import Server, picture

from clothing_classifier.collecting.download import downloads, in_order
from clothing_classifier.collecting.responses import FetchError
from clothing_classifier.settings import load_settings

ini = Path(__file__).parents[1]/'settings.ini'


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    "Loopback is asked directly, whatever this machine's proxy"
    monkeypatch.setenv('no_proxy', '*')


@pytest.fixture(scope='module')
def web():
    with Server() as s: yield s


class Web:
    "The address of a server, for another process"
    def __init__(self, url): self.url = url


def fetch(web, folder, *paths, **kw):
    "What becomes of each address"
    c = load_settings(ini, **{'collect_deadline': 120, 'collect_max_mb': 8, 'collect_at_once': 16} | kw).collect
    with downloads(c, folder) as start: return [r for _,r in in_order(start, [f'{web.url}/{p}' if '://' not in p else p for p in paths], ahead=99)]


@pytest.mark.parametrize('path, tries', [('ok/1.jpg', 1), ('flaky/2/1.jpg', 3), ('busy/1/1.jpg', 2), ('hop/5/1.jpg', 1), ('nolength/1.jpg', 1), ('gzip/1.jpg', 1), ('othernoai/1.jpg', 1)])
def test_arrives_whole(web, tmp_path, path, tries):
    got, = fetch(web, tmp_path, path)
    assert got.read_bytes() == picture(1)
    assert web.counts()[f'/{path}'] == tries


@pytest.mark.parametrize('path, reason, lasting, tries', [
    ('status/404/1.jpg', 'gone', True, 1), ('status/410/1.jpg', 'gone', True, 1), ('status/403/1.jpg', 'refused', True, 1), ('status/451/1.jpg', 'refused', True, 1),
    ('status/500/1.jpg', 'server-error', False, 3), ('status/503/1.jpg', 'busy', False, 3), ('busy/3600/2.jpg', 'busy', False, 1),
    ('loop/1.jpg', 'redirects', True, 3), ('hop/6/1.jpg', 'redirects', True, 1), ('away/1.jpg', 'bad-address', True, 1),
    ('noai/1.jpg', 'noai', True, 1), ('noimageai/1.jpg', 'noai', True, 1),
    ('huge/1.jpg', 'too-big', True, 1), ('endless/1.jpg', 'too-big', True, 1), ('gzipbomb/1.jpg', 'too-big', True, 1),
    ('slow/1.jpg', 'too-slow', False, 1), ('silent/1.jpg', 'too-slow', False, 1),
    ('short/1.jpg', 'cut-off', False, 3), ('reset/1.jpg', 'cut-off', False, 3), ('badgzip/1.jpg', 'cut-off', False, 1)])
def test_ends_in_a_reason(tmp_path, path, reason, lasting, tries):
    with Server() as web:
        got, = fetch(web, tmp_path, path, collect_tries=3, collect_deadline=4 if reason == 'too-slow' else 120, collect_max_mb=2)
        assert (got.reason, got.lasting) == (reason, lasting), got
        assert web.counts()[f'/{path}'] == tries
        assert not list(tmp_path.iterdir()), 'no half file is left'


@pytest.mark.parametrize('url, reason, lasting', [('http://127.0.0.1:9/x.jpg', 'unreachable', False), ('http://no.such.host.invalid/x.jpg', 'unreachable', False),
    ('ftp://127.0.0.1/x.jpg', 'bad-address', True), ('http://[/x.jpg', 'bad-address', True), ('http:///x.jpg', 'bad-address', True), ('file:///etc/passwd', 'bad-address', True)])
def test_addresses_that_lead_nowhere(web, tmp_path, url, reason, lasting):
    got, = fetch(web, tmp_path, url, collect_tries=2)
    assert (got.reason, got.lasting) == (reason, lasting), got


def grow(web, folder, answer):
    "Megabytes by which this process grows while bombs arrive"
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024
    start = peak()
    got = fetch(web, folder, *[f'{kind}/{i}.jpg' for i in range(8) for kind in ('gzipbomb', 'huge', 'endless')], collect_max_mb=4, collect_at_once_per_host=24)
    answer.send(({o.reason for o in got}, peak() - start))


def test_bombs_take_bounded_memory(web, tmp_path):
    "24 at a time of at most 4 MB: 256 MB out of 256 KB of gzip, 200 MB as they are, and bodies without an end"
    mine, yours = multiprocessing.Pipe()
    p = multiprocessing.get_context('spawn').Process(target=grow, args=(Web(web.url), tmp_path, yours))
    p.start()
    assert mine.poll(200)
    reasons, mb = mine.recv()
    p.join(10)
    assert reasons == {'too-big'} and mb < 24*4 + 64


def test_noai_can_be_overruled(web, tmp_path):
    assert fetch(web, tmp_path, 'noai/2.jpg', collect_respect_noai='no')[0].read_bytes() == picture(2)


def test_a_picture_after_bytes_too_many_is_the_right_one(web, tmp_path):
    "A body longer than it says is cut there, or a reason if head and all came in one read; it never spills into the next answer of its connection"
    short, *rest = fetch(web, tmp_path, 'overlong/1.jpg', *[f'ok/{i}.jpg' for i in range(20, 40)], collect_at_once=1)
    assert short.reason == 'cut-off' if isinstance(short, FetchError) else short.read_bytes() == picture(1)[:900]
    assert [p.read_bytes() for p in rest] == [picture(i) for i in range(20, 40)]


def test_a_pause_that_a_host_asks_for_holds_for_all_its_pictures(tmp_path):
    with Server() as web:
        start = time.monotonic()
        got = fetch(web, tmp_path, 'busy/1/5.jpg', *[f'ok/{i}.jpg' for i in range(4)], collect_at_once=1, collect_at_once_per_host=1)
        assert all(isinstance(o, Path) for o in got) and time.monotonic() - start >= 1
        got = fetch(web, tmp_path, 'busy/600/6.jpg', 'ok/9.jpg', collect_at_once_per_host=1)
        assert [o.reason for o in got] == ['busy', 'busy'] and '/ok/9.jpg' not in web.counts()


def test_a_dead_host_is_left_alone(web, tmp_path):
    got = fetch(web, tmp_path, *[f'http://127.0.0.1:9/{i}.jpg' for i in range(500)], 'ok/1.jpg', collect_tries=2)
    assert {o.reason for o in got[:-1]} == {'unreachable'} and not any(o.lasting for o in got[:-1])
    assert 'another run' in got[400].detail and isinstance(got[-1], Path)


def test_limits_of_concurrency_are_kept(tmp_path):
    "80 answers of 50 ms, 4 at a time, take at least a second"
    with Server(latency=.05) as web:
        start = time.monotonic()
        fetch(web, tmp_path, *[f'ok/{i}.jpg' for i in range(80)], collect_at_once=32, collect_at_once_per_host=4)
        assert time.monotonic() - start >= 1
        start = time.monotonic()
        fetch(web, tmp_path, *[f'ok/{i}.jpg' for i in range(80, 160)], collect_at_once=4, collect_at_once_per_host=32)
        assert time.monotonic() - start >= 1


def test_a_full_disk_stops_the_run(web, tmp_path, monkeypatch):
    "It is no fault of the address: nothing may be written down against it"
    import clothing_classifier.collecting.search as module
    def full(*_): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(module.os, 'replace', full)
    with pytest.raises(OSError, match='No space'): fetch(web, tmp_path, 'ok/1.jpg')
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_asked_for(tmp_path):
    with Server() as web:
        a = fetch(web, tmp_path/'a', 'ok/1.jpg')
        shutil.copytree(tmp_path/'a', tmp_path/'b')
        assert fetch(web, tmp_path/'b', 'ok/1.jpg')[0].read_bytes() == a[0].read_bytes()
        assert web.counts()['/ok/1.jpg'] == 1
