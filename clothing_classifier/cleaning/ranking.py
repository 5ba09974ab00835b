"""Which labels are probably wrong: reasons for doubt, gathered into one table"""
import warnings

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..files import is_near_duplicate, phash_array
from ..predict import softmax
from ..settings import Settings
from ..training.features import features, logits_of
from . import CleanError
from .quality import poor_quality

REASON = ['suggestion','score','kind','reason'] # columns of a table of reasons; its index are the rows of the pictures


def _numbers(df, labels): return df.category.map(labels.index).to_numpy()


def out_of_fold(
    X:np.ndarray, # (n, features)
    y:np.ndarray, # (n,), given categories as numbers
    folds:int=5, # heads
    strength:float=.002, # inverse of their regularization
    seed:int=42 # random assignment to folds
)->np.ndarray: # (n, categories)
    "Probabilities from logistic heads, each applied to the pictures that it was not trained on"
    head = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore') # a category with fewer pictures than folds is missing in some of them
        return cross_val_predict(head, X, y, cv=splitter, method='predict_proba')


def _in_words(probabilities, given, best, labels):
    "What speaks for another label, or that none does better"
    like = f'looks like {labels[best]} ({probabilities[best]:.0%})'
    if given == best: return f'{like}, as given'
    return f'{like}, not like {labels[given]} ({probabilities[given]:.0%})'


def wrong_labels(
    df:pd.DataFrame, # table of `pictures`, index 0 to n-1
    P:np.ndarray, # (n, categories), probabilities
    labels:list # names of the categories
)->pd.DataFrame: # columns of REASON and `sure`, the probability of the suggestion
    "Suspicion from probabilities: cleanlab's label quality, and the most probable category"
    y, best = _numbers(df, labels), P.argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        issue = find_label_issues(y, P, n_jobs=1)
    kind = np.select([best == y, issue], ['', 'category'], 'doubt')
    reason = [_in_words(*o, labels) for o in zip(P, y, best, strict=True)]
    score = 1 - get_label_quality_scores(y, P, method='self_confidence')
    suggestion = np.array(labels, object)[best]
    return pd.DataFrame(dict(suggestion=suggestion, score=score, sure=P.max(1), kind=kind, reason=reason))


def _directions(X):
    "Standardized features as unit vectors"
    Z = (X-X.mean(0))/(X.std(0)+1e-6)
    return Z/(np.linalg.norm(Z, axis=1, keepdims=True)+1e-9)


def _odds(own, others):
    "Probability that the own label is wrong, given that one of the two labels is"
    wrong, right = (1-own)*others, own*(1-others)
    return wrong/(wrong+right)


def contradictions(
    df:pd.DataFrame, # table of `pictures`, index 0 to n-1
    X:np.ndarray, # (n, features)
    P:np.ndarray, # (n, categories), probabilities
    labels:list, # names of the categories
    settings:Settings # `[clean]` and `[data]` say what is near
)->pd.DataFrame: # columns of REASON
    "Near duplicates in different categories, by perceptual hash or by features; the less probable label is suspected"
    y, Z, phashes = _numbers(df, labels), _directions(X), phash_array(df.phash)
    similar, bits = settings.clean.similar_percent/100, settings.data.near_duplicate_bits
    own, rows = P[np.arange(len(df)), y].clip(.001, .999), {}
    for i in range(len(df)):
        near = (Z@Z[i] >= similar) | is_near_duplicate(phashes, phashes[i], bits)
        others = np.flatnonzero(near & (y != y[i]))
        score = _odds(own[i], own[others])
        if score.max(initial=0) < .5: continue
        name = labels[y[others[score.argmax()]]]
        rows[i] = name, score.max(), 'duplicate', f'nearly the same picture is in {name}'
    return pd.DataFrame.from_dict(rows, orient='index', columns=REASON)


