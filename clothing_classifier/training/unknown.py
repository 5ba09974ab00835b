"""A picture that is none of the categories should not get one of them"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC
from torch import nn

from ..images import ImageError, open_image


class Known(nn.Module):
    "Pooled features -> how much a picture looks like one of the categories"
    def __init__(self,
        prototypes:np.ndarray, # (p, features), unit length
        support:np.ndarray, # (s, features), unit length: the support vectors
        alpha:np.ndarray, # (s,), their weights
        gamma:float, # Of the radial basis function
        scale:tuple=((0., 1.), (0., 1.)) # Mean and standard deviation of the two opinions
    ):
        super().__init__()
        self.gamma, self.scale = gamma, scale
        for k,v in dict(prototypes=prototypes, support=support, alpha=alpha).items(): self.register_buffer(k, torch.tensor(v, dtype=torch.float32))

    def opinions(self, f): # (n, features) -> likeness, experience, each (n,)
        f = F.normalize(f, dim=1)
        return (f @ self.prototypes.T).amax(1), torch.exp(2*self.gamma*(f @ self.support.T - 1)) @ self.alpha

    def forward(self, f): return sum((o-mean)/std for o,(mean, std) in zip(self.opinions(f), self.scale)) # (n,)


def _unit(f): return f/np.linalg.norm(f, axis=1, keepdims=True)


def _prototypes(f, y, n, seed):
    "Centres of each category's clusters"
    centres = [KMeans(min(n, (y==c).sum()), n_init=1, random_state=seed).fit(f[y==c]).cluster_centers_ for c in np.unique(y)]
    return _unit(np.concatenate(centres))


def fit_known(
    f:np.ndarray, # (n, features) of training pictures
    y:np.ndarray, # (n,), their categories as numbers
    other:np.ndarray, # (m, features) of pictures of something else
    prototypes:int=40, # A category
    gamma:float=3., # Of the radial basis function
    C:float=10., # Of the support vector machine
    seed:int=42 # Of the clustering
)->Known:
    "A score that is high for the categories and low for anything else"
    f, other = _unit(f), _unit(other)
    both = np.concatenate([f, other])
    svm = SVC(C=C, gamma=gamma, class_weight='balanced').fit(both, np.arange(len(both)) < len(f))
    known = Known(_prototypes(f, y, prototypes, seed), svm.support_vectors_, svm.dual_coef_[0], gamma)
    known.scale = tuple((float(o.mean()), float(o.std())) for o in known.opinions(torch.tensor(both, dtype=torch.float32)))
    return known


def auroc(
    known:np.ndarray, # Scores of pictures of the categories
    other:np.ndarray # Scores of pictures of something else
)->float: # 0.5 is a coin, 1 is perfect
    "How often a picture of a category scores above one that is none (area under the ROC curve)"
    return float(roc_auc_score(np.arange(len(known)+len(other)) < len(known), np.concatenate([known, other])))


_suffixes = {'.jpg','.jpeg','.png','.webp','.gif','.bmp','.tif','.tiff','.avif','.heic'}


def _opens(path):
    "Can the picture be used? Says so if not"
    try: open_image(path)
    except ImageError as e:
        warnings.warn(f"{path} is left out: {e}", stacklevel=3)
        return False
    return True


def others(
    folder:str|Path # With pictures, in sub-folders or not
)->pd.DataFrame: # `path` and `kind`, the first sub-folder
    "The pictures of something else, as they lie there"
    folder = Path(folder)
    fs = sorted(o for o in folder.rglob('*') if o.suffix.lower() in _suffixes and o.name[0] != '.' and _opens(o))
    return pd.DataFrame(dict(path=fs, kind=[p[0] if len(p := o.relative_to(folder).parts) > 1 else 'other' for o in fs]))
