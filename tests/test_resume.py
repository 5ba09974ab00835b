"""A training that was killed goes on, and ends as an undisturbed one does"""
import multiprocessing
import os
import signal
import sys
import warnings

import pytest
import torch
from conftest import small_settings
from drawings import draw_folder

from clothing_classifier.collect import import_folder
from clothing_classifier.settings import load_settings
from clothing_classifier.train import train
from clothing_classifier.training.checkpoint import unfinished
from clothing_classifier.training.runs import Run
from clothing_classifier.training.weights import TrainError

EPOCHS = dict(train_frozen_epochs=2, train_unfrozen_epochs=2, train_final_epochs=2, train_final_size=48)
OPTIONS = dict(train_cache_features=True, train_average=.9, train_mixup=.2, train_precision='fp32',
    train_size=32, train_finder_steps=10)


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    d = tmp_path_factory.mktemp('resume')
    settings = small_settings(d)
    import_folder(draw_folder(d/'drawn', settings.categories, n=30), settings)
    return d


def settings_of(folder, **changes): return small_settings(folder, **EPOCHS | OPTIONS | changes)


def train_until_killed(folder, run, rows, changes):
    "A training that is killed in the first batches after `rows` epochs have ended"
    from fastai.vision.all import Callback

    from clothing_classifier.training import callbacks
    class Kill(Callback):
        order = 99
        def after_batch(self):
            if not self.training or callbacks.in_finder(self) or self.iter < 1: return
            file = self.path/'history.csv'
            if len(file.read_text().splitlines())-1 == rows: os.kill(os.getpid(), signal.SIGKILL)
    import clothing_classifier.train as chapter
    chapter.trackers = lambda learn, settings: [Kill()]
    train(settings_of(folder, **changes), run)


def killed_run(folder, name, rows, **changes):
    "The folder of a training that was killed after so many epochs"
    run = folder/name
    run.mkdir()
    process = multiprocessing.get_context('spawn').Process(target=train_until_killed, args=(folder, run, rows, changes))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    return run


def history(run): return Run(run).history.drop(columns='time').to_csv(index=False)


@pytest.fixture(scope='module')
def undisturbed(drawn):
    "History and weights of a training that nobody killed"
    (drawn/'undisturbed').mkdir()
    learn = train(settings_of(drawn), drawn/'undisturbed')
    return history(learn.path), learn.model.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize('rows', range(6), ids=['at once', 'frozen', 'between', 'unfrozen', 'before final', 'final'])
def test_it_ends_as_if_nobody_had_killed_it(rows, drawn, undisturbed):
    "The same history, and the same weights to the last bit"
    run = killed_run(drawn, f'killed_{rows}', rows)
    learn = train(settings_of(drawn), run)
    epochs, weights = undisturbed
    assert history(run) == epochs
    assert all(torch.equal(value, weights[name]) for name, value in learn.model.state_dict().items())
