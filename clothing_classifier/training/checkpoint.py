"""How a training goes on after a kill: what it began with, and what it had reached at the end of an epoch"""
import pickle
import shutil
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from fastai.torch_core import default_device, get_random_states, set_random_states
from fastai.vision.all import Callback, TrackerCallback
from filelock import FileLock, Timeout

from ..files import write_atomically
from ..settings import Settings
from .callbacks import TrainingOnly, precision
from .runs import Run
from .weights import TrainError

BEGAN, STATE = 'began.pkl', 'checkpoint.pth' # files of a run that has not ended
FREE = 'runs','threads','track','workers' # keys of `[train]` that change nothing of what is learned


@dataclass(frozen=True)
class Plan:
    "What a training began with"
    settings:Settings # settings with the precision that was chosen
    pictures:pd.DataFrame # pictures and their splits
    also:list # columns of the pictures with further labels
    files:set # paths of all pictures on disk


def _files(settings):
    folders = [settings.data.path/'images'/o for o in settings.categories]
    return {path for folder in folders for path in folder.glob('*.jpg')}


def is_unfinished(run:Run)->bool: return (run.path/BEGAN).is_file()


def unfinished(
    settings:Settings, # settings with `[train] runs`
    folder:str|Path|None=None # folder of the run; None: the newest that has not ended
)->Run:
    "A run that can go on. Raises `TrainError`"
    newest_last = sorted(settings.train.runs.glob(f'*/{BEGAN}'))
    runs = [Run(Path(folder).resolve())] if folder else [Run(file.parent) for file in newest_last]
    found = [run for run in runs if is_unfinished(run)]
    if found: return found[-1]
    raise TrainError(f"{folder or settings.train.runs}: holds no training that was killed or stopped; "
        "start one with clothing-classifier train")


def planned(
    run:Run, # a new run, or an unfinished one
    settings:Settings, # settings of a new training
    df:pd.DataFrame, # pictures of a new training
    also=() # columns of these with further labels
)->Plan: # of an unfinished run: what it began with
    "What a run trains on; a warning says what has changed since it began. Raises `TrainError`"
    if is_unfinished(run): return _as_it_began(run, settings)
    chosen = settings.changed(train_precision=precision(settings, default_device()))
    plan = Plan(chosen, df, list(also), _files(settings))
    write_atomically(run.path/BEGAN, pickle.dumps(plan))
    return plan


def _as_it_began(run, settings):
    plan = pickle.loads((run.path/BEGAN).read_bytes())
    gone = [path for path in plan.pictures.path if not path.is_file()]
    if gone:
        raise TrainError(f"{run.path}: cannot go on, since pictures that it began with are no longer there "
            f"({len(gone)}, the first is {gone[0]}); put them back, or start a new training")
    changes = ', '.join(_changes(plan, settings))
    if changes: warnings.warn(f"{run.path}: goes on as it began, without what has changed: {changes}", stacklevel=2)
    return plan


def _changes(plan, settings):
    "What differs now from what a training began with, in words"
    then, now = plan.settings.train.model_dump(), settings.train.model_dump()
    if now['precision'] == 'auto': now['precision'] = then['precision']
    keys = [key for key in then if key not in FREE and then[key] != now[key]]
    changes = [f'[train] {key} = {now[key]} instead of {then[key]}' for key in keys]
    if set(settings.categories) != set(plan.settings.categories): changes.append('other [categories]')
    new = len(_files(plan.settings) - plan.files)
    return changes + [f'{new} new pictures']*(new > 0)


