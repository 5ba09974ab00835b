"""Find the wrong labels, and let a person fix them in minutes"""
import pandas as pd
from fastai.vision.all import *
from tqdm.auto import tqdm

from .cleaning.ranking import _by_heads, _by_learner, _strongest
from .cleaning.widget import Cleaner, Page
from .dataset import pictures
from .settings import Settings, load_settings


def suspects(
    settings:Settings|None=None, # None: the nearest `settings.ini`
    learn:Learner|None=None, # Rank by this learner's losses instead
    df:pd.DataFrame|None=None, # None: `pictures`, training and validation
    bar=tqdm # Shows how far the features are
)->pd.DataFrame: # path, category, split, sha1, suggestion (a category or `rejected/<reason>`), score, sure, kind, reason
    "All pictures, the most suspicious first; `kind` is empty where nothing speaks against the label. Raises `CleanError`, `DataError`"
    settings = settings or load_settings()
    df = (pictures(settings).query('split != "test"') if df is None else df).reset_index(drop=True)
    o = _strongest([_by_learner(learn, df)]) if learn else _by_heads(df, settings, bar)
    return df[['path','category','split','sha1']].join(o).sort_values('score', ascending=False, kind='stable', ignore_index=True)


def cleaner(
    settings:Settings|None=None, # None: the nearest `settings.ini`
    learn:Learner|None=None # Rank by this learner's losses instead
)->Page: # Display it
    "The cleaning page: ranks in the background, then shows the suspects"
    settings = settings or load_settings()
    return Cleaner(settings, ranking=lambda bar: suspects(settings, learn, bar=bar)).page
