"""Was the fine-tuning worth it? Everything simpler on the same split, and the learner that ships

    python bench/baselines.py settings.ini --weights resnet34-body.safetensors

Classical models see 32×32 pixels or the features of the frozen body; a MobileNetV3-small is trained from nothing; the
last row is the newest run. `seconds` is the training without the features, `ms` an answer without the body for the
classical models. Writes bench/baselines.csv.
"""
import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from clothing_classifier.dataset import pictures
from clothing_classifier.settings import load_settings
from clothing_classifier.train import train
from clothing_classifier.training.answers import numbers_of
from clothing_classifier.training.baselines import compare
from clothing_classifier.training.features import logits_of
from clothing_classifier.training.metrics import wilson_interval
from clothing_classifier.training.runs import Run

PHONE = dict(train_arch='mobilenet_v3_small', train_weights='none', train_size=96, train_frozen_epochs=1,
    train_unfrozen_epochs=10, train_final_epochs=0, train_max_rate=.004, train_mixup=0, train_average=0,
    train_cache_features=False)


def milliseconds(model, size, repeats=50):
    "Time of one answer: median over single pictures on one thread"
    x, took = torch.randn(1, 3, size, size), []
    before, model = torch.get_num_threads(), model.cpu().eval()
    torch.set_num_threads(1)
    with torch.inference_mode():
        for _ in range(repeats):
            start = time.perf_counter()
            model(x)
            took.append(1000*(time.perf_counter()-start))
    torch.set_num_threads(before)
    return float(np.median(took))


def measure_network(df, settings, **changes):
    "Figures of a network after a training of its own; `ms` is of the whole network"
    settings, start = settings.changed(**changes), time.perf_counter()
    with tempfile.TemporaryDirectory() as run: learn = train(settings, run, df)
    seconds, test = time.perf_counter()-start, df[df.split == 'test']
    right = int((logits_of(learn, test.path).argmax(1) == numbers_of(learn, test)).sum())
    megabytes = sum(o.numel() for o in learn.model.parameters())*4/1e6
    return dict(accuracy=right/len(test), interval=wilson_interval(right, len(test)), seconds=round(seconds, 1),
        megabytes=round(megabytes, 1), ms=round(milliseconds(learn.model, settings.train.network_size), 2))


def shipped(run):
    "The row of a run that was exported"
    metrics = run.metrics
    precision, n = metrics['export']['shipped'], metrics['test']['pictures']
    found = metrics['export']['precisions'][precision]
    row = dict(accuracy=found['accuracy'], interval=wilson_interval(round(found['accuracy']*n), n),
        seconds=60*metrics['minutes'], megabytes=found['megabytes'], ms=found['ms'])
    return f'fine-tuned, {precision}, ships', row


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('settings')
    p.add_argument('--weights', help='those of the frozen body; else as in the settings')
    p.add_argument('--out', default=Path(__file__).with_name('baselines.csv'))
    a = p.parse_args()
    warnings.simplefilter('ignore')
    settings = load_settings(a.settings)
    if a.weights: settings = settings.changed(train_weights=str(Path(a.weights).resolve()))
    df = pictures(settings)
    columns = compare(df, settings).T
    columns['MobileNetV3-small, from nothing'] = pd.Series(measure_network(df, settings, **PHONE))
    name, row = shipped(Run(sorted(settings.train.runs.glob('*/metrics.json'))[-1].parent))
    columns[name] = pd.Series(row)
    table = columns.T
    table['accuracy'] = table.accuracy.astype(float).round(4)
    print(table.to_string())
    table.to_csv(a.out)


if __name__ == '__main__': main()
