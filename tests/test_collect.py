"""Pictures from any source end in one folder; each has a row, and the user is told what to do"""
import os
import shutil
import subprocess

import pytest
from collected import SCRAPED, SIX, failures, result, rows, sentences, settings_for
from drawings import draw_folder, draw_picture
from filelock import FileLock
from loopback import Server, picture
from PIL import Image
from tiny import command, settings_text

from clothing_classifier.collect import collect, import_csv, import_folder
from clothing_classifier.collecting.check import check
from clothing_classifier.collecting.found import CollectError, CollectWarning, Found
from clothing_classifier.collecting.importers import folder, url_lists

needs_scraped = pytest.mark.skipif(not SCRAPED.is_dir(), reason='needs ../shared/data/scraped')
pytestmark = pytest.mark.filterwarnings('ignore::clothing_classifier.collecting.found.CollectWarning')


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    "Loopback is asked directly, whatever this machine's proxy"
    monkeypatch.setenv('no_proxy', '*')


def over_http(src, tmp_path):
    "The results of collecting a loopback copy of `src`, and of importing it"
    by_web = settings_for(tmp_path/'web', collect_at_once_per_host=16, collect_at_once=16)
    by_import = settings_for(tmp_path/'import')
    import_folder(src, by_import)
    with Server(src) as web:
        for c in SIX:
            urls = [f'{web.url}/file/{c}/{p.name}' for p in sorted((src/c).iterdir())]
            (tmp_path/f'urls_{c}.csv').write_text('\n'.join(urls))
        collect(url_lists(tmp_path, by_web), settings=by_web)
    return result(tmp_path/'web'), result(tmp_path/'import')


def without_url(rows): return [{k: v for k,v in row.items() if k != 'url'} for row in rows]


def test_over_http_as_by_import(tmp_path):
    draw_folder(tmp_path/'drawn', SIX, n=6)
    draw_picture('socks', 5, size=150).save(tmp_path/'drawn/shoes/a_sock.png')
    web, imported = over_http(tmp_path/'drawn', tmp_path)
    assert web[0] == imported[0] and without_url(web[1]) == without_url(imported[1])


@needs_scraped
def test_scraped_over_http_as_by_import(tmp_path):
    web, imported = over_http(SCRAPED, tmp_path)
    assert web[0] == imported[0] and without_url(web[1]) == without_url(imported[1])


@needs_scraped
def test_scraped_lists_without_a_network(tmp_path, monkeypatch):
    "960 addresses behind a proxy that does not exist: each has its reason, none is given up for good, the user is told"
    for name in ('http_proxy', 'https_proxy'): monkeypatch.setenv(name, 'http://127.0.0.1:9')
    monkeypatch.setenv('no_proxy', '')
    settings = settings_for(tmp_path/'data')
    listed = {(o.category, o.url) for o in url_lists(SCRAPED, settings)}
    with pytest.warns(CollectWarning) as warned: df = collect(url_lists(SCRAPED, settings), settings=settings)
    n, missed = len(listed), failures(tmp_path/'data')
    assert {(o.category, o.url) for o in missed} == listed
    assert df.loc['all', ['found', 'fetched', 'kept', 'unreachable']].tolist() == [n, 0, 0, n]
    assert all(o.detail and not o.lasting for o in missed)
    *few, last = sentences(warned)
    assert last == (f'{n} addresses did not answer this time (unreachable {n}; details in unfetched.csv); '
        'run it again to ask only them')
    assert [o.split(':')[0] for o in few] == SIX


def test_sources_are_one_interface(tmp_path):
    draw_folder(tmp_path/'drawn', ['jeans', 'socks'], n=2)
    settings = settings_for(tmp_path/'data')
    with Server() as web:
        shoe = Found('shoes', f'{web.url}/ok/1.jpg')
        df = collect(folder(tmp_path/'drawn', settings), [shoe], settings=settings)
    assert df.loc['all', 'kept'] == 5


def test_a_broken_file_a_copy_and_a_sock_among_the_shoes(tmp_path):
    draw_folder(tmp_path/'drawn', SIX, n=8)
    (tmp_path/'drawn/jeans/broken.jpg').write_bytes(b'not a picture')
    draw_picture('jeans', 3, size=150).save(tmp_path/'drawn/jeans/again.png')
    draw_picture('socks', 5, size=160).save(tmp_path/'drawn/shoes/a_sock.png')
    settings = settings_for(tmp_path/'data')
    df = import_folder(tmp_path/'drawn', settings)
    assert df.loc['jeans', ['broken', 'near-duplicate']].tolist() == [1, 1]
    assert df.loc[['socks', 'shoes'], 'two-categories'].tolist() == [1, 1]
    assert df.loc['all', 'found'] == 6*8 + 3
    assert df.loc['all', 'kept'] == len(list(tmp_path.glob('data/images/*/*.jpg')))
    assert import_folder(tmp_path/'drawn', settings).equals(df), 'again: nothing new'


