"""Claim: training with the project's settings gets to the same validation accuracy at least twice as fast as plain fastai on the same processor.

    python bench/train.py settings.ini --weights data/twenty/body.safetensors

Both start from the same weights, see the same split and are given the same epochs with every layer training, after those of the head that are each side's default; both are timed from the pictures on disk to the end of the first epoch
that reaches the accuracy, learning-rate finder, validation and resizing ahead included. Plain is what the course teaches: `vision_learner(...).fine_tune` with
its defaults (one epoch of the head, fp32, batches of 64, `aug_transforms()`, pictures normalized as ImageNet's), at the same picture size. `images/s` is of every layer's training, over 960 pictures,
without validation.
"""
import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from fastai.vision.all import (
    Callback,
    CancelFitException,
    ImageDataLoaders,
    Normalize,
    Resize,
    accuracy,
    aug_transforms,
    create_body,
    imagenet_stats,
    set_seed,
    vision_learner,
)
from torchvision.models import get_model_builder

from clothing_classifier.dataset import dataloaders, pictures
from clothing_classifier.settings import load_settings
from clothing_classifier.train import fine_tune, learner
from clothing_classifier.training.callbacks import has_cached_body
from clothing_classifier.training.features import thread_count
from clothing_classifier.training.weights import pretrained


class Watch(Callback):
    "Seconds and accuracy at the end of each epoch; once it is good enough, the speed of every layer over so many pictures, and the end"
    order = 95 # After the recorder, and after the weights were averaged
    def __init__(self, target, rows, pictures=960): self.target, self.rows, self.pictures, self.start = target, rows, pictures, time.perf_counter()

    @property
    def there(self): return any(o['accuracy'] >= self.target for o in self.rows)

    def row(self, accuracy):
        layers = 'head' if has_cached_body(self.model) or self.opt.frozen_idx else 'all'
        self.rows.append(dict(seconds=time.perf_counter()-self.start, accuracy=accuracy, layers=layers, images_per_second=self.n/self.took))
        print(self.rows[-1], flush=True)

    def before_train(self): self.t, self.n = time.perf_counter(), 0

    def after_batch(self):
        if hasattr(self, 'lr_finder') or not self.training: return
        self.n, self.took = self.n+self.dls.train.bs, time.perf_counter()-self.t
        if self.there and self.n >= self.pictures:
            self.row(float('nan'))
            raise CancelFitException()

    def after_epoch(self):
        if hasattr(self, 'lr_finder'): return
        self.row(float(self.recorder.values[-1][-1]))
        if self.there: raise CancelFitException()


def ours(settings, df, target):
    "As `train` does it, with nothing resized ahead yet"
    with tempfile.TemporaryDirectory() as d:
        (Path(d)/'images').symlink_to(settings.data.path/'images')
        settings = settings.changed(data_path=Path(d))
        set_seed(settings.train.seed)
        watch = Watch(target, [])
        learn = learner(dataloaders(df, settings), settings, d).add_cb(watch)
        with learn.no_bar(), learn.no_logging(): fine_tune(learn, settings)
    return watch.rows


def plain(settings, df, target):
    "As the course teaches it"
    t = settings.train
    set_seed(t.seed)
    watch = Watch(target, [])
    df = df[df.split.isin(['train', 'valid'])].assign(is_valid=lambda o: o.split == 'valid')
    dls = ImageDataLoaders.from_df(df, path='/', fn_col='path', label_col='category', valid_col='is_valid', item_tfms=Resize(t.size), batch_tfms=[*aug_transforms(), Normalize.from_stats(*imagenet_stats)])
    learn = vision_learner(dls, get_model_builder(t.arch), pretrained=False, metrics=accuracy, cbs=watch)
    learn.model[0].load_state_dict(create_body(pretrained(t.arch, t.weights, settings.file.parent), pretrained=False).state_dict())
    with learn.no_bar(), learn.no_logging(): learn.fine_tune(t.unfrozen_epochs)
    return watch.rows


def summary(rows, target):
    "What the table says of one side"
    speed = [o['images_per_second'] for o in rows if o['layers'] == 'all']
    there = [o['seconds'] for o in rows if o['accuracy'] >= target]
    return dict(epochs=sum(o['accuracy'] == o['accuracy'] for o in rows), accuracy=np.nanmax([o['accuracy'] for o in rows]), images_per_second=np.median(speed) if speed else np.nan, seconds=there[0] if there else np.nan)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('settings', help='a settings.ini with pictures')
    p.add_argument('--weights', help='those of both sides; else as in the settings')
    p.add_argument('--target', type=float, default=.9, help='validation accuracy')
    p.add_argument('--epochs', type=int, help='with every layer training; else as in the settings')
    p.add_argument('--size', type=int, help='pixels, of both sides; else as in the settings')
    a = p.parse_args()
    warnings.simplefilter('ignore')
    s = load_settings(a.settings, train_final_epochs=0, **{k: v for k, v in dict(train_size=a.size, train_unfrozen_epochs=a.epochs).items() if v})
    if a.weights: s = s.changed(train_weights=str(Path(a.weights).resolve()))
    torch.set_num_threads(thread_count(s.train.threads))
    df = pictures(s)
    got = pd.DataFrame({k: summary(f(s, df, a.target), a.target) for k, f in dict(ours=ours, plain=plain).items()}).T
    got['ours is'] = [f'{got.seconds.plain/o.seconds:.1f} times as fast to {a.target:.0%}, {o.images_per_second/got.images_per_second.plain:.1f} times the images/s' if k == 'ours' else ''
        for k, o in got.iterrows()]
    print(f'{(df.split == "train").sum()} training pictures, {s.train.size} px, up to {s.train.unfrozen_epochs} epochs with every layer, {torch.get_num_threads()} threads')
    print(got.round(3).to_string())


if __name__ == '__main__': main()
