"""Fine-tune a pretrained network: its new head first, then all of it, at rates that a finder suggests"""
import platform
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchvision
from fastai.vision.all import *

from .dataset import dataloaders, pictures
from .settings import Settings, Train, load_settings
from .training.callbacks import AverageWeights, BFloat16, GracefulStop, KeepBest, Mirrored, _mixers, _tracked, _trackers, bf16_helps
from .training.charts import _save, plot_finder, plot_history
from .training.cross_validation import fold_scores, k_fold
from .training.features import threads_of
from .training.runs import Run
from .training.weights import pretrained


def category_weights(
    y, # Category of each training picture, as a number
    n:int # Categories
)->np.ndarray: # float32 (n,), 1 on average over the pictures
    "The inverse of the categories' shares"
    count = np.bincount(y, minlength=n)
    return (len(y)/(n*np.maximum(count, 1))).astype(np.float32)


def _loss(dls, t):
    "Cross-entropy as the settings want it"
    w = tensor(category_weights([int(y) for y in dls.train_ds.tls[1]], dls.c)).to(dls.device) if t.balance == 'weights' else None
    return LabelSmoothingCrossEntropy(t.label_smoothing, weight=w)


def learner(
    dls:DataLoaders, # From `dataloaders`
    settings:Settings, # Whose `[train]`
    path:str|Path='.' # Gets `history.csv` and the checkpoint of the best epoch
)->Learner: # Frozen, with the callbacks that the settings ask for
    "A pretrained body with a new head. Raises `TrainError`"
    t, dev = settings.train, dls.device
    body = create_body(pretrained(t.arch, t.weights, settings.file.parent), pretrained=False)
    half, last = [(helps if o == 'auto' else o in ('bf16','yes')) for o,helps in ((t.precision, bf16_helps(dev)), (t.channels_last, True))]
    maybe = (half, BFloat16), (last, ChannelsLast), (t.average, partial(AverageWeights, t.average))
    cbs = [GracefulStop(), *(cb() for use,cb in maybe if use), *_mixers(t)]
    learn = vision_learner(dls, torchvision.models.get_model_builder(t.arch), pretrained=False, normalize=False, path=path, train_bn=False, wd=t.weight_decay,
        loss_func=_loss(dls, t), metrics=accuracy, opt_func=partial(OptimWrapper, opt=torch.optim.AdamW), cbs=cbs)
    learn.model[0].load_state_dict(body.state_dict())
    if t.mirror: learn.model = Mirrored(*learn.model)
    learn.freeze()
    return learn


