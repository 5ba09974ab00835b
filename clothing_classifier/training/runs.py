"""Fine-tune a pretrained network: its new head first, then all of it, at rates that a finder suggests"""

import itertools
import json
from datetime import datetime
from pathlib import Path

import pandas as pd
from fastai.vision.all import *

from ..settings import Settings, settings_text


def new_run(settings:Settings)->Path:
    "A folder of its own for this training, named by the time"
    now = datetime.now().strftime('%Y-%m-%d_%H%M%S')
    run = next(o for i in itertools.count(1) if not (o := settings.train.runs/(now if i == 1 else f'{now}_{i}')).exists()) # Two in one second
    run.mkdir(parents=True)
    t = settings.train.weights
    (run/'settings.ini').write_text(settings_text(settings, '' if t in ('imagenet','none') else Path(t).name))
    return run


def write_metrics(run, **kw):
    "Add to `metrics.json`"
    p = Path(run)/'metrics.json'
    was = json.loads(p.read_text()) if p.exists() else {}
    tmp = p.with_suffix('.tmp')
    tmp.write_text(json.dumps(was | kw, indent=1))
    tmp.replace(p)


def history(run)->pd.DataFrame:
    "Epochs of a run, from `history.csv`: epoch, train_loss, valid_loss, accuracy, time"
    df = pd.read_csv(Path(run)/'history.csv')
    return df[df.epoch != 'epoch'].astype(dict(train_loss=float, valid_loss=float, accuracy=float)).reset_index(drop=True)
