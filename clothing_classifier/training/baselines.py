"""Was the fine-tuning worth it? Simpler models on the same pictures and the same split"""
import pickle
import time

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..images import open_image
from ..settings import Settings
from .features import features
from .metrics import wilson_interval


def small_pictures(
    paths, # pictures
    side:int=32 # side of the square in pixels
)->np.ndarray: # float32 (n, side*side*3), 0 to 1
    "Pictures of a few pixels as rows"
    return np.stack([np.asarray(open_image(path).resize((side, side)), np.float32).ravel()/255 for path in paths])


def linear(
    C:float # inverse regularization
): # scikit-learn classifier
    "Logistic regression on standardized columns"
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=500))


def baselines(
    seed:int=42 # seed of the models that draw random numbers
)->dict: # name -> (`pixels` or `features`, scikit-learn classifier)
    "The models to compare with, simplest first"
    forest = RandomForestClassifier(300, random_state=seed, n_jobs=-1)
    boosting = HistGradientBoostingClassifier(max_iter=60, max_features=.2, random_state=seed)
    parts = [('linear', linear(.002)), ('forest', forest), ('boosting', boosting)]
    return {'commonest category': ('pixels', DummyClassifier()),
        'linear, 32×32 pixels': ('pixels', linear(1e-4)),
        'logistic regression, frozen features': ('features', linear(.002)),
        'random forest, frozen features': ('features', forest),
        'gradient boosting, frozen features': ('features', boosting),
        'stack of the three': ('features', StackingClassifier(parts, LogisticRegression(max_iter=500), cv=3))}


def measure_baseline(
    model, # scikit-learn classifier
    X:np.ndarray, # (n, columns)
    y:np.ndarray, # (n,), categories
    train:np.ndarray, # bool (n,): rows to fit
    test:np.ndarray # bool (n,): rows to measure
)->dict: # accuracy, interval, seconds (training), megabytes, ms (an answer)
    "Figures of one model"
    start = time.perf_counter()
    fitted = clone(model).fit(X[train], y[train])
    trained = time.perf_counter()
    right, n = int((fitted.predict(X[test]) == y[test]).sum()), int(test.sum())
    ms, megabytes = (time.perf_counter()-trained)/n*1000, len(pickle.dumps(fitted))/1e6
    return dict(accuracy=right/n, interval=wilson_interval(right, n), seconds=round(trained-start, 1),
        megabytes=round(megabytes, 1), ms=round(ms, 2))


def compare(
    df:pd.DataFrame, # result of `pictures`
    settings:Settings, # the project
    models:dict|None=None # result of `baselines`; None: all of them
)->pd.DataFrame: # a row a model; `ms` leaves out the body that makes the features
    "Every baseline on the same split"
    df = df[df.split != ''].reset_index(drop=True)
    columns = dict(pixels=small_pictures(df.path), features=features(df, settings))
    y, train, test = df.category.to_numpy(), (df.split == 'train').to_numpy(), (df.split == 'test').to_numpy()
    models = models or baselines(settings.train.seed)
    return pd.DataFrame({name: measure_baseline(model, columns[kind], y, train, test)
        for name,(kind, model) in models.items()}).T


def _draw(train, n, seed):
    "Row labels of `n` random training pictures a category"
    shuffled = train.groupby('category').sample(frac=1, random_state=seed)
    return shuffled.groupby('category').head(n).index


def learning_curve(
    df:pd.DataFrame, # result of `pictures`
    settings:Settings, # the project
    sizes:tuple=(5, 10, 20, 40, 80, 160), # training pictures of each category, at most
    repeats:int=5 # random draws of each size
)->pd.DataFrame: # pictures (a category); mean, low and high accuracy on the validation split
    "Accuracy of a linear head on frozen features by training pictures of each category"
    df = df.reset_index(drop=True)
    X, train, valid = features(df, settings), df[df.split == 'train'], (df.split == 'valid').to_numpy()
    most, found = train.category.value_counts().max(), []
    for n in sizes:
        for seed in range(repeats if n <= most else 0):
            drawn = _draw(train, n, seed)
            model = linear(.002).fit(X[drawn], df.category[drawn])
            found.append((n, model.score(X[valid], df.category[valid])))
    curve = pd.DataFrame(found, columns=['pictures','accuracy']).groupby('pictures').accuracy
    return curve.agg(mean='mean', low='min', high='max').reset_index()
