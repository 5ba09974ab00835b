"""Pictures that are none of the categories: a score that is learned from examples of something else"""
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.svm import SVC
from torch import nn

from ..images import ImageError, open_image
from .metrics import fit_threshold


class KnownScore(nn.Module):
    "Pooled features -> how much a picture looks like one of the categories"
    def __init__(self,
        prototypes:np.ndarray, # (p, features), unit length: centres of the categories' clusters
        support:np.ndarray, # (s, features), unit length: the support vectors
        alpha:np.ndarray, # (s,), weights of the support vectors
        gamma:float, # parameter of the radial basis function
        scale:tuple=((0., 1.), (0., 1.)) # mean and standard deviation of the two parts of the score
    ):
        super().__init__()
        self.gamma, self.scale = gamma, scale
        for name,value in dict(prototypes=prototypes, support=support, alpha=alpha).items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32))

    def parts(self,
        f:torch.Tensor # (n, features)
    )->tuple: # two tensors (n,)
        "Similarity to the nearest prototype, and the margin of the support vector machine"
        f = F.normalize(f, dim=1)
        similarity = (f @ self.prototypes.T).amax(1)
        kernel = torch.exp(2*self.gamma*(f @ self.support.T - 1))
        return similarity, kernel @ self.alpha

    def forward(self, f): # (n, features) -> (n,)
        (similarity, margin), ((mean1, std1), (mean2, std2)) = self.parts(f), self.scale
        return (similarity-mean1)/std1 + (margin-mean2)/std2


def unit(
    f:np.ndarray # (n, features)
)->np.ndarray: # (n, features), each row of length 1
    "Features without their length"
    return f/np.linalg.norm(f, axis=1, keepdims=True)


def _prototypes(f, y, n, seed):
    "Centres of each category's clusters"
    centres = []
    for category in np.unique(y):
        its = f[y == category]
        clusters = KMeans(min(n, len(its)), n_init=1, random_state=seed).fit(its)
        centres.append(clusters.cluster_centers_)
    return unit(np.concatenate(centres))


def _sample(n, most, seed):
    "Which of `n` rows are taken, in order"
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])


def fit_known_score(
    f:np.ndarray, # (n, features) of training pictures
    y:np.ndarray, # (n,), their categories as numbers
    other:np.ndarray, # (m, features) of pictures of something else
    prototypes:int=40, # clusters of each category
    gamma:float=3., # parameter of the radial basis function
    C:float=10., # inverse regularization of the support vector machine
    most:int=2000, # pictures of either side, at most; more make the export larger
    seed:int=42 # seed of the sample and of the clustering
)->KnownScore:
    "A score that is high for the categories and low for anything else"
    chosen, others = _sample(len(f), most, seed), _sample(len(other), most, seed)
    f, y, other = unit(f[chosen]), y[chosen], unit(other[others])
    both, of_category = np.concatenate([f, other]), np.arange(len(f)+len(other)) < len(f)
    svm = SVC(C=C, gamma=gamma, class_weight='balanced').fit(both, of_category)
    score = KnownScore(_prototypes(f, y, prototypes, seed), svm.support_vectors_, svm.dual_coef_[0], gamma)
    parts = score.parts(torch.tensor(both, dtype=torch.float32))
    score.scale = tuple((float(part.mean()), float(part.std())) for part in parts)
    return score


def unseen_kinds(
    f:np.ndarray, # (n, features) of training pictures
    y:np.ndarray, # (n,), their categories as numbers
    valid:np.ndarray, # (v, features) of validation pictures of the categories
    other:np.ndarray, # (m, features) of pictures of something else
    kinds:np.ndarray, # (m,), what they show
    keep_percent:float, # share of the validation pictures that stay known
    folds:int=5, # parts; each is asked of a score that has learned from the kinds in the others
    seed:int=42 # seed of the clustering
)->pd.DataFrame: # kind, pictures, unknown (share)
    "How often pictures of a kind are answered with *unknown* when nothing of this kind was learned from"
    unknown, valid = np.zeros(len(other), bool), torch.tensor(valid, dtype=torch.float32)
    for learned,asked in GroupKFold(min(folds, len(set(kinds)))).split(other, groups=kinds):
        score = fit_known_score(f, y, other[learned], seed=seed)
        threshold = fit_threshold(score(valid).numpy(), keep_percent)
        unknown[asked] = score(torch.tensor(other[asked], dtype=torch.float32)).numpy() < threshold
    table = pd.DataFrame(dict(kind=kinds, unknown=unknown)).groupby('kind').unknown
    return table.agg(pictures='size', unknown='mean').reset_index().sort_values('pictures', ascending=False)


def auroc(
    known:np.ndarray, # scores of pictures of the categories
    other:np.ndarray # scores of pictures of something else
)->float: # 0.5 is chance, 1 is perfect
    "Area under the ROC curve: how often a picture of a category scores above one of something else"
    of_category = np.arange(len(known)+len(other)) < len(known)
    return float(roc_auc_score(of_category, np.concatenate([known, other])))


SUFFIXES = {'.jpg','.jpeg','.png','.webp','.gif','.bmp','.tif','.tiff','.avif','.heic'}


def _is_picture(path):
    "Can this file be used? A warning if it should be a picture and cannot be opened"
    if path.suffix.lower() not in SUFFIXES or path.name.startswith('.'): return False
    try: open_image(path)
    except ImageError as e:
        warnings.warn(f"{path} is left out: {e}", stacklevel=3)
        return False
    return True


def _kind(path, folder, known):
    "What a picture of something else shows"
    first, *rest = path.relative_to(folder).parts
    return first if rest else known.get(path.stem, 'other')


def other_pictures(
    folder:str|Path, # pictures of something else, in sub-folders or not
    kinds:dict|None=None # name of a collected picture without its ending -> its kind; these are not opened again
)->pd.DataFrame: # path and kind (name of the first sub-folder, or from `kinds`)
    "The pictures of something else in a folder; an empty table if there are none"
    folder, kinds = Path(folder), kinds or {}
    paths = [path for path in sorted(folder.rglob('*')) if path.stem in kinds or _is_picture(path)]
    rows = [(path, _kind(path, folder, kinds)) for path in paths]
    return pd.DataFrame(rows, columns=['path','kind'])
