"""Fine-tune a pretrained network: its new head first, then all of it, at rates that a finder suggests"""
from pathlib import Path

import numpy as np
import pandas as pd
from fastai.vision.all import *
from sklearn.model_selection import StratifiedGroupKFold

from ..settings import Settings
from ..training.weights import TrainError
from .runs import Run


def k_fold(
    settings:Settings, # As for `train`; `[train] folds` says how many
    df:pd.DataFrame, # From `pictures`
    train, # Function of settings, a folder and pictures that returns a learner
    run:str|Path|None=None # Gets a folder a training; None: a new one in `runs`
)->pd.DataFrame: # `path`, `category` and `answer` of every picture of the training and validation splits, and the `fold` it was held out in
    "Train so many times, each on the other folds. Raises `DataError` and `TrainError`"
    t = settings.train
    if t.folds < 2: raise TrainError("[train] folds: cross-validation needs at least 2; write 5, or 0 for none")
    df, out = df[df.split.isin(['train','valid'])].reset_index(drop=True), []
    fold = StratifiedGroupKFold(t.folds, shuffle=True, random_state=t.seed).split(df, df.category, df.group)
    one, run = settings.changed(train_folds=0), Path(run) if run else Run.new(settings).path
    for i,(_, held) in enumerate(fold):
        now = df.assign(split=np.where(df.index.isin(held), 'valid', 'train'))
        (at := run/f'fold_{i}').mkdir(exist_ok=True)
        learn = train(one, at, now)
        if learn.graceful_stop.stopped: raise KeyboardInterrupt
        z = learn.get_preds(dl=learn.dls.test_dl(list(df.path[held]), num_workers=0))[0]
        out.append(df.loc[held, ['path','category']].assign(answer=[learn.dls.vocab[int(o)] for o in z.argmax(1)], fold=i))
    return pd.concat(out, ignore_index=True)


def fold_scores(
    answers:pd.DataFrame # From `k_fold`
)->dict: # Plain numbers
    "Accuracy over all pictures, and its mean and standard deviation over the folds"
    ok = answers.category == answers.answer
    each = ok.groupby(answers.fold).mean()
    return dict(pictures=len(ok), accuracy=round(float(ok.mean()), 4), each=[round(float(o), 4) for o in each], std=round(float(each.std()), 4))
