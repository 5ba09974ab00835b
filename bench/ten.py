"""The public benchmark: ten categories of clothing-dataset-small, its own split, with and without the mirror image

    python bench/ten.py --weights data/twenty/body.safetensors [--sizes 160 224 299] [--seeds 1 2 3]

Trains with examples/ten.ini, seed by seed; the epoch is chosen on the validation split, and the 372 test pictures are
read once. A seed that was measured before is only read. Two seeds can be trained side by side, on one thread each.
Published on the same test pictures: 0.9032 (Xception at 299 px), 0.86 (MobileNetV2), 0.798 (Xception at 150 px).
Writes bench/ten.json.
"""
import argparse
import json
import warnings
from pathlib import Path

import pandas as pd
import torch
from fastai.vision.all import nn

from clothing_classifier.dataset import dataloaders, pictures
from clothing_classifier.predict import softmax
from clothing_classifier.settings import load_settings
from clothing_classifier.train import learner, train
from clothing_classifier.training.answers import numbers_of
from clothing_classifier.training.callbacks import bf16_helps
from clothing_classifier.training.features import logits_of, thread_count
from clothing_classifier.training.metrics import calibration_error, fit_temperature, wilson_interval

ROOT = Path(__file__).resolve().parents[1]


def folder(s, seed): return s.train.runs/f'{Path(s.train.weights).stem}_{s.train.network_size}px_seed_{seed}'


def trained(settings, df, seed):
    "The learner of a seed, from its checkpoint or trained now"
    s, run = settings.changed(train_seed=seed), folder(settings, seed)
    if (run/'model.pth').exists():
        learn = learner(dataloaders(df, s), s, run)
        learn.model.load_state_dict(torch.load(run/'model.pth'))
        return learn
    run.mkdir(parents=True, exist_ok=True)
    learn = train(s, run, df)
    if learn.graceful_stop.stopped: raise KeyboardInterrupt
    torch.save(learn.model.state_dict(), run/'model.pth')
    return learn


class Plain(nn.Sequential):
    "A network in the precision that it was trained in"
    def forward(self, x):
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16_helps(x.device)):
            return super().forward(x).float()


class Flipped(Plain):
    "The same, looking at the mirror image"
    def forward(self, x): return super().forward(x.flip(-1))


def logits(learn, plain, df):
    "Without and with the mirror image (the mean of both, as `Mirrored` answers), and the right categories"
    found = []
    for kind in (Plain, Flipped):
        learn.model = kind(*plain)
        found.append(logits_of(learn, df.path))
    return dict(no=found[0], yes=sum(found)/2), numbers_of(learn, df)


def measured(learn, settings, df, sizes):
    "Test accuracy and calibration at several sizes; validation and temperature are of the size of the training"
    plain, own = list(learn.model), settings.train.network_size
    valid, test = (df[df.split == s] for s in ('valid', 'test'))
    of_valid, y_valid = logits(learn, plain, valid)
    for size in sizes:
        if size != own: learn.dls = dataloaders(df, settings, size=size)
        of_test, y = logits(learn, plain, test)
        for mirror, found in of_test.items():
            probs = softmax(found, fit_temperature(of_valid[mirror], y_valid))
            right = int((found.argmax(1) == y).sum())
            validation = float((of_valid[mirror].argmax(1) == y_valid).mean()) if size == own else None
            yield dict(pixels=size, mirror=mirror, validation=validation, test=right/len(y), right=right,
                pictures=len(y), ece=calibration_error(probs, y))


def result(settings, df, seed, sizes):
    "Rows of a seed, from its folder or measured now"
    file = folder(settings, seed)/f"test_{'_'.join(map(str, sizes))}.json"
    if not file.exists():
        rows = [dict(seed=seed) | o for o in measured(trained(settings, df, seed), settings, df, sizes)]
        file.write_text(json.dumps(rows, indent=1))
    return json.loads(file.read_text())


def summary(rows, seeds):
    "Mean over the seeds, lowest and highest, and the interval of one test split"
    by_kind = pd.DataFrame(rows).groupby(['pixels', 'mirror'])
    table = by_kind.agg(validation=('validation', 'mean'), test=('test', 'mean'), lowest=('test', 'min'),
        highest=('test', 'max'), ece=('ece', 'mean')).round(4).reset_index()
    pooled = by_kind[['right', 'pictures']].sum()/seeds
    table['interval'] = [list(wilson_interval(round(o.right), int(o.pictures))) for o in pooled.itertuples()]
    return table, int(pooled.pictures.iloc[0])


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--settings', default=ROOT/'examples'/'ten.ini')
    p.add_argument('--weights', help='a .safetensors file; else as in the settings')
    p.add_argument('--sizes', nargs='+', type=int, default=[160, 224, 299])
    p.add_argument('--seeds', nargs='+', type=int, default=[1, 2, 3])
    p.add_argument('--threads', type=int, help='of a training; else as in the settings')
    p.add_argument('--out', default=ROOT/'bench'/'ten.json')
    a = p.parse_args()
    warnings.simplefilter('ignore')
    s = load_settings(a.settings, **({'train_threads': a.threads} if a.threads else {}))
    if a.weights: s = s.changed(train_weights=str(Path(a.weights).resolve()))
    torch.set_num_threads(thread_count(s.train.threads))
    df, rows = pictures(s), []
    for seed in a.seeds:
        rows += result(s, df, seed, sorted(a.sizes))
        print(*rows[-2*len(a.sizes):], sep='\n', flush=True)
    table, n = summary(rows, len(a.seeds))
    print(f'{s.train.arch} trained at {s.train.network_size} px, {len(a.seeds)} seeds, {n} test pictures')
    print(table.to_string(index=False))
    found = json.loads(table.to_json(orient='records', double_precision=4))
    how = dict(arch=s.train.arch, trained_at=s.train.network_size, weights=Path(s.train.weights).name, seeds=a.seeds)
    Path(a.out).write_text(json.dumps(how | dict(test_pictures=n, rows=found), indent=1) + '\n')


if __name__ == '__main__': main()
