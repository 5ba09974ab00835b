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
    from clothing_classifier.sources import Found
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


def measure(side, urls):
    "Start a process that measures one side"
    with tempfile.TemporaryDirectory() as d:
        args = json.dumps([side, urls, f'{d}/data'])
        out = subprocess.run([sys.executable, str(here/'collect.py'), '--child'], input=args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=600, check=True).stdout
    return json.loads(out.splitlines()[-1])


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


def curve(n, step=1000):
    "Seconds for each further thousand of small pictures"
    from clothing_classifier.collect import collect
    from clothing_classifier.settings import load_settings
    from clothing_classifier.sources import Found
    warnings.simplefilter('ignore')
    marks = []

    def found(web):
        for i in range(n):
            if i % step == 0: marks.append((time.perf_counter(), time.process_time()))
            yield Found('jeans', f'{web.urls[i%8]}/ok/{i}.jpg')
    with tempfile.TemporaryDirectory() as d, Server(hosts=8) as web:
        df = collect(found(web), settings=load_settings(here.parent/'settings.ini', data_path=d))
    marks.append((time.perf_counter(), time.process_time()))
    a = np.diff(np.array(marks), axis=0)/step*1e3
    print(f"\nOne run over {n} small pictures, {df.loc['jeans', 'kept']} kept, peak memory {peak():.0f} MB\n\n| pictures | ms a picture | of it processor |\n| --- | --- | --- |")
    for i,(wall,cpu) in enumerate(a): print(f'| {i*step} to {(i+1)*step} | {wall:.2f} | {cpu:.2f} |')
    print(f'\nThe last five thousand cost {a[-5:,0].mean()/a[:5,0].mean():.2f} times the first five in time, {a[-5:,1].mean()/a[:5,1].mean():.2f} times in processor time')


if __name__ == '__main__':
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=2)
    p.add_argument('--pictures', type=int, default=1200)
    p.add_argument('--curve', type=int, default=20_000)
    p.add_argument('--child', action='store_true')
    o = p.parse_args()
    if o.child: child(*json.load(sys.stdin))
    else:
        if o.pictures: compare(o.pictures, o.rounds)
        if o.curve: curve(o.curve)
