"""Kernels: one waits for the next visitor however long it takes, and none stays behind."""
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from conftest import ROOT, free_port

IDLE = 3
SERVE = """
import sys
from voila.app import Voila
from clothing_classifier.server import voila_config
from clothing_classifier.settings import load_settings
Voila.launch_instance([sys.argv[1], '--port=' + sys.argv[2], '--no-browser'], config=voila_config(load_settings(sys.argv[3]), idle=int(sys.argv[4])))
"""


@pytest.fixture
def server(tmp_path):
    "A page of one cell, with kernels that are culled after `IDLE` seconds"
    cell = {'cell_type': 'code', 'execution_count': None, 'id': 'a', 'metadata': {}, 'outputs': [], 'source': '1+1'}
    kernel = {'display_name': 'python3', 'language': 'python', 'name': 'python3'}
    (tmp_path/'page.ipynb').write_text(json.dumps({'cells': [cell], 'metadata': {'kernelspec': kernel}, 'nbformat': 4, 'nbformat_minor': 5}))
    port, log = free_port(), tmp_path/'log'
    with open(log, 'w') as f:
        cmd = [sys.executable, '-c', SERVE, str(tmp_path/'page.ipynb'), str(port), str(ROOT/'settings.ini'), str(IDLE)]
        proc = subprocess.Popen(cmd, stdout=f, stderr=subprocess.STDOUT)
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
    time.sleep(3*IDLE)
    html = urllib.request.urlopen(url, timeout=60).read().decode()
    kernel = re.search(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', html)[0]
    end = time.monotonic() + .8*IDLE
    while time.monotonic() < end:
        assert alive(url, kernel), log.read_text()[-1500:]
        time.sleep(.2)
    end = time.monotonic() + 30
    while alive(url, kernel) and time.monotonic() < end: time.sleep(.5)
    assert not alive(url, kernel), 'the kernel of a visitor who never connected is still there'
