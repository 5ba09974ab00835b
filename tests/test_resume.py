"""A training that was killed goes on, and ends as an undisturbed one does"""
import multiprocessing
import os
import shutil
import signal

import pytest
import torch
from conftest import small_settings
from drawings import draw_folder
from fastai.vision.all import Callback
from filelock import FileLock
from typer.testing import CliRunner

from clothing_classifier import train as chapter
from clothing_classifier.cli import app
from clothing_classifier.collect import import_folder
from clothing_classifier.dataset import pictures
from clothing_classifier.train import train
from clothing_classifier.training.callbacks import in_finder
from clothing_classifier.training.checkpoint import planned, unfinished
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


class Kill(Callback):
    "Kill the process in the second batch after so many epochs"
    order = 99
    def __init__(self, epochs): self.epochs = epochs

    def after_batch(self):
        if not self.training or in_finder(self) or self.iter < 1: return
        ended = len((self.path/'history.csv').read_text().splitlines())-1
        if ended == self.epochs: os.kill(os.getpid(), signal.SIGKILL)


def train_until_killed(folder, run, epochs):
    chapter.trackers = lambda learn, settings: [Kill(epochs)]
    train(settings_of(folder), run)


def killed_run(folder, epochs):
    "The folder of a training, in a process of its own, that was killed after so many epochs"
    run = folder/f'killed_after_{epochs}'
    run.mkdir()
    process = multiprocessing.get_context('spawn').Process(target=train_until_killed, args=(folder, run, epochs))
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
@pytest.mark.parametrize('epochs', range(6), ids=['at once', 'frozen', 'between', 'unfrozen', 'before final', 'final'])
def test_it_ends_as_if_nobody_had_killed_it(epochs, drawn, undisturbed):
    "The same history, the same weights to the last bit, and nothing left to go on with"
    run = killed_run(drawn, epochs)
    learn = train(settings_of(drawn), run)
    rows, weights = undisturbed
    assert history(run) == rows
    assert all(torch.equal(value, weights[name]) for name, value in learn.model.state_dict().items())
    assert not {'began.pkl', 'checkpoint.pth', '.lock'} & {o.name for o in run.iterdir()}


# what has changed meanwhile

@pytest.fixture
def begun(drawn, tmp_path):
    "A run that has begun, as a kill before its first epoch leaves it"
    settings = settings_of(drawn, train_runs=tmp_path/'runs')
    run = Run.new(settings)
    planned(run, settings, pictures(settings))
    return run, settings


def test_the_newest_unfinished_run_goes_on(begun):
    run, settings = begun
    assert unfinished(settings).path == unfinished(settings, run.path).path == run.path


def test_without_an_unfinished_run_it_says_so(begun, tmp_path):
    settings = begun[1].changed(train_runs=tmp_path)
    with pytest.raises(TrainError, match='no training that was killed or stopped'): unfinished(settings)


def test_it_goes_on_as_it_began(begun):
    "Other settings are named in one sentence, and not used"
    run, settings = begun
    now = settings.changed(train_unfrozen_epochs=7, train_threads=3)
    with pytest.warns(UserWarning, match=r'without what has changed: \[train\] unfrozen_epochs = 7 instead of 2$'):
        plan = planned(run, now, None)
    assert plan.settings.train.unfrozen_epochs == 2


def test_nothing_is_said_where_nothing_has_changed(begun, recwarn):
    run, settings = begun
    planned(run, settings.changed(train_precision='auto'), None)
    assert not recwarn


def test_new_pictures_are_left_out_and_lost_ones_named(begun):
    run, settings = begun
    lost = pictures(settings).path[0]
    new = lost.with_name('new.jpg')
    lost.rename(new)
    try:
        with pytest.raises(TrainError, match=f'no longer there .1, the first is {lost}'): planned(run, settings, None)
        shutil.copy(new, lost)
        with pytest.warns(UserWarning, match='1 new pictures$'): planned(run, settings, None)
    finally: new.rename(lost)


def test_two_processes_do_not_train_one_run(begun):
    run, settings = begun
    with FileLock(run.path/'.lock'), pytest.raises(TrainError, match='is in training already'):
        train(settings, run.path)


def test_run_needs_resume(drawn):
    r = CliRunner().invoke(app, ['train', '--run', str(drawn), '--settings', str(drawn/'settings.ini')])
    assert r.exit_code == 2 and 'add --resume' in r.stderr
