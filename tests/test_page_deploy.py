"""What a host gets: the files that .slugignore leaves, the command of the Procfile, a container without root."""
import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, example, free_port, wait_for_server
from visitor import Visitor

sys.path.insert(0, str(ROOT/'bench'))
is_clone = (ROOT/'.git').exists() and shutil.which('git')
pytestmark = pytest.mark.skipif(not is_clone, reason='asks git which files belong to the project')


@pytest.fixture(scope='module')
def slug(tmp_path_factory):
    "The files as Heroku unpacks them"
    d = tmp_path_factory.mktemp('slug')
    listed = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    patterns = [line.lstrip('/') for line in (ROOT/'.slugignore').read_text().split() if line.startswith('/')]
    def is_ignored(name): return any(fnmatch.fnmatch(name, o) or name.startswith(f'{o}/') for o in patterns)
    for name in listed.splitlines():
        if is_ignored(name) or not (ROOT/name).is_file(): continue
        (d/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT/name, d/name)
    return d


def test_the_slug_is_small_and_holds_no_pickle(slug):
    files = [o for o in slug.rglob('*') if o.is_file()]
    needed = {'Procfile', 'requirements.txt', 'settings.ini', 'export.onnx', 'pyproject.toml', 'app.ipynb', 'best.txt'}
    assert needed <= {o.name for o in files}
    assert not [o for o in files if o.suffix == '.pkl'] and not (slug/'tests').exists()
    assert sum(o.stat().st_size for o in files) < 60e6


def test_the_procfile_serves(slug):
    "Its very line, in a shell, with a port of the host's choice"
    line, port = (slug/'Procfile').read_text().strip().removeprefix('web: '), free_port()
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    env = os.environ | dict(PORT=str(port), PATH=path, PYTHONPATH=str(slug), OMP_NUM_THREADS='1')
    url, log = f'http://127.0.0.1:{port}/', slug/'log'
    with open(log, 'w') as f:
        proc = subprocess.Popen(['sh', '-c', line], cwd=slug, env=env, stdout=f, stderr=f)
    try:
        wait_for_server(proc, url, log)
        with Visitor(url) as visitor: assert visitor.look(example('socks'))['answer'] == 'socks'
    finally:
        proc.terminate()
        proc.wait(30)


def test_the_environment_fits():
    "Everything that serving needs, as it is installed here, and the model: under 500 MB"
    from page import base, size
    total = size(*base()) + (ROOT/'export.onnx').stat().st_size/1e6
    print(f'{total:.0f} MB')
    assert 100 < total < 500


def test_the_container_is_made_of_what_is_there():
    "The Dockerfile copies files of the project only, and ends as a user who is not root, with the page's health check"
    text = (ROOT/'Dockerfile').read_text()
    for line in re.findall(r'^COPY (.+)$', text, re.M):
        for o in line.split()[:-1]: assert (ROOT/o).exists(), o
    assert re.findall(r'^USER (.+)$', text, re.M)[-1] != 'root' and '/healthz' in text and 'slim' in text
