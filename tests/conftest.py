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
SHARED = ROOT.parent/'shared'/'data' # real photos that may not be committed; without them their tests are skipped
COMMAND = str(Path(sys.executable).with_name('clothing-classifier')) # As pip installed it
EXAMPLES = ROOT/'examples'/'photos' # CC0: may be shown, uploaded and trained on
SIX = ['shirt', 't-shirt', 'polo-shirt', 'jeans', 'socks', 'shoes']

needs_photos = pytest.mark.skipif(not SHARED.is_dir(), reason='needs real photos in ../shared/data')


def example(category, n=0):
    "The content of an example photo, the clearest ones first"
    best = [EXAMPLES/name for name in (EXAMPLES/'best.txt').read_text().split()]
    first = [path for path in best if path.parent.name == category]
    others = [path for path in sorted((EXAMPLES/category).glob('*.jpg')) if path not in first]
    return (first + others)[n].read_bytes()


def upload_of(category, name=None, n=0):
    "An example photo as playwright uploads it"
    return dict(name=name or f'{category}.jpg', mimeType='image/jpeg', buffer=example(category, n))


def photos(category):
    "Real photos of a category"
    return sorted((SHARED/'scraped'/category).glob('*.jpg'))


def small_settings(folder, categories=('jeans', 'socks'), **changes):
    "Settings of a tiny data set in `folder`"
    from clothing_classifier.settings import load_settings
    (folder/'settings.ini').write_text(settings_text(categories))
    tiny = dict(train_arch='resnet18', train_weights='none', train_size=64, train_batch_size=8, train_threads=1,
        train_frozen_epochs=1, train_unfrozen_epochs=2, train_final_epochs=1, train_final_size=96,
        train_finder_steps=15, train_min_rate=.003, train_mixup=0, train_cache_features=False,
        export_calibration_pictures=16)
    return load_settings(folder/'settings.ini', **(tiny | changes))


@pytest.fixture(scope='session')
def trained(tmp_path_factory):
    "Collected, trained and exported once, on drawings: settings, learner, and what `export` said"
    from drawings import draw_folder

    from clothing_classifier.collect import import_folder
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
    env = os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)} | dict(more)
    command = [*enter, COMMAND, 'serve', '--port', str(port)]
    with open(log, 'w') as f: proc = subprocess.Popen(command, cwd=cwd, env=env, stdout=f, stderr=subprocess.STDOUT)
    url = f'http://127.0.0.1:{port}/'
    wait_for_server(proc, url, log)
    return proc, url


def wait_for_server(proc, url, log, seconds=240):
    "Return when the health check answers; raise if the server ends or takes too long"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if proc.poll() is not None: raise RuntimeError(f'the server ended: {Path(log).read_text()[-2000:]}')
        try: return urllib.request.urlopen(f'{url}healthz', timeout=5)
        except OSError: time.sleep(.2)
    proc.kill()
    raise RuntimeError(f'the server did not start within {seconds} seconds: {Path(log).read_text()[-2000:]}')


def wait_until(holds, seconds):
    "Whether something holds within so many seconds"
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end: return False
        time.sleep(.2)
    return True


def dyno(folder, **changes):
    "What a small host gets, in `folder`; `changes` are written into its settings"
    (folder/'nbs').mkdir()
    for name in ('settings.ini', 'export.onnx', 'nbs/app.ipynb'): shutil.copy(ROOT/name, folder/name)
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
def page_server(tmp_path_factory):
    "The page on the shipped model, from a folder that has nothing but what a small host gets: its process and address"
    with serving(dyno(tmp_path_factory.mktemp('dyno'), serve_memory_mb=5000)) as (proc, url):
        yield psutil.Process(proc.pid), url


@pytest.fixture(scope='session')
def page_url(page_server): return page_server[1]


def inference_processes(server):
    "The inference processes of a server"
    def is_ours(process):
        try: return process.name() == 'inference'
        except psutil.Error: return False # it has just ended
    return [process for process in server.children() if is_ours(process)]


def kernels(server):
    "The kernels of a server: processes that one of its processes has forked"
    return [kernel for process in server.children() for kernel in process.children()]


def chromium():
    "The path of Chromium or Chrome, or None"
    installed = map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))
    return os.environ.get('CHROMIUM') or next(filter(None, installed), None)


CHROMIUM_OPTIONS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync']


@pytest.fixture(scope='session')
def browser():
    if not chromium(): pytest.skip('needs Chromium (apt install chromium, or name one in CHROMIUM)')
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


def open_page(browser, url, **options):
    "A page that is ready, and what went wrong in it: errors, and requests to any other host"
    page = browser.new_page(**(dict(viewport=dict(width=1280, height=900)) | options))
    wrong = []
    def on_console(message):
        if message.type == 'error': wrong.append(f'{message.text} {message.location.get("url", "")}')
    def on_request(request):
        if not request.url.startswith((url.split('?')[0], 'data:', 'blob:')): wrong.append(f'asked {request.url}')
    page.on('console', on_console)
    page.on('pageerror', lambda error: wrong.append(str(error)))
    page.on('request', on_request)
    page.goto(url, wait_until='domcontentloaded')
    page.wait_for_selector('.cc-upload', timeout=120_000)
    return page, wrong


def idle(page, cards, timeout=120_000):
    "Wait until there are so many finished cards, and nothing is going on"
    page.wait_for_function("""cards => document.querySelectorAll('.cc-done, .cc-error').length >= cards
        && !document.querySelector('.cc-status.cc-busy, .cc-waiting')""", arg=cards, timeout=timeout)
    return page.locator('.cc-card')
