"""Claim: `predict` is at least 3 times as fast as fastai's `get_preds`, and near what bounds it, decoding or network

    python bench/predict.py [--pictures 2000] [--learner export.pkl] [--int8 export.onnx] [--fp32 export.fp32.onnx]

Photos from ../shared/data where it is, drawings elsewhere. They are cut into twenty parts; all sides take a part, in an
order that rotates, before the next part begins, so that a busy machine is busy for all.
"""
import argparse
import os
import random
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from clothing_classifier.images import ImageError
from clothing_classifier.predict import Classifier, cores, preprocess

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent/'shared'/'data'


def photos(n):
    "n photos of both sources, mixed"
    paths = sorted(SHARED.glob('scraped/*/*.jpg')) + sorted(SHARED.glob('clothing-dataset/images/*.jpg'))
    if not paths:
        sys.path.insert(0, str(ROOT/'tests'))
        from drawings import draw_folder
        paths = sorted(draw_folder(tempfile.mkdtemp(), ['jeans', 'socks'], n=100, size=400).glob('*/*.jpg'))*20
    return random.Random(0).sample(paths, min(n, len(paths)))


def fastai(file):
    "`get_preds` over a test DataLoader, in batches of 64, with all cores"
    import torch
    from fastai.learner import load_learner
    torch.set_num_threads(os.cpu_count())
    learn = load_learner(file)

    def run(paths):
        with learn.no_bar(), learn.no_logging(): learn.get_preds(dl=learn.dls.test_dl(paths, bs=64, num_workers=0))
    return run


def plain(file, prep):
    "What one writes in ten minutes: open, resize, run, one by one, with onnxruntime's own defaults"
    import onnxruntime
    from PIL import Image
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    name, side = session.get_inputs()[0].name, (prep['size'],)*2
    mean, std = np.float32(prep['mean']), np.float32(prep['std'])

    def run(paths):
        for path in paths:
            x = np.asarray(Image.open(path).convert('RGB').resize(side, Image.Resampling.BILINEAR), np.float32)/255
            session.run(None, {name: ((x-mean)/std).transpose(2, 0, 1)[None]})
    return run


def each(f, items, workers):
    "The results of `f`, one picture at a time on every core, as `predict_many` works"
    with ThreadPoolExecutor(workers) as pool: return list(pool.map(f, items))


def decoding(classifier, workers):
    "Decoding and preprocessing alone; a broken picture gives None"
    def one(path):
        try: return preprocess(classifier.open(path), **classifier.prep)
        except ImageError: return None
    return lambda paths: each(one, paths, workers)


def network(classifier, workers): return lambda xs: each(lambda x: classifier.logits([x]), xs, workers)


def ours(classifier): return lambda paths: sum(1 for _ in classifier.predict_many(paths))


def sides(args, classifiers, workers):
    "Name -> function of paths, or of prepared pictures for the network alone"
    found = {'fastai get_preds': fastai(args.learner)}
    found['decoding alone'] = decoding(next(iter(classifiers.values())), workers)
    for precision, classifier in classifiers.items():
        found[f'plain onnxruntime loop, {precision}'] = plain(getattr(args, precision), classifier.prep)
        found[f'ours, {precision}'] = ours(classifier)
        found[f'network alone, {precision}'] = network(classifier, workers)
    return found


def seconds(f, *args):
    start = time.perf_counter()
    f(*args)
    return time.perf_counter()-start


def measure(sides, paths, parts):
    "Pictures a second of each side; a first part warms up"
    took, order = dict.fromkeys(sides, 0.), list(sides)
    for i, part in enumerate([paths[:64], *(paths[i::parts] for i in range(parts))]):
        prepared = [x for x in sides['decoding alone'](part) if x is not None]
        start = i%len(order)
        for name in order[start:] + order[:start]:
            spent = seconds(sides[name], prepared if 'network' in name else part)
            if i: took[name] += spent
    return {name: len(paths)/spent for name, spent in took.items()}


def print_rates(rates, precisions):
    "A line a side, then how near ours is to what bounds it"
    base = rates['fastai get_preds']
    for name, rate in sorted(rates.items(), key=lambda o: o[1]):
        print(f'{name:28} {rate:8.1f} images/s  {rate/base:5.2f} of fastai')
    for precision in precisions:
        slow = min(('decoding alone', f'network alone, {precision}'), key=rates.get)
        both = 1/(1/rates['decoding alone'] + 1/rates[f'network alone, {precision}'])
        mine, bound = rates[f'ours, {precision}'], rates[slow]
        print(f'ours, {precision}: {mine/base:.1f} times fastai; bound by {slow}, at {mine/bound:.0%} of it')
        print(f'    both stages on the same cores allow {both/bound:.0%} of it; we reach {mine/both:.0%} of that')


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--pictures', type=int, default=2000)
    p.add_argument('--parts', type=int, default=20)
    for name, file in dict(learner='export.pkl', int8='export.onnx', fp32='export.fp32.onnx').items():
        p.add_argument(f'--{name}', default=str(ROOT/file))
    args = p.parse_args()
    warnings.simplefilter('ignore')
    paths, workers = photos(args.pictures), cores()
    files = {name: getattr(args, name) for name in ('int8', 'fp32') if Path(getattr(args, name)).is_file()}
    if not files: raise SystemExit(f'{args.int8}: there is no such file; clothing-classifier export writes it')
    classifiers = {name: Classifier(file, 1, 25) for name, file in files.items()}
    rates = measure(sides(args, classifiers, workers), paths, args.parts)
    side = next(iter(classifiers.values())).prep['size']
    print(f'{len(paths)} photos, {workers} cores, {side} px')
    print_rates(rates, classifiers)


if __name__ == '__main__': main()
