"""The same sources give the same folder: by import, over a bad network, and killed twenty times on the way"""
import itertools
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from filelock import FileLock
from loopback import Server, picture
from PIL import Image
from tiny import command

from clothing_classifier.collect import collect, import_folder
from clothing_classifier.collecting.check import check
from clothing_classifier.collecting.importers import CollectError
from clothing_classifier.collecting.pipeline import CollectWarning
from clothing_classifier.collecting.manifest import Failures, Manifest, Row
from clothing_classifier.collecting.store import Store
from drawings import draw_folder, draw_picture
from clothing_classifier.settings import load_settings
from clothing_classifier.collecting.importers import Found, folder, url_lists

ini = Path(__file__).parents[1]/'settings.ini'
scraped = Path(__file__).parents[2]/'shared/data/scraped'
needs_scraped = pytest.mark.skipif(not scraped.is_dir(), reason='needs ../shared/data/scraped, which is not on this machine')
pytestmark = pytest.mark.filterwarnings('ignore::clothing_classifier.collecting.found.CollectWarning')


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    "Loopback is asked directly, whatever this machine's proxy"
    monkeypatch.setenv('no_proxy', '*')


def at(path, **kw):
    "Settings for a data folder"
    return load_settings(ini, **{'data_path': path, 'collect_at_once': 8, 'collect_deadline': 200} | kw)


def contents(path):
    "Everything under a folder, by relative path, but the tables and the lock"
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob('*') if p.is_file() and p.suffix != '.csv' and p.name != '.lock'}


def sentences(said): return [str(o.message) for o in said if o.category is CollectWarning]


def table(log, *without):
    "The rows of a manifest in order, without what differs from run to run"
    return [{k: str(v) for k,v in vars(r).items() if k not in ('fetched_at', 'at', *without)} for r in log.rows()]


def result(path): return contents(path), table(Manifest(path/'manifest.csv')), table(Failures(path/'unfetched.csv'))


