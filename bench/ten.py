"""The public benchmark: ten categories of clothing-dataset-small, its own split, three seeds, with and without the mirror image

    python bench/ten.py --weights data/twenty/body.safetensors [--sizes 160 224 299] [--seeds 1 2 3]

Trains with examples/ten.ini, seed by seed; the epoch is chosen on the validation split, and the 372 test pictures are read once. A seed that was
measured before is only read. Two seeds can be trained side by side, on one thread each. Published on the same test pictures: 0.9032 (Xception at 299 px), 0.86 (MobileNetV2), 0.798 (Xception at 150 px). Writes bench/ten.json.
"""
import argparse
import json
import warnings
from pathlib import Path

import pandas as pd
import torch
from fastai.vision.all import nn

from clothing_classifier.dataset import dataloaders, pictures
from clothing_classifier.training.metrics import calibration_error, fit_temperature, interval
from clothing_classifier.training.features import logits_of
from clothing_classifier.predict import softmax
from clothing_classifier.settings import load_settings
from clothing_classifier.training.callbacks import bf16_helps
from clothing_classifier.train import learner, train
from clothing_classifier.training.features import thread_count

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
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16_helps(x.device)): return super().forward(x).float()


class Flipped(Plain):
    "The same, looking at the mirror image"
    def forward(self, x): return super().forward(x.flip(-1))


def logits(learn, plain, df):
    "By whether the mirror image is looked at as well (the mean of both, as `Mirrored` answers), and the right categories"
    z = []
    for kind in (Plain, Flipped):
        learn.model = kind(*plain)
        z.append(logits_of(learn, df.path))
    return dict(no=z[0], yes=(z[0]+z[1])/2), df.category.map(list(learn.dls.vocab).index).to_numpy()


def measured(learn, settings, df, sizes):
    "Test accuracy and calibration of a learner that is shown pictures of these sizes; validation and temperature are of the size that it was trained at"
    plain, own = list(learn.model), settings.train.network_size
    valid, test = (df[df.split == s] for s in ('valid', 'test'))
    zv, yv = logits(learn, plain, valid)
    for size in sizes:
        if size != own: learn.dls = dataloaders(df, settings, size=size)
        z, y = logits(learn, plain, test)
        for mirror, o in z.items():
            probs, right = softmax(o, fit_temperature(zv[mirror], yv)), int((o.argmax(1) == y).sum())
            valid_acc = float((zv[mirror].argmax(1) == yv).mean())
            yield dict(pixels=size, mirror=mirror, validation=valid_acc if size == own else None, test=right/len(y), right=right, pictures=len(y), ece=calibration_error(probs, y))


def result(settings, df, seed, sizes):
    "Rows of a seed, from its folder or measured now"
    file = folder(settings, seed)/f"test_{'_'.join(map(str, sizes))}.json"
    if not file.exists(): file.write_text(json.dumps([dict(seed=seed) | o for o in measured(trained(settings, df, seed), settings, df, sizes)], indent=1))
    return json.loads(file.read_text())


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
    t = pd.DataFrame(rows)
    table = t.groupby(['pixels', 'mirror']).agg(validation=('validation', 'mean'), test=('test', 'mean'), lowest=('test', 'min'), highest=('test', 'max'), ece=('ece', 'mean')).round(4).reset_index()
    pooled = t.groupby(['pixels', 'mirror'])[['right', 'pictures']].sum().reset_index()
    n = pooled.pictures//len(a.seeds) # The same pictures each time: the interval is that of one test split
    table['interval'] = [list(interval(round(r/len(a.seeds)), k)) for r, k in zip(pooled.right, n, strict=True)]
    print(f'{s.train.arch} trained at {s.train.network_size} px, {len(a.seeds)} seeds, {n[0]} test pictures')
    print(table.to_string(index=False))
    how = dict(arch=s.train.arch, trained_at=s.train.network_size, weights=Path(s.train.weights).name, seeds=a.seeds, test_pictures=int(n[0]))
    Path(a.out).write_text(json.dumps(how | dict(rows=json.loads(table.to_json(orient='records', double_precision=4))), indent=1) + '\n')


if __name__ == '__main__': main()
