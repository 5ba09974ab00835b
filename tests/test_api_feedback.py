"What a client says was wrong arrives in a PostgreSQL of its own, also from many at once, and also after the database was away"

import os
import pwd
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tiny import free_port, picture, served, write_settings

sa = pytest.importorskip('sqlalchemy')
pytest.importorskip('psycopg')


class Postgres:
    "A server in a folder of its own; it refuses to run as root, so root lends it another user"

    def __init__(self, programs):
        self.programs, self.port, self.folder = programs, free_port(), Path(tempfile.mkdtemp(prefix='pg-'))
        self.user = {} if os.geteuid() else dict(user='postgres' if 'postgres' in {o.pw_name for o in pwd.getpwall()} else 'nobody')
        if self.user:
            shutil.chown(self.folder, self.user['user'])
        self.run('initdb', '-A', 'trust', '-U', 'postgres', '-N')

    def run(self, program, *args):
        cmd = [self.programs / program, '-D', self.folder / 'data', *args]
        subprocess.run(cmd, check=True, timeout=120, cwd=self.folder, stdout=subprocess.DEVNULL, **self.user)

    def start(self):
        options = f'-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off'
        self.run('pg_ctl', '-w', '-t', '100', '-l', self.folder / 'log', '-o', options, 'start')

    def stop(self): self.run('pg_ctl', '-w', '-m', 'immediate', 'stop')

    @property
    def url(self): return f'postgresql://postgres@127.0.0.1:{self.port}/postgres'

    def rows(self):
        "(category, answer) of everything that was kept"
        engine = sa.create_engine(self.url.replace('postgresql', 'postgresql+psycopg'))
        with engine.connect() as c:
            return sorted(tuple(r) for r in c.execute(sa.text('select category, answer from feedback')))


@pytest.fixture(scope='module')
def postgres():
    found = shutil.which('initdb') or next(iter(sorted(Path('/usr/lib/postgresql').glob('*/bin/initdb'), reverse=True)), None)
    if not found:
        pytest.skip('needs PostgreSQL (apt install postgresql)')
    o = Postgres(Path(found).resolve().parent)
    o.start()
    yield o
    o.stop()
    shutil.rmtree(o.folder)


def test_feedback_in_postgres(postgres, tmp_path):
    "Forty pictures from eight clients, then one picture twice, then one while the database is away, then one when it is back"
    write_settings(tmp_path, feedback_store='database')
    with served(tmp_path, env=dict(DATABASE_URL=postgres.url)) as (port, p, log):

        def tell(i, category='jeans'):
            r = httpx.post(
                f'http://127.0.0.1:{port}/v1/feedback',
                files=dict(file=('a.jpg', picture((i * 5, 0, 9)))),
                data=dict(category=category, answer='socks'),
                timeout=60,
            )
            return r.status_code, r.headers['content-type'], r.text

        with ThreadPoolExecutor(8) as ex:
            assert {o[0] for o in ex.map(tell, range(40))} == {201}, log.read_text()
        assert postgres.rows() == [('jeans', 'socks')] * 40
        assert tell(3, 'socks')[0] == 201 and len(postgres.rows()) == 40 and postgres.rows().count(('socks', 'socks')) == 1
        postgres.stop()
        status, kind, text = tell(41)
        assert (status, kind) == (500, 'application/problem+json') and str(postgres.port) not in text and p.poll() is None
        postgres.start()
        assert tell(41)[0] == 201 and len(postgres.rows()) == 41


def test_one_picture_from_many_at_once_is_kept_once(postgres, tmp_path):
    write_settings(tmp_path, feedback_store='database')
    with served(tmp_path, '--api-workers', 4, env=dict(DATABASE_URL=postgres.url)) as (port, p, log):

        ask = dict(files=dict(file=('a.jpg', picture('pink'))), data=dict(category='jeans'), timeout=60)
        with ThreadPoolExecutor(8) as ex:
            got = list(ex.map(lambda i: httpx.post(f'http://127.0.0.1:{port}/v1/feedback', **ask).status_code, range(40)))
        assert set(got) == {201}, log.read_text()[-3000:]
