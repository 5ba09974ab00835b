"""Claim: for 50 clients the API has at least 5 times the throughput of a plain Flask + fastai app, in at most a third
of its memory, and no error but 429 and 503.

    python bench/api.py [--seconds 60] [--clients 1 5 20 50] [--learner export.pkl] [--network export.onnx]
    python bench/api.py --batches        throughput by the number of pictures that one run of the network takes

Flask is served the way this project's ancestors did it: `load_learner` once, `learn.predict` for each request, a thread
a connection. The last number of clients runs for --seconds, those before it for a tenth of that. Both servers get the
same pictures from the same load generator, in one run, never at the same time.
"""

import argparse
import http.client
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests'))

from drawings import draw_picture, outlines  # noqa: E402
from tiny import answers, encoded, free_port, wait_until  # noqa: E402

FLASK = """
import pathlib, sys, tempfile, threading, warnings
warnings.simplefilter('ignore')
from fastai.vision.all import load_learner
from flask import Flask, jsonify, request
app, learn, lock = Flask(__name__), load_learner(sys.argv[1]), threading.Lock()

@app.route('/v1/predict', methods=['POST'])
def predict():
    with tempfile.TemporaryDirectory() as d, lock, learn.no_bar(), learn.no_logging(): # learners are not thread-safe
        request.files['files'].save(f'{d}/upload.jpg')
        category, i, probs = learn.predict(pathlib.Path(d)/'upload.jpg')
    return jsonify(category=str(category), probabilities=dict(zip(learn.dls.vocab, map(float, probs))))

@app.route('/readyz')
def ready(): return 'ready'

app.run(port=int(sys.argv[2]), threaded=True)
"""
HEADERS = {'Content-Type': 'multipart/form-data; boundary=x'}
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'


def form(i):
    "A multipart body with one drawing"
    image = draw_picture(list(outlines)[i % 6], i, 400)
    return PART + encoded(image, quality=90) + b'\r\n--x--\r\n'


def ask(connection, body):
    "Status of one request, or the name of its error"
    try:
        connection.request('POST', '/v1/predict', body, HEADERS)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException) as e:
        connection.close()
        return type(e).__name__


class Load:
    "Requests of many clients, each on its own connection: status and seconds of all of them"

    def __init__(self, port, clients, seconds, bodies):
        self.port, self.seconds, self.bodies, self.done = port, seconds, bodies, []
        self.start = threading.Barrier(clients + 1)
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(clients)]
        for thread in threads:
            thread.start()
        self.start.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        self.took = time.perf_counter() - began

    def client(self, i):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=120)
        body = self.bodies[i % len(self.bodies)]
        self.start.wait()
        stop = time.monotonic() + self.seconds
        while time.monotonic() < stop:
            began = time.perf_counter()
            status = ask(connection, body)
            self.done.append((status, time.perf_counter() - began))
            if status == 503:
                time.sleep(1)

    @property
    def statuses(self):
        return Counter(status for status, _ in self.done)

    @property
    def rate(self):
        return self.statuses[200] / self.took

    def milliseconds(self, *quantiles):
        "How long answers took"
        times = sorted(seconds for status, seconds in self.done if status == 200) or [float('nan')]
        return [1000 * times[int(q * (len(times) - 1))] for q in quantiles]

    def __str__(self):
        median, most, nearly_all = self.milliseconds(0.5, 0.95, 0.99)
        times = f'median {median:7.0f} ms  95 % {most:7.0f} ms  99 % {nearly_all:7.0f} ms'
        return f'{self.rate:7.1f} requests/s  {times}  {dict(self.statuses)}'


def peak_memory(pid):
    "Most megabytes that a process ever had"
    return int(re.search(r'VmHWM:\s+(\d+)', Path(f'/proc/{pid}/status').read_text())[1]) / 1000


@contextmanager
def running(cmd, port):
    "A server as a process"
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    process = subprocess.Popen(cmd, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)

    def ready():
        if process.poll() is not None:
            raise SystemExit(f'a server ended: {cmd}')
        return answers(f'http://127.0.0.1:{port}/readyz')

    try:
        wait_until(ready, 180)
        yield process
    finally:
        process.terminate()
        process.wait(40)


def measure(name, cmd, port, args, bodies):
    "Load a server with each number of clients: its last load, and its memory"
    with running(cmd, port) as process:
        Load(port, 2, 2, bodies)
        for clients in args.clients:
            seconds = args.seconds if clients == args.clients[-1] else max(args.seconds / 10, 3)
            load = Load(port, clients, seconds, bodies)
            print(f'{name:16} {clients:3} clients  {load}  {peak_memory(process.pid):.0f} MB', flush=True)
        return load, peak_memory(process.pid)


def ours(port, args, *options):
    "The command that serves our API"
    code = 'from clothing_classifier.cli import main; main()'
    options = ('--port', str(port), '--model', args.network, *options)
    return ['env', 'OMP_NUM_THREADS=1', sys.executable, '-c', code, 'serve', '--api', *options]


def compare(args, bodies):
    "Flask + fastai and our API, one after the other"
    flask_app = Path(tempfile.mkdtemp()) / 'flask_app.py'
    flask_app.write_text(FLASK)
    port, flask_port = free_port(), free_port()
    cmd = [sys.executable, str(flask_app), args.learner, str(flask_port)]
    flask, flask_memory = measure('Flask + fastai', cmd, flask_port, args, bodies)
    load, memory = measure('ours', ours(port, args), port, args, bodies)
    times, share = load.rate / flask.rate, memory / flask_memory
    print(f'with {args.clients[-1]} clients: {times:.1f} times the throughput, {share:.2f} of the memory')
    print(f'statuses of ours: {sorted(map(str, load.statuses))}')


def compare_batches(args, bodies, sizes=(1, 4, 8), rounds=4):
    "Servers side by side, each loaded for a tenth of --seconds in turn"
    ports, rates = {size: free_port() for size in sizes}, {size: [] for size in sizes}
    with ExitStack() as stack:
        servers = {}
        for size, port in ports.items():
            servers[size] = stack.enter_context(running(ours(port, args, '--api-batch', str(size)), port))
            Load(port, 4, 2, bodies)
        for i in range(rounds):
            first = i % len(sizes)
            for size in sizes[first:] + sizes[:first]:
                rates[size].append(Load(ports[size], args.clients[-1], args.seconds / 10, bodies).rate)
        for size in sizes:
            all_rounds, ratio = ' '.join(f'{rate:.0f}' for rate in rates[size]), sum(rates[size]) / sum(rates[1])
            mean, memory = sum(rates[size]) / rounds, peak_memory(servers[size].pid)
            print(f'runs of up to {size}: {mean:6.1f} requests/s ({all_rounds})  {ratio:.2f}  {memory:.0f} MB')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=float, default=60)
    parser.add_argument('--clients', type=int, nargs='+', default=[1, 5, 20, 50])
    parser.add_argument('--learner', default=str(ROOT / 'export.pkl'))
    parser.add_argument('--network', default=str(ROOT / 'export.onnx'))
    parser.add_argument('--batches', action='store_true')
    args = parser.parse_args()
    bodies = [form(i) for i in range(24)]
    (compare_batches if args.batches else compare)(args, bodies)


if __name__ == '__main__':
    main()
