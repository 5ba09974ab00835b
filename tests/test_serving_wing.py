"""The serving wing starts without the training wing: no torch, no fastai, nothing else that would not fit a dyno."""
import re
import subprocess
import sys

import pytest
from conftest import ROOT

HEAVY = ('torch', 'torchvision', 'fastai', 'fastcore', 'nbdev', 'pandas', 'matplotlib', 'scipy', 'sklearn', 'onnx')
SERVING = ('settings', 'images', 'examples', 'words', 'links', 'feedback', 'predict', 'why', 'engine', 'browser', 'dashboard', 'kernels', 'frame', 'server', 'cli')


@pytest.mark.parametrize('module', SERVING)
def test_imports_nothing_heavy(module):
    code = f"import sys, clothing_classifier.{module}; print(*[o for o in {HEAVY} if o in sys.modules])"
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == ''


def test_answers_without_torch(tmp_path):
    "Also when a model is opened and asked, with torch and fastai made impossible to import"
    code = f"""
import sys
for o in {HEAVY}: sys.modules[o] = None
from drawings import draw_picture
from clothing_classifier.predict import Classifier
print(Classifier.load().predict(draw_picture('jeans')).category)
"""
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip()


@pytest.mark.parametrize('module', ['dashboard', 'browser', 'words', 'engine'])
def test_a_visitor_costs_little(module):
    "What every visitor's process imports brings neither numpy nor Pillow nor onnxruntime with it: the engine has them"
    code = f"import sys, clothing_classifier.{module}; print(*[o for o in ('numpy', 'PIL', 'onnxruntime', 'httpx', 'sqlalchemy') if o in sys.modules])"
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == ''


FETCHERS = r'\b(urllib\.request|urlopen|http\.client|HTTPConnection|HTTPSConnection|import requests|aiohttp|httpx|httpcore|AsyncHTTPClient|create_connection|open_connection|XMLHttpRequest|importScripts)\b|\bsocket\.connect|fetch\(|(?<![.\w])requests\.\w+\('
ALLOWED = {'links.py': None, # The one room that fetches
    'engine.py': ['self.links.fetch(url)'], 'bulk.py': ['links.fetch(name)'], # They ask that room
    'browser.py': ['await fetch(src)'], # The browser opens a picture that stands in the page
    'frame.py': ['await fetch(`${this.base}api/kernels/${this.id}`)'], # The browser asks us whether its kernel is still there
    'api_page.py': ['fetch('], 'clean.py': None, 'collect.py': None, 'sources.py': None, 'download.py': None} # The API's own page asks the API; the training wing


def test_nothing_else_fetches():
    "Whatever in the serving wing sends a request goes through `links`: every other word that could mean one is listed here with its reason"
    for f in sorted((ROOT/'clothing_classifier').glob('*.py')):
        if ALLOWED.get(f.name, '') is None: continue
        for line in f.read_text().splitlines():
            for o in ALLOWED.get(f.name, ()): line = line.replace(o, '')
            assert not re.search(FETCHERS, line), f'{f.name}: {line.strip()}'
