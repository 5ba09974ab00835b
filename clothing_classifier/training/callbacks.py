"""Callbacks of a training"""
import functools
import signal
import sys
import threading
import time

import matplotlib.pyplot as plt
import torch
from fastai.vision.all import (
    IN_NOTEBOOK,
    Callback,
    CancelFitException,
    ChannelsLast,
    CutMix,
    DataLoaders,
    EarlyStoppingCallback,
    MixedPrecision,
    MixUp,
    ProgressCallback,
    ReduceLROnPlateau,
    TrackerCallback,
    nn,
    noop,
)
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..settings import Settings
from .charts import plot_finder
from .network import pooled
from .weights import TrainError


def shows_bars()->bool:
    "Can progress bars be drawn here? In a log each step of a bar would be a line"
    return IN_NOTEBOOK or sys.stdout.isatty()


def is_frozen(learn)->bool: return learn.opt.frozen_idx > 0


def in_finder(learn)->bool: return hasattr(learn, 'lr_finder')


def _layer(width): return nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()


@torch.inference_mode(False) # also where features are computed
@torch.enable_grad()
def step_seconds(
    rounds:int=3 # steps in each precision, after one that does not count
)->tuple: # seconds in fp32, seconds in bfloat16
    "The fastest step of two layers forward and backward on the CPU, in each precision"
    with torch.random.fork_rng(devices=[]): net = nn.Sequential(*_layer(64), *_layer(64))
    x = torch.linspace(-1, 1, 8*64*20*20).view(8, 64, 20, 20)
    net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)

    def seconds(half):
        start = time.perf_counter()
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=half): y = net(x)
        y.float().mean().backward()
        return time.perf_counter()-start

    _, *counted = [(seconds(False), seconds(True)) for _ in range(rounds+1)]
    return tuple(map(min, zip(*counted, strict=True)))


@functools.cache
def bf16_helps(
    device:torch.device # CPU or GPU
)->bool:
    "Is the device faster in bfloat16? A GPU says so; on a CPU it is measured, once a process"
    if device.type == 'cuda': return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != 'cpu': return False
    fp32, bf16 = step_seconds()
    return bf16 < fp32


def precision(
    settings:Settings, # settings with `[train] precision`
    device:torch.device # where the training runs
)->str: # bf16 or fp32
    "The precision of a training; `auto` takes the faster one"
    wanted = settings.train.precision
    if wanted != 'auto': return wanted
    return 'bf16' if bf16_helps(device) else 'fp32'


class StartsAnew:
    "Mixin for callbacks that switch themselves off: every fit begins with them on, also after one that broke off"
    def __call__(self, event):
        if event == 'before_fit': self.run = True
        super().__call__(event)


class TrainingOnly(StartsAnew):
    "Mixin for callbacks of a training; `learn.validate()` and `get_preds` announce epochs and fits, too"
    trained = False
    def __call__(self, event):
        if event == 'before_train': self.trained = True
        if self.trained or event == 'before_fit': super().__call__(event)
        if event == 'after_fit': self.trained = False


class BFloat16(Callback):
    "Run the network under autocast in bfloat16, on any device"
    order = MixedPrecision.order
    def before_batch(self):
        whole = not has_cached_body(self.model)
        self.cast = torch.autocast(self.dls.device.type, dtype=torch.bfloat16, enabled=whole)
        self.cast.__enter__()

    def after_pred(self):
        self.cast.__exit__(None, None, None)
        self.learn.pred = self.pred.float()


class GracefulStop(StartsAnew, Callback):
    "End training after the batch at the first Ctrl-C, at once at the second"
    order, stopped = 90, False
    def _interrupt(self, *args):
        self.stopped = True
        signal.signal(signal.SIGINT, self.handler)

    def before_fit(self):
        self.stopped = False
        self.run = not in_finder(self) and threading.current_thread() is threading.main_thread()
        if self.run: self.handler = signal.signal(signal.SIGINT, self._interrupt)

    def after_batch(self):
        if self.stopped and self.training: raise CancelFitException()

    def after_fit(self): signal.signal(signal.SIGINT, self.handler)


