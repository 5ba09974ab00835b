"""Whatever a web server does, a download ends soon, in a whole file or in a reason"""
import multiprocessing
import resource
import shutil
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from collected import settings_for
from loopback import Server, picture

from clothing_classifier.collecting.download import downloads, finished, in_order
from clothing_classifier.collecting.responses import FetchError


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    "Loopback is asked directly, whatever this machine's proxy"
    monkeypatch.setenv('no_proxy', '*')


@pytest.fixture(scope='module')
def web():
    with Server() as server: yield server


class Web:
    "The address of a server, for another process"
    def __init__(self, url): self.url = url


def fetch(web, folder, *paths, **changes):
    "The result for each address, in `files/` of a folder"
    options = dict(collect_deadline=120, collect_max_mb=8, collect_at_once=16) | changes
    urls = [path if '://' in path else f'{web.url}/{path}' for path in paths]
    with downloads(settings_for(folder/'data', **options).collect, folder/'files') as start:
        return [result for _,result in in_order(start, urls, ahead=99)]


@pytest.mark.parametrize('path, tries', [
    ('ok/1.jpg', 1), ('flaky/2/1.jpg', 3), ('busy/1/1.jpg', 2), ('hop/5/1.jpg', 1), ('nolength/1.jpg', 1),
    ('gzip/1.jpg', 1), ('othernoai/1.jpg', 1)])
def test_arrives_whole(web, tmp_path, path, tries):
    got, = fetch(web, tmp_path, path)
    assert got.read_bytes() == picture(1)
    assert web.counts()[f'/{path}'] == tries


@pytest.mark.parametrize('path, reason, lasting, tries', [
    ('status/404/1.jpg', 'gone', True, 1), ('status/410/1.jpg', 'gone', True, 1),
    ('status/403/1.jpg', 'refused', True, 1), ('status/451/1.jpg', 'refused', True, 1),
    ('status/500/1.jpg', 'server-error', False, 3), ('status/503/1.jpg', 'busy', False, 3),
    ('busy/3600/2.jpg', 'busy', False, 1),
    ('loop/1.jpg', 'redirects', True, 3), ('hop/6/1.jpg', 'redirects', True, 1), ('away/1.jpg', 'bad-address', True, 1),
    ('noai/1.jpg', 'noai', True, 1), ('noimageai/1.jpg', 'noai', True, 1),
    ('huge/1.jpg', 'too-big', True, 1), ('endless/1.jpg', 'too-big', True, 1), ('gzipbomb/1.jpg', 'too-big', True, 1),
    ('slow/1.jpg', 'too-slow', False, 1), ('silent/1.jpg', 'too-slow', False, 1),
    ('short/1.jpg', 'cut-off', False, 3), ('reset/1.jpg', 'cut-off', False, 3), ('badgzip/1.jpg', 'cut-off', False, 1)])
def test_ends_in_a_reason(tmp_path, path, reason, lasting, tries):
    deadline = 4 if reason == 'too-slow' else 120
    with Server() as web:
        got, = fetch(web, tmp_path, path, collect_tries=3, collect_deadline=deadline, collect_max_mb=2)
        assert (got.reason, got.lasting) == (reason, lasting), got
        assert web.counts()[f'/{path}'] == tries
        assert not list((tmp_path/'files').iterdir()), 'no half file is left'


@pytest.mark.parametrize('url, reason, lasting', [
    ('http://127.0.0.1:9/x.jpg', 'unreachable', False), ('http://no.such.host.invalid/x.jpg', 'unreachable', False),
    ('ftp://127.0.0.1/x.jpg', 'bad-address', True), ('http://[/x.jpg', 'bad-address', True),
    ('http:///x.jpg', 'bad-address', True), ('file:///etc/passwd', 'bad-address', True)])
def test_addresses_that_lead_nowhere(web, tmp_path, url, reason, lasting):
    got, = fetch(web, tmp_path, url, collect_tries=2)
    assert (got.reason, got.lasting) == (reason, lasting), got


def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024


