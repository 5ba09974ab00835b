"""Claim: collecting, which also hashes, de-duplicates and records, is at least twice as fast as fastai's `download_images` and
`verify_images`, and its cost per picture does not grow from 1,000 to 20,000 pictures.

    python bench/collect.py             the comparison and the curve
    python bench/collect.py --rounds 3  more rounds of the comparison

Both sides fetch the same 1,200 pictures of 20 to 200 KB from eight hosts on loopback, in turn, each time in a fresh process
whose imports are not counted. An answer takes 30 ms. Client and server share the processors of this machine."""
import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

here = Path(__file__).parent
sys.path[:0] = [str(here.parent), str(here.parent/'tests')]
from loopback import Server  # noqa: E402

sides = {'ours': {}, 'fastai': {'workers': 8}, 'fastai, 32 threads': {'workers': 32}}
both = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
peak = lambda: max(resource.getrusage(o).ru_maxrss for o in both)/1024
cpu = lambda: sum(o.ru_utime + o.ru_stime for o in map(resource.getrusage, both))


def draw(path, i):
    "A picture of 20 to 200 KB: clouds, and as much grain as a photo has"
    r = np.random.default_rng(i)
    kb = int(np.geomspace(20, 200, 64)[r.integers(64)])
    side = int((kb*1024/.2)**.5)
    im = Image.fromarray(r.integers(0, 255, (9, 9, 3), np.uint8)).resize((side, side*3//4), Image.Resampling.BICUBIC)
    b, a = io.BytesIO(), np.asarray(im) + r.normal(0, 6, (side*3//4, side, 1))
    Image.fromarray(a.clip(0, 255).astype(np.uint8)).save(b, 'JPEG', quality=85)
    (path/f'{i}.jpg').write_bytes(b.getvalue())


def ours(urls, folder):
    "Pictures kept"
    from clothing_classifier.collect import collect
    from clothing_classifier.settings import load_settings
    from clothing_classifier.collecting.importers import Found
    settings = load_settings(here.parent/'settings.ini', data_path=folder)
    yield
    yield collect((Found('jeans', u) for u in urls), settings=settings).loc['jeans', 'kept']


def fastai(urls, folder, workers):
    "Pictures kept"
    from fastai.vision.all import download_images, get_image_files, verify_images
    yield
    download_images(folder, urls=urls, n_workers=workers)
    bad = verify_images(get_image_files(folder))
    bad.map(Path.unlink)
    yield len(get_image_files(folder))


def child(side, urls, folder):
    "One measurement, in a process of its own"
    run = ours(urls, folder) if side == 'ours' else fastai(urls, folder, **sides[side])
    next(run)
    before, spent, start = peak(), cpu(), time.perf_counter()
    kept = next(run)
    print(json.dumps({'kept': int(kept), 'per_second': len(urls)/(time.perf_counter()-start), 'cpu': (cpu()-spent)/len(urls)*1e3, 'peak': peak(), 'growth': peak()-before}))


def start(what, args):
    "What a function of this file prints in a process of its own"
    cmd = [sys.executable, str(here/'collect.py'), '--only', what]
    return json.loads(subprocess.run(cmd, input=json.dumps(args), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=600, check=True).stdout.splitlines()[-1])


def measure(side, urls):
    "Start a process that measures one side"
    with tempfile.TemporaryDirectory() as d: return start('child', [side, urls, f'{d}/data'])


def compare(n, rounds):
    "Both sides, with and without faults"
    with tempfile.TemporaryDirectory() as d:
        with ProcessPoolExecutor(2) as ex: list(ex.map(draw, [Path(d)]*n, range(n), chunksize=20))
        kb = sum(p.stat().st_size for p in Path(d).iterdir())/n/1024
        print(f'{n} pictures, {kb:.0f} KB on average, 8 hosts, 30 ms an answer, {os.cpu_count()} cores, medians of {rounds} rounds, load before {os.getloadavg()[0]:.1f}\n')
        print('| | faults | pictures/s | processor ms a picture | kept | peak memory | above imports | ours is |\n| --- | --- | --- | --- | --- | --- | --- | --- |')
        for kind in ('file', 'faulty/10'):
            got = {s: [] for s in sides}
            for _ in range(rounds):
                for s in sides:
                    with Server(d, latency=.03, hosts=8) as web: got[s].append(measure(s, [f'{web.urls[i%8]}/{kind}/{i}.jpg' for i in range(n)]))
            mid = {s: {k: statistics.median(o[k] for o in got[s]) for k in got[s][0]} for s in sides}
            for s,o in mid.items():
                ratio = '' if s == 'ours' else f"{mid['ours']['per_second']/o['per_second']:.1f} times as fast"
                print(f"| {s} | {'none' if kind == 'file' else '10 %'} | {o['per_second']:.0f} | {o['cpu']:.1f} | {o['kept']:.0f} | {o['peak']:.0f} MB | {o['growth']:.0f} MB | {ratio} |", flush=True)


def timed(Store, marks, step):
    "A store that notes the time, processor time and peak memory at each `step` pictures"
    class Timed(Store):
        def add(self, *args, **kw):
            r = super().add(*args, **kw)
            if len(self.rows) % step == 0: marks.append((time.perf_counter(), time.process_time(), peak()))
            return r
    return Timed


def grow(n, urls, step=1000):
    "The marks of one run over `n` small pictures"
    import clothing_classifier.collect as module
    from clothing_classifier.settings import load_settings
    from clothing_classifier.collecting.importers import Found
    warnings.simplefilter('ignore')
    marks = [(time.perf_counter(), time.process_time(), peak())]
    module.Store = timed(module.Store, marks, step)
    with tempfile.TemporaryDirectory() as d:
        module.collect((Found('jeans', f'{urls[i%8]}/ok/{i}.jpg') for i in range(n)), settings=load_settings(here.parent/'settings.ini', data_path=d))
    print(json.dumps(marks))


def curve(n):
    "What each further thousand of small pictures costs"
    with Server(hosts=8) as web: marks = np.array(start('grow', [n, web.urls]))
    k, a = len(marks)-1, np.diff(marks[:,:2], axis=0)
    print(f'\nOne run over {n} small pictures, load before {os.getloadavg()[0]:.1f}\n\n| pictures | ms a picture | of it processor | peak memory |\n| --- | --- | --- | --- |')
    for i in range(k): print(f'| {i*n//k} to {(i+1)*n//k} | {a[i,0]*1e3*k/n:.2f} | {a[i,1]*1e3*k/n:.2f} | {marks[i+1,2]:.0f} MB |')
    ratio = np.median(a[-k//4:], axis=0)/np.median(a[:k//4], axis=0)
    print(f'\nThe last quarter cost {ratio[0]:.2f} times the first in time, {ratio[1]:.2f} times in processor time (medians of the thousands)')


if __name__ == '__main__':
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=2)
    p.add_argument('--pictures', type=int, default=1200)
    p.add_argument('--curve', type=int, default=20_000)
    p.add_argument('--only', choices=('child', 'grow'), help='the inside of a process that this starts')
    o = p.parse_args()
    if o.only: globals()[o.only](*json.load(sys.stdin))
    else:
        if o.pictures: compare(o.pictures, o.rounds)
        if o.curve: curve(o.curve)
