"""What the tests share: paths, a data set of drawings, a model trained on it in seconds, a served page, a browser."""
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tiny import settings_text

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
    "Settings of a tiny data set in `folder`"
    from clothing_classifier.settings import load_settings
    (folder/'settings.ini').write_text(settings_text(categories))
    tiny = dict(train_arch='resnet18', train_weights='none', train_size=64, train_batch_size=8, train_frozen_epochs=1, train_unfrozen_epochs=2,
        train_final_epochs=1, train_final_size=96, train_finder_steps=15, train_min_rate=.003, train_threads=1, train_mixup=0,
        train_cache_features=False, export_calibration_pictures=16)
    return load_settings(folder/'settings.ini', **(tiny | changes))


@pytest.fixture(scope='session')
def trained(tmp_path_factory):
    "Collected, trained and exported once, on drawings: settings, learner, and what `export` said"
    from clothing_classifier.collect import import_folder
    from drawings import draw_folder
    from clothing_classifier.export import export
    from clothing_classifier.train import train
    d = tmp_path_factory.mktemp('trained')
    settings = small_settings(d, train_unfrozen_epochs=5)
    import_folder(draw_folder(d/'drawn', settings.categories, n=160), settings)
    learn = train(settings)
    return settings, learn, export(learn, settings)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def serve_page(cwd, log, more=(), enter=()):
    "Start `clothing-classifier serve` in `cwd`, after the command `enter`; the process and the address of the page"
    port = free_port()
    env = {k: v for k, v in os.environ.items() if k not in ('PYTHONSTARTUP',)} | {'OMP_NUM_THREADS': '1'} | dict(more)
    cmd = [*enter, COMMAND, 'serve', '--port', str(port)]
    with open(log, 'w') as f: proc = subprocess.Popen(cmd, cwd=cwd, env=env, stdout=f, stderr=subprocess.STDOUT)
    url = f'http://127.0.0.1:{port}/'
    for _ in range(240):
        if proc.poll() is not None: raise RuntimeError(f'the server ended: {Path(log).read_text()[-2000:]}')
        try:
            urllib.request.urlopen(f'{url}healthz', timeout=5)
        except OSError:
            time.sleep(.5)
        else:
            return proc, url
    proc.kill()
    raise RuntimeError('the server did not start within two minutes')


def dyno(folder, **changes):
    "What a dyno gets, in `folder`; `changes` are written into its settings"
    (folder/'nbs').mkdir()
    for f in ('settings.ini', 'export.onnx', 'nbs/app.ipynb'): shutil.copy(ROOT/f, folder/f)
    (folder/'settings.ini').write_text(settings_text(SIX, **changes))
    return folder


@contextmanager
def serving(folder, enter=(), **env):
    "The page of `folder` while the block runs: its process and address"
    proc, url = serve_page(folder, folder/'log', env, enter)
    try: yield proc, url
    finally:
        proc.terminate()
        try: proc.wait(30)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait()


@pytest.fixture(scope='session')
def page_url(tmp_path_factory):
    "The page on the shipped model, from a folder that has nothing but what a dyno gets"
    with serving(dyno(tmp_path_factory.mktemp('dyno'), serve_visitors=100)) as (_, url): yield url


def engines(proc):
    "The inference processes of a server"
    def ours(o):
        try: return 'serve_engine' in ' '.join(o.cmdline())
        except psutil.Error: return False # It has just ended
    return [o for o in proc.children(recursive=True) if ours(o)]


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


def open_page(browser, url, **kw):
    "A page that is ready, and what went wrong in it: errors, and requests to anybody but us"
    p, wrong = browser.new_page(**(dict(viewport=dict(width=1280, height=900)) | kw)), []
    p.on('console', lambda m: wrong.append(f'{m.text} {m.location.get("url", "")}') if m.type == 'error' else None)
    p.on('pageerror', lambda e: wrong.append(str(e)))
    p.on('request', lambda r: None if r.url.startswith((url, 'data:', 'blob:')) else wrong.append(f'asked {r.url}'))
    p.goto(url, wait_until='domcontentloaded')
    p.wait_for_selector('.cc-upload', timeout=120_000)
    return p, wrong


def idle(page, cards, timeout=120_000):
    "Wait until there are so many finished cards, and nothing is going on"
    page.wait_for_function(f"document.querySelectorAll('.cc-done, .cc-error').length >= {cards} && !document.querySelector('.cc-status.cc-busy, .cc-waiting')", timeout=timeout)
    return page.locator('.cc-card')
