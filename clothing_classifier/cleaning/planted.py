"""Find the wrong labels, and let a person fix them in minutes"""

import numpy as np
import pandas as pd
from fastai.vision.all import *
from sklearn.metrics import average_precision_score


def plant(
    df:pd.DataFrame, # From `pictures`
    share:float, # Of its labels, 0 to 1
    seed:int=0 # Chooses which, and what they become
)->pd.DataFrame: # A copy; `planted` says which labels are wrong
    "Replace labels by another category, in the table, not on disk"
    r, labels, o = np.random.default_rng(seed), sorted(set(df.category)), df.reset_index(drop=True)
    at = r.choice(len(o), round(share*len(o)), replace=False)
    y = o.category.map(labels.index).to_numpy(copy=True)
    y[at] = (y[at] + r.integers(1, len(labels), len(at)))%len(labels)
    return o.assign(category=[labels[i] for i in y], planted=o.index.isin(at))


def found(
    planted:np.ndarray, # (n,), bool, in the order of the ranking
)->dict: # precision, recall, average_precision
    "How well a ranking finds planted errors: precision in the first n, recall in the first 1.5 n, area under precision-recall"
    p = np.asarray(planted, bool)
    n = p.sum()
    return dict(precision=float(p[:n].mean()), recall=float(p[:int(1.5*n)].sum()/n), average_precision=float(average_precision_score(p, -np.arange(len(p)))))
