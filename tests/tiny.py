"A network of two categories that needs no training: the bluer a picture the more it is jeans, the redder the more it is socks"

import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


def write_model(path, size=64):
    "An ONNX file with the metadata that our export writes"
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    w = np.array([[0, 0, 8], [8, 0, 0]], np.float32).reshape(2, 3, 1, 1)
    nodes = [
        helper.make_node('GlobalAveragePool', ['image'], ['mean']),
        helper.make_node('Conv', ['mean', 'w'], ['conv']),
        helper.make_node('Flatten', ['conv'], ['logits']),
    ]
    graph = helper.make_graph(
        nodes,
        'tiny',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, ['n', 3, size, size])],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, ['n', 2])],
        [numpy_helper.from_array(w, 'w')],
    )
    m = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=9)
    meta = dict(
        labels=['jeans', 'socks'],
        temperature=1.0,
        thresholds=dict(max_probability=0.6),
        preprocessing=dict(size=size, resize='squish', resample='bilinear', mean=[0.5] * 3, std=[0.5] * 3),
        precision='fp32',
        learner_sha256='0' * 64,
    )
    helper.set_model_props(m, {k: json.dumps(v) for k, v in meta.items()})
    onnx.save(m, path)
    return path


def settings_text(categories, **changes):
    "A settings file that says only what differs from the defaults: `serve_port=80` is `port = 80` in `[serve]`"
    sections = {'categories': {c: c for c in categories}}
    for name, value in changes.items():
        section, _, key = name.partition('_')
        sections.setdefault(section, {})[key] = value
    return '\n'.join(f'[{s}]\n' + ''.join(f'{k} = {v}\n' for k, v in kv.items()) for s, kv in sections.items())


def write_settings(folder, **changes):
    "Settings of two categories and the network above; `changes` are written into the file"
    changes = dict(serve_model=write_model(folder / 'tiny.onnx')) | changes
    (folder / 'settings.ini').write_text(settings_text(['jeans', 'socks'], **changes))
    return folder / 'settings.ini'


def picture(color='blue', size=(80, 60), format='JPEG', **kw):
    "The content of a picture file of one color"
    b = io.BytesIO()
    Image.new('RGB', size, color).save(b, format, **kw)
    return b.getvalue()


def noise(side, seed=0):
    "A PNG that does not compress"
    import numpy as np

    b = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)).save(b, 'PNG')
    return b.getvalue()


def command(*args, cwd, env=(), **kw):
    "`clothing-classifier` as a process of its own"
    cmd = [sys.executable, '-c', 'from clothing_classifier.cli import main; main()', *map(str, args)]
    return subprocess.Popen(cmd, cwd=cwd, env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1', **dict(env)}, **kw)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


@contextmanager
def served(folder, *options, env=(), seconds=60):
    "The API as a process: yields its port, the process, and the file of its log"
    port, log = free_port(), folder / 'log.txt'
    with open(log, 'w') as f:
        p = command('serve', '--api', '--port', port, *options, cwd=folder, env=env, stdout=f, stderr=f)
    try:
        for _ in range(seconds * 10):
            try:
                urllib.request.urlopen(f'http://127.0.0.1:{port}/readyz', timeout=5).close()
            except OSError:
                time.sleep(0.1)
            else:
                break
            assert p.poll() is None, log.read_text()
        yield port, p, log
    finally:
        if p.poll() is None:
            p.kill()
        p.wait()