def grow(web, folder, answer):
    "Reasons, and the megabytes by which this process grows while 24 bombs arrive"
    before = peak()
    paths = [f'{kind}/{i}.jpg' for i in range(8) for kind in ('gzipbomb', 'huge', 'endless')]
    got = fetch(web, folder, *paths, collect_max_mb=4, collect_at_once_per_host=24)
    answer.send(({o.reason for o in got}, peak() - before))


def test_bombs_take_bounded_memory(web, tmp_path):
    "24 at a time of at most 4 MB: 256 MB out of 256 KB of gzip, 200 MB as they are, and bodies without an end"
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context('spawn').Process(target=grow, args=(Web(web.url), tmp_path, sender))
    process.start()
    sender.close() # so that a child that dies ends the wait
    reasons, mb = receiver.recv()
    process.join()
    assert reasons == {'too-big'} and mb < 24*4 + 64


def test_noai_can_be_overruled(web, tmp_path):
    got, = fetch(web, tmp_path, 'noai/2.jpg', collect_respect_noai='no')
    assert got.read_bytes() == picture(2)


def test_a_picture_after_bytes_too_many_is_the_right_one(web, tmp_path):
    "A body longer than its length says never spills into the next response of its connection"
    others = [f'ok/{i}.jpg' for i in range(20, 40)]
    long, *rest = fetch(web, tmp_path, 'overlong/1.jpg', *others, collect_at_once=1)
    if isinstance(long, FetchError): assert long.reason == 'cut-off' # head and body came in one read
    else: assert long.read_bytes() == picture(1)[:900]
    assert [p.read_bytes() for p in rest] == [picture(i) for i in range(20, 40)]


def test_a_pause_that_a_host_asks_for_holds_for_all_its_pictures(tmp_path):
    with Server() as web:
        start = time.monotonic()
        paths = 'busy/1/5.jpg', *[f'ok/{i}.jpg' for i in range(4)]
        got = fetch(web, tmp_path, *paths, collect_at_once=1, collect_at_once_per_host=1)
        assert all(isinstance(o, Path) for o in got) and time.monotonic() - start >= 1
        got = fetch(web, tmp_path, 'busy/600/6.jpg', 'ok/9.jpg', collect_at_once_per_host=1)
        assert [o.reason for o in got] == ['busy', 'busy'] and '/ok/9.jpg' not in web.counts()


def test_a_dead_host_is_left_alone(web, tmp_path):
    dead = [f'http://127.0.0.1:9/{i}.jpg' for i in range(500)]
    *missed, alive = fetch(web, tmp_path, *dead, 'ok/1.jpg', collect_tries=2)
    assert {o.reason for o in missed} == {'unreachable'} and not any(o.lasting for o in missed)
    assert 'another run' in missed[400].detail and isinstance(alive, Path)


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
    def full(*_): raise OSError(28, 'No space left on device')
    monkeypatch.setattr('os.replace', full)
    with pytest.raises(OSError, match='No space'): fetch(web, tmp_path, 'ok/1.jpg')
    assert not list((tmp_path/'files').iterdir())


def test_what_is_there_is_not_asked_for(tmp_path):
    with Server() as web:
        for name in 'ab': (tmp_path/name).mkdir()
        first, = fetch(web, tmp_path/'a', 'ok/1.jpg')
        shutil.copytree(tmp_path/'a', tmp_path/'b', dirs_exist_ok=True)
        second, = fetch(web, tmp_path/'b', 'ok/1.jpg')
        assert second.read_bytes() == first.read_bytes()
        assert web.counts()['/ok/1.jpg'] == 1


def test_results_come_in_the_order_of_the_items():
    "The last to finish is the first to be yielded; no more than `ahead` are started before it"
    futures = {i: Future() for i in range(5)}
    def start(i):
        if i == 3: futures[0].set_result('0')
        if i: futures[i].set_result(str(i))
        return futures[i]
    assert list(in_order(start, range(5), ahead=4)) == [(i, str(i)) for i in range(5)]


def test_a_finished_future(): assert finished(7).result() == 7