def test_a_table_of_labels(tmp_path):
    images = tmp_path/'public/images'
    images.mkdir(parents=True)
    for i in range(4): draw_picture('polo-shirt', i).save(images/f'p{i}.jpg')
    (tmp_path/'public/images.csv').write_text('image,label\np0,Polo\np1,Polo\np2,Hat\np9,Polo\n')
    settings = settings_for(tmp_path/'data').model_copy(update=dict(labels={'Polo': 'polo-shirt'}))
    assert import_csv(tmp_path/'public/images.csv', settings=settings).loc['polo-shirt', 'kept'] == 2


def test_the_row_says_where_it_came_from(tmp_path):
    "Page, phrase and licence of what was kept and what was rejected; page and phrase of what could not be had"
    settings = settings_for(tmp_path/'data')
    with Server() as web:
        paths = 'ok/1.jpg', 'blank/1.jpg', 'status/404/1.jpg'
        found = [Found('jeans', f'{web.url}/{path}', f'https://shop.example/{path}', 'blue jeans', 'CC BY 4.0')
            for path in paths]
        collect(found, settings=settings)
    kept = [(o.url, o.page, o.query, o.licence) for o in rows(settings.data.path)]
    assert kept == [(o.url, o.page, o.query, o.licence) for o in found[:2]]
    missed, = failures(settings.data.path)
    assert (missed.url, missed.page, missed.query) == (found[2].url, found[2].page, 'blue jeans')
    assert (missed.reason, missed.detail) == ('gone', 'HTTP 404')


def test_no_second_question(tmp_path):
    "An address that is gone is asked once, also for two categories; one that may come back is asked again"
    again = 'ok/1.jpg', 'status/404/1.jpg'
    def sources(web):
        found = [('jeans', path) for path in (*again, 'status/500/1.jpg')] + [('socks', path) for path in again]
        return [Found(c, f'{web.url}/{path}') for c,path in found]
    with Server() as web:
        settings = settings_for(tmp_path/'data', collect_tries=1)
        first = collect(sources(web), settings=settings)
        assert collect(sources(web), settings=settings).equals(first)
        assert web.counts() == {'/ok/1.jpg': 1, '/status/404/1.jpg': 1, '/status/500/1.jpg': 2}
    columns = ['found', 'fetched', 'kept', 'two-categories', 'gone', 'server-error']
    assert first.loc['all', columns].tolist() == [5, 2, 0, 2, 2, 1]
    names = [p.name for p in (tmp_path/'data/rejected/two-categories').iterdir()]
    assert names == [check(picture(1)).sha1 + '.jpg']


def test_near_duplicates_in_two_categories_are_in_neither(tmp_path):
    "The same picture, smaller and as a PNG; a third copy does not bring it back"
    copies = ('jeans', 'ok'), ('socks', 'png'), ('jeans', 'near/140')
    with Server() as web, pytest.warns(CollectWarning, match='3 pictures were found for two categories'):
        found = [Found(c, f'{web.url}/{kind}/1.jpg') for c,kind in copies]
        df = collect(found, settings=settings_for(tmp_path/'data'))
    assert df.loc['all', ['kept', 'two-categories']].tolist() == [0, 3]
    assert len(list((tmp_path/'data/rejected/two-categories').iterdir())) == 3


def test_bodies_that_are_no_good_pictures(tmp_path):
    "A page named .jpg, nothing, half a JPEG, 60,000 x 60,000 pixels, one colour and a stamp go to rejected/"
    kinds = {'page': 'broken', 'empty': 'broken', 'cut': 'broken', 'bomb': 'broken', 'blank': 'blank',
        'near/40': 'too-small', 'gzip': '', 'nolength': '', 'png': ''}
    data = tmp_path/'data'
    with Server() as web:
        found = [Found('jeans', f'{web.url}/{kind}/{i}.jpg') for i,kind in enumerate(kinds)]
        collect(found, settings=settings_for(data))
    assert [o.rejected for o in rows(data)] == list(kinds.values())
    for o in rows(data):
        assert (data/(f'rejected/{o.rejected}' if o.rejected else 'images/jeans')/f'{o.sha1}.jpg').is_file()


