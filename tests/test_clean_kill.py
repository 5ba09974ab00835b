"""Cleaning survives `kill -9` at every step: no picture is lost or there twice, and the next process finishes the work

Every seventh step by default; every step of all takes minutes, and is marked as slow."""
import gc
import os
import signal
import sys

import pytest

pytest.importorskip('fastai')
if not hasattr(os, 'fork'): pytest.skip('needs fork', allow_module_level=True)

from conftest import small_settings
from drawings import draw_folder

from clothing_classifier.cleaning.journal import Journal, apply, undo
from clothing_classifier.collect import import_folder

WATCHED = ('cleaning/journal.py', 'clothing_classifier/files.py')


@pytest.fixture
def settings(tmp_path):
    "Four drawn pictures in two categories"
    settings = small_settings(tmp_path)
    import_folder(draw_folder(tmp_path/'drawn', settings.categories, n=2), settings)
    return settings


def files(settings):
    "SHA-1 -> content of every picture; fails if one is there twice"
    ps = [p for d in ('images', 'rejected') for p in (settings.data.path/d).rglob('*.jpg')]
    assert len({p.stem for p in ps}) == len(ps), sorted(ps)
    return {p.stem: p.read_bytes() for p in ps}


def afresh(settings):
    "Take everything back and forget the journal, which would otherwise grow with every kill"
    undo(settings, everything=True)
    (settings.data.path/'journal.csv').unlink(missing_ok=True)


def places(settings):
    "SHA-1 -> name of the folder where the picture is"
    folders = [settings.data.path/name for name in ('images', 'rejected')]
    return {p.stem: p.parent.name for folder in folders for p in folder.rglob('*.jpg')}


def killed_at(step, f):
    "Run `f` in a process that kills itself before its `step`-th line or file operation; was it killed?"
    gc.freeze() # What stands in memory is not walked, and so not copied, by the child
    if not (pid := os.fork()):
        left = [step]
        def count():
            left[0] -= 1
            if left[0] < 0: os.kill(os.getpid(), signal.SIGKILL)
        def trace(frame, event, arg):
            if not frame.f_code.co_filename.endswith(WATCHED): return None
            if event == 'line': count()
            return trace
        events = 'open', 'os.rename', 'os.mkdir', 'os.remove'
        sys.addaudithook(lambda event, args: count() if event in events else None)
        sys.settrace(trace)
        try:
            f()
            sys.settrace(None)
            os._exit(0)
        finally: os._exit(3)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, 'the process failed by itself'
    return os.WIFSIGNALED(status)


def every_step(f, check, stride):
    "Kill `f` before its steps, `stride` apart, until one run gets through; how many steps there were"
    step = 0
    while killed_at(step, f):
        check(step)
        step += stride
    check(step)
    return step


@pytest.fixture(params=[7, pytest.param(1, marks=pytest.mark.slow)], ids=['sample', 'every step'])
def stride(request): return request.param


@pytest.fixture
def decisions(settings):
    a, b, c, _ = sorted(places(settings))
    other = {'jeans': 'socks', 'socks': 'jeans'}
    return {a: other[places(settings)[a]], b: 'rejected/by-hand', c: other[places(settings)[c]]}


def test_apply_and_undo_at_every_step(settings, decisions, stride):
    "One folder goes through all kills: each is followed by a recovery, a check, and an undo back to the start"
    content, start = files(settings), places(settings)
    goal = start | {k: v.removeprefix('rejected/') for k, v in decisions.items()}

    def after_apply(step):
        assert files(settings) == content
        Journal(settings.data.path).finish()
        assert files(settings) == content
        assert places(settings) in (start, goal), f'half an apply after step {step}'
        afresh(settings)
        assert places(settings) == start

    def after_undo(step):
        assert files(settings) == content
        Journal(settings.data.path).finish()
        assert places(settings) in (start, goal), f'half an undo after step {step}'
        afresh(settings)
        apply(decisions, settings)
        assert places(settings) == goal

    n = every_step(lambda: apply(decisions, settings), after_apply, stride)
    apply(decisions, settings)
    m = every_step(lambda: undo(settings), after_undo, stride)
    print(f'killed at {n} steps of apply and {m} of undo')
    assert n > 60 and m > 60


def test_recovery_at_every_step(settings, decisions, stride):
    "The recovery itself may be killed, too"
    content, start = files(settings), places(settings)
    goal = start | {k: v.removeprefix('rejected/') for k, v in decisions.items()}
    half = next(s for s in range(500) if not killed_half(settings, decisions, s, start))
    assert half

    def check(step):
        assert files(settings) == content
        Journal(settings.data.path).finish()
        assert places(settings) == goal
        afresh(settings)
        killed_at(half, lambda: apply(decisions, settings))

    assert every_step(lambda: Journal(settings.data.path).finish(), check, stride) > 20


def killed_half(settings, decisions, step, start):
    "Kill an apply at `step`; are all files still, or again, where they were?"
    killed_at(step, lambda: apply(decisions, settings))
    if places(settings) != start: return False
    Journal(settings.data.path).finish()
    afresh(settings)
    return True
