"""Cross-validation: every picture judged by a network that was not trained on it"""
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from ..settings import Settings
from .checkpoint import is_unfinished
from .runs import Run
from .weights import TrainError


def _answers(learn, paths):
    "The category that a learner gives each picture"
    logits = learn.get_preds(dl=learn.dls.test_dl(list(paths), num_workers=0))[0]
    return [learn.dls.vocab[int(i)] for i in logits.argmax(1)]


def _trained(folder):
    "The learner of a fold that had ended before its run was killed, else None"
    run = Run(folder)
    return run.load() if run.learner_file.exists() and not is_unfinished(run) else None


def k_fold(
    settings:Settings, # `[train] folds` is the number of trainings, at least 2
    df:pd.DataFrame, # table from `pictures`
    train, # function of settings, pictures and a run's folder that returns a learner
    run:str|Path|None=None # folder that gets a folder a training; None: a new run
)->pd.DataFrame: # path, category, answer and fold of every picture of the training and validation splits
    "Train once a fold, each time on the other folds. Raises `DataError` and `TrainError`"
    t = settings.train
    if t.folds < 2: raise TrainError("[train] folds: cross-validation needs at least 2; write 5, or 0 for none")
    run = Path(run) if run else Run.new(settings).path
    df = df[df.split.isin(['train','valid'])].reset_index(drop=True)
    splitter = StratifiedGroupKFold(t.folds, shuffle=True, random_state=t.seed)
    answers = []
    for i,(_, held) in enumerate(splitter.split(df, df.category, df.group)):
        split = np.where(df.index.isin(held), 'valid', 'train')
        folder = run/f'fold_{i}'
        folder.mkdir(exist_ok=True)
        learn = _trained(folder) or train(settings.changed(train_folds=0), df.assign(split=split), folder)
        if hasattr(learn, 'graceful_stop') and learn.graceful_stop.stopped: raise KeyboardInterrupt
        rows = df.loc[held, ['path','category']]
        answers.append(rows.assign(answer=_answers(learn, rows.path), fold=i))
    return pd.concat(answers, ignore_index=True)


def fold_scores(
    answers:pd.DataFrame # table from `k_fold`
)->dict: # plain numbers
    "Accuracy over all pictures, that of each fold, and their standard deviation"
    right = answers.category == answers.answer
    each = right.groupby(answers.fold).mean()
    return dict(pictures=len(right), accuracy=round(float(right.mean()), 4), each=[round(float(o), 4) for o in each],
        std=round(float(each.std()), 4))