def messy(url, n):
    "Addresses of every kind: distinct, repeated, near, in two categories, one address in two, blank, broken, PNG, gone, flaky"
    r = random.Random(7)
    kinds = ['ok/{i}.jpg']*12 + ['ok/{j}.jpg?copy={i}', 'near/140/{j}.jpg?copy={i}', 'ok/{j}.jpg', 'blank/{i}.jpg', 'page/{i}.jpg', 'png/{i}.png', 'near/40/{i}.jpg', 'status/404/{i}.jpg', 'flaky/1/{i}.jpg']
    for i in range(n): yield Found(('shirt', 'jeans', 'socks')[3*i//n], f'{url}/{r.choice(kinds).format(i=i, j=r.randrange(i+1))}')


def run(url, n, path): collect(messy(url, n), settings=at(path))


def dying(url, n, path, after):
    "A run that is killed before its disk operation number `after` in `path`, whatever thread that is in"
    left = itertools.count(after, -1)

    def watch(event, args):
        mine = event in ('open', 'os.rename', 'os.link', 'os.remove') and str(args[0]).startswith(str(path))
        if mine and (event == 'open' or os.path.exists(args[0])) and not next(left): os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    run(url, n, path)


def killed(*args):
    "Was a run, in a process of its own, killed?"
    p = multiprocessing.get_context('forkserver').Process(target=dying, args=args)
    p.start()
    p.join(200)
    return p.exitcode == -signal.SIGKILL


def test_killed_twenty_times_the_result_is_the_same(tmp_path):
    n, r = 700, random.Random(3)
    multiprocessing.set_forkserver_preload(['clothing_classifier.collect'])
    with Server() as calm:
        run(calm.url, n, tmp_path/'calm')
        asked = calm.counts()
    with Server(latency=.01) as web:
        kills = sum(killed(web.url, n, tmp_path/'killed', r.randint(1, 150)) for _ in range(20))
        known = len(result(tmp_path/'killed')[1])
        run(web.url, n, tmp_path/'killed')
        again = web.counts() - asked
    assert kills == 20
    files, rows, misses = result(tmp_path/'calm')
    same = lambda rs: [o | {'url': o['url'].replace(web.url, calm.url)} for o in rs]
    got = result(tmp_path/'killed')
    assert got[0] == files and same(got[1]) == rows and same(got[2]) == misses
    assert {o['rejected'] for o in rows} == {'', 'duplicate', 'near-duplicate', 'two-categories', 'blank', 'broken', 'too-small'}
    gone = {k: v for k,v in again.items() if '/404/' in k} # What has no file is known by its row, and that is written in the order of the sources
    print(f'{known} of {len(rows)} rows were there after {kills} kills; {(again-Counter(gone)).total()} pictures were under way at a kill and asked for again')
    assert 50 < known < len(rows) and (again-Counter(gone)).total() <= kills*8 and sum(gone.values()) <= kills*64


def test_random_faults_cost_no_picture(tmp_path):
    "30 % of 2,000 requests end in 503, 429, a reset or half a body; every picture arrives, and in order"
    s = at(tmp_path, collect_at_once=32, collect_at_once_per_host=32, collect_tries=12)
    with Server() as web:
        df = collect((Found('jeans', f'{web.url}/random/30/{i}.jpg') for i in range(2000)), settings=s)
        assert web.counts().total() > 2500
    assert df.loc['jeans', ['found', 'kept']].tolist() == [2000, 2000]
    assert [r.url.split('/')[-1] for r in Manifest(tmp_path/'manifest.csv').rows()] == [f'{i}.jpg' for i in range(2000)]
    assert all((tmp_path/f'images/jeans/{r.sha1}.jpg').is_file() for r in Manifest(tmp_path/'manifest.csv').rows())


def over_http(src, tmp_path):
    "The folders that importing `src`, and collecting a loopback copy of it, end in"
    web_settings, settings = at(tmp_path/'web', collect_at_once_per_host=16, collect_at_once=16), at(tmp_path/'import')
    import_folder(src, settings)
    with Server(src) as web:
        for c in settings.categories:
            (tmp_path/f'urls_{c}.csv').write_text('\n'.join(f'{web.url}/file/{c}/{p.name}' for p in sorted((src/c).iterdir())))
        collect(url_lists(tmp_path, web_settings), settings=web_settings)
    return result(tmp_path/'web'), result(tmp_path/'import')


def plain(rows): return [{k: v for k,v in o.items() if k != 'url'} for o in rows]


def test_over_http_as_by_import(tmp_path):
    draw_folder(tmp_path/'drawn', load_settings(ini).categories, n=6)
    draw_picture('socks', 5, size=150).save(tmp_path/'drawn/shoes/a_sock.png')
    web, imported = over_http(tmp_path/'drawn', tmp_path)
    assert web[0] == imported[0] and plain(web[1]) == plain(imported[1])


@needs_scraped
def test_scraped_over_http_as_by_import(tmp_path):
    web, imported = over_http(scraped, tmp_path)
    assert web[0] == imported[0] and plain(web[1]) == plain(imported[1])
    print(f"{sum(o['rejected'] == '' for o in web[1])} of {len(web[1])} scraped pictures are kept either way")


@needs_scraped
def test_scraped_lists_without_a_network(tmp_path, monkeypatch):
    "960 addresses behind a proxy that does not exist: each has its row and reason, none is given up for good, and the user is told"
    for k in ('http_proxy', 'https_proxy'): monkeypatch.setenv(k, 'http://127.0.0.1:9')
    monkeypatch.setenv('no_proxy', '')
    settings = at(tmp_path)
    with pytest.warns(CollectWarning) as said: df = collect(url_lists(scraped, settings), settings=settings)
    listed = {(o.category, o.url) for o in url_lists(scraped, settings)}
    misses = Failures(tmp_path/'unfetched.csv').rows()
    assert {(o.category, o.url) for o in misses} == listed and df.loc['all', ['found', 'fetched', 'kept', 'unreachable']].tolist() == [len(listed), 0, 0, len(listed)]
    assert all(o.detail and not o.lasting for o in misses)
    text = sentences(said)
    assert text[-1] == f'{len(listed)} addresses did not answer this time (unreachable {len(listed)}; details in unfetched.csv); run it again to ask only them'
    assert [o.split(':')[0] for o in text[:-1]] == list(settings.categories)


def test_no_second_question(tmp_path):
    "What is gone for good is not asked for again, nor is a second category's copy of an address; what may come back is"
    def sources(web): return [Found('jeans', f'{web.url}/{p}') for p in ('ok/1.jpg', 'status/404/1.jpg', 'status/500/1.jpg')] + [Found('socks', f'{web.url}/{p}') for p in ('ok/1.jpg', 'status/404/1.jpg')]
    with Server() as web:
        s = at(tmp_path, collect_tries=1)
        first = collect(sources(web), settings=s)
        assert collect(sources(web), settings=s).equals(first)
        assert web.counts() == {'/ok/1.jpg': 1, '/status/404/1.jpg': 1, '/status/500/1.jpg': 2}
    assert first.loc['all', ['found', 'fetched', 'kept', 'two-categories', 'gone', 'server-error']].tolist() == [5, 2, 0, 2, 2, 1]
    assert [p.name for p in (tmp_path/'rejected/two-categories').iterdir()] == [check(picture(1)).sha1 + '.jpg']


def test_the_user_is_told(tmp_path):
    with Server() as web, pytest.warns(CollectWarning) as said:
        collect([Found(c, f'{web.url}/ok/{i}.jpg') for c,i in (('jeans', 1), ('jeans', 2), ('socks', 1))] + [Found('shoes', 'http://127.0.0.1:9/1.jpg')], settings=at(tmp_path, collect_enough=1, collect_tries=1))
    text = '\n'.join(str(o.message) for o in said)
    assert 'jeans:' not in text and 'socks: 0 pictures are kept, fewer than 1' in text
    assert '2 pictures were found for two categories (jeans 1, socks 1)' in text and '1 addresses did not answer this time' in text


def broken_source(web):
    if web: yield Found('jeans', f'{web.url}/ok/1.jpg')
    raise CollectError('the engine broke')


def test_what_a_failing_source_found_is_kept(tmp_path):
    with Server() as web, pytest.warns(CollectWarning, match='the engine broke'):
        df = collect(broken_source(web), [Found('jeans', f'{web.url}/ok/2.jpg')], settings=at(tmp_path))
    assert df.loc['jeans', 'kept'] == 2
    with pytest.raises(CollectError, match='broke'): collect(broken_source(None), settings=at(tmp_path/'empty'))


def test_interrupted_it_goes_on(tmp_path):
    "Ctrl-C in a notebook"
    def stop(web):
        for i in range(100):
            if i == 60: raise KeyboardInterrupt
            yield Found('jeans', f'{web.url}/ok/{i}.jpg')
    with Server(latency=.005) as web:
        with pytest.raises(KeyboardInterrupt): collect(stop(web), settings=at(tmp_path))
        df = collect([Found('jeans', f'{web.url}/ok/{i}.jpg') for i in range(100)], settings=at(tmp_path))
    assert df.loc['jeans', 'kept'] == 100 and not list(tmp_path.rglob('.*.tmp')) and not (tmp_path/'incoming').exists()


def test_one_program_at_a_time(tmp_path):
    with FileLock(tmp_path/'.lock'), pytest.raises(CollectError, match='another program'): collect([], settings=at(tmp_path))


def test_manifest_survives_a_cut_line(tmp_path):
    m = Manifest(tmp_path/'manifest.csv')
    m.append(Row('a'*40, 'jeans', '', 'http://x/1', query='jeans, "blue"\nor not'), Row('b'*40, 'jeans', '', 'http://x/ü'))
    whole = m.path.read_bytes()
    for cut in range(1, 60):
        m.path.write_bytes(whole[:-cut])
        assert [r.sha1[0] for r in Manifest(m.path).rows()] == ['a'] and m.path.read_bytes() == whole[:-cut], 'reading does not write: another program may be appending'
    Manifest(m.path).append(Row('c'*40, 'jeans', '', 'http://x/3'))
    assert [(r.sha1[0], r.query) for r in m.rows()] == [('a', 'jeans, "blue" or not'), ('c', '')]


def test_a_manifest_of_another_kind_is_refused(tmp_path):
    (tmp_path/'manifest.csv').write_text('a,b\n1,2\n')
    with pytest.raises(CollectError, match='move it away'): Store(at(tmp_path))


def test_a_moved_picture_has_the_label_of_its_folder(tmp_path):
    "Somebody dragged a picture to another category: the next copy of it agrees with the folder, not with the row"
    s, files = at(tmp_path/'data'), tmp_path/'src'
    for c in ('jeans', 'socks'): (files/c).mkdir(parents=True)
    (files/'jeans/1.jpg').write_bytes(picture(1))
    import_folder(files, s)
    kept = next((tmp_path/'data/images/jeans').iterdir())
    (tmp_path/'data/images/socks').mkdir()
    os.replace(kept, tmp_path/'data/images/socks'/kept.name)
    shutil.copy(files/'jeans/1.jpg', files/'socks/2.jpg')
    df = import_folder(files, s)
    assert df.loc['socks', 'duplicate'] == 1 and (tmp_path/'data/images/socks'/kept.name).exists()


def test_large_and_lying_pictures_are_stored_upright_and_small(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path/'src/jeans').mkdir(parents=True)
    draw_picture('jeans', 1, size=300).resize((300, 200)).save(tmp_path/'src/jeans/lying.jpg', exif=exif)
    draw_picture('jeans', 2, size=400).resize((3000, 1500)).save(tmp_path/'src/jeans/large.jpg')
    import_folder(tmp_path/'src', at(tmp_path/'data'))
    assert sorted(Image.open(p).size for p in (tmp_path/'data/images/jeans').iterdir()) == [(200, 300), (1024, 512)]


def test_sources_are_one_interface(tmp_path):
    draw_folder(tmp_path/'drawn', ['jeans', 'socks'], n=2)
    with Server() as web: df = collect(folder(tmp_path/'drawn', at(tmp_path/'data')), [Found('shoes', f'{web.url}/ok/1.jpg')], settings=at(tmp_path/'data'))
    assert df.loc['all', 'kept'] == 5


def test_pages_that_bite(tmp_path):
    "Whole bodies that are no good pictures go to rejected/ with a reason: a page named .jpg, nothing, half a JPEG, 60,000 x 60,000 pixels, one colour, a stamp"
    kinds = {'page': 'broken', 'empty': 'broken', 'cut': 'broken', 'bomb': 'broken', 'blank': 'blank', 'near/40': 'too-small', 'gzip': '', 'nolength': '', 'png': ''}
    with Server() as web: collect([Found('jeans', f'{web.url}/{k}/{i}.jpg') for i,k in enumerate(kinds)], settings=at(tmp_path))
    rows = Manifest(tmp_path/'manifest.csv').rows()
    assert [o.rejected for o in rows] == list(kinds.values())
    assert all((tmp_path/(f'rejected/{o.rejected}' if o.rejected else 'images/jeans')/f'{o.sha1}.jpg').is_file() for o in rows)


def test_the_row_says_where_it_came_from(tmp_path):
    "Page, phrase and licence, for what was kept, what was rejected, and (page and phrase) what could not be had"
    with Server() as web:
        found = [Found('jeans', f'{web.url}/{o}', f'https://shop.example/{i}', 'blue jeans', 'CC BY 4.0') for i,o in enumerate(('ok/1.jpg', 'blank/1.jpg', 'status/404/1.jpg'))]
        collect(found, settings=at(tmp_path))
    rows, misses = Manifest(tmp_path/'manifest.csv').rows(), Failures(tmp_path/'unfetched.csv').rows()
    assert [(o.url, o.page, o.query, o.licence) for o in rows] == [(o.url, o.page, o.query, o.licence) for o in found[:2]]
    assert [(o.url, o.page, o.query, o.reason, o.detail) for o in misses] == [(found[2].url, found[2].page, 'blue jeans', 'gone', 'HTTP 404')]


def test_near_duplicates_in_two_categories_are_in_neither(tmp_path):
    "The same picture, smaller and as a PNG; a third copy does not bring it back"
    with Server() as web, pytest.warns(CollectWarning, match='3 pictures were found for two categories'):
        df = collect([Found(c, f'{web.url}/{o}/1.jpg') for c,o in (('jeans', 'ok'), ('socks', 'png'), ('jeans', 'near/140'))], settings=at(tmp_path))
    assert df.loc['all', ['kept', 'two-categories']].tolist() == [0, 3] and len(list((tmp_path/'rejected/two-categories').iterdir())) == 3


def test_an_import_tells_the_user_too(tmp_path):
    draw_folder(tmp_path/'drawn', ['socks'], n=1)
    shutil.copytree(tmp_path/'drawn/socks', tmp_path/'drawn/shoes')
    with pytest.warns(CollectWarning) as said: import_folder(tmp_path/'drawn', at(tmp_path/'data'))
    assert 'two categories (socks 1, shoes 1)' in sentences(said)[-1] and sentences(said)[0].startswith('shirt: 0 pictures are kept')


def test_the_command_takes_lists_of_addresses(tmp_path):
    "A table on stdout, what to do on stderr; one address of two is gone"
    shutil.copy(ini, tmp_path/'settings.ini')
    with Server() as web:
        (tmp_path/'urls_jeans.csv').write_text(f'{web.url}/ok/1.jpg\n{web.url}/status/404/1.jpg\n')
        p = command('collect', '--urls', '.', cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = p.communicate(timeout=200)
    assert p.returncode == 0, err
    assert out.split('\n')[0].split() == ['found', 'fetched', 'kept', 'gone'] and 'jeans           2        1     1     1' in out
    assert 'jeans: 1 pictures are kept, fewer than 100' in err and len(list((tmp_path/'data/images/jeans').iterdir())) == 1
