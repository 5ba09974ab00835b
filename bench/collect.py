"""Claim: collecting, which also hashes, de-duplicates and records, is at least twice as fast as fastai's
`download_images` and `verify_images`, and the cost of a picture does not grow from 1,000 to 20,000 pictures.

    python bench/collect.py             the comparison and the curve
    python bench/collect.py --rounds 3  more rounds of the comparison

Both sides fetch the same 1,200 pictures of 20 to 200 KB from eight hosts on loopback, in turn, each time in a fresh
process whose imports are not counted. An answer takes 30 ms. Client and server share the processors of this machine."""
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


def peak():
    "Peak memory in megabytes, of this process or a child"
    return max(resource.getrusage(o).ru_maxrss for o in both)/1024


def cpu():
    "Seconds of processor time, of this process and its children"
    return sum(o.ru_utime + o.ru_stime for o in map(resource.getrusage, both))


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
    "Pictures kept; stops before the run, when everything is imported"
    from clothing_classifier.collect import collect
    from clothing_classifier.collecting.found import Found
    from clothing_classifier.settings import load_settings
    settings = load_settings(here.parent/'settings.ini', data_path=folder)
    category = next(iter(settings.categories))
    yield
    yield collect((Found(category, url) for url in urls), settings=settings).loc[category, 'kept']


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
    kept, n = int(next(run)), len(urls)
    seconds, ms, growth = time.perf_counter()-start, (cpu()-spent)/n*1e3, peak()-before
    print(json.dumps(dict(kept=kept, per_second=n/seconds, cpu=ms, peak=peak(), growth=growth)))


def start(what, args):
    "What a function of this file prints in a process of its own"
    cmd = [sys.executable, str(here/'collect.py'), '--only', what]
    done = subprocess.run(cmd, input=json.dumps(args), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        timeout=600, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(side, folder, kind, n):
    "One side's measurement, against a server of its own"
    with Server(folder, latency=.03, hosts=8) as web, tempfile.TemporaryDirectory() as data:
        urls = [f'{web.urls[i%8]}/{kind}/{i}.jpg' for i in range(n)]
        return start('child', [side, urls, f'{data}/data'])


def medians(measured): return {k: statistics.median(o[k] for o in measured) for k in measured[0]}


def row(side, faults, o, ours):
    "A row of the table"
    ratio = '' if side == 'ours' else f"{ours['per_second']/o['per_second']:.1f} times as fast"
    return (f"| {side} | {faults} | {o['per_second']:.0f} | {o['cpu']:.1f} | {o['kept']:.0f} | {o['peak']:.0f} MB | "
        f"{o['growth']:.0f} MB | {ratio} |")


def compare(n, rounds):
    "Both sides, with and without faults"
    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(2) as pool: list(pool.map(draw, [Path(folder)]*n, range(n), chunksize=20))
        kb = sum(p.stat().st_size for p in Path(folder).iterdir())/n/1024
        print(f'{n} pictures, {kb:.0f} KB on average, 8 hosts, 30 ms an answer, {os.cpu_count()} cores, '
            f'medians of {rounds} rounds, load before {os.getloadavg()[0]:.1f}\n')
        print('| | faults | pictures/s | processor ms a picture | kept | peak memory | above imports | ours is |')
        print('| --- | --- | --- | --- | --- | --- | --- | --- |')
        for kind,faults in (('file', 'none'), ('faulty/10', '10 %')):
            rows = [{side: measure(side, folder, kind, n) for side in sides} for _ in range(rounds)]
            got = {side: medians([o[side] for o in rows]) for side in sides}
            for side,o in got.items(): print(row(side, faults, o, got['ours']), flush=True)


def timed(Store, marks, step):
    "A store that notes the time, processor time and peak memory at each `step` pictures"
    class Timed(Store):
        def add(self, *args, **kw):
            reason = super().add(*args, **kw)
            if len(self.rows) % step == 0: marks.append((time.perf_counter(), time.process_time(), peak()))
            return reason
    return Timed


def grow(n, urls, step):
    "The marks of one run over `n` small pictures"
    import clothing_classifier.collecting.pipeline as pipeline
    from clothing_classifier.collect import collect
    from clothing_classifier.collecting.found import Found
    from clothing_classifier.settings import load_settings
    warnings.simplefilter('ignore')
    marks = [(time.perf_counter(), time.process_time(), peak())]
    pipeline.Store = timed(pipeline.Store, marks, step)
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(here.parent/'settings.ini', data_path=folder)
        category = next(iter(settings.categories))
        collect((Found(category, f'{urls[i%8]}/ok/{i}.jpg') for i in range(n)), settings=settings)
    print(json.dumps(marks))


def curve(n):
    "The cost of each further twentieth of small pictures"
    step = max(n//20, 1)
    with Server(hosts=8) as web: marks = np.array(start('grow', [n, web.urls, step]))
    steps, ms = len(marks)-1, np.diff(marks[:, :2], axis=0)*1e3/step
    print(f'\nOne run over {n} small pictures, load before {os.getloadavg()[0]:.1f}\n')
    print('| pictures | ms a picture | of it processor | peak memory |\n| --- | --- | --- | --- |')
    for i,(wall,processor) in enumerate(ms):
        print(f'| {i*step} to {(i+1)*step} | {wall:.2f} | {processor:.2f} | {marks[i+1, 2]:.0f} MB |')
    quarter = max(steps//4, 1)
    wall, processor = np.median(ms[-quarter:], axis=0)/np.median(ms[:quarter], axis=0)
    print(f'\nThe last quarter cost {wall:.2f} times the first in time, {processor:.2f} in processor time (medians)')


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
