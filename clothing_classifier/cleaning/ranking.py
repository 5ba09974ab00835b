"""Find the wrong labels, and let a person fix them in minutes"""
import contextlib
import io
import warnings

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from cleanvision.imagelab import Imagelab
from fastai.vision.all import *
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..predict import softmax
from ..training.features import _cached, features, logits_of


class CleanError(ValueError):
    "Cleaning that cannot be done; its text says what to do"


def out_of_fold(
    X:np.ndarray, # (n, features)
    y:np.ndarray, # (n,), given categories as numbers
    folds:int=5, # Heads
    strength:float=.002, # Inverse of their regularization
    seed:int=42 # Deals the folds
)->np.ndarray: # (n, categories)
    "Probabilities from heads that have not seen the picture"
    head = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore') # A category with fewer pictures than folds is missing in some of them
        return cross_val_predict(head, X, y, cv=StratifiedKFold(folds, shuffle=True, random_state=seed), method='predict_proba')


def _labels(df, P, labels):
    "Suspicion from probabilities: cleanlab's label quality, and the category that the others make likely"
    y = df.category.map(labels.index).to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        issue = find_label_issues(y, P, n_jobs=1)
    score, best = 1-get_label_quality_scores(y, P, method='self_confidence'), P.argmax(1)
    given = [f'not like {labels[i]} ({p[i]:.0%})' if i != b else 'as given' for i,b,p in zip(y, best, P)]
    words = [f'looks like {labels[b]} ({p[b]:.0%}), {g}' for b,p,g in zip(best, P, given)]
    kind = np.select([best == y, issue], ['', 'category'], 'doubt')
    return pd.DataFrame(dict(suggestion=np.array(labels, object)[best], score=score, sure=P.max(1), kind=kind, reason=words))


def _duplicates(df, X, P, labels, settings):
    "Near duplicates across categories: by perceptual hash, or by features that point the same way"
    n, y = len(df), df.category.map(labels.index).to_numpy()
    Z = (X-X.mean(0))/(X.std(0)+1e-6)
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)+1e-9
    h, own, out = np.array([int(o, 16) for o in df.phash], np.uint64), P[np.arange(n), y].clip(.001, .999), {}
    for i in range(n):
        near = (Z@Z[i] >= settings.clean.similar_percent/100) | (np.bitwise_count(h^h[i]) <= settings.data.near_duplicate_bits)
        for j in np.flatnonzero(near & (y != y[i])):
            p = (1-own[i])*own[j]/((1-own[i])*own[j] + own[i]*(1-own[j]))
            if p >= .5 and p > out.get(i, ('', 0))[1]: out[i] = labels[y[j]], p, 'duplicate', f'nearly the same picture lies in {labels[y[j]]}'
    return pd.DataFrame.from_dict(out, orient='index', columns=['suggestion','score','kind','reason'])


def _to_category(Z, own):
    "Mean squared distance of each row to the ten nearest rows of a category, itself left out"
    if own.sum() < 2: return np.full(len(Z), np.inf)
    d = NearestNeighbors(n_neighbors=min(11, own.sum())).fit(Z[own]).kneighbors(Z)[0]**2
    return np.where(own, d[:,1:].mean(1), d[:,:-1].mean(1))


def _robust(d): return (d-np.median(d))/(1.4826*np.median(abs(d-np.median(d)))+1e-9)


def _out_of_scope(df, X, labels, settings):
    "Pictures that are unusually far from their category, and not near another"
    y, Z, far = df.category.map(labels.index).to_numpy(), X/(np.linalg.norm(X, axis=1, keepdims=True)+1e-9), settings.clean.far
    D = np.stack([_to_category(Z, y == i) for i in range(len(labels))])
    z = _robust(D[y, np.arange(len(y))])
    at = np.flatnonzero((z > far) & (_robust(D.min(0)) > far/2))
    return pd.DataFrame(dict(suggestion='rejected/out-of-scope', score=1-far/z[at], kind='scope', reason='unlike the pictures of any category'), index=at)


_qualities = dict(dark='very dark', light='very bright', low_information='almost empty', blurry='blurred', odd_aspect_ratio='very long and narrow')


def _flags(paths):
    "cleanvision's scores (n, qualities), 1 where it flags nothing"
    lab = Imagelab(filepaths=[str(p) for p in paths])
    with contextlib.redirect_stderr(io.StringIO()): lab.find_issues({k: {} for k in _qualities}, n_jobs=1, verbose=False)
    return np.stack([np.where(lab.issues[f'is_{k}_issue'], lab.issues[f'{k}_score'], 1.) for k in _qualities], 1)


def _quality(df, settings, bar):
    "Pictures that cleanvision flags"
    F = _cached(settings.data.path/'features'/'quality.npz', df, lambda: _flags, bar, 'quality')
    rows = {i: ('rejected/poor-quality', (1-F[i,k])/2, 'quality', list(_qualities.values())[k]) for i,k in zip(*np.nonzero(F < 1))}
    return pd.DataFrame.from_dict(rows, orient='index', columns=['suggestion','score','kind','reason'])


def _strongest(parts):
    "The reasons of each picture as one row; those that speak against the label come first"
    o = pd.concat(parts).assign(against=lambda o: o.kind.map({'': 0, 'doubt': 1}).fillna(2), sure=lambda o: o.sure.fillna(o.score))
    by = o.sort_values(['against','score'], ascending=False, kind='stable').groupby(level=0, sort=False)
    return pd.DataFrame(dict(suggestion=by.suggestion.first(), score=by.score.max().astype(float), sure=by.sure.first().astype(float),
        kind=by.kind.agg(lambda s: ' '.join(filter(None, s))), reason=by.reason.agg('; '.join)))


def _by_learner(learn, df):
    "The reasons that a learner's losses give"
    labels = list(learn.dls.vocab)
    if miss := set(df.category) - set(labels): raise CleanError(f"the learner tells {', '.join(labels)} apart and does not know {', '.join(sorted(miss))}; train one for the categories of settings.ini")
    return _labels(df, softmax(logits_of(learn, df.path)), labels)


def _by_heads(df, settings, bar):
    "All reasons, from heads that have not seen the pictures"
    X, c, labels = features(df, settings, bar), settings.clean, sorted(settings.categories)
    P = out_of_fold(X, df.category.map(labels.index).to_numpy(), c.folds, c.head_strength, settings.train.seed)
    return _strongest([_labels(df, P, labels), _duplicates(df, X, P, labels, settings), _out_of_scope(df, X, labels, settings), _quality(df, settings, bar)])


def accepted(
    table:pd.DataFrame, # From `suspects`
    above:float=0 # Sure to this percentage or more
)->dict: # SHA-1 -> suggestion
    "The suggestions against the given label, doubts left out"
    o = table[~table.kind.isin(['','doubt']) & (table.suggestion != table.category) & (table.sure >= above/100)]
    return dict(zip(o.sha1, o.suggestion))
