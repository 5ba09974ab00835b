"""The cleaning page in a real browser: marks survive everything, apply moves files, undo brings them back"""
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip('fastai')
pytest.importorskip('playwright')

from conftest import chromium, free_port, small_settings  # noqa: E402
from drawings import draw_folder  # noqa: E402
from playwright import sync_api  # noqa: E402

from clothing_classifier.cleaning.journal import Marks  # noqa: E402
from clothing_classifier.collect import import_folder  # noqa: E402
from clothing_classifier.dataset import pictures  # noqa: E402
from clothing_classifier.settings import load_settings  # noqa: E402

pytestmark = pytest.mark.skipif(not chromium(), reason='needs Chromium')
ROOT = Path(__file__).parent.parent
WAIT = int(os.environ.get('PAGE_TIMEOUT_S', '120'))*1000 # Milliseconds


@pytest.fixture(scope='module')
def settings(tmp_path_factory):
    "Three drawn categories; four pairs of jeans lie among the socks"
    root = tmp_path_factory.mktemp('clean')
    small_settings(root, ['jeans', 'socks', 'shoes'])
    with open(root/'settings.ini', 'a') as file: file.write('[train]\nsize = 64\narch = resnet18\nweights = none\n')
    draw_folder(root/'drawn', ['jeans', 'socks', 'shoes'], n=18, size=96)
    for i in range(4): (root/f'drawn/jeans/{i:04}.jpg').rename(root/f'drawn/socks/wrong{i}.jpg')
    settings = load_settings(root/'settings.ini')
    import_folder(root/'drawn', settings)
    return settings