class History(TrainingOnly, Callback):
    "Append every epoch of every stage to history.csv of the run"
    order = 60 # after the recorder
    def before_fit(self): self.run = not in_finder(self)

    def before_train(self):
        if not (self.path/'history.csv').exists(): self._write(self.recorder.metric_names)

    def after_epoch(self): self._write(self.recorder.log)

    def _write(self, values):
        with (self.path/'history.csv').open('a') as f: f.write(','.join(map(str, values)) + '\n')


def in_words(
    seconds:float # a duration
)->str:
    "A duration in a few characters"
    if seconds < 100: return f'{seconds:.0f} s'
    if seconds < 6000: return f'{seconds/60:.0f} min'
    return f'{seconds/3600:.1f} h'


class EpochLines(Callback):
    "Print a line an epoch, with the time left: for logs, where no bars are drawn"
    order = ProgressCallback.order
    def __init__(self,
        settings:Settings, # settings with the epochs of each stage
        clock=time.time # seconds now, as the recorder's clock tells them
    ):
        t = settings.train
        self.epochs = dict(frozen=t.frozen_epochs, unfrozen=t.unfrozen_epochs, final=t.final_epochs)
        self.clock = clock

    def before_fit(self):
        self.old_logger = self.learn.logger
        if self.old_logger is not noop: self.learn.logger = self._print

    def after_fit(self): self.learn.logger = self.old_logger

    def _print(self, log):
        if len(log) == len(self.recorder.metric_names): print(self.line(log), flush=True) # others were skipped

    def line(self,
        log # values of an epoch in the order of the recorder's names
    )->str:
        "Stage, epoch, accuracy, and the time left if all epochs take as long as this one"
        accuracy, stage = log[self.recorder.metric_names.index('accuracy')], self.checkpoint.stage
        seconds = (self.clock()-self.recorder.start_epoch)*(self.n_epoch-self.epoch-1)
        left = f'{in_words(seconds)} left{self._then(stage)}'
        return f"{stage or 'training'}, epoch {self.epoch+1} of {self.n_epoch}: accuracy {100*accuracy:.1f} %, {left}"

    def _then(self, stage):
        "The stages ahead; how long their epochs take is not known yet"
        names = list(self.epochs)
        ahead = names[names.index(stage)+1:] if stage else []
        coming = [f'{self.epochs[name]} {name}' for name in ahead if self.epochs[name]]
        return f", then {' and '.join(coming)} epochs" if coming else ''


class FinderCurve(Callback):
    "Keep the curve of the learning-rate finder as a chart of the run"
    order = 70
    def after_fit(self):
        if not in_finder(self): return
        ax = plot_finder(self.learn)
        ax.figure.tight_layout()
        ax.figure.savefig(self.path/f"finder_{'frozen' if is_frozen(self.learn) else 'unfrozen'}.png", dpi=90)
        plt.close(ax.figure)


class StopEarly(TrainingOnly, EarlyStoppingCallback): "End a stage when accuracy no longer rises"
class LowerRate(TrainingOnly, ReduceLROnPlateau): "Divide the rate by ten when accuracy no longer rises"


class KeepBest(TrainingOnly, TrackerCallback):
    "Keep the epoch with the best validation accuracy over all stages, and end each stage with it"
    order, file = TrackerCallback.order+1, 'best'
    def __init__(self): super().__init__(monitor='accuracy', reset_on_fit=False)

    def forget(self):
        "Let the next epoch be the best so far, as after a change of the pictures' size"
        self.best = None

    def after_epoch(self):
        super().after_epoch()
        if self.new_best: self.learn.save(self.file, with_opt=False)

    def after_fit(self):
        saved = self.learn.path/self.learn.model_dir/f'{self.file}.pth'
        if saved.exists(): self.learn.load(self.file, with_opt=False)


def warm_average(
    decay:float # share of the old average after many steps, 0 to 1
):
    "Update of a moving average that looks back less far in its first steps"
    def update(mean, now, n):
        share = min(decay, (1+float(n))/(10+float(n)))
        return get_ema_multi_avg_fn(share)(mean, now, n)
    return update


