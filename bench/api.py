"""Claim: for 50 clients the API has at least 5 times the throughput of a plain Flask + fastai app, in at most a third of its memory, and no error
but 429 and 503.

    python bench/api.py [--seconds 60] [--clients 1 5 20 50] [--learner export.pkl] [--network export.onnx]
    python bench/api.py --batches        micro-batching: the last number of clients, by pictures that one run takes

Flask is served the way this project's ancestors did it: `load_learner` once, `learn.predict` for each request, a thread a connection. The last number of
clients runs for --seconds, those before it for a tenth of that. Both servers get the same pictures from the same load generator, in one run, never at
the same time.
"""

import argparse
import http.client
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests'))

FLASK = """
import pathlib, sys, tempfile, threading, warnings
warnings.simplefilter('ignore')
from fastai.vision.all import load_learner
from flask import Flask, jsonify, request
app, learn, lock = Flask(__name__), load_learner(sys.argv[1]), threading.Lock()

@app.route('/v1/predict', methods=['POST'])
def predict():
    with tempfile.TemporaryDirectory() as d, lock, learn.no_bar(), learn.no_logging(): # A learner is not safe for threads
        request.files['files'].save(f'{d}/upload.jpg')
        category, i, probs = learn.predict(pathlib.Path(d)/'upload.jpg')
    return jsonify(category=str(category), probabilities=dict(zip(learn.dls.vocab, map(float, probs))))

@app.route('/readyz')
def ready(): return 'ready'

app.run(port=int(sys.argv[2]), threaded=True)
"""


def form(i):
    "A multipart body with one drawn photo"
    from drawings import draw_picture, outlines

    b = io.BytesIO()
    draw_picture(list(outlines)[i % 6], i, 400).save(b, 'JPEG', quality=90)
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return head + b.getvalue() + b'\r\n--x--\r\n'


def load(port, clients, seconds, bodies):
    "Status of every request, and the seconds it took"
    out, start = [], threading.Barrier(clients)

    def one(i):
        c = http.client.HTTPConnection('127.0.0.1', port, timeout=120)
        start.wait()
        stop = time.monotonic() + seconds
        while time.monotonic() < stop:
            t = time.perf_counter()
            try:
                c.request('POST', '/v1/predict', bodies[i % len(bodies)], {'Content-Type': 'multipart/form-data; boundary=x'})
                r = c.getresponse()
                r.read()
                s = r.status
            except (OSError, http.client.HTTPException) as e:
                s = type(e).__name__
                c.close()
            out.append((s, time.perf_counter() - t))
            if s == 503:
                time.sleep(1)

    ts = [threading.Thread(target=one, args=(i,)) for i in range(clients)]
    t = time.perf_counter()
    for o in ts:
        o.start()
    for o in ts:
        o.join()
    return out, time.perf_counter() - t


def most_memory(pid):
    return int(re.search(r'VmHWM:\s+(\d+)', Path(f'/proc/{pid}/status').read_text())[1]) / 1000


def ready(port, p):
    "Wait until a server answers"
    import urllib.request

    for _ in range(1800):
        try:
            return urllib.request.urlopen(f'http://127.0.0.1:{port}/readyz', timeout=5).close()
        except OSError:
            time.sleep(0.1)
        if p.poll() is not None:
            raise SystemExit('a server ended')
    raise SystemExit('a server did not start')


def measure(name, cmd, port, a, bodies, env):
    "Start a server, load it, print a line for each number of clients"
    with tempfile.TemporaryFile() as log:
        p = subprocess.Popen(cmd, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, 'PYTHONPATH': str(ROOT), **env})
    try:
        ready(port, p)
        load(port, 2, 2, bodies)
        for n in a.clients:
            out, took = load(port, n, a.seconds if n == a.clients[-1] else max(a.seconds / 10, 3), bodies)
            good = sorted(t for s, t in out if s == 200)
            ms = [1000 * good[int(q * (len(good) - 1))] for q in (0.5, 0.95, 0.99)] if good else [float('nan')] * 3
            line = f'{name:16} {n:3} clients  {len(good) / took:7.1f} requests/s  median {ms[0]:7.0f} ms  95 % {ms[1]:7.0f} ms  99 % {ms[2]:7.0f} ms'
            print(f'{line}  {dict(Counter(s for s, _ in out))}  {most_memory(p.pid):.0f} MB', flush=True)
        return len(good) / took, most_memory(p.pid), {s for s, _ in out}
    finally:
        p.terminate()
        p.wait(40)


def ours(port, a, *options):
    "The command that serves our API"
    code = 'from clothing_classifier.cli import main; main()'
    return [sys.executable, '-c', code, 'serve', '--api', '--port', str(port), '--model', a.network, *options]


def batches(a, bodies, sizes=(1, 4, 8), rounds=4):
    "Servers side by side, each loaded for a tenth of --seconds in turn"
    from tiny import free_port

    ports, rate, env = {n: free_port() for n in sizes}, {n: [] for n in sizes}, {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    ps = {n: subprocess.Popen(ours(p, a, '--api-batch', str(n)), cwd=ROOT, env=env, stderr=subprocess.DEVNULL) for n, p in ports.items()}
    try:
        for n, p in ports.items():
            ready(p, ps[n])
            load(p, 4, 2, bodies)
        for i in range(rounds):
            for n in sizes[i % len(sizes) :] + sizes[: i % len(sizes)]:
                out, took = load(ports[n], a.clients[-1], a.seconds / 10, bodies)
                rate[n].append(sum(s == 200 for s, _ in out) / took)
        for n in sizes:
            all_rounds = ' '.join(f'{o:.0f}' for o in rate[n])
            print(f'runs of up to {n}: {sum(rate[n]) / rounds:6.1f} requests/s ({all_rounds})  {sum(rate[n]) / sum(rate[1]):.2f}  {most_memory(ps[n].pid):.0f} MB')
    finally:
        for p in ps.values():
            p.terminate()
            p.wait(40)


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--seconds', type=float, default=60)
    a.add_argument('--clients', type=int, nargs='+', default=[1, 5, 20, 50])
    a.add_argument('--learner', default=str(ROOT / 'export.pkl'))
    a.add_argument('--network', default=str(ROOT / 'export.onnx'))
    a.add_argument('--batches', action='store_true')
    a = a.parse_args()
    from tiny import free_port

    bodies, d = [form(i) for i in range(24)], Path(tempfile.mkdtemp())
    if a.batches:
        return batches(a, bodies)
    (d / 'flask_app.py').write_text(FLASK)
    p, q = free_port(), free_port()
    theirs = measure('Flask + fastai', [sys.executable, str(d / 'flask_app.py'), a.learner, str(p)], p, a, bodies, {})
    mine = measure('ours', ours(q, a), q, a, bodies, dict(OMP_NUM_THREADS='1'))
    print(f'with {a.clients[-1]} clients: {mine[0] / theirs[0]:.1f} times the throughput, {mine[1] / theirs[1]:.2f} of the memory')
    print(f'statuses of ours: {sorted(map(str, mine[2]))}')


if __name__ == '__main__':
    main()
