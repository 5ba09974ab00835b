"""Was the fine-tuning worth it? The same pictures, the same split, and everything simpler that one could have done instead"""

import pickle
import time

import numpy as np
import pandas as pd
from fastai.vision.all import PILImage
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..settings import Settings
from ..training.features import features
from ..training.metrics import interval


def thumbs(
    paths, # Pictures
    side:int=32 # Pixels
)->np.ndarray: # float32 (n, side*side*3), 0 to 1
    "Tiny pictures as rows"
    return np.stack([np.asarray(PILImage.create(p).resize((side, side)), np.float32).ravel()/255 for p in paths])


def baselines(
    seed:int=42 # Of the models that draw random numbers
)->dict: # Name -> (`thumbs` or `features`, a scikit-learn classifier)
    "The models to compare with, simplest first"
    def linear(C): return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=500))
    forest = RandomForestClassifier(300, random_state=seed, n_jobs=-1)
    boosting = HistGradientBoostingClassifier(max_iter=60, max_features=.2, random_state=seed)
    stack = StackingClassifier([('linear', linear(.002)), ('forest', forest), ('boosting', boosting)], LogisticRegression(max_iter=500), cv=3)
    return {'commonest category': ('thumbs', DummyClassifier()), 'linear, 32×32 pixels': ('thumbs', linear(1e-4)), 'logistic regression, frozen features': ('features', linear(.002)),
        'random forest, frozen features': ('features', forest), 'gradient boosting, frozen features': ('features', boosting), 'stack of the three': ('features', stack)}


def measure_baseline(model, X, y, train, test):
    "Figures of one model: accuracy with its interval, seconds of training, size, time of an answer"
    t = time.perf_counter()
    fitted = clone(model).fit(X[train], y[train])
    took, t = time.perf_counter()-t, time.perf_counter()
    right = int((fitted.predict(X[test]) == y[test]).sum())
    ms, n = (time.perf_counter()-t)/test.sum()*1000, test.sum()
    return dict(accuracy=right/n, interval=interval(right, n), seconds=round(took, 1), megabytes=round(len(pickle.dumps(fitted))/1e6, 1), ms=round(ms, 2))


def compare(
    df:pd.DataFrame, # From `pictures`
    settings:Settings, # Whose `[train]`
    models:dict|None=None # From `baselines`; None: all of them
)->pd.DataFrame: # A row a model; the time of an answer leaves out what sees the picture for it
    "Every baseline on the same split"
    df = df[df.split != ''].reset_index(drop=True)
    see = dict(thumbs=thumbs(df.path), features=features(df, settings))
    y, train, test = df.category.to_numpy(), (df.split=='train').to_numpy(), (df.split=='test').to_numpy()
    return pd.DataFrame({k: measure_baseline(m, see[x], y, train, test) for k,(x,m) in (models or baselines(settings.train.seed)).items()}).T


def learning_curve(
    df:pd.DataFrame, # From `pictures`
    settings:Settings, # Whose `[train]`
    sizes:tuple=(5, 10, 20, 40, 80, 160), # Training pictures a category, at most
    repeats:int=5 # Draws a size
)->pd.DataFrame: # `pictures` a category, `mean`, `low` and `high` accuracy on the validation split
    "Accuracy against pictures per category"
    X, out, model = features(df, settings), [], baselines()['logistic regression, frozen features'][1]
    train, valid = df[df.split=='train'], (df.split=='valid').to_numpy()
    for n in (n for n in sizes if n <= train.category.value_counts().max()):
        for seed in range(repeats):
            i = train.groupby('category').sample(frac=1, random_state=seed).groupby('category').head(n).index
            out.append((n, clone(model).fit(X[i], df.category[i]).score(X[valid], df.category[valid])))
    return pd.DataFrame(out, columns=['pictures','accuracy']).groupby('pictures').accuracy.agg(mean='mean', low='min', high='max').reset_index()