def edge(lrs, losses, num_it):
    "A suggestion for fastai's `lr_find`: a third of the rate at which the smoothed loss has risen by 5 % over its lowest in the second half"
    i = int((losses < 1.05*losses[len(losses)//2:].min()).nonzero().max())
    return float(lrs[i])/3, (float(lrs[i]), losses[i])


def _suggested(learn, t, suggest):
    "What the finder suggests; the smallest rate if the loss blew up before there was a curve to look at"
    try: return learn.lr_find(num_it=t.finder_steps, show_plot=False, suggest_funcs=suggest)[0]
    except (RuntimeError, IndexError):
        if len(learn.recorder.lrs) > t.finder_steps//10+5: raise
        return t.min_rate


def find_rate(
    learn:Learner, # In the state that it will train in
    t:Train, # Whose `min_rate`, `max_rate` and `finder_steps`
    suggest, # `valley`, `edge`, or another of fastai's suggestions
    plot:str|Path|None=None # Where the curve is saved
)->float: # For the last layers
    "The learning-rate finder's suggestion, within the limits of the settings"
    rate = float(np.clip(_suggested(learn, t, suggest), t.min_rate, t.max_rate))
    if plot: _save(plot, plot_finder(learn, rate))
    return rate


def _stage(learn, epochs, rate, t, best):
    "Train for some epochs; end with the weights of the best one so far"
    cbs = [best, CSVLogger(fname='history.csv', append=True), *_trackers(learn, t)]
    if t.early_stop: cbs.append(EarlyStoppingCallback('accuracy', patience=t.early_stop))
    if t.plateau: learn.fit(epochs, rate, cbs=[*cbs, ReduceLROnPlateau('accuracy', patience=t.plateau)])
    else: learn.fit_one_cycle(epochs, rate, pct_start=.2, cbs=cbs)


def _features(learn, dl):
    "What the head is given for each picture, pooled, and its category"
    body, pool, half = learn.model[0], learn.model[1][:2], any(isinstance(o, BFloat16) for o in learn.cbs)
    if any(isinstance(o, ChannelsLast) for o in learn.cbs): learn.model.to(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast(learn.dls.device.type, dtype=torch.bfloat16, enabled=half):
        learn.model.to(learn.dls.device).eval()
        x, y = zip(*((pool(body(b[0])).float(), b[1]) for b in dl))
    return list(zip(torch.cat(x), torch.cat(y)))


def head_learner(
    learn:Learner # From `learner`, frozen
)->Learner: # Of its head alone, on cached features
    "What the frozen body sees of each picture, without random changes, as batches for the head"
    dls = learn.dls
    dsets = [_features(learn, dls.test_dl(dls.train_ds.items, with_labels=True, num_workers=0)), _features(learn, dls.valid)]
    feats = DataLoaders.from_dsets(*dsets, bs=dls.bs, num_workers=0, device=dls.device)
    rest = nn.Sequential(*learn.model[1][2:])
    return Learner(feats, rest, loss_func=learn.loss_func, metrics=accuracy, opt_func=learn.opt_func, wd=learn.wd, path=learn.path, cbs=GracefulStop())


def _train_head(learn, t, best, plot):
    "The frozen stage, without blending: the rate it used"
    o = head_learner(learn) if t.cache_features and t.balance != 'sampling' else learn
    kept = best if o is learn else KeepBest(monitor='accuracy', fname='best_head')
    with learn.removed_cbs([cb for cb in learn.cbs if isinstance(cb, (MixUp, CutMix))]):
        rate = find_rate(o, t, valley, plot)
        _stage(o, t.frozen_epochs, rate, t, kept)
    learn.graceful_stop.stopped = o.graceful_stop.stopped
    if o is not learn and np.isfinite(kept.best): # What every layer's training is to beat
        best.best = kept.best
        learn.save(best.fname, with_opt=False)
    return rate


def fine_tune(
    learn:Learner, # From `learner`
    settings:Settings, # Whose `[train]`
    larger:DataLoaders, # The same pictures at `final_size`
    run:str|Path|None=None # Folder for the finder's plots
)->dict: # The rates that were used
    "Train the head, then everything, each at its suggested rate; end with the weights of the best epoch"
    t, run, best = settings.train, Path(run or learn.path), KeepBest(monitor='accuracy', fname='best', reset_on_fit=False)
    rates = dict(frozen=_train_head(learn, t, best, run/'finder_frozen.png'))
    if learn.graceful_stop.stopped: return rates
    learn.unfreeze()
    rates['unfrozen'] = rate = find_rate(learn, t, edge, run/'finder_unfrozen.png')
    _stage(learn, t.unfrozen_epochs, slice(rate/t.rate_spread, rate), t, best)
    if learn.graceful_stop.stopped or not t.final_epochs: return rates
    finish(learn, settings, larger, rate)
    return rates


def finish(
    learn:Learner, # Trained at `size`
    settings:Settings, # Whose `[train]`
    larger:DataLoaders, # The same pictures at `final_size`
    rate:float # Of the stage before
):
    "The last epochs, at the final size; the best of them is kept"
    t, learn.dls = settings.train, larger
    _stage(learn, t.final_epochs, slice(rate/2/t.rate_spread, rate/2), t, KeepBest(monitor='accuracy', fname='best'))


def train(
    settings:Settings|None=None, # None: the nearest `settings.ini`
    run:str|Path|None=None, # Folder of the run; None: a new one in `runs`
    pics:pd.DataFrame|None=None # Pictures and their splits; None: those on disk
)->Learner: # With the best epoch's weights; `learn.path` is the run
    "Pictures on disk -> a fine-tuned learner. Raises `DataError` and `TrainError`"
    settings = settings or load_settings()
    torch.set_num_threads(threads_of(settings.train.threads))
    set_seed(settings.train.seed, reproducible=True)
    df, start = pictures(settings) if pics is None else pics, time.time()
    run = Path(run) if run else Run.new(settings).path
    if settings.train.folds:
        Run(run).add_metrics(folds=fold_scores(k_fold(settings, df, train, run)))
        set_seed(settings.train.seed, reproducible=True)
        start = time.time()
    learn = learner(dataloaders(df, settings), settings, run)
    rates = fine_tune(learn, settings, dataloaders(df, settings, size=settings.train.final_size), run)
    _tracked(settings.train)
    _save(run/'history.png', plot_history(run))
    Run(run).add_metrics(rates=rates, minutes=round((time.time()-start)/60, 1), seed=settings.train.seed, best_valid_accuracy=Run(run).history.accuracy.max(),
        pictures=df.split.value_counts().to_dict(),
        versions=dict(python=platform.python_version(), torch=torch.__version__, torchvision=torchvision.__version__))
    return learn
