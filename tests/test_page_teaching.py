"""The page in another language, and the corrections that it keeps."""
import hashlib
import io
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import COMMAND, ROOT, dyno, example, free_port, idle, open_page, serving, small_settings
from PIL import Image

from clothing_classifier.texts import Texts

pytestmark = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')


def tagged():
    "A photo with metadata: turned, with a place and a comment"
    b, exif = io.BytesIO(), Image.Exif()
    exif[0x010e], exif[0x0112] = 'in my garden', 6
    photo = Image.open(io.BytesIO(example('socks'))).resize((300, 300))
    photo.save(b, 'JPEG', exif=exif, comment=b'at home')
    return dict(name='kojinė.jpg', mimeType='image/jpeg', buffer=b.getvalue())


def teach(page, file, category, agree=True):
    "Send a file, open *Wrong?* on its card, and give it a category"
    before = page.locator('.cc-done').count()
    page.set_input_files('.cc-upload input', [file])
    card = idle(page, before+1).first
    card.locator('[data-act=wrong]').click()
    card.locator('select').select_option(category)
    if agree: card.locator('input[type=checkbox]').check()
    card.locator('[type=submit]').click()
    card.locator('.cc-said:not(:empty)').wait_for(timeout=60_000)
    return card


@pytest.fixture(scope='module')
def taught(browser, tmp_path_factory):
    "A Lithuanian page that keeps corrections in a folder, and was given one"
    feedback = dict(feedback_store='folder', feedback_folder='kept', feedback_max_side=200)
    d = dyno(tmp_path_factory.mktemp('lt'), serve_language='lt', serve_title='Ką vilkite?', **feedback)
    with serving(d) as (_, url):
        p, wrong = open_page(browser, url)
        yield p, d
        p.close()
        assert wrong == []


def test_every_word_is_lithuanian(taught):
    page, _ = taught
    assert page.get_attribute('html', 'lang') == 'lt' and page.title() == 'Ką vilkite?'
    text, lt, en = page.inner_text('main'), Texts('lt'), Texts('en')
    assert lt('choose') in text and 'džinsai' in text and 'kojinės' in text
    assert not [k for k, v in en.texts.items() if len(v) > 6 and ' ' in v and v in text and v != lt.texts[k]]
    page.set_input_files('.cc-upload input', [dict(name='a.jpg', mimeType='image/jpeg', buffer=b'text')])
    assert 'nėra nuotrauka' in idle(page, 1).first.inner_text()
    assert page.inner_text('.cc-status') == '0 atpažinta, 1 nepavyko.'
    photo = example('jeans')
    photos = [dict(name=f'{i}.jpg', mimeType='image/jpeg', buffer=photo) for i in range(3)]
    page.set_input_files('.cc-upload input', photos)
    idle(page, 4)
    assert page.inner_text('.cc-status') == 'Peržiūrėtos 3 nuotraukos.'


def test_a_correction_needs_consent(taught):
    page, d = taught
    card = teach(page, tagged(), 'shoes', agree=False)
    assert card.locator('.cc-said').inner_text() == Texts('lt')('must_agree') and not list(d.glob('kept/*/*.jpg'))


def test_a_correction_is_kept_without_metadata_and_can_be_imported(taught, tmp_path):
    "As a small JPEG with no EXIF, in the folder of its category; `collect` takes it in"
    from clothing_classifier.collect import import_folder
    page, d = taught
    card = teach(page, tagged(), 'shoes')
    assert card.locator('.cc-said').inner_text() == Texts('lt')('thanks', category='batai')
    kept, = d.glob('kept/*/*.jpg')
    data = kept.read_bytes()
    im = Image.open(kept)
    assert kept.parent.name == 'shoes' and kept.stem == hashlib.sha1(data).hexdigest()
    assert max(im.size) == 200 and not im.getexif() and b'garden' not in data and b'at home' not in data
    settings = small_settings(tmp_path, ('socks', 'shoes'))
    import_folder(d/'kept', settings)
    assert len(list((tmp_path/'data'/'images'/'shoes').glob('*.jpg'))) == 1


def in_database(browser, tmp_path, **env):
    "Teach a page that keeps corrections in a database, then bring them to the machine that trains"
    d = dyno(tmp_path, feedback_store='database', feedback_folder='kept')
    with serving(d, **env) as (_, at):
        p, wrong = open_page(browser, at)
        for category in ('shoes', 'shirt'): # the last one counts
            said = teach(p, tagged(), category).locator('.cc-said').inner_text()
            assert said == Texts('en')('thanks', category=category)
        p.close()
    assert wrong == []
    command = [COMMAND, 'collect', '--feedback', '--json']
    out = subprocess.run(command, cwd=d, env=os.environ | env, capture_output=True, text=True, timeout=300)
    assert out.returncode == 0, out.stderr
    assert [o.parent.name for o in (d/'data'/'images').glob('*/*.jpg')] == ['shirt']


def test_a_database_keeps_it_sqlite(browser, tmp_path): in_database(browser, tmp_path, DATABASE_URL='')


@pytest.fixture(scope='module')
def postgres():
    "A PostgreSQL of our own, on loopback"
    found = shutil.which('pg_ctl') or next(map(str, Path('/usr/lib/postgresql').glob('*/bin/pg_ctl')), None)
    is_root = os.getuid() == 0 # PostgreSQL runs under another user
    if not found or is_root and 'postgres' not in {o.pw_name for o in pwd.getpwall()}:
        pytest.skip('needs PostgreSQL (apt install postgresql)')
    where, port = Path(found).resolve().parent, free_port()
    with tempfile.TemporaryDirectory() as d:
        user = dict(user='postgres', group='postgres') if is_root else {}
        if user: shutil.chown(d, 'postgres', 'postgres')
        def run(*command):
            command = [str(o) for o in command]
            subprocess.run(command, check=True, capture_output=True, cwd=d, timeout=120, **user)
        run(where/'initdb', '-D', f'{d}/db', '-U', 'me', '--auth=trust', '-E', 'UTF8')
        options = f'-p {port} -k {d} -c listen_addresses=127.0.0.1'
        run(where/'pg_ctl', '-D', f'{d}/db', '-w', '-l', f'{d}/log', '-o', options, 'start')
        try: yield f'postgres://me@127.0.0.1:{port}/postgres'
        finally: run(where/'pg_ctl', '-D', f'{d}/db', '-m', 'immediate', 'stop')


def test_a_database_keeps_it_postgresql(browser, tmp_path, postgres):
    in_database(browser, tmp_path, DATABASE_URL=postgres)
