"""Fine-tune a pretrained network: its new head first, then all of it, at rates that a finder suggests"""
import signal
import threading
from dataclasses import asdict

import torch
from fastai.vision.all import *
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..training.weights import TrainError


def bf16_helps(device:torch.device)->bool:
    "Does the device compute in bfloat16?"
    if device.type == 'cuda': return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == 'cpu' and torch.ops.mkldnn._is_mkldnn_bf16_supported() and any(getattr(torch.cpu, f'_is_{o}_supported', bool)() for o in ('amx_tile','avx512_bf16'))


class BFloat16(Callback):
    "Run the network under autocast in bfloat16, on any device"
    order = MixedPrecision.order
    def before_batch(self):
        self.cast = torch.autocast(self.dls.device.type, dtype=torch.bfloat16)
        self.cast.__enter__()
    def after_pred(self):
        self.cast.__exit__(None, None, None)
        self.learn.pred = self.pred.float()


class GracefulStop(Callback):
    "The first interrupt ends training after the batch; a second one ends it at once"
    order, stopped = 90, False
    def _note(self, *args):
        self.stopped = True
        signal.signal(signal.SIGINT, self.was)

    def before_fit(self):
        self.run = not hasattr(self, 'lr_finder')
        if self.run and threading.current_thread() is threading.main_thread(): self.was = signal.signal(signal.SIGINT, self._note)

    def after_batch(self):
        if self.stopped and self.training: raise CancelFitException()

    def after_fit(self):
        if threading.current_thread() is threading.main_thread(): signal.signal(signal.SIGINT, self.was)


class KeepBest(SaveModelCallback):
    "fastai's `SaveModelCallback`; if no epoch was finished, there is nothing to go back to"
    def after_fit(self):
        if self.every_epoch or self.at_end or (self.learn.path/self.learn.model_dir/f'{self.fname}.pth').exists(): super().after_fit()


def warm_average(decay:float): return lambda mean, now, n: get_ema_multi_avg_fn(min(decay, (1+float(n))/(10+float(n))))(mean, now, n) # After n steps


class AverageWeights(Callback):
    "Judge and keep the exponential moving average of the weights"
    order = KeepBest.order+1
    def __init__(self, decay:float): self.decay, self.lent = decay, None # Share of the old average after a step

    def before_fit(self):
        self.run = not hasattr(self, 'lr_finder')
        if self.run: self.mean = AveragedModel(self.model, multi_avg_fn=warm_average(self.decay), use_buffers=True)

    def after_batch(self):
        if self.training: self.mean.update_parameters(self.model)

    def before_validate(self):
        self.lent = {k: v.clone() for k,v in self.model.state_dict().items()}
        self.model.load_state_dict(self.mean.module.state_dict())

    def after_epoch(self):
        if self.lent and self.epoch+1 < self.n_epoch: self.model.load_state_dict(self.lent)
        self.lent = None


class Mirrored(nn.Sequential):
    "A network that, once trained, looks at the mirror image as well"
    def forward(self, x):
        if self.training: return super().forward(x)
        return super().forward(torch.cat([x, x.flip(-1)])).unflatten(0, (2, -1)).mean(0)


def _mixers(t):
    "The callback that blends training pictures, if any"
    if t.mixup and t.cutmix: raise TrainError("[train] mixup and cutmix: a picture is blended in one way only; set one of the two to 0")
    return [MixUp(t.mixup)] if t.mixup else [CutMix(t.cutmix)] if t.cutmix else []


def _tensorboard(folder):
    "fastai's callback, without the options of PyTorch's optimizers that are no numbers"
    from fastai.callback.tensorboard import TensorBoardCallback
    class Numbers(TensorBoardCallback):
        def after_batch(self):
            self.writer.add_scalar('train_loss', self.smooth_loss, self.train_iter)
            for i,h in enumerate(self.opt.hypers):
                for k in ('lr','mom','wd'): self.writer.add_scalar(f'{k}_{i}', h.get(k) or 0, self.train_iter)
    return Numbers(folder, trace_model=False, log_preds=False)


def _trackers(learn, t):
    "Callbacks that report a stage to a tracker, which stays on this machine"
    if t.track == 'no': return []
    try:
        if t.track == 'tensorboard': return [_tensorboard(learn.path/'tensorboard'/f"stage_{len(list(learn.path.glob('tensorboard/*')))+1}")]
        import wandb
        from fastai.callback.wandb import WandbCallback
    except ImportError as e: raise TrainError(f"[train] track = {t.track}: {e}; pip install {t.track}, or set it to no") from None
    learn.gather_args = dict # fastai's own description of a learner stumbles over plain numbers; the settings say as much
    if wandb.run is None or wandb.run.name != learn.path.name:
        wandb.init(project='clothing_classifier', name=learn.path.name, dir=learn.path, mode='offline', reinit='finish_previous', config={k: str(v) for k,v in asdict(t).items()})
    return [WandbCallback(log_preds=False)]


def _tracked(t):
    "Close what a tracker holds open"
    if t.track != 'wandb': return
    import wandb
    wandb.finish()