@contextmanager
def served(settings, folder, *cmd):
    "A Jupyter server as a process in `folder`, over these pictures: its address, once it answers"
    port = free_port()
    env = os.environ | {'CLOTHING_CLASSIFIER_SETTINGS': str(settings.file), 'PYTHONPATH': str(ROOT), 'BROWSER': 'true'}
    with open(folder/'log', 'wb') as log:
        p = subprocess.Popen([sys.executable, *cmd, str(port)], cwd=folder, env=env, stdout=log, stderr=log)
    try:
        for _ in range(WAIT//500):
            assert p.poll() is None, (folder/'log').read_text()
            try:
                urllib.request.urlopen(f'http://127.0.0.1:{port}/voila/static/favicon.ico', timeout=5)
                break
            except urllib.error.HTTPError: break
            except OSError: time.sleep(.5)
        yield f'http://127.0.0.1:{port}/'
    finally:
        p.terminate()
        try: p.wait(30)
        except subprocess.TimeoutExpired: p.kill()


@pytest.fixture(scope='module')
def url(settings, tmp_path_factory):
    "The command's page"
    (settings.file.parent/'nbs').mkdir()
    shutil.copy(ROOT/'nbs/clean.ipynb', settings.file.parent/'nbs')
    cmd = '-c', 'from clothing_classifier.cli import main; main()', 'clean', '--page', '--port'
    with served(settings, tmp_path_factory.mktemp('voila'), *cmd) as o: yield o


@pytest.fixture(autouse=True)
def no_marks(settings):
    "What another test has marked is not here"
    Marks(settings).file.unlink(missing_ok=True)


def opened(browser, url, width, height=900, **kw):
    "The page, ranked"
    page = browser.new_page(viewport={'width': width, 'height': height}, **kw)
    page.set_default_timeout(WAIT)
    page.goto(url)
    page.wait_for_selector('.cl[aria-busy=false] [data-counts]')
    return page


def photograph(page, name):
    "Keep a picture of the page, if somebody asked for it"
    if to := os.environ.get('SCREENSHOTS'): page.screenshot(path=Path(to)/f'{name}.png')


def choose(page, name, value):
    "Choose in one of the selects, and wait until its list is there"
    page.select_option(f'[data-pick={name}]', value)
    page.wait_for_function('([n, v]) => document.querySelector(`[data-pick=${n}]`).value === v', arg=[name, value])
    if name != 'category' or not value: return
    cards = '[...document.querySelectorAll(".cl-card")]'
    page.wait_for_function(f'v => {cards}.every(card => card.dataset.category === v)', arg=value)


MARKS = '''Object.fromEntries([...document.querySelectorAll(".cl-card")]
    .filter(o => o.dataset.mark).map(o => [o.dataset.sha1, o.dataset.mark]))'''


def has_marks(page, want, when):
    "Wait until the cards in sight carry just these marks, SHA-1 -> mark"
    same = f'want => JSON.stringify(Object.entries({MARKS}).sort()) === JSON.stringify(Object.entries(want).sort())'
    try: page.wait_for_function(same, arg=want)
    except sync_api.TimeoutError: assert page.evaluate(MARKS) == want, when


def places(settings):
    "SHA-1 -> name of the folder where the picture is"
    folders = [settings.data.path/name for name in ('images', 'rejected')]
    return {p.stem: p.parent.name for folder in folders for p in folder.rglob('*.jpg')}


def marked(page, n):
    "Wait until the page says that so many are marked"
    said = 'document.querySelector("[data-counts]")?.textContent'
    page.wait_for_function(f'n => {said}.startsWith(`${{n}} marked`)', arg=n)


def test_no_request_leaves_this_machine(url, browser):
    page, asked = browser.new_page(), []
    page.on('request', lambda request: asked.append(request.url))
    page.goto(url)
    page.wait_for_selector('.cl[aria-busy=false] [data-counts]', timeout=WAIT)
    page.wait_for_load_state('networkidle')
    page.close()
    assert asked and not [o for o in asked if not o.startswith((url, 'data:', 'blob:'))]


@pytest.mark.parametrize('width', [1280, 390])
def test_mark_leave_return_reload_apply_undo(settings, url, browser, width):
    start = places(settings)
    page = opened(browser, url, width)
    photograph(page, f'suspects-{width}')
    choose(page, 'show', 'all')
    choose(page, 'category', 'socks')
    cards = page.locator('.cl-card')
    a, b, c = [cards.nth(i).get_attribute('data-sha1') for i in range(3)]
    def one(sha1): return page.locator(f'[data-sha1="{sha1}"]')
    one(a).focus()
    page.keyboard.press('1') # The first category: jeans
    marked(page, 1)
    assert page.evaluate('document.activeElement.dataset.sha1') == b, 'a key marks and goes on'
    one(b).locator('[data-act=reject]').click()
    marked(page, 2)
    if one(c).get_attribute('data-suggestion') == 'shoes': one(c).locator('[data-act=move]').click()
    else: one(c).locator('select').select_option('shoes')
    marked(page, 3)
    want = {a: 'jeans', b: 'rejected/by-hand', c: 'shoes'}
    has_marks(page, want, 'just marked')

    choose(page, 'category', 'shoes')
    has_marks(page, {}, 'another category')
    choose(page, 'category', 'socks')
    has_marks(page, want, 'another view and back')
    photograph(page, f'marked-{width}')
    page.close()
    page = opened(browser, url, width)
    choose(page, 'show', 'marked')
    page.wait_for_function('document.querySelectorAll(".cl-card").length === 3')
    has_marks(page, want, 'a closed browser')

    page.click('[data-do=ask]')
    page.wait_for_selector('.cl-plan li')
    lines = sorted(page.locator('.cl-plan li').all_inner_texts())
    folders = 'images/jeans', 'images/shoes', 'rejected/by-hand'
    assert lines == [f'1 picture from images/socks to {folder}' for folder in folders]
    photograph(page, f'plan-{width}')
    assert places(settings) == start, 'asking moves nothing'
    page.click('[data-do=apply]')
    page.wait_for_selector('[data-message]')
    assert page.inner_text('[data-message]') == '3 pictures moved.'
    assert places(settings) == start | {a: 'jeans', b: 'by-hand', c: 'shoes'}
    page.click('[data-do=undo]')
    marked(page, 3)
    assert places(settings) == start
    for sha1 in want: one(sha1).locator('button[aria-pressed=true], select').first.wait_for()
    has_marks(page, want, 'undo brings the marks back')
    for sha1 in want:
        one(sha1).focus()
        page.keyboard.press('u')
    marked(page, 0)
    assert page.evaluate('document.documentElement.scrollWidth') <= width, 'nothing is wider than the page'
    page.close()


def test_accept_all_above(settings, url, browser):
    "All suggestions at once, and back"
    start = places(settings)
    page = opened(browser, url, 1280, color_scheme='dark')
    photograph(page, 'dark-1280')
    page.fill('.cl-tools input', '1')
    page.click('[data-do=accept]')
    page.wait_for_selector('[data-message]')
    n = int(page.inner_text('[data-message]').split()[0])
    assert n > 0
    marked(page, n)
    page.click('[data-do=ask]')
    page.click('[data-do=apply]')
    page.wait_for_function('document.querySelector("[data-message]")?.textContent.includes("moved.")')
    assert sum(places(settings)[k] != v for k, v in start.items()) == n
    page.click('[data-do=undo_all]')
    marked(page, n)
    assert places(settings) == start
    page.close()


def test_a_test_picture_says_so(settings, url, browser):
    "Its card is marked, and a filter shows just these"
    page = opened(browser, url, 390)
    choose(page, 'show', 'all')
    choose(page, 'split', 'test')
    test = set(pictures(settings).query('split == "test"').sha1)
    page.wait_for_function('n => document.querySelectorAll(".cl-card").length === n', arg=min(len(test), 24))
    shown = page.eval_on_selector_all('.cl-card', 'cards => cards.map(card => card.dataset.sha1)')
    assert set(shown) <= test and page.locator('.cl-test').count() == len(shown)
    photograph(page, 'test-pictures-390')
    choose(page, 'split', 'train')
    page.wait_for_function('document.querySelectorAll(".cl-test").length === 0')
    page.close()


def focused(page): return page.evaluate('document.activeElement.dataset.sha1')


def test_every_key(settings, url, browser):
    "What the page says about its keys is so"
    page = opened(browser, url, 1280)
    choose(page, 'show', 'all')
    page.wait_for_function('document.querySelectorAll(".cl-card").length === 24')
    page.wait_for_function('document.querySelector(".cl-pager").textContent.includes("page 1 of")')
    cards = page.evaluate('[...document.querySelectorAll(".cl-card")].map(o => ({...o.dataset}))')
    a, b, c, d = [o['sha1'] for o in cards[:4]]
    columns = page.evaluate('''[...document.querySelectorAll(".cl-card")]
        .filter((card, i, all) => card.offsetTop === all[0].offsetTop).length''')
    page.locator('.cl-card').first.focus()
    for key, i in (('ArrowRight', 1), ('ArrowDown', 1+columns), ('ArrowLeft', columns), ('ArrowUp', 0)):
        page.keyboard.press(key)
        assert focused(page) == cards[i]['sha1'], key
    for key in 'kmr3': page.keyboard.press(key)
    marked(page, 4)
    has_marks(page, {a: cards[0]['category'], b: cards[1]['suggestion'], c: cards[2]['reject'], d: 'shoes'}, 'by key')
    for key, n in (('n', 2), ('p', 1)):
        page.keyboard.press(key)
        page.wait_for_function('n => document.querySelector(".cl-pager").textContent.includes(`page ${n} of`)', arg=n)
        page.wait_for_function('document.activeElement === document.querySelector(".cl-card")')
    page.keyboard.press('z')
    page.wait_for_function('document.querySelector("dialog[open] img")?.naturalWidth > 0')
    page.keyboard.press('k') # Marks nothing that is hidden behind it
    page.keyboard.press('Escape')
    page.wait_for_function('!document.querySelector("dialog[open]")')
    marked(page, 4)
    assert focused(page) == a
    for key in 'uuuu':
        page.keyboard.press(key)
        page.keyboard.press('ArrowRight')
    marked(page, 0)
    page.close()


def run_cell(page, i):
    "Run a cell; JupyterLab drops keys while it is still starting, so press until it is heard"
    for _ in range(WAIT//5000):
        page.locator('.jp-Notebook .jp-Cell .jp-InputArea-editor').nth(i).click()
        page.keyboard.press('Shift+Enter')
        prompt = 'document.querySelectorAll(".jp-Notebook .jp-Cell")[i].querySelector(".jp-InputPrompt").textContent'
        try: return page.wait_for_function(f'i => /[*0-9]/.test({prompt})', arg=i, timeout=5000)
        except sync_api.TimeoutError: pass
    raise AssertionError(f'cell {i} does not run')


def test_in_jupyter_too(settings, browser, tmp_path):
    "The same notebook in JupyterLab, whose own keys (M, R, K ...) stay out of it"
    pytest.importorskip('jupyterlab')
    shutil.copy(ROOT/'nbs/clean.ipynb', tmp_path)
    start = places(settings)
    cmd = ['-m', 'jupyterlab', '--no-browser', '--IdentityProvider.token=', '--ServerApp.allow_root=True',
        f'--ServerApp.root_dir={tmp_path}', '--port']
    with served(settings, tmp_path, *cmd) as url:
        page = browser.new_page(viewport={'width': 1280, 'height': 900})
        page.set_default_timeout(WAIT)
        page.goto(f'{url}lab/tree/clean.ipynb?reset')
        page.wait_for_selector('.jp-Notebook .jp-Cell')
        page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status=idle]')
        for i in range(page.locator('.jp-Notebook .jp-Cell').count()): run_cell(page, i)
        page.wait_for_selector('.cl[aria-busy=false] [data-counts]')
        choose(page, 'show', 'all')
        cells, card = page.locator('.jp-Notebook .jp-Cell').count(), page.locator('.cl-card').first
        sha1, to = card.get_attribute('data-sha1'), card.get_attribute('data-reject')
        card.focus()
        page.keyboard.press('r')
        marked(page, 1)
        photograph(page, 'jupyter')
        page.locator('[data-do=ask]').press('Enter')
        page.locator('[data-do=apply]').press('Enter')
        page.wait_for_selector('[data-message]')
        assert places(settings) == start | {sha1: to.removeprefix('rejected/')}
        page.locator('[data-do=undo]').press('Enter')
        marked(page, 1)
        assert places(settings) == start
        page.locator(f'[data-sha1="{sha1}"]').focus()
        page.keyboard.press('u')
        marked(page, 0)
        assert page.locator('.jp-Notebook .jp-Cell').count() == cells, 'no key of the page reached the notebook'
        page.close()
