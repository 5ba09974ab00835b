"""Which score tells best that a picture is none of the categories?

    python bench/unknown.py settings.ini --learner export.pkl --pictures out_of_scope/train --held out_of_scope/held

On the features and logits of a learner: training pictures to learn from, validation pictures (train) and test pictures
(held) to be told from the others. `train` is the mean AUROC over five folds of the first folder; `held` is learned from
all of it and measured on the second. A sub-folder is a kind. Writes bench/unknown.csv.
"""
import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.learner import load_learner
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors

from clothing_classifier.dataset import pictures
from clothing_classifier.predict import softmax
from clothing_classifier.settings import load_settings
from clothing_classifier.training.answers import numbers_of
from clothing_classifier.training.features import outputs_of
from clothing_classifier.training.unknown import auroc, fit_known_score, other_pictures, unit


def tensor(f): return torch.tensor(f, dtype=torch.float32)


def gaussian(f, y, shrink=.2):
    "Minus the smallest Mahalanobis distance to a category, one covariance for all (Lee et al. 2018)"
    f = unit(f)
    means = np.stack([f[y == c].mean(0) for c in np.unique(y)])
    covariance = np.cov((f-means[y]).T)
    diagonal = np.trace(covariance)/len(covariance)*np.eye(len(covariance))
    inverse = np.linalg.inv((1-shrink)*covariance + shrink*diagonal)

    def distance(g, mean):
        d = unit(g)-mean
        return np.einsum('ij,jk,ik->i', d, inverse, d)
    return lambda logits, g: -np.min([distance(g, mean) for mean in means], axis=0)


def neighbours(f, k=10):
    "Minus the distance to the k-th nearest training picture (Sun et al. 2022)"
    nearest = NearestNeighbors(n_neighbors=k).fit(unit(f))
    return lambda logits, g: -nearest.kneighbors(unit(g))[0][:, -1]


def other_category(f, other):
    "Probability of a linear model that has been shown both"
    both, of_category = unit(np.concatenate([f, other])), np.arange(len(f)+len(other)) < len(f)
    model = LogisticRegression(C=10, max_iter=1000, class_weight='balanced').fit(both, of_category)
    return lambda logits, g: model.decision_function(unit(g))


def candidates(f, y, other):
    "Name -> function of logits and features"
    known = fit_known_score(f, y, other)
    def part(i): return lambda logits, g: known.parts(tensor(g))[i].numpy()
    return {
        'largest probability': lambda logits, g: softmax(logits).max(1),
        'energy': lambda logits, g: logsumexp(logits, axis=1),
        'Mahalanobis distance': gaussian(f, y),
        '10th neighbour': neighbours(f),
        'linear, shown others': other_category(f, other),
        'likeness to prototypes': part(0),
        'support vectors, shown others': part(1),
        'likeness + support vectors (ships)': lambda logits, g: known(tensor(g)).numpy()}


def kind_scores(fitted, inside, kinds, outside):
    "Yield score, kind and AUROC: pictures of the categories against those of each kind"
    for name, score in fitted.items():
        known = score(*inside)
        for kind in sorted(set(kinds)): yield name, kind, auroc(known, score(*(o[kinds == kind] for o in outside)))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('settings')
    p.add_argument('--learner', default='export.pkl')
    p.add_argument('--pictures', help='else as in the settings')
    p.add_argument('--held', help='else as in the settings')
    p.add_argument('--out', default=Path(__file__).with_name('unknown.csv'))
    a = p.parse_args()
    warnings.simplefilter('ignore')
    settings, learn = load_settings(a.settings), load_learner(a.learner)
    torch.set_num_threads(2)
    df = pictures(settings)
    train, valid, test = (outputs_of(learn, df.path[df.split == o]) for o in ('train', 'valid', 'test'))
    y = numbers_of(learn, df[df.split == 'train'])
    others = other_pictures(a.pictures or settings.unknown.pictures)
    held = other_pictures(a.held or settings.unknown.held)
    of_others, of_held = outputs_of(learn, others.path), outputs_of(learn, held.path)

    rows, kinds = [], others.kind.to_numpy()
    for fit, rest in StratifiedKFold(5, shuffle=True, random_state=0).split(kinds, kinds):
        fitted = candidates(train[1], y, of_others[1][fit])
        rows += [(*o, 'train') for o in kind_scores(fitted, valid, kinds[rest], [o[rest] for o in of_others])]
    fitted = candidates(train[1], y, of_others[1])
    rows += [(*o, 'held') for o in kind_scores(fitted, test, held.kind.to_numpy(), of_held)]

    table = pd.DataFrame(rows, columns=['score', 'kind', 'auroc', 'part'])
    table = table.pivot_table(index='score', columns=['part', 'kind'], values='auroc', sort=False).round(3)
    table.columns = [f'{kind}, {part}' for part, kind in table.columns]
    print(f'of the categories {[len(o[0]) for o in (train, valid, test)]}, others {[len(others), len(held)]}')
    print(table.to_string())
    table.to_csv(a.out)


if __name__ == '__main__': main()
