"""Does cleaning pay? Test accuracy after training on planted errors, on what cleaning made of them, and on the labels as they lie on disk

The test split is never planted and never cleaned. Each arm is a head on frozen features (seconds) or, with `--fine-tune`, the whole network as
[train] says, at the size and epochs given here (minutes an arm). It moves no file.

    python bench/clean_pays.py settings.ini
    python bench/clean_pays.py settings.ini --fine-tune --size 128 --frozen 1 --unfrozen 4
"""
import argparse
import tempfile
import warnings

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clothing_classifier.clean import features, plant, suspects
from clothing_classifier.dataset import dataloaders, pictures
from clothing_classifier.evaluate import interval, logits_of
from clothing_classifier.settings import load_settings
from clothing_classifier.train import fine_tune, learner


def cleaned(df, settings):
    "Every suggestion accepted: suspects get their suggested category, or leave"
    t = suspects(settings, df=df).query('kind != ""').set_index('sha1').suggestion
    o = df.assign(category=df.sha1.map(t).fillna(df.category))
    return o[~o.category.str.startswith('rejected/')].reset_index(drop=True)


def with_head(df, test, settings):
    "Pictures of the test split that a head on frozen features gets right"
    c = settings.clean
    head = make_pipeline(StandardScaler(), LogisticRegression(C=c.head_strength, max_iter=300)).fit(features(df, settings), df.category)
    return head.predict(features(test, settings)) == test.category


def with_network(df, test, settings):
    "The same for the fine-tuned network"
    with tempfile.TemporaryDirectory() as run:
        learn = learner(dataloaders(df, settings), settings, run)
        with learn.no_bar(), learn.no_logging(): fine_tune(learn, settings)
        return np.array(learn.dls.vocab)[logits_of(learn, test.path).argmax(1)] == test.category


def main(a):
    "Print one row an arm"
    warnings.simplefilter('ignore')
    settings = load_settings(a.settings)
    small = load_settings(a.settings, train_size=a.size, train_frozen_epochs=a.frozen, train_unfrozen_epochs=a.unfrozen, train_final_epochs=0) if a.fine_tune else settings
    df, rows = pictures(settings), []
    use, test = df.query('split in ("train", "valid")').reset_index(drop=True), df.query('split == "test"')
    for seed in range(a.seeds):
        bad = plant(use, .1, seed)
        arms = {'10 % planted': bad, 'planted, all suggestions accepted': cleaned(bad, settings), 'as on disk': use}
        for name, o in (arms | {'as on disk, all suggestions accepted': cleaned(use, settings)}).items():
            torch.manual_seed(seed)
            right = (with_network if a.fine_tune else with_head)(o, test, small)
            rows.append({'labels': name, 'right': right.sum(), 'pictures': len(right)})
            print(seed, name, round(right.mean(), 4), flush=True)
    what = f'fine-tuned at {a.size} px, {a.frozen}+{a.unfrozen} epochs' if a.fine_tune else 'head on frozen features'
    print(f'\n{what}, {a.seeds} seeds, {len(test)} test pictures\n')
    print('| labels | mean test accuracy | 95 % interval of one run |\n| --- | --- | --- |')
    for name, r in pd.DataFrame(rows).groupby('labels', sort=False):
        print(f'| {name} | {r.right.sum()/r.pictures.sum():.4f} | {interval(round(r.right.mean()), len(test))} |')


if __name__ == '__main__':
    p = argparse.ArgumentParser()
    p.add_argument('settings')
    p.add_argument('--fine-tune', action='store_true')
    for k, v in {'size': 128, 'frozen': 1, 'unfrozen': 4, 'seeds': 3}.items(): p.add_argument(f'--{k}', type=int, default=v)
    main(p.parse_args())
