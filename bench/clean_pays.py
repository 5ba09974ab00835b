"""Does cleaning pay? Test accuracy after training on planted errors, after cleaning them, and on the labels on disk

Cross-validation over five folds: for each seed, each picture is tested once, by a model trained on the other folds.
Test pictures are never planted and never cleaned. There are three judges: the logistic head that ranks the suspects,
fastai's own head on the same frozen features (both take seconds), or, with `--fine-tune`, the whole network for the
first three arms (minutes each). `--folds` limits the number of folds. `--decisions` adds an arm with labels corrected
by a person, and a second table without the corrected pictures. The script moves no file.

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
    "The pictures after the decisions are applied: some in another category, rejected ones removed"
    after = df.assign(category=df.sha1.map(decisions).fillna(df.category))
    return after[~after.category.str.startswith('rejected/')].reset_index(drop=True)


def by_logistic(df, test, settings, seed):
    "Predictions of a logistic head on frozen features"
    model = make_pipeline(StandardScaler(), LogisticRegression(C=settings.clean.head_strength, max_iter=300))
    return model.fit(features(df, settings), df.category).predict(features(test, settings))


def by_head(df, test, settings, seed):
    "Predictions of a fastai head on frozen features after 15 epochs"
    learn, _ = head(df, features(df, settings), seed, 15)
    model = learn.model.cpu().eval()
    with torch.inference_mode(): logits = model(torch.tensor(features(test, settings)))
    return np.array(sorted(set(df.category)))[logits.argmax(1).numpy()]


def by_network(df, test, settings, seed):
    "Predictions of the fine-tuned network"
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as run:
        learn = learner(dataloaders(df, settings), settings, run)
        with learn.no_bar(), learn.no_logging(): fine_tune(learn, settings)
        return np.array(learn.dls.vocab)[logits_of(learn, test.path).argmax(1)]


def folds(df, seed, n):
    "Pairs of training and test pictures; near duplicates stay in the same fold"
    pairs = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(df, df.category, df.group)
    for use, test in list(pairs)[:n]: yield df.iloc[use].reset_index(drop=True), df.iloc[test]


def arms(use, settings, seed, decisions):
    "Training pictures of each arm, by name"
    bad = plant_errors(use, .1, seed)
    sure = settings.clean.accept_percent
    ranked = suspects(settings, df=bad)
    disk = suspects(settings, df=use)
    named = {
        PLANTED: bad,
        f'planted, suggestions above {sure} % accepted': decided(bad, accepted(ranked, sure)),
        DISK: use,
        'planted, all suggestions accepted': decided(bad, accepted(ranked)),
        f'as on disk, suggestions above {sure} % accepted': decided(use, accepted(disk, sure)),
    }
    if decisions: named['as on disk, mended by looking'] = decided(use, decisions)
    return named


def judged(judge, name, labelled, test, small, seed):
    "One row for each tested picture: judge, arm, seed, sha1, whether the prediction is right"
    start = time.time()
    right = judge(labelled, test, small, seed) == test.category
    print(judge.__name__, seed, name, f'{right.mean():.4f}, {time.time()-start:.0f} s', flush=True)
    for sha1, ok in zip(test.sha1, right, strict=True): yield judge.__name__[3:], name, seed, sha1, ok


def run(df, settings, small, judges, decisions, args):
    "One row for each judge, arm, seed and tested picture"
    for seed in args.seeds:
        for use, test in folds(df, seed, args.folds):
            named = list(arms(use, settings, seed, decisions).items())
            if args.fine_tune: named = named[:3]
            for name, labelled in named:
                for judge in judges: yield from judged(judge, name, labelled, test, small, seed)


def between(values, n=4000):
    "95 % bootstrap interval of a mean over pictures"
    rng = np.random.default_rng(0)
    means = [rng.choice(values, len(values)).mean() for _ in range(n)]
    low, high = np.quantile(means, [.025, .975])
    return f'{low:.2%} to {high:.2%}'


def report(rows):
    "Print a line for each arm; intervals are bootstraps over pictures, differences are paired by picture"
    interval = '95 % interval'
    head = 'judge', 'labels', 'test accuracy', interval, 'above planted', interval, 'above disk', interval
    print(f"| {' | '.join(head)} |\n|" + ' --- |'*8)
    for judge, its_rows in rows.groupby('judge', sort=False):
        right = its_rows.pivot_table(index='sha1', columns='labels', values='right', aggfunc='mean', sort=False)
        for name in right:
            differences = right[name]-right[PLANTED], right[name]-right[DISK]
            better = [f'{o.mean():+.2%} | {between(o.to_numpy())}' for o in differences]
            row = judge, name, f'{right[name].mean():.2%}', between(right[name].to_numpy()), *better
            print(f"| {' | '.join(row)} |")


def main(args):
    "Train all arms and print the table"
    warnings.simplefilter('ignore')
    settings = load_settings(args.settings)
    torch.set_num_threads(thread_count(settings.train.threads))
    small = settings
    if args.fine_tune:
        epochs = dict(train_frozen_epochs=args.frozen, train_unfrozen_epochs=args.unfrozen, train_final_epochs=0)
        small = settings.changed(train_size=args.size, **epochs)
    df = pictures(settings)
    decisions = pd.read_csv(args.decisions, index_col='sha1').decision.to_dict() if args.decisions else {}
    df = df.assign(split=df.split.where(df.split == 'valid', 'train'))
    judges = [by_network] if args.fine_tune else [by_logistic, by_head]
    columns = ['judge', 'labels', 'seed', 'sha1', 'right']
    rows = pd.DataFrame(run(df, settings, small, judges, decisions, args), columns=columns)
    fine_tuned = f'fine-tuned at {args.size} px, {args.frozen}+{args.unfrozen} epochs'
    what = fine_tuned if args.fine_tune else f'heads on frozen features at {settings.train.size} px'
    print(f'\n{what}, {args.folds} of 5 folds, seeds {args.seeds}, {rows.sha1.nunique()} pictures tested\n')
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
