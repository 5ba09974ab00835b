"""What the learner gets right on pictures that it has never seen, and how sure we can be of that"""

import numpy as np
import pandas as pd
from fastai.vision.all import *
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from ..predict import softmax


def nll(logits, y, temperature=1.): return -np.log(np.clip(softmax(logits, temperature)[np.arange(len(y)), y], 1e-12, 1)).mean()


def fit_temperature(
    logits:np.ndarray, # (n, categories), of validation pictures
    y:np.ndarray # (n,), right categories as numbers
)->float: # From 0.05 to 20
    "The temperature with the smallest negative log likelihood"
    return float(np.exp(minimize_scalar(lambda t: nll(logits, y, np.exp(t)), bounds=(-3, 3), method='bounded').x))


def calibration_error(
    probs:np.ndarray, # (n, categories)
    y:np.ndarray, # (n,)
    bins:int=15 # Of equal width
)->float: # 0 to 1
    "Expected calibration error: mean distance of confidence and accuracy over bins of confidence"
    p, ok = probs.max(1), probs.argmax(1) == y
    return float(sum(abs(ok[i].mean()-p[i].mean())*i.mean() for b in range(bins) if (i := np.ceil(p*bins) == b+1).any()))


def reliability(
    probs:np.ndarray, # (n, categories)
    y:np.ndarray, # (n,)
    bins:int=10 # Of equal width
)->pd.DataFrame: # `confidence`, `accuracy` and `pictures` of each bin that has any
    "How often the answers of each confidence are right"
    p, ok = probs.max(1), probs.argmax(1) == y
    o = pd.DataFrame(dict(confidence=p, accuracy=ok.astype(float), pictures=1)).groupby(np.ceil(p*bins).astype(int))
    return o.agg(dict(confidence='mean', accuracy='mean', pictures='sum')).reset_index(drop=True)


def fit_threshold(
    score:np.ndarray, # (n,), of validation pictures
    keep_percent:float # So many of them stay known
)->float:
    "The largest threshold that keeps `keep_percent` of the pictures known"
    return float(np.quantile(score, 1-keep_percent/100, method='lower'))


def interval(
    right:int, # Pictures
    n:int, # Of so many
    level:float=.95 # Of confidence
)->tuple: # Low and high, 0 to 1
    "Wilson's interval of a proportion"
    o = binomtest(int(right), int(n)).proportion_ci(level, method='wilson')
    return round(float(o.low), 4), round(float(o.high), 4)


def scores(
    labels:list, # Categories in the order of the columns
    logits:np.ndarray, # (n, categories)
    y:np.ndarray, # (n,), right categories as numbers
    temperature:float=1., # From `fit_temperature`
    known:np.ndarray|None=None # (n,), bool: what is not answered with *unknown*
)->dict: # Plain numbers and lists
    "Accuracy with its interval, per-category precision, recall and F1, confusion, calibration, share known"
    probs, n = softmax(logits, temperature), len(labels)
    pred = probs.argmax(1)
    cm = np.zeros((n, n), int)
    np.add.at(cm, (y, pred), 1)
    hit = cm.diagonal()
    part = lambda k, of: round(float(k/max(of, 1)), 4)
    said, true = cm.sum(0), cm.sum(1)
    per = {c: dict(precision=part(h, a), recall=part(h, b), f1=part(2*h, a+b), pictures=int(b)) for c,h,a,b in zip(labels, hit, said, true)}
    known = 1. if known is None else part(known.sum(), len(y))
    return dict(pictures=len(y), accuracy=part(hit.sum(), len(y)), interval=interval(hit.sum(), len(y)), categories=per, confusion=cm.tolist(),
        ece_raw=round(calibration_error(softmax(logits), y), 4), ece=round(calibration_error(probs, y), 4), known=known)


def confused(
    labels:list, # Categories in the order of the columns
    probs:np.ndarray, # (n, categories)
    y:np.ndarray, # (n,), right categories as numbers
    paths # Of the pictures
)->pd.DataFrame: # `category`, `answer`, `pictures` and their `paths`, the surest errors first
    "The pairs of categories that are confused, most often first"
    df = pd.DataFrame(dict(category=[labels[i] for i in y], answer=[labels[i] for i in probs.argmax(1)], sure=probs.max(1), path=list(paths)))
    df = df[df.category != df.answer].sort_values('sure', ascending=False)
    o = df.groupby(['category','answer'], sort=False).agg(pictures=('path','size'), paths=('path',list))
    return o.sort_values('pictures', ascending=False, kind='stable').reset_index()


def by_source(right, source):
    "Accuracy with its interval for each source of pictures"
    def one(ok): return dict(pictures=len(ok), accuracy=round(float(ok.mean()), 4), interval=interval(ok.sum(), len(ok)))
    return {s: one(right[source==s]) for s in sorted(set(source))}