def test_large_and_lying_pictures_are_stored_upright_and_small(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path/'src/jeans').mkdir(parents=True)
    draw_picture('jeans', 1, size=300).resize((300, 200)).save(tmp_path/'src/jeans/lying.jpg', exif=exif)
    draw_picture('jeans', 2, size=400).resize((3000, 1500)).save(tmp_path/'src/jeans/large.jpg')
    import_folder(tmp_path/'src', settings_for(tmp_path/'data'))
    sizes = [Image.open(p).size for p in (tmp_path/'data/images/jeans').iterdir()]
    assert sorted(sizes) == [(200, 300), (1024, 512)]


def test_a_moved_picture_has_the_label_of_its_folder(tmp_path):
    "Somebody dragged a picture to another category: the next copy of it agrees with the folder, not with the row"
    settings, files, images = settings_for(tmp_path/'data'), tmp_path/'src', tmp_path/'data/images'
    for c in ('jeans', 'socks'): (files/c).mkdir(parents=True)
    (files/'jeans/1.jpg').write_bytes(picture(1))
    import_folder(files, settings)
    kept = next((images/'jeans').iterdir())
    (images/'socks').mkdir()
    os.replace(kept, images/'socks'/kept.name)
    shutil.copy(files/'jeans/1.jpg', files/'socks/2.jpg')
    df = import_folder(files, settings)
    assert df.loc['socks', 'duplicate'] == 1 and (images/'socks'/kept.name).exists()


def test_the_user_is_told(tmp_path):
    settings = settings_for(tmp_path/'data', collect_enough=1, collect_tries=1)
    pictures = ('jeans', 1), ('jeans', 2), ('socks', 1)
    with Server() as web, pytest.warns(CollectWarning) as warned:
        found = [Found(c, f'{web.url}/ok/{i}.jpg') for c,i in pictures]
        collect([*found, Found('shoes', 'http://127.0.0.1:9/1.jpg')], settings=settings)
    text = '\n'.join(sentences(warned))
    assert 'jeans:' not in text and 'socks: 0 pictures are kept, fewer than 1' in text
    assert '2 pictures were found for two categories (jeans 1, socks 1)' in text
    assert '1 addresses did not answer this time' in text


def test_an_import_tells_the_user_too(tmp_path):
    draw_folder(tmp_path/'drawn', ['socks'], n=1)
    shutil.copytree(tmp_path/'drawn/socks', tmp_path/'drawn/shoes')
    with pytest.warns(CollectWarning) as warned: import_folder(tmp_path/'drawn', settings_for(tmp_path/'data'))
    first, *_, last = sentences(warned)
    assert first.startswith('shirt: 0 pictures are kept') and 'two categories (socks 1, shoes 1)' in last


def broken_source(web):
    if web: yield Found('jeans', f'{web.url}/ok/1.jpg')
    raise CollectError('the engine broke')


def test_what_a_failing_source_found_is_kept(tmp_path):
    with Server() as web, pytest.warns(CollectWarning, match='the engine broke'):
        other = [Found('jeans', f'{web.url}/ok/2.jpg')]
        df = collect(broken_source(web), other, settings=settings_for(tmp_path/'data'))
    assert df.loc['jeans', 'kept'] == 2
    with pytest.raises(CollectError, match='broke'):
        collect(broken_source(None), settings=settings_for(tmp_path/'empty'))


def test_one_program_at_a_time(tmp_path):
    settings = settings_for(tmp_path/'data')
    (tmp_path/'data').mkdir()
    with FileLock(tmp_path/'data/.lock'), pytest.raises(CollectError, match='another program'):
        collect([], settings=settings)


def test_the_command_takes_lists_of_addresses(tmp_path):
    "A table on stdout, what to do on stderr; one address of two is gone"
    (tmp_path/'settings.ini').write_text(settings_text(SIX))
    with Server() as web:
        (tmp_path/'urls_jeans.csv').write_text(f'{web.url}/ok/1.jpg\n{web.url}/status/404/1.jpg\n')
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = command('collect', '--urls', '.', cwd=tmp_path, **pipes).communicate(timeout=200)
    assert out.split('\n')[0].split() == ['found', 'fetched', 'kept', 'gone'], err
    assert 'jeans           2        1     1     1' in out
    assert 'jeans: 1 pictures are kept, fewer than 100' in err
    assert len(list((tmp_path/'data/images/jeans').iterdir())) == 1
