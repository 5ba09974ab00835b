"""Effect of each training option on the validation split: the default against one change, paired by seed

    python bench/options.py settings.ini [--size 64 --frozen 1 --unfrozen 2 --seeds 1 2 3]

The trainings are short, on small pictures and at one fixed rate, so that differences come from the option and not from
the learning-rate finder. A difference counts as noise if its 95 % interval (t distribution, paired by seed) includes
zero. Each training appends its rows to bench/options.csv at once; a second start continues where the first one ended.
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
from clothing_classifier.settings import load_settings
from clothing_classifier.train import train
from clothing_classifier.training.features import logits_of
from clothing_classifier.training.metrics import nll
from clothing_classifier.training.network import Mirrored

OPTIONS = {
    'default': {},
    'label_smoothing = 0': dict(label_smoothing=0),
    'mixup = 0.2': dict(mixup=.2),
    'cutmix = 1': dict(cutmix=1.),
    'augment = 0': dict(augment=0),
    'balance = weights': dict(balance='weights'),
    'average = 0.98': dict(average=.98),
    'plateau = 1': dict(plateau=1),
    'cache_features = yes': dict(cache_features=True),
    'cache_features = yes, frozen_epochs = 4': dict(cache_features=True, frozen_epochs=4),
    'progressive: last epoch larger': None,
}
NEUTRAL = dict(label_smoothing=.1, mixup=0, cutmix=0, augment=1, balance='no', average=0, plateau=0, early_stop=0,
    weight_decay=.05, mirror=False, folds=0, cache_features=False, final_epochs=0)
FIXED_RATES = dict(frozen_rate=.002, unfrozen_rate=.002)


def smaller(size):
    "Three quarters of a picture size, as a multiple of 16"
    return size*3//4//16*16


def progressive(options):
    "Changes that train on smaller pictures first and on full size in the last epoch"
    epochs = options.unfrozen_epochs-1
    return dict(size=smaller(options.size), unfrozen_epochs=epochs, final_epochs=1, final_size=options.size)


def one(settings, df, change, seed):
    "Results of one training; the default also gets a second row with `mirror = yes`"
    if change is None: change = progressive(settings.train)
    values = NEUTRAL | FIXED_RATES | dict(seed=seed) | change
    changed = settings.changed(**{f'train_{key}': value for key, value in values.items()})
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        learn = train(changed, folder, df)
        if learn.graceful_stop.stopped: raise KeyboardInterrupt
        seconds = time.perf_counter()-start
        valid = df[df.split == 'valid']
        targets = valid.category.map(list(learn.dls.vocab).index).to_numpy()
        plain = learn.model
        for mirror in (False, True) if change == {} else (False,):
            learn.model = Mirrored(*plain) if mirror else nn.Sequential(*plain)
            logits = logits_of(learn, valid.path)
            yield mirror, (logits.argmax(1) == targets).mean(), nll(logits, targets), seconds


def verdict(differences):
    "Mean and 95 % interval of paired differences in percentage points, and a word for them"
    n = len(differences)
    mean = 100*differences.mean()
    half = 100*student.ppf(.975, n-1)*differences.std(ddof=1)/np.sqrt(n) if n > 1 else np.nan
    points = f'{mean:+.1f} ± {half:.1f}'
    if not abs(mean) > half: return points, 'noise'
    return points, 'better' if mean > 0 else 'worse'


def parser():
    "Parser of the command line"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('settings')
    parser.add_argument('--weights', help='a .safetensors file (default: as in the settings)')
    parser.add_argument('--size', type=int, default=64)
    parser.add_argument('--frozen', type=int, default=1)
    parser.add_argument('--unfrozen', type=int, default=2)
    parser.add_argument('--seeds', nargs='+', type=int, default=[1, 2, 3])
    parser.add_argument('--threads', type=int, default=0, help='threads of a training, 0 for one per core; with 1, '
        'several processes with different seeds can share a core each and write to the same file')
    parser.add_argument('--out', default=Path(__file__).with_name('options.csv'))
    return parser


def measure(settings, df, name, change, seed, how, out):
    "Train once and append the rows to the file, unless they are there already"
    done = pd.read_csv(out)
    if ((done.option == name) & (done.seed == seed)).any(): return
    rows = []
    for mirror, *results in one(settings, df, change, seed):
        label = f'{name}, mirror = yes' if mirror else name
        rows.append((label, seed, *(round(float(o), 4) for o in results), how))
    with open(out, 'a', newline='') as file: csv.writer(file).writerows(rows)
    print(*rows, sep='\n', flush=True)


def report(found):
    "Table with a row for each option"
    accuracy, loss = (found.pivot(index='seed', columns='option', values=o) for o in ('accuracy', 'nll'))
    table = {}
    for name in dict.fromkeys(found.option):
        minutes = found.seconds[found.option == name].mean()/60
        table[name] = dict(accuracy=accuracy[name].mean(), cross_entropy=loss[name].mean(), minutes=minutes)
        if name == 'default': continue
        table[name]['points'], table[name][''] = verdict((accuracy[name]-accuracy.default).dropna())
    return pd.DataFrame(table).T


def main():
    command = parser()
    args = command.parse_args()
    warnings.simplefilter('ignore')
    settings = load_settings(args.settings, train_size=args.size, train_frozen_epochs=args.frozen,
        train_unfrozen_epochs=args.unfrozen, train_threads=args.threads)
    if args.weights: settings = settings.changed(train_weights=str(Path(args.weights).resolve()))
    df = pictures(settings)
    out = Path(args.out)
    if not out.exists(): out.write_text('option,seed,accuracy,nll,seconds,how\n')
    how = f'{Path(settings.train.weights).stem} {args.size} px {args.frozen}+{args.unfrozen}'
    others = set(pd.read_csv(out).how) - {how}
    if others: command.error(f'{out} holds trainings of {others.pop()}; name another --out')
    # resize before the first training, so that its time does not include it
    for size in (args.size, smaller(args.size), settings.train.final_size): resized(df, settings, size)
    for seed in args.seeds:
        for name, change in OPTIONS.items(): measure(settings, df, name, change, seed, how, out)
    found = pd.read_csv(out)
    epochs = f'{args.frozen} + {args.unfrozen} epochs'
    pictures_tested = (df.split == 'valid').sum()
    print(f'{args.size} px, {epochs}, {found.seed.nunique()} seeds, {pictures_tested} validation pictures')
    print(report(found).to_string())


if __name__ == '__main__': main()
