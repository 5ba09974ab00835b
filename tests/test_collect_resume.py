"""A run that was killed, stopped or disturbed ends in the same folder as a calm one"""
import itertools
import multiprocessing
import os
import random
import signal
import sys
from collections import Counter

import pytest
from collected import result, rows, settings_for
from loopback import Server

from clothing_classifier.collect import collect
from clothing_classifier.collecting.found import CollectError, Found
from clothing_classifier.collecting.manifest import Manifest, Row
from clothing_classifier.collecting.store import Store

pytestmark = pytest.mark.filterwarnings('ignore::clothing_classifier.collecting.found.CollectWarning')

KINDS = ['ok/{i}.jpg']*12 + ['ok/{j}.jpg?copy={i}', 'near/140/{j}.jpg?copy={i}', 'ok/{j}.jpg', 'blank/{i}.jpg',
    'page/{i}.jpg', 'png/{i}.png', 'near/40/{i}.jpg', 'status/404/{i}.jpg', 'flaky/1/{i}.jpg']


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    "Loopback is asked directly, whatever this machine's proxy"
    monkeypatch.setenv('no_proxy', '*')


def messy(url, n):
    "Addresses of every kind: distinct, repeated, near, in two categories, blank, broken, gone, flaky"
    draw = random.Random(7)
    for i in range(n):
        path = draw.choice(KINDS).format(i=i, j=draw.randrange(i+1))
        yield Found(('shirt', 'jeans', 'socks')[3*i//n], f'{url}/{path}')


def run(url, n, path): collect(messy(url, n), settings=settings_for(path))


def run_until_killed(url, n, path, after):
    "A run that is killed before its disk operation number `after` in `path`, in whatever thread"
    left = itertools.count(after, -1)
    def watch(event, args):
        if event not in ('open', 'os.rename', 'os.link', 'os.remove'): return
        if not str(args[0]).startswith(f'{path}{os.sep}'): return
        if (event == 'open' or os.path.exists(args[0])) and not next(left): os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    run(url, n, path)


def is_killed(*args):
    "Was a run, in a process of its own, killed?"
    process = multiprocessing.get_context('forkserver').Process(target=run_until_killed, args=args)
    process.start()
    process.join()
    return process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize('n, kills', [(250, 5), pytest.param(700, 20, marks=pytest.mark.slow)])
def test_killed_again_and_again_the_result_is_the_same(tmp_path, n, kills):
    draw = random.Random(3)
    multiprocessing.set_forkserver_preload(['clothing_classifier.collect'])
    with Server() as calm:
        run(calm.url, n, tmp_path/'calm')
        asked = calm.counts()
    with Server(latency=.01) as web:
        killed = [is_killed(web.url, n, tmp_path/'killed', draw.randint(1, 150)) for _ in range(kills)]
        known = len(rows(tmp_path/'killed'))
        run(web.url, n, tmp_path/'killed')
        again = web.counts() - asked
    assert all(killed)
    files, expected, missed = result(tmp_path/'calm')
    def same(rows): return [row | {'url': row['url'].replace(web.url, calm.url)} for row in rows]
    got = result(tmp_path/'killed')
    assert got[0] == files and same(got[1]) == expected and same(got[2]) == missed
    reasons = {row['rejected'] for row in expected}
    assert reasons == {'', 'duplicate', 'near-duplicate', 'two-categories', 'blank', 'broken', 'too-small'}
    gone = Counter({k: v for k,v in again.items() if '/404/' in k}) # known by their rows, written in order
    assert 10 < known < len(expected)
    assert (again - gone).total() <= kills*8 and gone.total() <= kills*64


@pytest.mark.parametrize('n', [300, pytest.param(2000, marks=pytest.mark.slow)])
def test_random_faults_cost_no_picture(tmp_path, n):
    "30 % of the requests end in 503, 429, a reset or half a body; every picture arrives, and in order"
    settings = settings_for(tmp_path/'data', collect_at_once=32, collect_at_once_per_host=32, collect_tries=12)
    with Server() as web:
        df = collect((Found('jeans', f'{web.url}/random/30/{i}.jpg') for i in range(n)), settings=settings)
        assert web.counts().total() > 1.25*n
    assert df.loc['jeans', ['found', 'kept']].tolist() == [n, n]
    assert [r.url.split('/')[-1] for r in rows(tmp_path/'data')] == [f'{i}.jpg' for i in range(n)]
    assert all((tmp_path/f'data/images/jeans/{r.sha1}.jpg').is_file() for r in rows(tmp_path/'data'))


def test_interrupted_it_goes_on(tmp_path):
    "Ctrl-C in a notebook"
    data = tmp_path/'data'
    def found(web, stop=None):
        for i in range(100):
            if i == stop: raise KeyboardInterrupt
            yield Found('jeans', f'{web.url}/ok/{i}.jpg')
    with Server(latency=.005) as web:
        with pytest.raises(KeyboardInterrupt): collect(found(web, stop=60), settings=settings_for(data))
        df = collect(found(web), settings=settings_for(data))
    assert df.loc['jeans', 'kept'] == 100
    assert not list(data.rglob('.*.tmp')) and not (data/'incoming').exists()


def test_manifest_survives_a_cut_line(tmp_path):
    manifest = Manifest(tmp_path/'manifest.csv')
    first = Row('a'*40, 'jeans', '', 'http://x/1', query='jeans, "blue"\nor not')
    manifest.append(first, Row('b'*40, 'jeans', '', 'http://x/ü'))
    whole = manifest.path.read_bytes()
    for cut in range(1, 60):
        manifest.path.write_bytes(whole[:-cut])
        assert [r.sha1[0] for r in Manifest(manifest.path).rows()] == ['a']
        assert manifest.path.read_bytes() == whole[:-cut], 'reading does not write: another program may be appending'
    Manifest(manifest.path).append(Row('c'*40, 'jeans', '', 'http://x/3'))
    assert [(r.sha1[0], r.query) for r in manifest.rows()] == [('a', 'jeans, "blue" or not'), ('c', '')]


def test_a_manifest_of_another_kind_is_refused(tmp_path):
    (tmp_path/'manifest.csv').write_text('a,b\n1,2\n')
    with pytest.raises(CollectError, match='move it away'): Store(settings_for(tmp_path))