def _distance_to(Z, members):
    "Mean squared distance of each row to the ten nearest members of a category, itself left out"
    if members.sum() < 2: return np.full(len(Z), np.inf)
    nearest = NearestNeighbors(n_neighbors=min(11, members.sum())).fit(Z[members])
    squared = nearest.kneighbors(Z)[0]**2
    return np.where(members, squared[:,1:].mean(1), squared[:,:-1].mean(1))


def _robust(distance):
    "Deviations from the median"
    median = np.median(distance)
    return (distance-median)/(1.4826*np.median(abs(distance-median))+1e-9)


def out_of_scope(
    df:pd.DataFrame, # table of `pictures`, index 0 to n-1
    X:np.ndarray, # (n, features)
    labels:list, # names of the categories
    far:float # robust standard deviations
)->pd.DataFrame: # columns of REASON
    "Pictures that are unusually far from their category, and not near another"
    y, Z = _numbers(df, labels), X/(np.linalg.norm(X, axis=1, keepdims=True)+1e-9)
    distances = np.stack([_distance_to(Z, y == i) for i in range(len(labels))])
    own, nearest = _robust(distances[y, np.arange(len(y))]), _robust(distances.min(0))
    at = np.flatnonzero((own > far) & (nearest > far/2))
    return pd.DataFrame(dict(suggestion='rejected/out-of-scope', score=1-far/own[at], kind='scope',
        reason='unlike the pictures of any category'), index=at)


def _joined(kinds): return ' '.join(filter(None, kinds))


def _strongest(tables):
    "The reasons of each picture as one row; those that speak against the label come first"
    reasons = pd.concat(tables)
    reasons['score'] = reasons.score.astype(float)
    reasons['sure'] = reasons.sure.astype(float).fillna(reasons.score)
    reasons['against'] = reasons.kind.map({'': 0, 'doubt': 1}).fillna(2)
    reasons = reasons.sort_values(['against','score'], ascending=False, kind='stable')
    by = reasons.groupby(level=0, sort=False)
    return by.agg(dict(suggestion='first', score='max', sure='first', kind=_joined, reason='; '.join))


def _ranking(df, reasons):
    "Pictures and their reasons, the most suspicious first"
    table = df[['path','category','split','sha1']].join(reasons)
    return table.sort_values('score', ascending=False, kind='stable', ignore_index=True)


def rank_by_heads(
    df:pd.DataFrame, # table of `pictures`
    settings:Settings, # project of the pictures
    bar # progress bar around the batches
)->pd.DataFrame: # columns of `suspects`
    "A ranking by all reasons; probabilities come from heads that have not seen the picture"
    df, labels, clean = df.reset_index(drop=True), sorted(settings.categories), settings.clean
    X = features(df, settings, bar)
    P = out_of_fold(X, _numbers(df, labels), clean.folds, clean.head_strength, settings.train.seed)
    return _ranking(df, _strongest([
        wrong_labels(df, P, labels),
        contradictions(df, X, P, labels, settings),
        out_of_scope(df, X, labels, clean.far),
        poor_quality(df, settings, bar)]))


def rank_by_learner(
    df:pd.DataFrame, # table of `pictures`
    learn # fastai learner of these categories
)->pd.DataFrame: # columns of `suspects`
    "A ranking by a learner's losses. Raises `CleanError`"
    df, labels = df.reset_index(drop=True), list(learn.dls.vocab)
    unknown = sorted(set(df.category) - set(labels))
    if unknown:
        raise CleanError(f"the learner tells {', '.join(labels)} apart and does not know {', '.join(unknown)}; "
            "train one for the categories of settings.ini")
    return _ranking(df, wrong_labels(df, softmax(logits_of(learn, df.path)), labels))


def accepted(
    table:pd.DataFrame, # table of `suspects`
    above:float=0 # least certainty in percent
)->dict: # SHA-1 -> suggestion
    "The suggestions against the given label; doubts and test pictures are left to a person"
    table = table[~table.kind.isin(['','doubt']) & (table.suggestion != table.category)]
    table = table[(table.sure >= above/100) & (table.split != 'test')]
    return dict(zip(table.sha1, table.suggestion, strict=True))
