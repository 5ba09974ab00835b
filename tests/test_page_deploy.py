"""What a host gets: the files that .slugignore leaves, the command of the Procfile, an environment that fits, and a container that is nobody's root."""
import fnmatch
import io
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import ROOT, free_port
from visitor import Visitor

from drawings import draw_picture as draw_goods

sys.path.insert(0, str(ROOT/'bench'))
pytestmark = pytest.mark.skipif(not (ROOT/'.git').exists() or not shutil.which('git'), reason='asks git which files belong to the project')


@pytest.fixture(scope='module')
def slug(tmp_path_factory):
    "The files as Heroku unpacks them"
    d = tmp_path_factory.mktemp('slug')
    names = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    ignored = [o.strip().lstrip('/') for o in (ROOT/'.slugignore').read_text().splitlines() if o.strip() and not o.startswith('#')]
    for n in names:
        if any(fnmatch.fnmatch(n, o) or n.startswith(f'{o}/') for o in ignored) or not (ROOT/n).is_file(): continue
        (d/n).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT/n, d/n)
    return d


def test_the_slug_is_small_and_holds_no_pickle(slug):
    files = [o for o in slug.rglob('*') if o.is_file()]
    assert {'Procfile', 'requirements.txt', 'settings.ini', 'export.onnx', 'pyproject.toml'} <= {o.name for o in files} and (slug/'nbs'/'app.ipynb').is_file()
    assert not [o for o in files if o.suffix == '.pkl'] and not (slug/'tests').exists()
    assert sum(o.stat().st_size for o in files) < 60e6


def test_the_procfile_serves(slug):
    "Its very line, in a shell, with a port of the host's choice"
    line, port = (slug/'Procfile').read_text().strip().removeprefix('web: '), free_port()
    env = os.environ | dict(PORT=str(port), PATH=f'{Path(sys.executable).parent}:{os.environ["PATH"]}', PYTHONPATH=str(slug), OMP_NUM_THREADS='1')
    with open(slug/'log', 'w') as f: proc = subprocess.Popen(['sh', '-c', f'exec {line}'], cwd=slug, env=env, stdout=f, stderr=f)
    try:
        for _ in range(240):
            assert proc.poll() is None, (slug/'log').read_text()
            try:
                with urllib.request.urlopen(f'http://127.0.0.1:{port}/healthz', timeout=5) as r: assert r.status == 200
                break
            except OSError: time.sleep(.5)
        b = io.BytesIO()
        draw_goods('socks').save(b, 'JPEG')
        with Visitor(f'http://127.0.0.1:{port}/') as v: assert v.look(b.getvalue())['answer'] == 'socks'
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
    "Every file that the Dockerfile copies is in the project, it ends as a user who is not root, and its health check is the page's"
    text = (ROOT/'Dockerfile').read_text()
    for line in re.findall(r'^COPY (.+)$', text, re.M):
        for o in line.split()[:-1]: assert (ROOT/o).exists(), o
    assert re.findall(r'^USER (.+)$', text, re.M)[-1] != 'root' and '/healthz' in text and text.startswith('#') and 'slim' in text
