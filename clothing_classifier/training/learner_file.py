"""A fastai learner as one file that plain `load_learner` opens"""
import pickle
from pathlib import Path

import torch

from ..files import sha256
from .weights import TrainError, open_learner

KEPT = 'TrainEvalCallback','Recorder','CastToTensor','ProgressCallback' # fastai's own, in every learner


def write_learner(
    learn, # fastai learner
    path:str|Path, # `.pkl`
    serving:dict|None=None # labels, preprocessing, temperature and thresholds, kept as `learn.serving`
)->str: # SHA-256 of the file
    "Export a learner in fp32, without the callbacks of training and without folders of this machine"
    path, folder = Path(path).resolve(), learn.path
    if hasattr(learn, 'cached_body'): learn.cached_body.restore() # a fit may have broken off
    if serving is not None: learn.serving = serving
    learn.model.to(memory_format=torch.contiguous_format).float().cpu()
    training_only = [o for o in learn.cbs if type(o).__name__ not in KEPT]
    tmp = path.with_suffix('.tmp')
    learn.remove_cbs(training_only)
    learn.path = Path()
    try: learn.export(tmp, pickle_module=pickle)
    finally:
        learn.path = folder
        learn.add_cbs(training_only)
    tmp.replace(path)
    return sha256(path)


def read_learner(
    path:str|Path # `.pkl`; opening it runs the code inside, so open only your own
):
    "The learner in a file. Raises `TrainError`"
    path = Path(path)
    if not path.is_file(): raise TrainError(f"{path}: there is no such file; run clothing-classifier train first")
    return open_learner(path)
