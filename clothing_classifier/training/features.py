"""Pooled features and logits of many pictures"""
import io
import os
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.vision.all import AdaptiveConcatPool2d, create_body, default_device, imagenet_stats
from torch import nn
from tqdm.auto import tqdm

from ..files import sha256, write_atomically
from ..images import open_image
from ..predict import preprocess
from ..settings import Settings
from .callbacks import bf16_helps
from .network import has_head, logits_and_features, pooled  # noqa: F401
from .weights import pretrained

BATCH, SAVE_EVERY = 32, 16 # pictures in a batch, batches between two writes of the cache


def thread_count(
    threads:int # as in the settings, 0 for one a core
)->int:
    "Threads of a training process"
    if threads: return threads
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()


def _cache_file(settings):
    "Where the features of this body at this size are kept"
    t, name = settings.train, settings.train.weights
    if name not in ('imagenet','none'):
        file = settings.file.parent/Path(name).expanduser()
        name = sha256(file)[:12] if file.is_file() else 'missing'
    return settings.data.path/'features'/f'{t.arch}-{name}-{t.size}-{t.resize}.npz'


def _read_cache(file):
    "SHA-1 of a picture -> its row"
    if not file.exists(): return {}
    with np.load(file) as stored: return dict(zip(stored['sha1'].tolist(), stored['x'], strict=True))


def _write_cache(file, rows):
    buffer = io.BytesIO()
    np.savez(buffer, sha1=np.array(list(rows)), x=np.stack(list(rows.values())))
    write_atomically(file, buffer.getvalue())


def cached_rows(
    file:Path, # `.npz` file of rows that are known already
    df:pd.DataFrame, # pictures with `path` and `sha1`
    make, # function without arguments that returns a function from paths to rows
    bar, # progress bar around the batches
    desc:str # what the bar says
)->np.ndarray: # (n, ...), in the order of `df`
    "A row for each picture, from the cache or computed now; can be stopped and continued"
    rows = _read_cache(file)
    todo = df[~df.sha1.isin(rows)]
    starts = range(0, len(todo), BATCH)
    compute = make() if len(todo) else None
    for i,start in enumerate(bar(starts, desc=desc) if len(todo) else [], 1):
        batch = todo.iloc[start:start+BATCH]
        rows.update(zip(batch.sha1, compute(batch.path), strict=True))
        if i%SAVE_EVERY == 0 or i == len(starts): _write_cache(file, rows)
    return np.stack([rows[o] for o in df.sha1])


def _extractor(settings):
    "Function from paths to pooled features of the pretrained body"
    t, device = settings.train, default_device()
    torch.manual_seed(t.seed)
    body = create_body(pretrained(t.arch, t.weights, settings.file.parent), pretrained=False)
    network = nn.Sequential(body, nn.Sequential(AdaptiveConcatPool2d(1), nn.Flatten())).eval().to(device)

    @torch.inference_mode()
    def rows(paths):
        images = [preprocess(open_image(p), t.size, *imagenet_stats, t.resize) for p in paths]
        x = torch.tensor(np.stack(images)).to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16_helps(device)):
            return pooled(network, x).float().cpu().numpy()
    return rows


def features(
    df:pd.DataFrame, # table from `pictures`
    settings:Settings, # settings with architecture, weights and size in `[train]`
    bar=tqdm # progress bar around the batches
)->np.ndarray: # float32 (n, 2*channels)
    "Pooled features of the pretrained body, from a cache beside the pictures where they are known"
    torch.set_num_threads(thread_count(settings.train.threads))
    return cached_rows(_cache_file(settings), df, partial(_extractor, settings), bar, 'features')


def _over_batches(learn, paths, f):
    "Outputs of `f` over pictures that are prepared as in validation"
    dl = learn.dls.test_dl(list(paths), num_workers=0)
    with learn.no_bar(), learn.no_logging(), torch.inference_mode():
        learn.model.to(learn.dls.device).eval().float()
        batches = [f(batch[0]) for batch in dl]
    return [torch.cat(o).cpu().numpy() for o in zip(*batches, strict=True)]


def logits_of(
    learn, # fastai learner
    paths # paths of pictures
)->np.ndarray: # float32 (n, categories), before softmax
    "Logits of pictures"
    return _over_batches(learn, paths, lambda x: (learn.model(x),))[0]


def outputs_of(
    learn, # fastai learner with fastai's head
    paths # paths of pictures
)->tuple: # float32 logits (n, categories), pooled features (n, 2*channels)
    "Logits and pooled features of pictures"
    return tuple(_over_batches(learn, paths, partial(logits_and_features, learn.model)))
