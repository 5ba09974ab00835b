"""What the tests share: paths, a data set of drawings, a model trained on it in seconds, a served page, a browser."""
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

os.environ.setdefault('OMP_NUM_THREADS', '2')
ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent/'shared'/'data' # Real photos; they are nobody's to commit, so a test that needs them is skipped without them
COMMAND = str(Path(sys.executable).with_name('clothing-classifier')) # As pip installed it
SIX = ['shirt', 't-shirt', 'polo-shirt', 'jeans', 'socks', 'shoes']

needs_photos = pytest.mark.skipif(not SHARED.is_dir(), reason='needs real photos in ../shared/data')


def photos(category):
    "Real photos of a category"
    return sorted((SHARED/'scraped'/category).glob('*.jpg'))


def small_settings(folder, categories=('jeans', 'socks'), **changes):
    "The project's settings for a tiny data set in `folder`"
    from clothing_classifier.settings import load_settings
    rest = (ROOT/'settings.ini').read_text().split('[data]', 1)[1]
    (folder/'settings.ini').write_text('[categories]\n' + ''.join(f'{c} = {c}\n' for c in categories) + '[labels]\n[data]' + rest)
    tiny = dict(train_arch='resnet18', train_weights='none', train_size=64, train_batch_size=8, train_frozen_epochs=1, train_unfrozen_epochs=2, train_final_epochs=1,
        train_final_size=96,
        train_finder_steps=15, train_threads=1, train_mixup=0, export_calibration_pictures=16)
    return load_settings(folder/'settings.ini', **(tiny | changes))


@pytest.fixture(scope='session')
def road(tmp_path_factory):
    "The whole road walked once on drawings: settings, learner, and what `export` said"
    from clothing_classifier.collect import import_folder
    from clothing_classifier.examples import draw_folder
    from clothing_classifier.export import export
    from clothing_classifier.train import train
    d = tmp_path_factory.mktemp('road')
    settings = small_settings(d)
    import_folder(draw_folder(d/'drawn', settings.categories, n=60), settings)
    learn = train(settings)
    return settings, learn, export(learn, settings)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def serve_page(cwd, log):
    "Start `clothing-classifier serve` in `cwd`; the process and the address of the page"
    port = free_port()
    env = {k: v for k, v in os.environ.items() if k not in ('PYTHONSTARTUP',)} | {'OMP_NUM_THREADS': '1'}
    cmd = [COMMAND, 'serve', '--port', str(port)]
    with open(log, 'w') as f: proc = subprocess.Popen(cmd, cwd=cwd, env=env, stdout=f, stderr=subprocess.STDOUT)
    url = f'http://127.0.0.1:{port}/'
    for _ in range(240):
        if proc.poll() is not None: raise RuntimeError(f'the server ended: {Path(log).read_text()[-2000:]}')
        try:
            urllib.request.urlopen(f'{url}voila/static/', timeout=1)
        except urllib.error.HTTPError:
            return proc, url
        except OSError:
            time.sleep(.5)
        else:
            return proc, url
    proc.kill()
    raise RuntimeError('the server did not start within two minutes')


@pytest.fixture(scope='session')
def page_url(tmp_path_factory):
    "The page on the shipped model, from a folder that has nothing but what a dyno gets"
    d = tmp_path_factory.mktemp('dyno')
    (d/'nbs').mkdir()
    for f in ('settings.ini', 'export.onnx', 'nbs/app.ipynb'): shutil.copy(ROOT/f, d/f)
    proc, url = serve_page(d, d/'log')
    yield url
    proc.terminate()
    try: proc.wait(20)
    except subprocess.TimeoutExpired: proc.kill()


def chromium():
    "Debian's Chromium, or None"
    return os.environ.get('CHROMIUM') or shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')


@pytest.fixture(scope='session')
def browser():
    if not chromium(): pytest.skip('needs Chromium (apt install chromium, or name one in CHROMIUM)')
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=chromium(), args=['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
            '--disable-background-networking', '--disable-component-update', '--disable-sync'])
        yield b
        b.close()
