"""Was the fine-tuning worth it? Everything simpler on the same split, and the learner that ships

    python bench/baselines.py settings.ini --weights resnet34-body.safetensors

Classical models see 32×32 pixels or the features of the frozen body; a MobileNetV3-small is trained from nothing; the last row is the newest run. `seconds` is the training without
the features, `ms` an answer without the body for the classical models. Writes bench/baselines.csv, which the notebook shows.
"""
import argparse
import json
import warnings
from dataclasses import replace
from pathlib import Path

import pandas as pd

from clothing_classifier.training.baselines import compare, measure_network
from clothing_classifier.training.metrics import interval
from clothing_classifier.settings import load_settings

PHONE = dict(arch='mobilenet_v3_small', weights='none', size=96, frozen_epochs=1, unfrozen_epochs=10, final_epochs=0, max_rate=.004, mixup=0, average=0, cache_features='no')


def shipped(run):
    "The row of a run that was exported"
    m = json.loads((run/'metrics.json').read_text())
    o, n = m['export']['precisions'][m['export']['shipped']], m['test']['pictures']
    row = dict(accuracy=o['accuracy'], interval=interval(round(o['accuracy']*n), n), seconds=60*m['minutes'], megabytes=o['megabytes'], ms=o['ms'])
    return f"fine-tuned, {m['export']['shipped']}, ships", row


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('settings')
    p.add_argument('--weights', help='those of the frozen body; else as in the settings')
    p.add_argument('--out', default=Path(__file__).with_name('baselines.csv'))
    a = p.parse_args()
    warnings.simplefilter('ignore')
    s = load_settings(a.settings)
    if a.weights: s = s.changed(train_weights=str(Path(a.weights).resolve()))
    t = compare(s).T
    t['MobileNetV3-small, from nothing'] = pd.Series(measure_network(s, **PHONE))
    run = sorted(s.train.runs.glob('*/metrics.json'))[-1].parent
    name, row = shipped(run)
    t[name] = pd.Series(row)
    t = t.T
    t['accuracy'] = t.accuracy.astype(float).round(4)
    print(t.to_string())
    t.to_csv(a.out)


if __name__ == '__main__': main()
