"""Kernels: one waits for the next visitor however long it takes, none stays behind, and there are never too many."""
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from conftest import ROOT, free_port

from clothing_classifier.page.fork_server import Nursery

IDLE = 8
SERVE = """
import os, sys
from clothing_classifier.page.template import write_template
from clothing_classifier.page.fork_server import Nursery
from clothing_classifier.page.server import Page, voila_config
from clothing_classifier.settings import load_settings
settings, forked = load_settings(sys.argv[3], serve_visitors=3), sys.argv[5] == 'forked'
os.environ['JUPYTER_PATH'] = os.path.abspath(write_template(settings, 'jupyter'))
if forked: Nursery()
config = voila_config(settings, idle=int(sys.argv[4]), ours=forked)
Page.launch_instance([sys.argv[1], '--port=' + sys.argv[2], '--no-browser'], config=config)
"""


@pytest.fixture(params=['forked', 'started'])
def server(tmp_path, request):
    "A page of one cell, with kernels that are culled after `IDLE` seconds, and come from a nursery or as Jupyter starts them"
    if request.param == 'forked' and not Nursery.possible: pytest.skip('needs pidfd, of Linux')
    cell = {'cell_type': 'code', 'execution_count': None, 'id': 'a', 'metadata': {}, 'outputs': [], 'source': '1+1'}
    kernel = {'display_name': 'python3', 'language': 'python', 'name': 'python3'}
    (tmp_path/'page.ipynb').write_text(json.dumps({'cells': [cell], 'metadata': {'kernelspec': kernel}, 'nbformat': 4, 'nbformat_minor': 5}))
    port, log = free_port(), tmp_path/'log'
    with open(log, 'w') as f:
        cmd = [sys.executable, '-c', SERVE, str(tmp_path/'page.ipynb'), str(port), str(ROOT/'settings.ini'), str(IDLE), request.param]
        proc = subprocess.Popen(cmd, cwd=tmp_path, stdout=f, stderr=subprocess.STDOUT)
    for _ in range(240):
        if 'is filled with' in log.read_text(): break
        assert proc.poll() is None, log.read_text()
        time.sleep(.5)
    yield f'http://127.0.0.1:{port}/', log
    proc.terminate()
    proc.wait(20)


def alive(url, kernel):
    try: return urllib.request.urlopen(f'{url}api/kernels/{kernel}', timeout=10).status == 200
    except urllib.error.HTTPError: return False


def test_waits_for_its_visitor_and_leaves_with_him(server):
    "A kernel that waited longer than the idle time is not culled before the page connects; if it never does, it is"
    url, log = server
    time.sleep(1.5*IDLE)
    html = urllib.request.urlopen(url, timeout=60).read().decode()
    kernel = re.search(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', html)[0]
    end = time.monotonic() + .6*IDLE
    while time.monotonic() < end:
        assert alive(url, kernel), log.read_text()[-1500:]
        time.sleep(.2)
    end = time.monotonic() + 90
    while alive(url, kernel) and time.monotonic() < end: time.sleep(.5)
    assert not alive(url, kernel), 'the kernel of a visitor who never connected is still there'


def kernel_of(url):
    with urllib.request.urlopen(url, timeout=60) as r: return re.search(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', r.read().decode())[0]


def test_one_too_many_waits(server):
    "Three pages at a time in these settings: the fourth is told to wait, and gets in when another has gone; a health check starts none"
    url, log = server
    for _ in range(5): assert urllib.request.urlopen(f'{url}healthz', timeout=10).status == 200
    first = [kernel_of(url) for _ in range(3)]
    with pytest.raises(urllib.error.HTTPError) as e: kernel_of(url)
    assert e.value.code == 503 and e.value.headers['Retry-After'] == '5' and 'Many people are here' in e.value.read().decode()
    end = time.monotonic() + 120 # Nobody ever opened a socket to the three: they are culled, and nothing is left of them
    while any(alive(url, o) for o in first) and time.monotonic() < end: time.sleep(.5)
    assert kernel_of(url) not in first
