"""Lines with the time left, and the precision that is measured"""
import random
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import small_settings

from clothing_classifier.training import callbacks
from clothing_classifier.training.callbacks import EpochLines, bf16_helps, in_words, precision, step_seconds

NAMES = ['epoch', 'train_loss', 'valid_loss', 'accuracy', 'time']
CPU = torch.device('cpu')


# a line an epoch

@pytest.fixture
def line(tmp_path):
    "What is printed after an epoch that began at 100 s"
    settings = small_settings(tmp_path, train_unfrozen_epochs=5, train_final_epochs=2)
    def f(stage, epoch, epochs, now):
        lines = EpochLines(settings, clock=lambda: now)
        recorder = SimpleNamespace(metric_names=NAMES, start_epoch=100)
        lines.learn = SimpleNamespace(recorder=recorder, checkpoint=SimpleNamespace(stage=stage), epoch=epoch,
            n_epoch=epochs)
        return lines.line([epoch, .9, .8, .875, '00:07'])
    return f


def test_it_says_what_is_left_of_the_stage_and_which_come_then(line):
    left = '7 s left, then 5 unfrozen and 2 final epochs'
    assert line('frozen', 1, 3, now=107) == f'frozen, epoch 2 of 3: accuracy 87.5 %, {left}'


def test_the_last_stage_has_the_time_of_the_whole_training(line):
    assert line('final', 0, 3, now=160) == 'final, epoch 1 of 3: accuracy 87.5 %, 2 min left'


def test_in_the_cells_of_the_chapter_there_is_no_stage(line):
    assert line(None, 1, 2, now=160) == 'training, epoch 2 of 2: accuracy 87.5 %, 0 s left'


@pytest.mark.parametrize('seconds, words', [(0, '0 s'), (99, '99 s'), (100, '2 min'), (9000, '2.5 h')])
def test_durations_in_words(seconds, words): assert in_words(seconds) == words


# precision

@pytest.fixture
def measured(monkeypatch):
    "Pretend that steps take so long; the list of measurements"
    calls = []
    def pretend(fp32, bf16):
        bf16_helps.cache_clear()
        monkeypatch.setattr(callbacks, 'step_seconds', lambda: calls.append(1) or (fp32, bf16))
        return calls
    yield pretend
    bf16_helps.cache_clear()


@pytest.mark.parametrize('fp32, bf16, chosen', [(.05, .02, 'bf16'), (.02, .05, 'fp32'), (.02, .02, 'fp32')])
def test_auto_takes_the_faster_one_and_measures_once(fp32, bf16, chosen, measured, tmp_path):
    calls, settings = measured(fp32, bf16), small_settings(tmp_path, train_precision='auto')
    assert precision(settings, CPU) == precision(settings, CPU) == chosen
    assert len(calls) == 1


@pytest.mark.parametrize('written', ['bf16', 'fp32'])
def test_what_is_written_is_not_measured(written, measured, tmp_path):
    calls = measured(1, 2)
    assert precision(small_settings(tmp_path, train_precision=written), CPU) == written and not calls


def test_a_gpu_is_not_measured(measured, monkeypatch):
    calls = measured(1, 2)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda including_emulation: True)
    assert bf16_helps(torch.device('cuda')) and not calls


def test_measuring_draws_no_random_numbers():
    "Else a seed would mean something else in a process that has measured already"
    def states(): return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    before = states()
    fp32, bf16 = step_seconds(rounds=1)
    assert states() == before and fp32 > 0 < bf16


def test_measuring_is_quick():
    "Of this process's own time, so that other work on the machine does not count"
    start = time.thread_time()
    step_seconds()
    assert time.thread_time()-start < 2


def test_the_precision_is_measured_also_where_features_are_computed():
    with torch.inference_mode(): assert all(o > 0 for o in step_seconds(rounds=1))
