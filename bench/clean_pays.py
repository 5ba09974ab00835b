"""Does cleaning pay? Test accuracy after training on planted errors, after cleaning them, and on the labels on disk

Five folds: each picture is tested once a seed, by a network that was trained on the others, and what is tested is never
planted and never cleaned. Three judges: the logistic head that ranks the suspects, fastai's own head on the same frozen
features (both take seconds), or, with `--fine-tune`, the whole network at the size and epochs given here, for the
first three arms (minutes each; `--folds` takes only the first so many). `--decisions` adds an arm with the labels that a
person has mended by looking, and a second table of the pictures that this person found right. It moves no file.

    python bench/clean_pays.py settings.ini --decisions bench/clean_real.csv
    python bench/clean_pays.py settings.ini --fine-tune --size 128 --frozen 1 --unfrozen 5 --folds 1 --seeds 10
"""
import argparse
import tempfile
import time
import warnings

import numpy as np
import pandas as pd
import torch
from clean import head
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clothing_classifier.clean import suspects
from clothing_classifier.cleaning.planted import plant_errors
from clothing_classifier.cleaning.ranking import accepted
from clothing_classifier.dataset import dataloaders, pictures
from clothing_classifier.settings import load_settings
from clothing_classifier.train import fine_tune, learner
from clothing_classifier.training.features import features, logits_of, thread_count

PLANTED, DISK = '10 % planted', 'as on disk'


def decided(df, decisions):
    "The pictures as they are after an apply: they get another category, or leave"
    o = df.assign(category=df.sha1.map(decisions).fillna(df.category))
    return o[~o.category.str.startswith('rejected/')].reset_index(drop=True)


def by_logistic(df, test, settings, seed):
    "What a logistic head on frozen features answers"
    model = make_pipeline(StandardScaler(), LogisticRegression(C=settings.clean.head_strength, max_iter=300))
    return model.fit(features(df, settings), df.category).predict(features(test, settings))


def by_head(df, test, settings, seed):
    "What a fastai head on frozen features answers after 15 epochs"
    learn, _ = head(df, features(df, settings), seed, 15)
    with torch.inference_mode(): z = learn.model.cpu().eval()(torch.tensor(features(test, settings)))
    return np.array(sorted(set(df.category)))[z.argmax(1).numpy()]


def by_network(df, test, settings, seed):
    "What the fine-tuned network answers"
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as run:
        learn = learner(dataloaders(df, settings), settings, run)
        with learn.no_bar(), learn.no_logging(): fine_tune(learn, settings)
        return np.array(learn.dls.vocab)[logits_of(learn, test.path).argmax(1)]


def folds(df, seed, n):
    "Pairs (use, test); near duplicates stay together"
    deal = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(df, df.category, df.group)
    for use, test in list(deal)[:n]: yield df.iloc[use].reset_index(drop=True), df.iloc[test]


def arms(use, settings, seed, decisions):
    "Name -> what is trained on"
    bad, sure = plant_errors(use, .1, seed), settings.clean.accept_percent
    ranked, disk = suspects(settings, df=bad), suspects(settings, df=use)
    out = {
        PLANTED: bad,
        f'planted, suggestions above {sure} % accepted': decided(bad, accepted(ranked, sure)),
        DISK: use,
        'planted, all suggestions accepted': decided(bad, accepted(ranked)),
        f'as on disk, suggestions above {sure} % accepted': decided(use, accepted(disk, sure)),
    }
    return out | ({'as on disk, mended by looking': decided(use, decisions)} if decisions else {})


def run(df, settings, small, judges, decisions, a):
    "One row a judge, arm, seed and tested picture"
    for seed in a.seeds:
        for use, test in folds(df, seed, a.folds):
            for name, o in list(arms(use, settings, seed, decisions).items())[:3 if a.fine_tune else None]:
                for judge in judges:
                    start, right = time.time(), judge(o, test, small, seed) == test.category
                    print(judge.__name__, seed, name, f'{right.mean():.4f}, {time.time()-start:.0f} s', flush=True)
                    yield from ((judge.__name__[3:], name, seed, s, ok) for s, ok in zip(test.sha1, right, strict=True))


def between(x, n=4000):
    "95 % interval of a mean over pictures, by bootstrap"
    r = np.random.default_rng(0)
    return '{:.2%} to {:.2%}'.format(*np.quantile([r.choice(x, len(x)).mean() for _ in range(n)], [.025, .975]))


def report(rows):
    "One line an arm; intervals are of drawing the pictures anew, and differences are paired by picture"
    interval = '95 % interval'
    head = 'judge', 'labels', 'test accuracy', interval, 'above planted', interval, 'above disk', interval
    print(f"| {' | '.join(head)} |\n|" + ' --- |'*8)
    for judge, o in rows.groupby('judge', sort=False):
        o = o.pivot_table(index='sha1', columns='labels', values='right', aggfunc='mean', sort=False)
        for name in o:
            better = [f'{d.mean():+.2%} | {between(d.to_numpy())}' for d in (o[name]-o[PLANTED], o[name]-o[DISK])]
            row = judge, name, f'{o[name].mean():.2%}', between(o[name].to_numpy()), *better
            print(f"| {' | '.join(row)} |")


def main(a):
    "Train all arms and print the table"
    warnings.simplefilter('ignore')
    settings = load_settings(a.settings)
    torch.set_num_threads(thread_count(settings.train.threads))
    small = settings
    if a.fine_tune:
        epochs = dict(train_frozen_epochs=a.frozen, train_unfrozen_epochs=a.unfrozen, train_final_epochs=0)
        small = settings.changed(train_size=a.size, **epochs)
    df = pictures(settings)
    decisions = pd.read_csv(a.decisions, index_col='sha1').decision.to_dict() if a.decisions else {}
    df = df.assign(split=df.split.where(df.split == 'valid', 'train'))
    judges = [by_network] if a.fine_tune else [by_logistic, by_head]
    columns = ['judge', 'labels', 'seed', 'sha1', 'right']
    rows = pd.DataFrame(run(df, settings, small, judges, decisions, a), columns=columns)
    fine_tuned = f'fine-tuned at {a.size} px, {a.frozen}+{a.unfrozen} epochs'
    what = fine_tuned if a.fine_tune else f'heads on frozen features at {settings.train.size} px'
    print(f'\n{what}, {a.folds} of 5 folds, seeds {a.seeds}, {rows.sha1.nunique()} pictures tested\n')
    report(rows.assign(right=rows.right.astype(float)))
    if not decisions: return
    fine = rows[~rows.sha1.isin(decisions)]
    print(f'\nThe same, of the {fine.sha1.nunique()} pictures that were not mended\n')
    report(fine.assign(right=fine.right.astype(float)))


if __name__ == '__main__':
    p = argparse.ArgumentParser()
    p.add_argument('settings')
    p.add_argument('--fine-tune', action='store_true')
    p.add_argument('--decisions', help='a CSV of sha1, decision')
    p.add_argument('--seeds', type=int, nargs='+', default=[10, 11, 12])
    for name, value in dict(size=128, frozen=1, unfrozen=5, folds=5).items():
        p.add_argument(f'--{name}', type=int, default=value)
    main(p.parse_args())
