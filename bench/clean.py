"""Planted errors: how many does our ranking find, how many does a ranking by fastai's top losses?

Both see the same frozen features, the same wrong labels and the same pictures (training and validation split). fastai's side is its own head, trained on
the training split as in the course, and the losses of both splits. Run it with the pictures of a settings file:

    python bench/clean.py settings.ini

It moves no file.
"""
import sys
import warnings

import numpy as np
import pandas as pd
import torch
from fastai.vision.all import (
    CrossEntropyLossFlat,
    DataLoaders,
    Learner,
    create_head,
    set_seed,
)

from clothing_classifier.clean import features, found, plant, suspects
from clothing_classifier.dataset import pictures
from clothing_classifier.settings import load_settings

EPOCHS = 15 # As many as [train] spends, frozen and unfrozen


def top_losses(df, X, seed):
    "SHA-1s by the loss of a fastai head that was trained on the training split, highest first"
    set_seed(seed)
    labels = sorted(set(df.category))
    ds = list(zip(torch.tensor(X), torch.tensor(df.category.map(labels.index).to_numpy()), strict=True))
    of = [[ds[i] for i in np.flatnonzero(df.split == s)] for s in ('train', 'valid')]
    dls = DataLoaders.from_dsets(*of, bs=32, num_workers=0)
    learn = Learner(dls, create_head(X.shape[1], len(labels), pool=False), loss_func=CrossEntropyLossFlat())
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(EPOCHS, 3e-3)
        losses = learn.get_preds(dl=dls.valid.new(ds), with_loss=True)[2]
    return df.sha1.to_numpy()[np.argsort(-losses.numpy(), kind='stable')]


def compare(df, X, settings, share, seed):
    "Figures of both rankings, for one planting"
    o = plant(df, share, seed)
    bad = set(o.sha1[o.planted])
    rankings = {'top losses': top_losses(o, X, seed), 'ours': suspects(settings, df=o).sha1}
    out = [{'planted': f'{share:.0%}', 'ranking': k, 'seed': seed} | found([s in bad for s in v]) for k, v in rankings.items()]
    print(*out, sep='\n', file=sys.stderr)
    return out


def main(file):
    "Print the table: mean of three seeds, lowest and highest in brackets"
    warnings.simplefilter('ignore')
    settings = load_settings(file)
    df = pictures(settings).query('split != "test"').reset_index(drop=True)
    X = features(df, settings)
    rows = pd.DataFrame([r for share in (.05, .1, .2) for seed in range(3) for r in compare(df, X, settings, share, seed)])
    by = rows.groupby(['planted', 'ranking'], sort=False)[['precision', 'recall', 'average_precision']]
    text = by.agg(lambda s: f'{s.mean():.3f} ({s.min():.3f}–{s.max():.3f})').reset_index()
    print(f'{len(df)} pictures, {settings.train.arch} at {settings.train.size} px, 3 seeds: mean (lowest–highest)\n')
    print('| ' + ' | '.join(text.columns) + ' |\n|' + ' --- |'*len(text.columns))
    for r in text.itertuples(index=False): print('| ' + ' | '.join(r) + ' |')


if __name__ == '__main__': main(sys.argv[1] if len(sys.argv) > 1 else None)
