"""Experiment trackers that stay on this machine: TensorBoard, and Weights & Biases offline"""
from .weights import TrainError


def _tensorboard(learn):
    "fastai's callback with a folder a stage, without the options of PyTorch's optimizers that are no numbers"
    from fastai.callback.tensorboard import TensorBoardCallback
    folder = learn.path/'tensorboard'

    class Stages(TensorBoardCallback):
        def before_fit(self):
            self.log_dir = folder/f'stage_{len(list(folder.glob("stage_*")))+1}'
            super().before_fit()

        def after_batch(self):
            self.writer.add_scalar('train_loss', self.smooth_loss, self.train_iter)
            for i,hyper in enumerate(self.opt.hypers):
                for k in ('lr','mom','wd'): self.writer.add_scalar(f'{k}_{i}', hyper.get(k) or 0, self.train_iter)
    return Stages(folder, trace_model=False, log_preds=False)


def _wandb(learn, settings):
    "fastai's callback in an offline run named after ours"
    import wandb
    from fastai.callback.wandb import WandbCallback
    learn.gather_args = dict # fastai's own description of a learner fails on plain numbers; the settings say as much
    config = {k: str(v) for k,v in settings.train.model_dump().items()}
    wandb.init(project='clothing_classifier', name=learn.path.name, dir=learn.path, config=config,
        mode='offline', reinit='finish_previous')
    return WandbCallback(log_preds=False)


def trackers(
    learn, # learner whose path is its run
    settings # `Settings`; `[train] track` names the tracker
)->list:
    "Callbacks that report every epoch. Raises `TrainError`"
    track = settings.train.track
    if track == 'no': return []
    try: return [_tensorboard(learn)] if track == 'tensorboard' else [_wandb(learn, settings)]
    except ImportError as e:
        raise TrainError(f"[train] track = {track}: {e}; pip install {track}, or set it to no") from None


def finish_tracking(
    settings # `Settings`
):
    "Close what a tracker holds open"
    if settings.train.track != 'wandb': return
    import wandb
    wandb.finish()
