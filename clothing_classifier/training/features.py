"""Find the wrong labels, and let a person fix them in minutes"""

import hashlib
import io
import os
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.vision.all import *
from torch import nn
from tqdm.auto import tqdm

from ..files import write_atomically
from ..images import open_image
from ..predict import preprocess
from ..settings import Settings
from ..training.callbacks import Mirrored, bf16_helps
from ..training.weights import pretrained


def _cache_file(settings):
    "Where the features of this body at this size are kept"
    t, w = settings.train, settings.train.weights
    p = settings.file.parent/Path(w).expanduser()
    name = w if w in ('imagenet','none') else hashlib.sha1(p.read_bytes() if p.is_file() else b'').hexdigest()[:12]
    return settings.data.path/'features'/f'{t.arch}-{name}-{t.size}.npz'


def _read_cache(file):
    "SHA-1 -> its row"
    if not file.exists(): return {}
    with np.load(file) as z: return dict(zip(z['sha1'].tolist(), z['x']))


def _write_cache(file, rows):
    b = io.BytesIO()
    np.savez(b, sha1=np.array(list(rows)), x=np.stack(list(rows.values())))
    write_atomically(file, b.getvalue())


def cached_rows(file, df, make, bar, desc):
    "A row for each picture, from `file` or from the function that `make` makes; stop and continue as you like"
    rows = _read_cache(file)
    todo = df[~df.sha1.isin(rows)]
    see = make() if len(todo) else None
    for i in bar(range(0, len(todo), 32), desc=desc) if len(todo) else []:
        rows |= zip(todo.sha1[i:i+32], see(todo.path[i:i+32]))
        if i%512 == 480 or i+32 >= len(todo): _write_cache(file, rows)
    return np.stack([rows[o] for o in df.sha1])


def _extractor(settings):
    "A function from paths to float32 rows"
    t, dev = settings.train, default_device()
    torch.manual_seed(t.seed)
    body = create_body(pretrained(t.arch, t.weights, settings.file.parent), pretrained=False)
    net = nn.Sequential(body, AdaptiveConcatPool2d(1), nn.Flatten()).eval().to(dev)
    @torch.inference_mode()
    def rows(paths):
        x = torch.tensor(np.stack([preprocess(open_image(p), t.size, *imagenet_stats) for p in paths])).to(dev)
        with torch.autocast(dev.type, dtype=torch.bfloat16, enabled=bf16_helps(dev)): return net(x).float().cpu().numpy()
    return rows


def features(
    df:pd.DataFrame, # From `pictures`
    settings:Settings, # Whose `[train]` arch, weights and size
    bar=tqdm # Wraps the batches and shows how far they are
)->np.ndarray: # float32 (n, 2*channels): means, then maxima
    "What the frozen body sees in each picture, from the cache where it has been there before"
    torch.set_num_threads(threads_of(settings.train.threads))
    return cached_rows(_cache_file(settings), df, partial(_extractor, settings), bar, 'features')


def _batches(learn, paths, f):
    "`f` of batches of pictures, prepared as in validation, put together"
    dl = learn.dls.test_dl(list(paths), num_workers=0)
    with learn.no_bar(), learn.no_logging(), torch.inference_mode():
        learn.model.to(learn.dls.device).eval().float()
        return [torch.cat(o).cpu().numpy() for o in zip(*(f(b[0]) for b in dl))]


def logits_of(
    learn:Learner, # Any learner of ours
    paths # Pictures
)->np.ndarray: # float32 (n, categories), before softmax
    "What the network says about pictures"
    return _batches(learn, paths, lambda x: (learn.model(x),))[0]


def outputs_of(
    learn:Learner, # Any learner of ours
    paths # Pictures
)->tuple: # float32 logits (n, categories), pooled features (n, 2*channels)
    "What the network says about pictures, and what it saw"
    return _batches(learn, paths, partial(logits_and_features, learn.model))


_head = ['AdaptiveConcatPool2d','Flatten','BatchNorm1d','Dropout','Linear','ReLU','BatchNorm1d','Dropout','Linear']


def has_head(model)->bool: return len(model) == 2 and [type(o).__name__ for o in model[1]] == _head # As fastai's `create_head` makes it


def logits_and_features(
    model:nn.Sequential, # Body and fastai's head
    x:torch.Tensor # (n, 3, size, size)
)->tuple: # Logits (n, categories), pooled features (n, 2*channels)
    "What the network answers, and what it saw"
    f = model[1][:2](model[0](torch.cat([x, x.flip(-1)]) if isinstance(model, Mirrored) else x))
    z = model[1][2:](f)
    return (z.unflatten(0, (2, -1)).mean(0) if len(f) > len(x) else z), f[:len(x)]


def threads_of(n:int)->int: return n or (len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count())


thread_count = threads_of
