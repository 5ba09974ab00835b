"""What the learner gets right on pictures that it has never seen, and how sure we can be of that"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from fastai.vision.all import *

from .dataset import pictures
from .predict import softmax
from .settings import Settings, load_settings
from .training.charts import plot_confusion, plot_reliability
from .training.features import has_head, outputs_of
from .training.metrics import by_source, confused, fit_temperature, fit_threshold, reliability, scores
from .training.runs import Run
from .training.splits import DataError
from .training.unknown import auroc, fit_known, others


def _fit_known(learn, settings, df):
    "A score of *known*; None without pictures of something else"
    u = settings.unknown
    if not len(other := others(u.pictures)) or not has_head(learn.model): return None
    if u.held.is_relative_to(u.pictures): raise DataError(f"[unknown] held: {u.held} lies inside {u.pictures}, so the report would ask for what was learned; put the two beside each other")
    pics = df[df.split=='train']
    f, rest = (outputs_of(learn, o.path)[1] for o in (pics, other))
    return fit_known(f, pics.category.map(list(learn.dls.vocab).index).to_numpy(), rest, seed=settings.train.seed)


def _certainty(learn, z, f, temperature):
    "What decides on *known*, under the name that the export gives its threshold"
    known = getattr(learn, 'known', None)
    return dict(max_probability=softmax(z, temperature).max(1)) | ({} if known is None else dict(score=known(torch.tensor(f)).numpy()))


def _kinds(learn, settings, test, serving):
    "Figures of each kind of held pictures that are none of the categories"
    if not len(df := others(settings.unknown.held)): return {}
    o, ths = _certainty(learn, *outputs_of(learn, df.path), serving['temperature']), serving['thresholds']
    missed = o[_decides(ths)] < ths[_decides(ths)]
    def one(i): return dict(pictures=int(i.sum()), auroc={k: round(auroc(test[k], v[i]), 4) for k,v in o.items()}, unknown=round(float(missed[i].mean()), 4))
    return {k: one((df.kind == k).to_numpy()) for k in sorted(set(df.kind))}


def _decides(thresholds): return 'score' if 'score' in thresholds else 'max_probability'


def evaluate(
    learn:Learner, # From `train`; gets `known`, the score, where there are pictures of something else
    settings:Settings|None=None, # None: the nearest `settings.ini`
    run:str|Path|None=None # Gets `metrics.json` and `confusion.png`; None: the folder of the training
)->dict: # What `metrics.json` says of the test split, and `serving`: temperature and thresholds
    "Calibrate on the validation split, measure on the test split, write both down"
    settings, run = settings or load_settings(), Path(run or learn.path)
    df, labels = pictures(settings), list(learn.dls.vocab)
    of = {s: df[df.split==s] for s in ('valid','test')}
    learn.known = _fit_known(learn, settings, df)
    seen, y = ({s: f(o) for s,o in of.items()} for f in (lambda o: outputs_of(learn, o.path), lambda o: o.category.map(labels.index).to_numpy()))
    t = fit_temperature(seen['valid'][0], y['valid'])
    sure = {s: _certainty(learn, *seen[s], t) for s in of}
    ths = {k: fit_threshold(v, settings.export.keep_known_percent) for k,v in sure['valid'].items()}
    out = {s: scores(labels, seen[s][0], y[s], t, sure[s][_decides(ths)] >= ths[_decides(ths)]) for s in of} | dict(labels=labels)
    out |= dict(serving=dict(temperature=t, thresholds=ths))
    pairs = confused(labels, seen['test'][0], y['test'], of['test'].path)[['category','answer','pictures']]
    out |= dict(confused=pairs.head(5).to_dict('records'), unknown=_kinds(learn, settings, sure['test'], out['serving']))
    out['sources'] = by_source(seen['test'][0].argmax(1) == y['test'], of['test'].source.to_numpy())
    _charts(run, labels, seen['test'][0], y['test'], t, out['test']['confusion'])
    Run(run).add_metrics(**out)
    return out


def _charts(run, labels, z, y, t, cm):
    "Confusion matrix and reliability diagram of the test split, beside the figures"
    both = {'before': reliability(softmax(z), y), f'temperature {t:.2f}': reliability(softmax(z, t), y)}
    for name,fig in dict(confusion=plot_confusion(labels, cm).figure, reliability=plot_reliability(both)[0].figure).items():
        fig.tight_layout()
        fig.savefig(run/f'{name}.png', dpi=90)
        plt.close(fig)


def evaluate_folder(
    learn:Learner, # Any learner of ours
    path:str|Path # Holds <category>/<picture>
)->dict: # As from `scores`, calibrated as the learner was for serving
    "Measure on a folder of pictures. Raises `DataError`"
    labels, path = list(learn.dls.vocab), Path(path)
    fs = [p for c in labels for p in sorted((path/c).glob('*')) if p.is_file() and p.name[0] != '.']
    if not fs: raise DataError(f"{path}: has no pictures in {', '.join(labels)}; put them into one sub-folder a category")
    serving = getattr(learn, 'serving', dict(temperature=1., thresholds=dict(max_probability=0.)))
    t, ths, (z, f) = serving['temperature'], serving['thresholds'], outputs_of(learn, fs)
    sure = _certainty(learn, z, f, t)[_decides(ths)]
    return scores(labels, z, np.array([labels.index(p.parent.name) for p in fs]), t, sure >= ths[_decides(ths)])
