"""Answers from a fastai learner, as the exported network gives them"""
import warnings
from pathlib import Path

import torch
from fastai.learner import load_learner

from ..predict import ModelError, NetworkClassifier, cores
from .features import logits_and_features


def _network(
    learn, # fastai learner that our export wrote
    threads:int # threads of one run
):
    "Function from a batch to logits and, where the learner has one, the score of *known*"
    model, known = learn.model.eval().float(), getattr(learn, 'known', None)

    def outputs(x):
        if known is None: return (model(x).numpy(),)
        logits, features = logits_and_features(model, x)
        return logits.numpy(), known(features).numpy()

    @torch.inference_mode()
    def run(x):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try: return outputs(torch.from_numpy(x))
        finally: torch.set_num_threads(before)
    return run


class LearnerClassifier(NetworkClassifier):
    "`Prediction`s from `export.pkl`; opening a pickle runs the code inside, so open only your own"
    def __init__(self,
        path:str|Path, # `.pkl` file that our export wrote
        threads:int=1, # threads of the network, 0 for one a core
        max_megapixels:float=25 # size above which a picture is refused
    ):
        "Open a learner. Raises `ModelError`"
        path, threads = Path(path), threads or cores()
        if not path.is_file(): raise ModelError(f"{path}: there is no such file; train and export a learner")
        warnings.warn(f"{path} is a pickle: opening it runs the code inside. Open only your own", stacklevel=2)
        learn = load_learner(path)
        if not hasattr(learn, 'serving'):
            raise ModelError(f"{path}: has no labels and preprocessing for serving; write it with our export")
        super().__init__(_network(learn, threads), learn.serving, max_megapixels, threads)
