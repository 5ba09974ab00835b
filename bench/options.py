"""What each training option gives on the validation split: the default against one change, three seeds, paired

    python bench/options.py settings.ini [--size 64 --frozen 1 --unfrozen 2 --seeds 1 2 3]

Short trainings on small pictures at one fixed rate, so that an option is compared and not the finder. A difference whose 95 % interval (t, paired by seed) holds zero is
called noise. Each training adds a line to bench/options.csv at once; started again, it goes on.
"""
import argparse
import csv
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from fastai.vision.all import nn
from scipy.stats import t as student

from clothing_classifier.dataset import pictures, resized
from clothing_classifier.training.features import logits_of
from clothing_classifier.training.metrics import nll
from clothing_classifier.settings import load_settings
from clothing_classifier.training.network import Mirrored
from clothing_classifier.train import train

OPTIONS = {'default': {}, 'label_smoothing = 0': dict(label_smoothing=0), 'mixup = 0.2': dict(mixup=.2), 'cutmix = 1': dict(cutmix=1.), 'augment = 0': dict(augment=0),
    'balance = weights': dict(balance='weights'), 'average = 0.98': dict(average=.98), 'plateau = 1': dict(plateau=1), 'cache_features = yes': dict(cache_features=True), 'cache_features = yes, frozen_epochs = 4': dict(cache_features=True, frozen_epochs=4),
    'progressive: last epoch larger': None}
NEUTRAL = dict(label_smoothing=.1, mixup=0, cutmix=0, augment=1, balance='no', average=0, plateau=0, early_stop=0, weight_decay=.05, mirror=False, folds=0, cache_features=False, final_epochs=0)


def one(settings, df, change, seed):
    "Rows of one training: as it is, and, of the default, with the mirror image"
    fixed = NEUTRAL | dict(frozen_rate=.002, unfrozen_rate=.002, seed=seed)
    if change is None: # smaller pictures first
        t = settings.train
        change = dict(size=t.size*3//4//16*16, unfrozen_epochs=t.unfrozen_epochs-1, final_epochs=1, final_size=t.size)
    changed = settings.changed(**{f'train_{k}': v for k, v in (fixed | change).items()})
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as d:
        learn = train(changed, d, df)
        if learn.graceful_stop.stopped: raise KeyboardInterrupt
        took, valid = time.perf_counter()-start, df[df.split == 'valid']
        y = valid.category.map(list(learn.dls.vocab).index).to_numpy()
        plain = learn.model
        for mirror in (False, True) if change == {} else (False,):
            learn.model = Mirrored(*plain) if mirror else nn.Sequential(*plain)
            z = logits_of(learn, valid.path)
            yield mirror, (z.argmax(1) == y).mean(), nll(z, y), took


def verdict(d):
    "Mean and 95 % interval of paired differences, in points"
    m, half = 100*d.mean(), 100*student.ppf(.975, len(d)-1)*d.std(ddof=1)/np.sqrt(len(d)) if len(d) > 1 else np.nan
    return f'{m:+.1f} ± {half:.1f}', 'noise' if not abs(m) > half else 'better' if m > 0 else 'worse'


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('settings')
    p.add_argument('--weights', help='a .safetensors file; else as in the settings')
    p.add_argument('--size', type=int, default=64)
    p.add_argument('--frozen', type=int, default=1)
    p.add_argument('--unfrozen', type=int, default=2)
    p.add_argument('--seeds', nargs='+', type=int, default=[1, 2, 3])
    p.add_argument('--threads', type=int, default=0, help='of a training, 0 for one a core; with 1, as many of these as there are cores can share a file, each with its own seeds')
    p.add_argument('--out', default=Path(__file__).with_name('options.csv'))
    a = p.parse_args()
    warnings.simplefilter('ignore')
    s = load_settings(a.settings, train_size=a.size, train_frozen_epochs=a.frozen, train_unfrozen_epochs=a.unfrozen, train_threads=a.threads)
    if a.weights: s = s.changed(train_weights=str(Path(a.weights).resolve()))
    df, out = pictures(s), Path(a.out)
    if not out.exists(): out.write_text('option,seed,accuracy,nll,seconds,how\n')
    how = f'{Path(s.train.weights).stem} {a.size} px {a.frozen}+{a.unfrozen}'
    if len(was := set(pd.read_csv(out).how) - {how}): p.error(f'{out} holds trainings of {was.pop()}; name another --out')
    for o in (a.size, a.size*3//4//16*16, s.train.final_size): resized(df, s, o) # Nobody is charged for it
    for seed in a.seeds:
        for name, change in OPTIONS.items():
            done = pd.read_csv(out)
            if ((done.option == name) & (done.seed == seed)).any(): continue
            rows = [(f'{name}, mirror = yes' if m else name, seed, *(round(float(o), 4) for o in rest), how) for m, *rest in one(s, df, change, seed)]
            with open(out, 'a', newline='') as f: csv.writer(f).writerows(rows)
            print(*rows, sep='\n', flush=True)
    t = pd.read_csv(out)
    acc, loss = (t.pivot(index='seed', columns='option', values=o) for o in ('accuracy', 'nll'))
    names = list(dict.fromkeys(t.option))
    table = pd.DataFrame({o: dict(accuracy=acc[o].mean(), cross_entropy=loss[o].mean(), minutes=t.seconds[t.option == o].mean()/60,
        **({} if o == 'default' else dict(zip(('points', ''), verdict((acc[o]-acc.default).dropna()), strict=True)))) for o in names}).T
    print(f'{a.size} px, {a.frozen} + {a.unfrozen} epochs, {len(acc)} seeds, {(df.split == "valid").sum()} validation pictures')
    print(table.to_string())


if __name__ == '__main__': main()