class AverageWeights(TrainingOnly, Callback):
    "Judge and keep the exponential moving average of the weights"
    order = KeepBest.order+1
    def __init__(self,
        decay:float # share of the old average after a step
    ): self.decay, self.current = decay, None

    def before_fit(self): self.run, self.mean = not in_finder(self), None

    def before_train(self):
        if has_cached_body(self.model): self.run = False
        elif self.mean is None:
            self.mean = AveragedModel(self.model, multi_avg_fn=warm_average(self.decay), use_buffers=True)

    def after_batch(self):
        if self.training: self.mean.update_parameters(self.model)

    def before_validate(self):
        self.current = {k: v.clone() for k,v in self.model.state_dict().items()}
        self.model.load_state_dict(self.mean.module.state_dict())

    def after_epoch(self):
        if self.current and self.epoch+1 < self.n_epoch: self.model.load_state_dict(self.current)
        self.current = None


class UnfrozenMixUp(StartsAnew, MixUp):
    "Mixup in the epochs that train every layer"
    def before_fit(self): self.run = not is_frozen(self.learn)


class UnfrozenCutMix(StartsAnew, CutMix):
    "Cutmix in the epochs that train every layer"
    def before_fit(self): self.run = not is_frozen(self.learn)


def has_cached_body(model)->bool: return 'forward' in vars(model)


class CachedBody(Callback):
    "While the body is frozen, run it once over the pictures as they are and train the head on its pooled features"
    order = 1 # after `ChannelsLast`
    def __init__(self): self.features, self.source, self.pictures = None, None, None

    def before_fit(self): self.restore() # an interrupt may have kept the last fit from doing so

    def before_train(self):
        if not is_frozen(self.learn):
            self.source = None # the body changes now
            return
        if self.source is not self.dls: self.features, self.source = self._computed(), self.dls
        head = nn.Sequential(*self.model[1][2:])
        self.pictures, self.learn.dls, self.learn.dl = self.dls, self.features, self.features.train
        self.model.forward = lambda x: head(x)
        self.model.train()

    def after_epoch(self): self.restore()
    def after_fit(self): self.restore()

    def restore(self):
        "Back to pictures and the whole network"
        if self.pictures is None: return
        del self.model.forward
        self.learn.dls, self.pictures = self.pictures, None

    def _computed(self):
        "Pooled features and categories as batches for the head"
        dls = self.dls
        train = dls.test_dl(dls.train_ds.items, with_labels=True, num_workers=0)
        sets = [self._dataset(train), self._dataset(dls.valid)]
        return DataLoaders.from_dsets(*sets, bs=dls.bs, num_workers=0, device=dls.device)

    def _dataset(self, dl):
        half = any(isinstance(o, BFloat16) for o in self.learn.cbs)
        with torch.no_grad(), torch.autocast(dl.device.type, dtype=torch.bfloat16, enabled=half):
            self.model.to(dl.device).eval()
            batches = [(pooled(self.model, x).float(), y) for x,y in dl]
        features, categories = map(torch.cat, zip(*batches, strict=True))
        return list(zip(features, categories, strict=True))


def _mixer(settings):
    "The callback that blends training pictures, if any"
    t = settings.train
    if t.mixup and t.cutmix:
        raise TrainError("[train] mixup and cutmix: a picture is blended in one way only; set one of the two to 0")
    if t.mixup: return UnfrozenMixUp(t.mixup)
    return UnfrozenCutMix(t.cutmix) if t.cutmix else None


def callbacks(
    settings:Settings, # settings with the options in `[train]`
    device:torch.device # where the training runs
)->list:
    "The callbacks of a training. Raises `TrainError`"
    t = settings.train
    cached = t.cache_features and t.balance != 'sampling'
    wanted = [
        GracefulStop(), History(), FinderCurve(), KeepBest(),
        BFloat16() if precision(settings, device) == 'bf16' else None,
        ChannelsLast() if t.channels_last != 'no' else None,
        CachedBody() if cached else None,
        AverageWeights(t.average) if t.average else None,
        _mixer(settings),
        StopEarly('accuracy', patience=t.early_stop) if t.early_stop else None,
        LowerRate('accuracy', patience=t.plateau) if t.plateau else None]
    return [o for o in wanted if o]
