"""A network of two categories that needs no training: a blue picture is jeans, a red one is socks"""

import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from anyio.from_thread import start_blocking_portal
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


def metadata(size=64):
    "What our export writes into an ONNX file"
    return dict(
        labels=['jeans', 'socks'],
        temperature=1.0,
        thresholds=dict(max_probability=0.6),
        preprocessing=dict(size=size, resize='squish', resample='bilinear', mean=[0.5] * 3, std=[0.5] * 3),
        precision='fp32',
        learner_sha256='0' * 64,
    )


def write_model(path, size=64):
    "An ONNX file with the metadata that our export writes"
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.array([[0, 0, 8], [8, 0, 0]], np.float32).reshape(2, 3, 1, 1)
    nodes = [
        helper.make_node('GlobalAveragePool', ['image'], ['mean']),
        helper.make_node('Conv', ['mean', 'weights'], ['conv']),
        helper.make_node('Flatten', ['conv'], ['logits']),
    ]
    image = helper.make_tensor_value_info('image', TensorProto.FLOAT, ['n', 3, size, size])
    logits = helper.make_tensor_value_info('logits', TensorProto.FLOAT, ['n', 2])
    graph = helper.make_graph(nodes, 'tiny', [image], [logits], [numpy_helper.from_array(weights, 'weights')])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=9)
    helper.set_model_props(model, {key: json.dumps(value) for key, value in metadata(size).items()})
    onnx.save(model, path)
    return path


def by_color(x):
    "The same network in numpy, for a `Classifier` that needs no file"
    return (np.stack([x[:, 2].mean((1, 2)), x[:, 0].mean((1, 2))], 1) * 4,)


def settings_text(categories, **changes):
    "A settings file that says only what differs from the defaults: `serve_port=80` is `port = 80` in `[serve]`"
    sections = {'categories': {c: c for c in categories}}
    for name, value in changes.items():
        section, _, key = name.partition('_')
        sections.setdefault(section, {})[key] = value
    lines = []
    for section, keys in sections.items():
        lines += [f'[{section}]', *(f'{key} = {value}' for key, value in keys.items())]
    return '\n'.join(lines) + '\n'


def write_settings(folder, **changes):
    "Settings of two categories and the network above; `changes` are written into the file"
    changes = dict(serve_model=write_model(folder / 'tiny.onnx')) | changes
    (folder / 'settings.ini').write_text(settings_text(['jeans', 'socks'], **changes))
    return folder / 'settings.ini'


def encoded(image, format='JPEG', **options):
    "The content of a picture file"
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def picture(color='blue', size=(80, 60), format='JPEG', **options):
    "The content of a picture file of one color"
    return encoded(Image.new('RGB', size, color), format, **options)


def noise(side, seed=0):
    "A PNG that does not compress"
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    return encoded(Image.fromarray(pixels), 'PNG')


def hostile_tiff(rows=2000, tags=4000):
    "A fax with rows that cannot be decoded, and with tags that lie beyond its end"
    data = random.Random(0).randbytes(60_000)
    head = {256: 600, 257: rows, 258: 1, 259: 3, 262: 0, 277: 1, 278: rows, 279: len(data)}
    entries = {tag: (4, 1, value) for tag, value in head.items()}
    entries |= {tag: (2, 4_000_000, 9_000_000) for tag in range(1000, 1000 + tags)}
    entries[273] = 4, 1, 8 + 2 + 12 * (len(entries) + 1) + 4
    packed = b''.join(struct.pack('<HHII', tag, *entries[tag]) for tag in sorted(entries))
    return b'II*\0' + struct.pack('<IH', 8, len(entries)) + packed + bytes(4) + data


def command(*args, cwd, env=(), **options):
    "`clothing-classifier` as a process of its own"
    cmd = [sys.executable, '-c', 'from clothing_classifier.cli import main; main()', *map(str, args)]
    env = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', **dict(env)}
    return subprocess.Popen(cmd, cwd=cwd, env=env, **options)


def free_port():
    "A port at which nothing listens"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def answers(url):
    "Whether a server answers with a status below 400"
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


def wait_until(condition, seconds=60):
    "Wait for what a function says"
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'this did not happen in time'
        time.sleep(0.05)


def run_async(func, *args):
    "The result of a coroutine function, also while a browser of another test keeps this thread's event loop running"
    with start_blocking_portal() as portal:
        return portal.call(func, *args)


@contextmanager
def served(folder, *options, env=(), seconds=60):
    "The API as a process: yields its port, the process, and the file of its log"
    port, log = free_port(), folder / 'log.txt'
    with open(log, 'w') as f:
        process = command('serve', '--api', '--port', port, *options, cwd=folder, env=env, stdout=f, stderr=f)

    def ready():
        assert process.poll() is None, log.read_text()
        return answers(f'http://127.0.0.1:{port}/readyz')

    try:
        wait_until(ready, seconds)
        yield port, process, log
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
