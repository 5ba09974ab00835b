"""Pictures that are too dark, too bright, blurred or empty, as cleanvision measures it"""
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pandas as pd
from cleanvision import Imagelab

from ..settings import Settings
from ..training.features import cached_rows

REASONS = dict(dark='very dark', light='very bright', low_information='almost empty', blurry='blurred',
    odd_aspect_ratio='very long and narrow')


def _issues(paths, names):
    "cleanvision's table of issues, a row a picture"
    paths = [str(path) for path in paths]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        lab = Imagelab(filepaths=paths)
        lab.find_issues({name: {} for name in names}, n_jobs=1, verbose=False)
    return lab.issues.loc[paths]


def audit(
    df:pd.DataFrame, # table of `pictures`
    issues=(*REASONS, 'odd_size', 'grayscale') # names of cleanvision's issues
)->pd.DataFrame: # bool, a row a picture, a column an issue; index as `df`
    "What cleanvision objects to"
    found = _issues(df.path, issues)
    return found[[f'is_{name}_issue' for name in issues]].set_axis(list(issues), axis=1).set_axis(df.index)


def _scores(paths):
    "Scores (n, reasons) from 0, bad, to 1; all that cleanvision does not flag is 1"
    found = _issues(paths, REASONS)
    columns = [np.where(found[f'is_{name}_issue'], found[f'{name}_score'], 1.) for name in REASONS]
    return np.stack(columns, 1)


def poor_quality(
    df:pd.DataFrame, # table of `pictures`, index 0 to n-1
    settings:Settings, # project of the pictures
    bar # progress bar around the batches
)->pd.DataFrame: # suggestion, score, kind, reason; index as the rows of `df`
    "Pictures that cleanvision flags"
    scores = cached_rows(settings.data.path/'features'/'quality.npz', df, lambda: _scores, bar, 'quality')
    reasons, rows = list(REASONS.values()), {}
    for picture,reason in zip(*np.nonzero(scores < 1), strict=True):
        rows[picture] = 'rejected/poor-quality', (1-scores[picture,reason])/2, 'quality', reasons[reason]
    return pd.DataFrame.from_dict(rows, orient='index', columns=['suggestion','score','kind','reason'])
