"""A picture in, a category with its probability out, from one file and without torch"""
import json
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from .images import ImageError, open_image
from .settings import load_settings


class ModelError(ValueError):
    "A model file that cannot be used; its text says what to do"


@dataclass(frozen=True)
class Prediction:
    "The answer for one picture"
    category: str|None # The likeliest category; None if the picture could not be used
    probability: float # Of `category`, calibrated, 0 to 1
    probabilities: dict = field(default_factory=dict) # Category -> probability, likeliest first
    known: bool = False # False: probably none of the categories
    error: str = '' # A sentence if the picture could not be used

    @property
    def answer(self)->str: return self.category if self.known else 'unknown'


def preprocess(
    im:Image.Image, # RGB picture of any size
    size:int, # Side of the square, pixels
    mean, # Three means on the scale of 0 to 1
    std # Three standard deviations on the same scale
)->np.ndarray: # float32, (3, size, size)
    "Squish to a square, scale to 0..1, normalize, channels first"
    x = np.asarray(im.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1).astype(np.float32, order='C')
    x /= 255
    x -= np.asarray(mean, np.float32)[:,None,None]
    x /= np.asarray(std, np.float32)[:,None,None]
    return x


def softmax(
    logits:np.ndarray, # (n, categories)
    temperature:float=1. # Above 1: less sure
)->np.ndarray: # (n, categories), each row sums to 1
    "Probabilities of calibrated logits"
    z = logits.astype(np.float64)/temperature
    e = np.exp(z - z.max(-1, keepdims=True))
    return e/e.sum(-1, keepdims=True)


_keys = ('labels','preprocessing','temperature','thresholds')


def _open_onnx(path, threads):
    "What `Classifier` takes as `net` and `meta`, from an ONNX file"
    import onnxruntime as ort
    o = ort.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads, o.log_severity_level = threads, 1, 3
    o.enable_cpu_mem_arena = False # A dyno has 512 MB; the arena would keep the largest batch for ever
    o.add_session_config_entry('session.intra_op.allow_spinning', '0') # Idle threads sleep
    try: s = ort.InferenceSession(str(path), o, providers=['CPUExecutionProvider'])
    except Exception as e: raise ModelError(f"{path}: is not an ONNX file that onnxruntime can open ({str(e).splitlines()[0]}); export it again") from None
    m, name = s.get_modelmeta().custom_metadata_map, s.get_inputs()[0].name
    if miss := [k for k in _keys if k not in m]: raise ModelError(f"{path}: has no {', '.join(miss)} in its metadata; write it with our export, not with another tool")
    has = [o.name for o in s.get_outputs()]
    def net(x): return tuple(s.run(wanted, {name: x}))
    wanted, net.session = ['logits','score'] if 'score' in has else [has[0]], s
    return net, {k: json.loads(v) for k,v in m.items()}


def cores()->int: return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()


class Classifier:
    "Pictures -> `Prediction`s. `Classifier.load` opens one"
    def __init__(self,
        net, # float32 (n, 3, size, size) -> tuple of logits (n, categories) and, where the file has one, the score of *known* (n,)
        meta:dict, # `labels`, `preprocessing`, `temperature`, `thresholds`
        max_megapixels:float=25, # Larger pictures are refused
        threads:int=1 # Of one run of the network
    ):
        self.net, self.meta, self.max_megapixels, self.threads = net, meta, max_megapixels, threads
        self.labels, self.temperature, self.thresholds = meta['labels'], meta['temperature'], meta['thresholds']
        self.prep = {k: meta['preprocessing'][k] for k in ('size','mean','std')}

    @classmethod
    def load(cls,
        path:str|Path|None=None, # `.onnx`, or `.pkl` with the `train` extra; None: the one in the settings
        threads:int|None=None, # Of the network, 0 for one a core; None: as in the settings
        max_megapixels:float|None=None # Larger pictures are refused; None: as in the settings
    )->'Classifier':
        "Open a model file. Raises `ModelError`"
        if None in (path, threads, max_megapixels):
            s = load_settings().serve
            path, threads, max_megapixels = path or s.model, s.threads if threads is None else threads, max_megapixels or s.max_megapixels
        path, threads = Path(path), threads or cores()
        if not path.is_file(): raise ModelError(f"{path}: there is no such file; train and export one, or set [serve] model in settings.ini")
        if path.suffix == '.pkl': raise ModelError(f"{path}: is a pickle, which serving never opens; name the .onnx file beside it, or use LearnerClassifier of clothing_classifier.training.learner_classifier in Python")
        if path.suffix != '.onnx': raise ModelError(f"{path}: is not an .onnx file; name one that our export wrote")
        return cls(*_open_onnx(path, threads), max_megapixels, threads)

    def open(self, o)->Image.Image:
        "The picture as the network is used to it. Raises `ImageError`"
        return open_image(o, self.max_megapixels)

    def _decode(self, o, read=lambda o: o):
        "What goes into the network, or the sentence why not"
        try: return preprocess(self.open(read(o)), **self.prep)
        except ImageError as e: return str(e)

    def logits(self, xs)->np.ndarray: return self._see(xs)[0]

    def _see(self, xs):
        "Logits, and the score or None"
        z, *score = self.net(np.stack(xs).astype(np.float32))
        return z, score[0] if score else None

    def _known(self, p, score):
        "Are these pictures of the categories, given their probabilities (n, categories)?"
        o, key = (p.max(1), 'max_probability') if score is None else (score, 'score')
        return o >= self.thresholds[key]

    def _predictions(self, xs):
        "Arrays and error sentences, in order, as `Prediction`s"
        ok = [x for x in xs if not isinstance(x, str)]
        ps = iter(self._answers(*self._see(ok)) if ok else [])
        return [Prediction(None, 0., error=x) if isinstance(x, str) else self._prediction(*next(ps)) for x in xs]

    def _answers(self, z, score): return zip(p := softmax(z, self.temperature), self._known(p, score))

    def _prediction(self, p, known):
        probs = {self.labels[i]: float(p[i]) for i in np.argsort(-p, kind='stable')}
        category, prob = next(iter(probs.items()))
        return Prediction(category, prob, probs, bool(known))

    def predict(self,
        o:bytes|str|Path|Image.Image # A file's content, its path, or a picture
    )->Prediction:
        "The answer for one picture. Raises `ImageError`"
        return self.answer(preprocess(self.open(o), **self.prep))

    def answer(self, x:np.ndarray)->Prediction: return self._predictions([x])[0] # For what `preprocess` made

    def answers(self, items, read=lambda o: o)->list: return self._predictions([self._decode(o, read) for o in items]) # One run of the network

    def predict_many(self,
        items, # Any iterable of what `predict` takes; may be endless
        batch_size:int=1, # Pictures a run of the network
        workers:int=0, # Runs at the same time, 0 for one a core
        read=None # Item -> what `predict` takes; a worker calls it, and it may raise `ImageError`
    ):
        "Yield a `Prediction` for each item, in order; a bad file is one with its `error`, and memory stays bounded"
        items, n, read = iter(items), workers or cores(), read or (lambda o: o)
        batches = iter(lambda: list(islice(items, batch_size)), [])
        with ThreadPoolExecutor(n) as ex:
            todo = deque(ex.submit(self.answers, o, read) for o in islice(batches, 4*n))
            while todo:
                got = todo.popleft().result()
                todo.extend(ex.submit(self.answers, o, read) for o in islice(batches, 1))
                yield from got
