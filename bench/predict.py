"""Claim: `clothing-classifier predict` is at least 3 times as fast as fastai's `get_preds`, and runs at 80 % of what bounds it, decoding or the network.

    python bench/predict.py [--pictures 2000] [--learner export.pkl] [--int8 export.int8.onnx] [--fp32 export.fp32.onnx]

Photos from ../shared/data where it is, drawings elsewhere. They are cut into twenty parts; all sides take a part, in an order that rotates, before the next
part begins, so that a busy machine is busy for all.
"""

import argparse
import os
import random
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / 'shared' / 'data'


def photos(n):
    "n photos of both sources, mixed"
    fs = sorted(SHARED.glob('scraped/*/*.jpg')) + sorted(SHARED.glob('clothing-dataset/images/*.jpg'))
    if not fs:
        from drawings import draw_folder

        fs = sorted(draw_folder(tempfile.mkdtemp(), ['jeans', 'socks'], n=100, size=400).glob('*/*.jpg')) * 20
    return random.Random(0).sample(fs, min(n, len(fs)))


def fastai(path):
    "`get_preds` over a test DataLoader, in batches of 64, with all cores"
    import torch
    from fastai.learner import load_learner

    torch.set_num_threads(os.cpu_count())
    learn = load_learner(path)

    def run(fs):
        with learn.no_bar(), learn.no_logging():
            learn.get_preds(dl=learn.dls.test_dl(fs, bs=64, num_workers=0))

    return run


def plain(path, prep):
    "What one writes in ten minutes: open, resize, run, one by one, onnxruntime's own defaults"
    import onnxruntime
    from PIL import Image

    s, mean, std = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider']), np.float32(prep['mean']), np.float32(prep['std'])

    def run(fs):
        for f in fs:
            x = np.asarray(Image.open(f).convert('RGB').resize((prep['size'],) * 2, Image.Resampling.BILINEAR), np.float32) / 255
            s.run(None, {s.get_inputs()[0].name: ((x - mean) / std).transpose(2, 0, 1)[None]})

    return run


def stages(clf, workers):
    "Decoding alone and the network alone, with all cores, as `predict_many` does both: one picture at a time"

    def each(f, xs):
        with ThreadPoolExecutor(workers) as ex:
            return list(ex.map(f, xs))

    return lambda fs: each(clf._decode, fs), lambda xs: each(lambda x: clf.logits([x]), xs)


def clock(f, *args):
    t = time.perf_counter()
    f(*args)
    return time.perf_counter() - t


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--pictures', type=int, default=2000)
    a.add_argument('--parts', type=int, default=20)
    for k, v in dict(learner='export.pkl', int8='export.int8.onnx', fp32='export.fp32.onnx').items():
        a.add_argument(f'--{k}', default=str(ROOT / v))
    a = a.parse_args()
    warnings.simplefilter('ignore')
    from clothing_classifier.predict import Classifier, cores

    fs, n = photos(a.pictures), cores()
    ours = {k: Classifier.load(p, 1, 25) for k in ('int8', 'fp32') if Path(p := getattr(a, k)).is_file()}
    if not ours:
        raise SystemExit(f'{a.int8}: there is no such file; clothing-classifier export writes it')
    sides, decode = {'fastai get_preds': fastai(a.learner)}, stages(next(iter(ours.values())), n)[0]
    sides['decoding alone'] = decode
    for k, clf in ours.items():
        sides |= {f'plain onnxruntime loop, {k}': plain(getattr(a, k), clf.prep), f'ours, {k}': lambda fs, clf=clf: sum(1 for _ in clf.predict_many(fs))}
        sides[f'network alone, {k}'] = stages(clf, n)[1]
    took, order = dict.fromkeys(sides, 0.0), list(sides)
    for i, part in enumerate([fs[:64], *(fs[i :: a.parts] for i in range(a.parts))]):
        xs = [x for x in decode(part) if not isinstance(x, str)]
        for k in order[i % len(order) :] + order[: i % len(order)]:
            t = clock(sides[k], xs if 'network' in k else part)
            took[k] += t * (i > 0)  # The first part warms up
    rate = {k: len(fs) / t for k, t in took.items()}
    print(f'{len(fs)} photos, {n} cores, {next(iter(ours.values())).prep["size"]} px')
    for k, v in sorted(rate.items(), key=lambda o: o[1]):
        print(f'{k:28} {v:8.1f} images/s  {v / rate["fastai get_preds"]:5.2f} of fastai')
    for k in ours:
        slow = min(('decoding alone', f'network alone, {k}'), key=rate.get)
        both = 1 / (1 / rate['decoding alone'] + 1 / rate[f'network alone, {k}'])
        mine = rate[f'ours, {k}']
        print(f'ours, {k}: {mine / rate["fastai get_preds"]:.1f} times fastai; bound by {slow}, at {mine / rate[slow]:.0%} of it')
        print(f'    both stages on the same cores allow {both / rate[slow]:.0%} of it; we reach {mine / both:.0%} of that')


if __name__ == '__main__':
    main()
