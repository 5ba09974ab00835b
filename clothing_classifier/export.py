"""One learner, two files: a pickle for fastai, and an ONNX network that serves without torch, checked against each other"""
import json
import warnings
from pathlib import Path

from fastai.vision.all import *

from .dataset import pictures
from .evaluate import evaluate
from .settings import Settings, load_settings
from .training.learner_file import write_learner
from .training.model_card import run_train, write_card
from .training.onnx_export import add_extras, agreement, check_agreement, measure, serving_meta, write_int8, write_onnx
from .training.runs import Run


def export(
    learn:Learner, # From `train`
    settings:Settings|None=None, # None: the nearest `settings.ini`
    run:str|Path|None=None # Folder with the run's `metrics.json`; None: that of the training
)->dict: # Figures of both precisions and of the check
    "Evaluate, then write `export.pkl` and the network in the precision of `[export]`. Raises `ExportError`"
    settings, run = settings or load_settings(), Path(run or learn.path)
    e, df = settings.export, pictures(settings)
    meta = serving_meta(learn, settings, evaluate(learn, settings, run)['serving'])
    fp32, int8 = e.network.with_suffix('.fp32.onnx'), e.network.with_suffix('.int8.onnx')
    new = e.learner.with_suffix('.new.pkl')
    sha = write_learner(learn, new, meta)
    write_onnx(learn.model, meta, fp32, precision='fp32', learner_sha256=sha)
    train_pics = df[df.split=='train'].sample(frac=1, random_state=settings.train.seed).path
    write_int8(fp32, int8, train_pics[:e.calibration_pictures], meta, precision='int8', learner_sha256=sha)
    for o in (fp32, int8): add_extras(o, learn.model, learn.known)
    held = df[df.split != 'train'].path
    check = check_agreement(agreement(load_learner(new), fp32, held[:200]))
    test = df[df.split=='test']
    cost = {p: measure(f, test.path, test.category) | dict(threads=1) for p,f in (('fp32',fp32), ('int8',int8))}
    out = dict(check=check, precisions=cost, shipped=e.precision, learner_sha256=sha)
    if e.precision == 'int8' and (falls := cost['fp32']['accuracy']-cost['int8']['accuracy']) > .003:
        warnings.warn(f"int8 answers {falls:.1%} fewer test pictures rightly than fp32; set [export] precision = fp32 in {settings.file}, and export again")
    new.replace(e.learner)
    (int8 if e.precision == 'int8' else fp32).replace(e.network)
    Run(run).add_metrics(export=out)
    return out


def report(
    learn, # From `train`, or what `load_learner` opened
    settings:Settings|None=None, # None: the nearest `settings.ini`
    run:str|Path|None=None # Folder of its training; None: `learn.path`
)->dict: # What `metrics.json` says
    "Evaluate, export, measure, and write `metrics.json` and the model card. Raises `ExportError`"
    from clothing_classifier.training.baselines import learning_curve
    settings, run = settings or load_settings(), Path(run or learn.path)
    if (name := Path(settings.train.weights).name) == (its := run_train(run)['weights']): Run(run).add_metrics(learning_curve=learning_curve(pictures(settings), settings).round(4).to_dict('records'))
    else: warnings.warn(f"no new learning curve: {run} started from {its}, and [train] weights is {name}; name the file with --weights")
    export(learn, settings, run)
    write_card(settings, run)
    return json.loads((run/'metrics.json').read_text())
