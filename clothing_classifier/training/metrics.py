"""Accuracy and its uncertainty, calibration and its temperature, and what is taken for what"""
import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from ..predict import softmax


def nll(
    logits:np.ndarray, # (n, categories)
    y:np.ndarray, # (n,), right categories as numbers
    temperature:float=1. # divisor of the logits
)->float:
    "Mean negative log likelihood of the right categories"
    right = softmax(logits, temperature)[np.arange(len(y)), y]
    return -np.log(np.clip(right, 1e-12, 1)).mean()


def fit_temperature(
    logits:np.ndarray, # (n, categories), of validation pictures
    y:np.ndarray # (n,), right categories as numbers
)->float: # from 0.05 to 20
    "The temperature with the smallest negative log likelihood (Guo et al. 2017)"
    found = minimize_scalar(lambda log_t: nll(logits, y, np.exp(log_t)), bounds=(-3, 3), method='bounded')
    return float(np.exp(found.x))


def fit_threshold(
    score:np.ndarray, # (n,), of validation pictures
    keep_percent:float # share of the pictures that stay known
)->float:
    "The largest threshold that keeps `keep_percent` of the pictures known"
    return float(np.quantile(score, 1-keep_percent/100, method='lower'))


def calibration_error(
    probs:np.ndarray, # (n, categories)
    y:np.ndarray, # (n,), right categories as numbers
    bins:int=15 # number of bins of equal width
)->float: # 0 to 1
    "Expected calibration error: mean distance of confidence and accuracy over bins of confidence"
    return confidence_error(probs.max(1), probs.argmax(1) == y, bins)


def confidence_error(
    confidence:np.ndarray, # (n,), largest probabilities
    right:np.ndarray, # bool (n,): the answer is right
    bins:int=15 # number of bins of equal width
)->float: # 0 to 1
    "Expected calibration error of answers whose other probabilities are not at hand"
    bin_of, error = np.ceil(confidence*bins), 0.
    for b in range(1, bins+1):
        here = bin_of == b
        if here.any(): error += abs(right[here].mean() - confidence[here].mean())*here.mean()
    return float(error)


def reliability(
    probs:np.ndarray, # (n, categories)
    y:np.ndarray, # (n,), right categories as numbers
    bins:int=10 # number of bins of equal width
)->pd.DataFrame: # confidence, accuracy and pictures of each bin that has any
    "How often the answers of each confidence are right"
    confidence, right = probs.max(1), (probs.argmax(1) == y).astype(float)
    df = pd.DataFrame(dict(confidence=confidence, accuracy=right, pictures=1))
    grouped = df.groupby(np.ceil(confidence*bins).astype(int))
    return grouped.agg(dict(confidence='mean', accuracy='mean', pictures='sum')).reset_index(drop=True)


def wilson_interval(
    right:int, # pictures with the right answer
    n:int, # all pictures
    level:float=.95 # confidence level
)->tuple: # low and high, 0 to 1
    "Wilson's confidence interval of a proportion"
    if not n: return 0., 1.
    found = binomtest(int(right), int(n)).proportion_ci(level, method='wilson')
    return round(float(found.low), 4), round(float(found.high), 4)


def confusion_matrix(
    y:np.ndarray, # (n,), right categories as numbers
    answered:np.ndarray, # (n,), answered categories as numbers
    categories:int # number of categories
)->np.ndarray: # int (categories, categories): row = right, column = answered
    "Pictures of each category by their answer"
    matrix = np.zeros((categories, categories), int)
    np.add.at(matrix, (y, answered), 1)
    return matrix


def _share(part, whole): return round(float(part/max(whole, 1)), 4)


def _category_scores(matrix, i):
    "Precision, recall and F1 of one category"
    hits, answered, pictures = matrix[i, i], matrix[:, i].sum(), matrix[i].sum()
    return dict(precision=_share(hits, answered), recall=_share(hits, pictures), f1=_share(2*hits, answered+pictures),
        pictures=int(pictures))


def scores(
    labels:list, # categories in the order of the columns
    logits:np.ndarray, # (n, categories)
    y:np.ndarray, # (n,), right categories as numbers
    temperature:float=1., # result of `fit_temperature`
    known:np.ndarray|None=None # bool (n,): not answered with *unknown*; None: all
)->dict: # plain numbers and lists
    "Accuracy with its interval, precision, recall and F1 of each category, confusion, calibration, share known"
    probs, n = softmax(logits, temperature), len(y)
    matrix = confusion_matrix(y, probs.argmax(1), len(labels))
    right = matrix.diagonal().sum()
    return dict(pictures=n, accuracy=_share(right, n), interval=wilson_interval(right, n),
        categories={c: _category_scores(matrix, i) for i,c in enumerate(labels)},
        confusion=matrix.tolist(),
        ece_raw=round(calibration_error(softmax(logits), y), 4),
        ece=round(calibration_error(probs, y), 4),
        known=1. if known is None else _share(known.sum(), n))


def confused(
    labels:list, # categories in the order of the columns
    probs:np.ndarray, # (n, categories), probabilities or logits
    y:np.ndarray, # (n,), right categories as numbers
    paths # pictures, in the same order
)->pd.DataFrame: # category, answer, pictures, and their paths, the surest errors first
    "The pairs of categories that are confused, most often first"
    names = np.array(labels, object)
    df = pd.DataFrame(dict(category=names[y], answer=names[probs.argmax(1)], sure=probs.max(1), path=list(paths)))
    wrong = df[df.category != df.answer].sort_values('sure', ascending=False)
    pairs = wrong.groupby(['category','answer'], sort=False).agg(pictures=('path','size'), paths=('path',list))
    return pairs.sort_values('pictures', ascending=False, kind='stable').reset_index()


def by_source(
    right:np.ndarray, # bool (n,): the answer is right
    source:np.ndarray # (n,), where the pictures are from
)->dict: # source -> pictures, accuracy, interval
    "Accuracy with its interval for each source of pictures"
    found = {}
    for name in sorted(set(source)):
        hits = right[source == name]
        found[name] = dict(pictures=len(hits), accuracy=round(float(hits.mean()), 4),
            interval=wilson_interval(hits.sum(), len(hits)))
    return found


def answer_scores(
    answers:pd.DataFrame # table from `LearnerAnswers.table`
)->dict: # pictures, accuracy, interval, ece, known (share)
    "What is said of the answers to some pictures"
    right, n = (answers.category == answers.answer).to_numpy(), len(answers)
    return dict(pictures=n, accuracy=_share(right.sum(), n), interval=wilson_interval(right.sum(), n),
        ece=round(confidence_error(answers.confidence.to_numpy(), right), 4), known=_share(answers.known.sum(), n))


def score_table(
    metrics:dict # result of `evaluate`, or `Run.metrics`
)->pd.DataFrame: # a row a category, and one for all: pictures, right (share), its interval, precision, f1
    "The test split at a glance"
    test, rows = metrics['test'], {}
    for category,found in test['categories'].items():
        n, right = found['pictures'], found['recall']
        rows[category] = [n, right, *wilson_interval(round(right*n), n), found['precision'], found['f1']]
    mean = pd.DataFrame(test['categories']).T.mean()
    rows['all'] = [test['pictures'], test['accuracy'], *test['interval'], mean.precision, mean.f1]
    table = pd.DataFrame(rows, index=['pictures','right','low','high','precision','f1']).T
    return table.astype({'pictures': int}).round(3)