class Checkpoint(TrainingOnly, Callback):
    "Write at the end of each epoch what a training needs to go on from there"
    order = 95 # after all that happens at the end of an epoch or a stage
    def __init__(self):
        self.stage, self.rates = None, {} # name of the stage; stage -> learning rate
        self.held, self.saved, self.since = None, None, time.time()

    @property
    def minutes(self)->float: return (time.time()-self.since)/60

    def start(self):
        "Write from now on; a training that was killed begins where it has written last. Raises `TrainError`"
        self.held = self._locked()
        shutil.rmtree(self.path/self.learn.model_dir, ignore_errors=True)
        if not (self.path/STATE).exists(): return (self.path/'history.csv').unlink(missing_ok=True)
        self.saved = torch.load(self.path/STATE, map_location='cpu', weights_only=False)
        self.rates = self.saved['rates']
        self.since = time.time()-self.saved['seconds']
        self.model.load_state_dict(self.saved['model'])

    def _locked(self):
        lock = FileLock(self.path/'.lock', timeout=0)
        try: lock.acquire()
        except Timeout:
            raise TrainError(f"{self.path}: is in training already; wait for its end, or stop that process") from None
        return lock

    def end(self):
        "Remove what was written, unless Ctrl-C has stopped the training"
        if not self.graceful_stop.stopped:
            for name in (BEGAN, STATE, f'{STATE}.tmp'): (self.path/name).unlink(missing_ok=True)
        self.held.release()
        (self.path/'.lock').unlink(missing_ok=True)
        self.held = None

    def fit(self,
        how, # `learn.fit` or `learn.fit_one_cycle`
        stage:str, # frozen, unfrozen or final
        epochs:int, # number of epochs
        rate # learning rate, or a slice of them
    ):
        "Train a stage, or what is left of it"
        saved, self.stage = self.saved, stage
        if saved is None: how(epochs, rate)
        elif saved['stage'] == stage and saved['ended']: self._restore()
        elif saved['stage'] == stage: how(epochs, rate, start_epoch=saved['epochs'])
        self.stage = None # the stages before the saved one have nothing left

    def before_train(self):
        if self.stage and self.saved: self._restore()

    def after_epoch(self):
        if self.epoch+1 < self.n_epoch: self._write(ended=False)

    def after_fit(self):
        if not self.graceful_stop.stopped: self._write(ended=True)

    def _write(self, ended):
        if not (self.held and self.stage): return
        beside = self.path/f'{STATE}.tmp'
        torch.save(self._state(ended), beside)
        beside.replace(self.path/STATE)

    def _state(self, ended):
        mean = None if ended else self._mean()
        return dict(stage=self.stage, epochs=self.epoch+1, ended=ended, rates=self.rates, seconds=60*self.minutes,
            model=self.model.state_dict(), opt=self.opt.state_dict(), mean=mean and mean.state_dict(),
            smooth_loss=vars(self.recorder.smooth_loss), train_iter=self.train_iter, best_so_far=self._best_so_far(),
            random=get_random_states(), orders=[dl.rng.getstate() for dl in self._loaders()],
            files={file: file.read_bytes() for file in self._files() if file.exists()})

    def _restore(self):
        "Back to the moment in which the state was written"
        saved, self.saved = self.saved, None
        self.model.to(self.dls.device).load_state_dict(saved['model'])
        self.opt.load_state_dict(saved['opt'])
        if saved['mean']: self._mean().load_state_dict(saved['mean'])
        vars(self.recorder.smooth_loss).update(saved['smooth_loss'])
        self.learn.train_iter = saved['train_iter']
        for name,values in saved['best_so_far'].items(): vars(getattr(self.learn, name)).update(values)
        for file,content in saved['files'].items(): write_atomically(file, content)
        for dl,state in zip(self._loaders(), saved['orders'], strict=False): dl.rng.setstate(state)
        set_random_states(**saved['random'])

    def _mean(self): return getattr(getattr(self.learn, 'average_weights', None), 'mean', None)

    def _best_so_far(self):
        "Callback -> its best value, and the epochs since"
        trackers = [cb for cb in self.learn.cbs if isinstance(cb, TrackerCallback)]
        return {cb.name: {k: v for k,v in vars(cb).items() if k in ('best','wait')} for cb in trackers}

    def _files(self):
        "The history, and the weights of the best epoch"
        return [self.path/'history.csv', self.path/self.learn.model_dir/f'{self.keep_best.file}.pth']

    def _loaders(self):
        "The loaders whose order is random: of pictures, of others, then of features where the body is cached"
        exposure, cached = (getattr(self.learn, o, None) for o in ('outlier_exposure','cached_body'))
        others = [exposure.batches] if exposure else []
        if cached is None or cached.features is None: return [self.dls.train, *others]
        pictures = self.dls if cached.pictures is None else cached.pictures
        return [pictures.train, *others, cached.features.train]
