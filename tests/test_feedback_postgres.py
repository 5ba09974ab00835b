"Feedback in a real PostgreSQL, also from many clients at once, and also after the database was away"

import os
import pwd
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from conftest import example
from tiny import free_port, picture, served, write_settings

from clothing_classifier.settings import load_settings

sa = pytest.importorskip('sqlalchemy')
pytest.importorskip('psycopg')


class Postgres:
    "A server in a folder of its own; it refuses to run as root, so as root it gets another user"

    def __init__(self, programs):
        self.programs, self.port, self.folder = programs, free_port(), Path(tempfile.mkdtemp(prefix='pg-'))
        self.user = {}
        if os.geteuid() == 0:
            users = {entry.pw_name for entry in pwd.getpwall()}
            self.user = dict(user='postgres' if 'postgres' in users else 'nobody')
            shutil.chown(self.folder, self.user['user'])
        self.run('initdb', '-A', 'trust', '-U', 'postgres', '-N')

    def run(self, program, *args):
        cmd = [self.programs / program, '-D', self.folder / 'data', *args]
        subprocess.run(cmd, check=True, timeout=120, cwd=self.folder, stdout=subprocess.DEVNULL, **self.user)

    def start(self):
        options = f'-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off'
        self.run('pg_ctl', '-w', '-t', '100', '-l', self.folder / 'log', '-o', options, 'start')

    def stop(self):
        self.run('pg_ctl', '-w', '-m', 'immediate', 'stop')

    @property
    def url(self):
        return f'postgresql://postgres@127.0.0.1:{self.port}/postgres'

    def rows(self):
        "(category, answer) of everything that was kept"
        engine = sa.create_engine(self.url.replace('postgresql', 'postgresql+psycopg'))
        with engine.connect() as c:
            return sorted(tuple(r) for r in c.execute(sa.text('select category, answer from feedback')))


@pytest.fixture(scope='module')
def postgres():
    on_debian = sorted(Path('/usr/lib/postgresql').glob('*/bin/initdb'))
    initdb = shutil.which('initdb') or (on_debian and on_debian[-1])
    if not initdb:
        pytest.skip('needs PostgreSQL (apt install postgresql)')
    server = Postgres(Path(initdb).resolve().parent)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(server.folder)


@pytest.fixture(scope='module')
def api(postgres, tmp_path_factory):
    "An API that keeps feedback in this PostgreSQL: its port and its log"
    folder = tmp_path_factory.mktemp('api')
    write_settings(folder, feedback_store='database')
    with served(folder, '--api-workers', 4, env=dict(DATABASE_URL=postgres.url)) as (port, _, log):
        yield port, log


def send(api, data, category='jeans'):
    "The answer to one correction"
    port, _ = api
    form = dict(files=dict(file=('a.jpg', data)), data=dict(category=category, answer='socks'))
    return httpx.post(f'http://127.0.0.1:{port}/v1/feedback', timeout=60, **form)


def shade(i):
    return picture((i * 5, 0, 9))


def test_one_picture_from_many_at_once_is_kept_once(api, postgres):
    before = len(postgres.rows())
    with ThreadPoolExecutor(8) as ex:
        statuses = list(ex.map(lambda _: send(api, picture('pink')).status_code, range(40)))
    assert set(statuses) == {201}, api[1].read_text()[-3000:]
    assert len(postgres.rows()) == before + 1


def test_pictures_from_many_clients(api, postgres):
    before = len(postgres.rows())
    with ThreadPoolExecutor(8) as ex:
        statuses = list(ex.map(lambda i: send(api, shade(i)).status_code, range(40)))
    assert set(statuses) == {201}, api[1].read_text()[-3000:]
    assert len(postgres.rows()) == before + 40


def test_the_last_category_counts(api, postgres):
    assert send(api, picture('red'), 'jeans').status_code == send(api, picture('red'), 'socks').status_code == 201
    assert postgres.rows().count(('socks', 'socks')) == 1


def test_none_of_the_categories_teaches_unknown(api, postgres, tmp_path, monkeypatch):
    "Such a picture comes from the database to the folder that training reads"
    pytest.importorskip('fastai')
    from clothing_classifier.collect import import_folder
    from clothing_classifier.serving.feedback import gathered
    from clothing_classifier.training.unknown import other_pictures

    name = send(api, example('shoes'), 'unknown').json()['id']
    assert postgres.rows().count(('unknown', 'socks')) == 1
    monkeypatch.setenv('DATABASE_URL', postgres.url)
    settings = load_settings(write_settings(tmp_path, feedback_store='database'))
    with pytest.warns(UserWarning, match='fewer than'):
        import_folder(gathered(settings), settings)
    assert list(other_pictures(settings.unknown.pictures).path) == [tmp_path / f'data/unknown/{name}.jpg']


def test_a_database_that_was_away(api, postgres):
    "An error without details meanwhile, and no restart needed afterwards"
    before = len(postgres.rows())
    postgres.stop()
    r = send(api, shade(41))
    assert (r.status_code, r.headers['content-type']) == (500, 'application/problem+json')
    assert str(postgres.port) not in r.text
    postgres.start()
    assert send(api, shade(41)).status_code == 201 and len(postgres.rows()) == before + 1
