"""Claim: with the project's settings, training reaches an accuracy in at most half the time of plain fastai.

    python bench/train.py settings.ini --weights data/twenty/body.safetensors

Both sides run on the same processor, start from the same weights and use the same split. Each trains the head for its
default number of epochs, then every layer for the same number of epochs. Timing starts with the pictures on disk and
ends with the first epoch that reaches the validation accuracy; it includes the learning-rate finder, validation and
resizing. Plain is what the course teaches: `vision_learner(...).fine_tune` with its defaults (one epoch of the head,
fp32, batches of 64, `aug_transforms()`, ImageNet normalization), at the same picture size. `images/s` is the speed of
training every layer, over 960 pictures, without validation.
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
    "Record time and accuracy of each epoch; after the target, measure the speed of all layers and stop"
    order = 95 # after the recorder and the averaging of weights
    def __init__(self, target, rows, pictures=960):
        self.target, self.rows, self.pictures = target, rows, pictures
        self.start = time.perf_counter()

    @property
    def reached(self): return any(o['accuracy'] >= self.target for o in self.rows)

    def add_row(self, accuracy):
        "Record and print a measurement"
        layers = 'head' if has_cached_body(self.model) or self.opt.frozen_idx else 'all'
        seconds = time.perf_counter()-self.start
        speed = self.trained_pictures/self.took
        self.rows.append(dict(seconds=seconds, accuracy=accuracy, layers=layers, images_per_second=speed))
        print(self.rows[-1], flush=True)

    def before_train(self):
        self.epoch_start = time.perf_counter()
        self.trained_pictures = 0

    def after_batch(self):
        if hasattr(self, 'lr_finder') or not self.training: return
        self.trained_pictures += self.dls.train.bs
        self.took = time.perf_counter()-self.epoch_start
        if self.reached and self.trained_pictures >= self.pictures:
            self.add_row(float('nan'))
            raise CancelFitException()

    def after_epoch(self):
        if hasattr(self, 'lr_finder'): return
        self.add_row(float(self.recorder.values[-1][-1]))
        if self.reached: raise CancelFitException()


def ours(settings, df, target):
    "Measurements of training as `train` does it, with no resized pictures in the cache"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder)/'images').symlink_to(settings.data.path/'images')
        settings = settings.changed(data_path=Path(folder))
        set_seed(settings.train.seed)
        watch = Watch(target, [])
        learn = learner(dataloaders(df, settings), settings, folder).add_cb(watch)
        with learn.no_bar(), learn.no_logging(): fine_tune(learn, settings)
    return watch.rows


def plain(settings, df, target):
    "Measurements of training as the course teaches it"
    options = settings.train
    set_seed(options.seed)
    watch = Watch(target, [])
    df = df[df.split.isin(['train', 'valid'])].assign(is_valid=lambda o: o.split == 'valid')
    batch_tfms = [*aug_transforms(), Normalize.from_stats(*imagenet_stats)]
    dls = ImageDataLoaders.from_df(df, path='/', fn_col='path', label_col='category', valid_col='is_valid',
        item_tfms=Resize(options.size), batch_tfms=batch_tfms)
    learn = vision_learner(dls, get_model_builder(options.arch), pretrained=False, metrics=accuracy, cbs=watch)
    network = pretrained(options.arch, options.weights, settings.file.parent)
    learn.model[0].load_state_dict(create_body(network, pretrained=False).state_dict())
    with learn.no_bar(), learn.no_logging(): learn.fine_tune(options.unfrozen_epochs)
    return watch.rows


def summary(rows, target):
    "Row of the table for one side"
    accuracies = np.array([o['accuracy'] for o in rows])
    speeds = [o['images_per_second'] for o in rows if o['layers'] == 'all']
    reached = [o['seconds'] for o in rows if o['accuracy'] >= target]
    return dict(
        epochs=(~np.isnan(accuracies)).sum(),
        accuracy=np.nanmax(accuracies),
        images_per_second=np.median(speeds) if speeds else np.nan,
        seconds=reached[0] if reached else np.nan)


def compared(found, target):
    "The table with a last column in words"
    faster = found.seconds.plain/found.seconds.ours
    speed = found.images_per_second.ours/found.images_per_second.plain
    words = f'{faster:.1f} times as fast to {target:.0%}, {speed:.1f} times the images/s'
    return found.assign(**{'ours is': [words, '']})


def arguments():
    "Arguments of the command line"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('settings', help='settings.ini of a project with pictures')
    parser.add_argument('--weights', help='pretrained weights of both sides (default: those of the settings)')
    parser.add_argument('--target', type=float, default=.9, help='validation accuracy to reach')
    parser.add_argument('--epochs', type=int, help='epochs of every layer (default: as in the settings)')
    parser.add_argument('--size', type=int, help='picture size in pixels for both sides (default: as in the settings)')
    return parser.parse_args()


def main():
    args = arguments()
    warnings.simplefilter('ignore')
    given = dict(train_size=args.size, train_unfrozen_epochs=args.epochs)
    settings = load_settings(args.settings, train_final_epochs=0, **{key: o for key, o in given.items() if o})
    if args.weights: settings = settings.changed(train_weights=str(Path(args.weights).resolve()))
    torch.set_num_threads(thread_count(settings.train.threads))
    df = pictures(settings)
    sides = dict(ours=ours, plain=plain)
    rows = {name: side(settings, df, args.target) for name, side in sides.items()}
    found = pd.DataFrame({name: summary(o, args.target) for name, o in rows.items()}).T
    options = settings.train
    print(f'{(df.split == "train").sum()} training pictures, {options.size} px, '
        f'up to {options.unfrozen_epochs} epochs with every layer, {torch.get_num_threads()} threads')
    print(compared(found, args.target).round(3).to_string())


if __name__ == '__main__': main()
