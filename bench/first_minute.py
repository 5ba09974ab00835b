"""The first minute with our page, with Gradio's page over the same network file, and with the app of the fastai book.

All in one run, in a real Chromium at 1280 x 800: seconds from the command to a page with an upload button and to the
first answer in sight, the same for the next visitor, what a visit loads, how much the page jumps (layout shift, all of
it), what axe-core finds, and memory (PSS of all processes of a server). Gradio has an environment of its own:

    python3 -m venv /tmp/gradio && /tmp/gradio/bin/pip install gradio onnxruntime pillow numpy
    python bench/first_minute.py --gradio /tmp/gradio/bin/python [--rounds 3] [--visitors 10] [--axe axe.min.js]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
from page import ROOT, Book, Ours, files, weight
from playwright.sync_api import Error, sync_playwright

sys.path.insert(0, str(ROOT/'tests'))

from conftest import CHROMIUM_OPTIONS, COMMAND, chromium, free_port  # noqa: E402

GRADIO = '''
import json, sys
import gradio, numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession('export.onnx', options)
meta = {k: json.loads(v) for k,v in session.get_modelmeta().custom_metadata_map.items()}
size = meta['preprocessing']['size']
mean, std = (np.array(meta['preprocessing'][k], np.float32) for k in ('mean', 'std'))
def classify(image):
    x = (np.asarray(image.convert('RGB').resize((size, size)), np.float32)/255 - mean)/std
    logits, = session.run(['logits'], {session.get_inputs()[0].name: x.transpose(2, 0, 1)[None]})
    scaled = logits[0]/meta['temperature']
    e = np.exp(scaled - scaled.max())
    return dict(zip(meta['labels'], map(float, e/e.sum())))
gradio.Interface(classify, gradio.Image(type='pil'), gradio.Label(), title='What are you wearing?').launch(
    server_port=int(sys.argv[1]), quiet=True)
'''
SHIFTS = """window.shift = 0;
new PerformanceObserver(list => { for (const o of list.getEntries()) window.shift += o.value; })
  .observe({ type: 'layout-shift', buffered: true });"""
IN_SIGHT = """selector => {
  const node = [...document.querySelectorAll(selector)].find(o => o.offsetParent);
  const box = node?.getBoundingClientRect();
  return box && box.top >= 0 && box.bottom <= innerHeight;
}"""
VIEW = dict(width=1280, height=800)


class OurPage(Ours):
    answer = '.cc-done .cc-answer'

    def command(self, port): return [COMMAND, 'serve', '--port', str(port)]

    def choose(self, page, file): page.set_input_files('.cc-upload input', file)
    def choose_again(self, page, file): self.choose(page, file)

    def wait_for_second(self, page, first):
        page.wait_for_function("() => document.querySelectorAll('.cc-done').length === 2")


class BookPage(Book):
    answer = '.widget-label:has-text("Prediction:")'
    in_sight = """() => [...document.querySelectorAll('.widget-label')].some(o => o.textContent.includes('Prediction:')
        && o.getBoundingClientRect().bottom <= innerHeight)"""

    def command(self, port): return super().command(port, False)

    def choose(self, page, file):
        with page.expect_file_chooser() as chooser: page.click(self.ready)
        chooser.value.set_files(file)

    def choose_again(self, page, file): self.choose(page, file)

    def wait_for_second(self, page, first):
        page.wait_for_function("""first => [...document.querySelectorAll('.widget-label')]
            .some(o => o.textContent.includes('Prediction:') && o.textContent !== first)""", arg=first)


class Gradio:
    name, ready, answer = 'Gradio', 'button:has-text("Submit")', '[data-testid=label-output-value]'

    def __init__(self, folder, python):
        (folder/'app.py').write_text(GRADIO)
        (folder/'export.onnx').write_bytes((ROOT/'export.onnx').read_bytes())
        self.folder, self.python = folder, python

    def command(self, port): return [self.python, 'app.py', str(port)]

    def choose(self, page, file):
        page.set_input_files('input[type=file]', file)
        page.locator('[data-testid=image] img, .image-container img').first.wait_for()
        page.click(self.ready)

    def choose_again(self, page, file):
        page.click('button[aria-label="Remove Image"], button[title="Remove Image"]')
        self.choose(page, file)

    def wait_for_second(self, page, first):
        page.wait_for_function("""first => document.querySelector('[data-testid=label-output-value]')
            ?.textContent.trim() !== first""", arg=first)


@contextmanager
def started(app):
    "A server that has just been started: its process, its address, and when"
    port = free_port()
    env = {k: v for k, v in os.environ.items() if k != 'OMP_NUM_THREADS'} | dict(PYTHONPATH=str(ROOT),
        GRADIO_ANALYTICS_ENABLED='False')
    if app.name == 'Gradio': env.pop('PYTHONPATH')
    with open(app.folder/'log', 'w') as log:
        begun = time.perf_counter()
        process = subprocess.Popen(app.command(port), cwd=app.folder, env=env, stdout=log, stderr=log)
    try: yield psutil.Process(process.pid), f'http://127.0.0.1:{port}/', begun
    finally:
        process.terminate()
        try: process.wait(60)
        except subprocess.TimeoutExpired: process.kill()


def open_when_there(page, url):
    "Go to an address as soon as somebody answers there"
    end = time.monotonic()+120
    while True:
        try: return page.goto(url, wait_until='commit')
        except Error:
            if time.monotonic() > end: raise
            time.sleep(.02)


def new_page(browser):
    "A page of a new visitor, and what it will have loaded: [requests, bytes]"
    page = browser.new_context(viewport=VIEW).new_page()
    page.add_init_script(SHIFTS)
    loaded = [0, 0]
    session = page.context.new_cdp_session(page)
    session.send('Network.enable')
    def count(requests, size): loaded[:] = loaded[0]+requests, loaded[1]+size
    def on_request(event): count(0 if event['request']['url'].startswith(('data:', 'blob:')) else 1, 0)
    def on_frame(event): count(0, len(event['response']['payloadData']))
    session.on('Network.requestWillBeSent', on_request)
    session.on('Network.webSocketCreated', lambda _: count(1, 0))
    session.on('Network.webSocketFrameReceived', on_frame)
    session.on('Network.loadingFinished', lambda event: count(0, event['encodedDataLength']))
    return page, loaded


def is_in_sight(app, page): return page.evaluate(getattr(app, 'in_sight', IN_SIGHT), app.answer)


def visit(browser, app, url, file, other, begun=None):
    "A visitor's first minute: measures by name"
    page, loaded = new_page(browser)
    begun = begun or time.perf_counter()
    open_when_there(page, url)
    page.wait_for_selector(app.ready, timeout=120_000)
    found = dict(page=time.perf_counter()-begun)
    found['requests'], found['kB'] = loaded[0], loaded[1]/1000
    app.choose(page, file)
    page.locator(app.answer).first.wait_for(timeout=120_000)
    now = time.perf_counter()
    found['first'] = now-begun
    page.wait_for_timeout(700) # what scrolls or moves has come to rest
    found |= dict(sight=bool(is_in_sight(app, page)), shift=page.evaluate('window.shift'))
    first = page.locator(app.answer).first.inner_text().strip()
    chosen = time.perf_counter()
    app.choose_again(page, other)
    app.wait_for_second(page, first)
    return found | dict(second=time.perf_counter()-chosen), page


def violations(page, axe):
    "How many rules of axe-core the page breaks"
    found = page.evaluate(f'{axe}; axe.run(document, {{ resultTypes: ["violations"] }}).then(r => r.violations.length)')
    return found


def memory(browser, app, pictures, most):
    "Megabytes with 1, 2, 3 ... visitors, each of whom has had an answer"
    out = []
    with started(app) as (process, url, _):
        for i in range(most):
            visit(browser, app, url, pictures[i % 10], pictures[(i+1) % 10])
            out.append(weight(process))
        for context in list(browser.contexts): context.close()
    return out


def measured(browser, app, pictures, a):
    "Medians over the rounds"
    cold, warm = [], []
    for _ in range(a.rounds):
        with started(app) as (_, url, begun):
            cold.append(visit(browser, app, url, pictures[0], pictures[1], begun)[0])
            found, page = visit(browser, app, url, pictures[1], pictures[2])
            if a.axe: found['axe'] = violations(page, a.axe.read_text())
            warm.append(found)
            for context in list(browser.contexts): context.close()
    def median(rounds, key): return statistics.median(o[key] for o in rounds)
    rows = {
        'command to page, s': median(cold, 'page'),
        'command to first answer, s': median(cold, 'first'),
        'next visitor: page, s': median(warm, 'page'),
        'next visitor: first answer, s': median(warm, 'first'),
        'second answer, s': median(warm, 'second'),
        'answer in sight': min(o['sight'] for o in cold+warm),
        'requests': median(warm, 'requests'),
        'kB loaded': median(warm, 'kB'),
        'layout shift': median(warm, 'shift')}
    if a.axe: rows['axe-core: rules broken'] = median(warm, 'axe')
    weights = memory(browser, app, pictures, a.visitors)
    return rows | {f'{n} visitors, MB': weights[n-1] for n in (1, 3, 10) if n <= len(weights)}


def written(value): return ('yes' if value else 'no') if isinstance(value, bool) else f'{value:,.4g}'


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--gradio', help='Python of an environment with Gradio')
    a.add_argument('--book', action='store_true', help="the book's app, too")
    a.add_argument('--rounds', type=int, default=3)
    a.add_argument('--visitors', type=int, default=10)
    a.add_argument('--axe', type=Path, help='axe.min.js')
    a = a.parse_args()
    with tempfile.TemporaryDirectory() as d, sync_playwright() as p:
        d = Path(d)
        for name in ('ours', 'gradio', 'book', 'pictures'): (d/name).mkdir()
        pictures = files(d/'pictures')
        apps = [OurPage(d/'ours')]
        if a.gradio: apps.append(Gradio(d/'gradio', a.gradio))
        if a.book: apps.append(BookPage(d/'book'))
        browser = p.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        found = {app.name: measured(browser, app, pictures, a) for app in apps}
        browser.close()
    print(f"| | {' | '.join(found)} |\n| --- |{' ---: |'*len(found)}")
    for row in found[apps[0].name]: print(f"| {row} | {' | '.join(written(o[row]) for o in found.values())} |")
    print(json.dumps(found))


if __name__ == '__main__': main()
