"""Which score tells best that a picture is none of the categories?

    python bench/unknown.py settings.ini --learner export.pkl --pictures out_of_scope/train --held out_of_scope/held

On the features and logits of a learner, in scope: training pictures to learn from, validation pictures (train) and test pictures (held) to be told from the
others. `train` is the mean AUROC over five folds of the first folder; `held` is learned from all of it and measured on the second. A sub-folder is a
kind. Writes bench/unknown.csv, which the notebook shows.
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
from clothing_classifier.training.features import outputs_of
from clothing_classifier.predict import softmax
from clothing_classifier.settings import load_settings
from clothing_classifier.training.unknown import auroc, fit_known, others


def unit(f): return f/np.linalg.norm(f, axis=1, keepdims=True)
def tensor(f): return torch.tensor(f, dtype=torch.float32)


def gaussian(f, y, shrink=.2):
    "Minus the smallest Mahalanobis distance to a category, one covariance for all (Lee et al. 2018)"
    f = unit(f)
    means = np.stack([f[y == c].mean(0) for c in np.unique(y)])
    cov = np.cov((f-means[y]).T)
    inv = np.linalg.inv((1-shrink)*cov + shrink*np.trace(cov)/len(cov)*np.eye(len(cov)))
    return lambda z, g: -np.min([np.einsum('ij,jk,ik->i', d := unit(g)-m, inv, d) for m in means], axis=0)


def neighbours(f, k=10):
    "Minus the distance to the k-th nearest training picture (Sun et al. 2022)"
    nn = NearestNeighbors(n_neighbors=k).fit(unit(f))
    return lambda z, g: -nn.kneighbors(unit(g))[0][:, -1]


def other_category(f, other):
    "Probability of a linear model that has been shown both"
    m = LogisticRegression(C=10, max_iter=1000, class_weight='balanced').fit(unit(np.concatenate([f, other])), np.arange(len(f)+len(other)) < len(f))
    return lambda z, g: m.decision_function(unit(g))


def candidates(f, y, other):
    "Name -> function of logits and features"
    known = fit_known(f, y, other)
    one = lambda i: lambda z, g: known.opinions(tensor(g))[i].numpy()
    return {'largest probability': lambda z, g: softmax(z).max(1), 'energy': lambda z, g: logsumexp(z, axis=1), 'Mahalanobis distance': gaussian(f, y), '10th neighbour': neighbours(f),
        'linear, shown others': other_category(f, other), 'likeness to prototypes': one(0), 'support vectors, shown others': one(1), 'likeness + support vectors (ships)': lambda z, g: known(tensor(g)).numpy()}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('settings')
    p.add_argument('--learner', default='export.pkl')
    p.add_argument('--pictures', help='else as in the settings')
    p.add_argument('--held', help='else as in the settings')
    p.add_argument('--out', default=Path(__file__).with_name('unknown.csv'))
    a = p.parse_args()
    warnings.simplefilter('ignore')
    s, learn = load_settings(a.settings), load_learner(a.learner)
    torch.set_num_threads(2)
    df = pictures(s)
    scope = {k: outputs_of(learn, df.path[df.split == k]) for k in ('train', 'valid', 'test')}
    y = df.category[df.split == 'train'].map(list(learn.dls.vocab).index).to_numpy()
    rest = {k: others(v) for k, v in dict(train=a.pictures or s.unknown.pictures, held=a.held or s.unknown.held).items()}
    seen = {k: outputs_of(learn, o.path) for k, o in rest.items()}
    rows = []
    def add(part, fold, fitted, inside, kinds, outside):
        for name, score in fitted.items():
            for kind in sorted(set(kinds)): rows.append((name, part, kind, fold, auroc(score(*inside), score(*(o[kinds == kind] for o in outside)))))
    kinds = rest['train'].kind.to_numpy()
    for i, (fit, held) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(kinds, kinds)):
        add('train', i, candidates(scope['train'][1], y, seen['train'][1][fit]), scope['valid'], kinds[held], [o[held] for o in seen['train']])
    add('held', 0, candidates(scope['train'][1], y, seen['train'][1]), scope['test'], rest['held'].kind.to_numpy(), seen['held'])
    t = pd.DataFrame(rows, columns=['score', 'part', 'kind', 'fold', 'auroc'])
    t = t.pivot_table(index='score', columns=['part', 'kind'], values='auroc', sort=False).round(3)
    t.columns = [f'{kind}, {part}' for part, kind in t.columns]
    print(f"in scope {[len(o[0]) for o in scope.values()]}, others {[len(o) for o in rest.values()]}")
    print(t.to_string())
    t.to_csv(a.out)


if __name__ == '__main__': main()
