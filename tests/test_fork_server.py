"""Kernels: one waits for the next visitor however long it takes, none stays behind, and there are never too many."""
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from conftest import ROOT, free_port, wait_until

from clothing_classifier.page.fork_server import ForkServer

IDLE = 8
SERVE = """
import os, sys
from clothing_classifier.page.template import write_template
from clothing_classifier.page.fork_server import ForkServer
from clothing_classifier.page.server import PageServer, voila_config
from clothing_classifier.settings import load_settings
notebook, port, file, idle, kernels = sys.argv[1:]
settings, forked = load_settings(file, serve_visitors=3), kernels == 'forked'
os.environ['JUPYTER_PATH'] = os.path.abspath(write_template('jupyter'))
if forked: ForkServer()
config = voila_config(settings, idle=int(idle), ours=forked)
PageServer.launch_instance([notebook, '--port=' + port, '--no-browser'], config=config)
"""


@pytest.fixture(params=['forked', 'started'])
def server(tmp_path, request):
    "A page of one cell, with kernels that are culled after `IDLE` seconds; they are forked, or started by Jupyter"
    if request.param == 'forked' and not ForkServer.possible: pytest.skip('needs pidfd, of Linux')
    cell = dict(cell_type='code', execution_count=None, id='a', metadata={}, outputs=[], source='1+1')
    kernel = dict(display_name='python3', language='python', name='python3')
    notebook = dict(cells=[cell], metadata=dict(kernelspec=kernel), nbformat=4, nbformat_minor=5)
    (tmp_path/'page.ipynb').write_text(json.dumps(notebook))
    port, log = free_port(), tmp_path/'log'
    values = [tmp_path/'page.ipynb', port, ROOT/'settings.ini', IDLE, request.param]
    with open(log, 'w') as f:
        command = [sys.executable, '-c', SERVE, *map(str, values)]
        proc = subprocess.Popen(command, cwd=tmp_path, stdout=f, stderr=subprocess.STDOUT)
    wait_until(lambda: 'is filled with' in log.read_text() or proc.poll() is not None, 120)
    assert proc.poll() is None, log.read_text()
    yield f'http://127.0.0.1:{port}/', log
    proc.terminate()
    proc.wait(20)


def is_alive(url, kernel):
    try: return urllib.request.urlopen(f'{url}api/kernels/{kernel}', timeout=10).status == 200
    except urllib.error.HTTPError: return False


def kernel_of(url):
    "The kernel of a new visitor who never connects to it"
    with urllib.request.urlopen(url, timeout=60) as r: html = r.read().decode()
    return re.search(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', html)[0]


@pytest.mark.slow
def test_a_kernel_waits_for_its_visitor_and_ends_after_the_visit(server):
    "A kernel that waited longer than the idle time is not culled before the page connects; if it never does, it is"
    url, log = server
    time.sleep(1.5*IDLE) # the kernel has been idle for longer than the others may be
    kernel = kernel_of(url)
    too_early = wait_until(lambda: not is_alive(url, kernel), .6*IDLE)
    assert not too_early, log.read_text()[-1500:]
    assert wait_until(lambda: not is_alive(url, kernel), 90), 'the kernel is still there'


def test_one_visitor_too_many_waits(server):
    "Three pages at a time in these settings: the fourth is told to wait, and gets in when another has gone"
    url, log = server
    for _ in range(5): assert urllib.request.urlopen(f'{url}healthz', timeout=10).status == 200 # starts no kernel
    first = [kernel_of(url) for _ in range(3)]
    with pytest.raises(urllib.error.HTTPError) as e: kernel_of(url)
    text = e.value.read().decode()
    assert e.value.code == 503 and e.value.headers['Retry-After'] == '5' and 'Many people are here' in text
    assert wait_until(lambda: not any(is_alive(url, kernel) for kernel in first), 120) # nobody connected: culled
    assert kernel_of(url) not in first
