"Ctrl-C ends the command with 130 and without a traceback, at whatever moment it comes"

import os
import signal
import subprocess

import pytest
from conftest import COMMAND, ROOT, free_port
from tiny import write_settings

# A command, and the module after whose import Ctrl-C comes: Python prints each import to standard error
MOMENTS = [
    ('predict', 'typer'),
    ('predict', 'pydantic'),
    ('predict', 'clothing_classifier.settings'),
    ('predict', 'clothing_classifier.command.training'),
    ('predict', 'numpy'),
    ('predict', 'onnxruntime.capi._pybind_state'),
    ('predict', 'onnxruntime'),
    ('serve', 'clothing_classifier.command.serving'),
    ('serve', 'tornado.ioloop'),
    ('serve', 'clothing_classifier.page.server'),
    ('serve --api', 'fastapi'),
    ('train', 'numpy'),
]


@pytest.fixture
def start(tmp_path):
    "Start the command as a shell does, in a process group of its own, with its imports printed"
    started = []

    def f(*args):
        env = os.environ | dict(PYTHONPATH=str(ROOT), PYTHONPROFILEIMPORTTIME='1', OMP_NUM_THREADS='1')
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        started.append(subprocess.Popen([COMMAND, *args], cwd=tmp_path, env=env, start_new_session=True, **pipes))
        return started[-1]

    yield f
    for process in started:
        process.kill()
        process.wait()


def wait_for_line(process, is_wanted):
    "Read what the command prints until a line is there"
    for line in process.stderr:
        if is_wanted(line.decode()): return
    pytest.fail('the command ended before')


def interrupted(process):
    "The exit code after Ctrl-C, which a terminal sends to the whole group, and what was printed afterwards"
    os.killpg(process.pid, signal.SIGINT)
    said = process.stderr.read().decode() # to its end: no process is left that could print
    return process.wait(60), [line for line in said.splitlines() if not line.startswith('import time:')]


@pytest.mark.parametrize('verb, module', MOMENTS, ids=[' '.join(o) for o in MOMENTS])
def test_while_it_starts(verb, module, start, tmp_path_factory):
    train = ['--settings', write_settings(tmp_path_factory.mktemp('project'))]
    more = dict(predict=['-'], train=train).get(verb, ['--port', str(free_port())])
    process = start(*verb.split(), *more)
    wait_for_line(process, lambda line: line.startswith('import time:') and line.split('|')[-1].strip() == module)
    code, said = interrupted(process)
    assert code == 130 and 'Traceback' not in ' '.join(said) and 'Error' not in ' '.join(said), said


def test_while_the_page_is_served(start):
    process = start('serve', '--port', str(free_port()))
    wait_for_line(process, lambda line: 'The page is at' in line)
    code, said = interrupted(process)
    assert code == 130 and 'Traceback' not in ' '.join(said), said


def test_while_standard_input_is_read(start):
    process = start('predict', '-')
    process.stdin.write(b'half a picture')
    process.stdin.flush()
    wait_for_line(process, lambda line: 'tqdm' in line)
    assert interrupted(process) == (130, [])
