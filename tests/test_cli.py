"The command as people and scripts use it: what it prints where, what it exits with, what it does after a stop"

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drawings import draw_folder
from tiny import ROOT, command, free_port, picture, wait_until, write_settings
from typer.testing import CliRunner

from clothing_classifier.cli import app
from clothing_classifier.settings import load_settings, sections

MAIN = 'from clothing_classifier.cli import main; main()'
PIPES = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "A folder with settings, a network and six pictures"
    d = tmp_path_factory.mktemp('cli')
    write_settings(d)
    for c, color in dict(jeans='blue', socks='red').items():
        (d / 'pics' / c).mkdir(parents=True)
        for i in range(3):
            (d / 'pics' / c / f'{i}.jpg').write_bytes(picture(color))
    (d / 'pics' / 'notes.txt').write_text('no picture')
    return d


@pytest.fixture
def call(place, monkeypatch):
    "Run the command in this process: exit code, standard output, standard error"

    def f(*args, cwd=place, stdin=None):
        monkeypatch.chdir(cwd)
        r = CliRunner().invoke(app, list(map(str, args)), input=stdin)
        return r.exit_code, r.stdout, r.stderr

    return f


def test_a_file_a_folder_a_pattern_and_standard_input(call):
    code, out, err = call('predict', 'pics/jeans/0.jpg', 'pics', 'pics/socks/*.jpg', '-', stdin=picture('red'))
    lines = out.splitlines()
    assert code == 0 and not err
    assert re.fullmatch(r'jeans 0\.\d{4} pics/jeans/0\.jpg|jeans 1\.0000 pics/jeans/0\.jpg', lines[0])
    assert [o.split()[0] for o in lines] == ['jeans'] * 4 + ['socks'] * 7 and lines[-1].endswith(' -')


def test_json_and_csv(call):
    _, out, _ = call('predict', 'pics/jeans/0.jpg', 'gone.jpg', '--json')
    good, bad = map(json.loads, out.splitlines())
    assert (good['file'], good['answer'], good['known']) == ('pics/jeans/0.jpg', 'jeans', True)
    assert set(good['probabilities']) == {'jeans', 'socks'}
    assert bad['answer'] == '' and 'no such file' in bad['error']
    _, out, _ = call('predict', 'pics/jeans', '--csv')
    rows = list(csv.DictReader(out.splitlines()))
    assert [r['answer'] for r in rows] == ['jeans'] * 3 and float(rows[0]['jeans']) > float(rows[0]['socks'])


@pytest.mark.parametrize(
    'args,code,says',
    [
        (['predict', 'pics/jeans/0.jpg', 'gone.jpg'], 1, 'gone.jpg: there is no such file'),
        (['predict', 'pics/notes.txt'], 1, 'not a picture'),
        (['predict', 'http://127.0.0.1/a.jpg'], 1, 'public'),
        (['predict', 'https://shop.example/a.jpg', '--links-follow', 'no'], 1, 'not followed'),
        (['predict', 'pics', '--model', 'gone.onnx'], 2, 'no such file'),
        (['predict', 'pics', '--resume'], 2, '--out'),
        (['predict', 'pics', '--out', 'a.txt'], 2, '.csv'),
        (['predict', 'pics', '--out', 'gone/a.csv'], 2, 'gone/a.csv: cannot be written (no such file or directory)'),
        (['predict', 'pics', '--settings', 'gone.ini'], 2, 'gone.ini'),
        (['predict', 'pics', '--max-megapixels', '1000'], 2, ': --max-megapixels: 1000 is out of range'),
        (['predict', 'pics', '--threads', 'two'], 2, ": --threads: 'two' is not a whole number"),
        (['predict', 'pics', '--model', ''], 2, ': --model: is empty; write a path'),
        (['predict', 'pics', '--links-follow', 'maybe'], 2, ": --links-follow: 'maybe' is not yes or no"),
        (['predict'], 2, 'pictures'),
        (['prdict', 'pics'], 2, 'predict'),
        (['serve', '--api', '--model', 'gone.onnx'], 2, 'no such file'),
        (['serve', '--port', '99999'], 2, ': --port: 99999 is out of range; write a number from 0 to 65535'),
        (['serve', '-p', 'abc'], 2, ": --port: 'abc' is not a whole number"),
        (['evaluate'], 2, 'clothing-classifier train first'),
    ],
)
def test_mistakes(call, args, code, says):
    got, out, err = call(*args)
    said = re.sub(r'[\s│]+', ' ', err).lower() # A terminal's box may break the sentence
    assert (got, says.lower() in said, 'traceback' in said) == (code, True, False), err
    assert not out or code == 1


def test_debug_shows_the_traceback(place):
    "As a process, which also shows what the command is like from outside"
    for debug in ([], ['--debug']):
        p = command('predict', 'pics', '--model', 'gone.onnx', *debug, cwd=place, **PIPES)
        err = p.communicate(timeout=120)[1].decode()
        assert p.returncode != 0 and ('Traceback' in err) == bool(debug) and 'there is no such file' in err


def test_an_empty_folder_and_a_missing_file_are_told_alike(call, tmp_path):
    "With one sentence each, and the same exit code, beside the answers to the others"
    assert [call('predict', o)[0] for o in (tmp_path, 'gone.jpg')] == [1, 1]
    code, out, err = call('predict', tmp_path, 'gone.jpg', 'pics/jeans/0.jpg')
    assert code == 1 and out.startswith('jeans')
    assert err.splitlines() == [
        f'{tmp_path}: there is no picture in this folder. Name another folder, or the pictures themselves.',
        'gone.jpg: there is no such file. Check its name.',
    ]


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='needs named pipes')
def test_a_named_pipe_does_not_hang(place, tmp_path):
    "Nobody writes into it; the other pictures are answered"
    os.mkfifo(tmp_path / 'pipe.jpg')
    p = command('predict', tmp_path / 'pipe.jpg', tmp_path, 'pics/jeans/0.jpg', cwd=place, **PIPES)
    out, err = p.communicate(timeout=120)
    assert p.returncode == 1 and out.startswith(b'jeans') and err.count(b'is not a file but a pipe') == 2


def test_a_reader_that_leaves_early(place):
    p = command('predict', *['pics'] * 50, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.readline()
    p.stdout.close()
    assert 'Traceback' not in p.stderr.read().decode()
    p.wait(60)


def lines(file): return file.read_bytes().count(b'\n') if file.exists() else 0


def test_a_stop_and_the_rest(place, call, tmp_path):
    "Killed in the middle, then interrupted, it ends with every picture once"
    many, out = tmp_path / 'many', tmp_path / 'out.csv'
    many.mkdir()
    for i in range(300):
        (many / f'{i:03}.jpg').write_bytes(picture(size=(32, 32)))
    files = sorted(many.iterdir())
    for sig, stop in ((signal.SIGKILL, 100), (signal.SIGINT, 200)):
        resume = ['--resume'] if out.exists() else []
        asked = [*files[:stop], '-', *files[stop:]] # standard input never ends
        p = command('predict', *asked, '--out', out, *resume, cwd=place, stdin=subprocess.PIPE, **PIPES)
        while lines(out) < stop + 1: # its head, and all before standard input
            assert p.poll() is None
            time.sleep(0.05)
        p.send_signal(sig)
        assert p.wait(120) == (130 if sig == signal.SIGINT else -sig)
        assert b'Traceback' not in p.stderr.read()
    assert 201 <= lines(out) < 301
    out.write_bytes(out.read_bytes() + b'half a li')
    assert call('predict', many, '--out', out)[0] == 2
    code, printed, _ = call('predict', many, '--out', out, '--resume')
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert (code, printed, len(rows), len({r['file'] for r in rows})) == (0, '', 300, 300)


@pytest.mark.skipif(not os.path.isdir('/proc'), reason='reads memory from /proc')
def test_many_pictures_do_not_grow_the_memory(place, tmp_path):
    "Links to one 1,200 x 900 picture: a thousand held together would be 3 GB; PICTURES=10000 takes ten times as many"
    data = tmp_path / 'one.jpg'
    data.write_bytes(picture(size=(1200, 900)))
    folder, n = tmp_path / 'many', int(os.environ.get('PICTURES', 1000))
    folder.mkdir()
    for i in range(n):
        os.link(data, folder / f'{i}.jpg')
    p = command('predict', folder, '--out', tmp_path / 'o.jsonl', cwd=place)
    sizes = []
    while p.poll() is None:
        with contextlib.suppress(OSError, TypeError): # It may have ended meanwhile
            sizes.append(int(re.search(r'VmRSS:\s+(\d+)', Path(f'/proc/{p.pid}/status').read_text())[1])/1000)
        time.sleep(0.1)
    assert p.returncode == 0 and len((tmp_path / 'o.jsonl').read_text().splitlines()) == n
    early, late = max(sizes[: len(sizes) // 2]), max(sizes[len(sizes) // 2 :])
    print(f'{n} pictures: {early:.0f} MB in the first half, {late:.0f} MB in the second')
    assert late < early + 30 and late < 300


def test_the_bar_is_on_standard_error(place, tmp_path):
    "Under a terminal the bar is drawn on standard error, and standard output stays for answers"
    code = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:])>>8)'
    inner = f"stty cols 80 rows 24; {sys.executable} -c '{MAIN}' predict pics > {tmp_path}/out.txt"
    p = subprocess.run(
        [sys.executable, '-c', code, 'sh', '-c', inner],
        cwd=place,
        capture_output=True,
        timeout=120,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdin=subprocess.DEVNULL,
    )
    assert b'6/6' in p.stdout and b'\r' in p.stdout, p.stdout
    assert len((tmp_path / 'out.txt').read_text().splitlines()) == 6


def test_doctor(call):
    code, out, _ = call('doctor')
    assert code == 0
    for text in ('Python', 'export: tiny.onnx', 'pictures: jeans 0, socks 0', '-> clothing-classifier build'):
        assert text in out
    rows = json.loads(call('doctor', '--json')[1])
    assert {o['what'] for o in rows} >= {'Python', 'settings', 'weights', 'pictures', 'export'}
    assert call('doctor', '--model', 'x')[0] == 2


def test_settings_lists_every_setting(call):
    code, out, _ = call('settings')
    assert code == 0 and '[train]' in out and '; side of the square input in pixels\nsize = 160' in out
    rows = json.loads(call('settings', '--json')[1])
    assert {'section', 'key', 'value', 'default', 'comment'} == set(rows[0])
    assert {(r['section'], r['key']) for r in rows} == {(s, k) for s, m in sections.items() for k in m.model_fields}
    assert [r['value'] for r in rows if r['key'] == 'model'] == ['tiny.onnx']


def test_doctor_takes_a_settings_file(call, place, tmp_path):
    code, out, _ = call('doctor', '--settings', place / 'settings.ini', cwd=tmp_path)
    assert code == 0 and 'export: tiny.onnx' in out
    assert call('doctor', '-s', 'gone.ini', cwd=tmp_path)[0] == 2


def test_new(call, tmp_path):
    "A project folder for other categories, which serves before there is a training"
    code, out, _ = call('new', tmp_path / 'hats')
    assert code == 0 and 'settings.ini' in out
    notebooks = {o.name for o in (ROOT / 'nbs').glob('*.ipynb')}
    assert {o.name for o in (tmp_path / 'hats').iterdir()} == {'settings.ini', 'nbs'}
    assert {o.name for o in (tmp_path / 'hats' / 'nbs').iterdir()} == notebooks
    file = tmp_path / 'hats' / 'settings.ini'
    assert load_settings(file).categories and load_settings(file).labels == {}
    file.write_text(file.read_text().replace('jeans =', 'hat =')) # no label map names a category that is gone
    assert 'hat' in load_settings(file).categories
    photo = sorted((ROOT / 'examples' / 'photos' / 'jeans').glob('*.jpg'))[0]
    code, out, err = call('predict', photo, cwd=tmp_path / 'hats')
    assert code == 0 and out.startswith('jeans') and 'so the network that comes with the package answers' in err
    code, out, _ = call('doctor', cwd=tmp_path / 'hats')
    assert code == 1 and 'export.onnx of the package' in out and 'clothing-classifier build trains your own' in out


@pytest.mark.parametrize('options', [[], ['--api']])
def test_a_server_says_whose_network_answers(options, call, tmp_path):
    "In a project that has exported none yet"
    call('new', tmp_path / 'hats')
    file, log = tmp_path / 'hats' / 'settings.ini', tmp_path / 'log'
    file.write_text(file.read_text().replace('jeans =', 'hat ='))
    with open(log, 'w') as f:
        p = command('serve', '--port', free_port(), *options, cwd=file.parent, stdout=f, stderr=f)
    try:
        wait_until(lambda: 'so the network that comes with the package answers' in log.read_text())
        assert log.read_text().count(f'clothing-classifier: {file.with_name("export.onnx")}: is not there yet') == 1
    finally:
        p.terminate()
        p.wait(60)


def test_new_keeps_what_is_there(call, tmp_path):
    (tmp_path / 'settings.ini').write_text('mine')
    code, _, err = call('new', tmp_path)
    assert code == 2 and 'is there already; name another folder' in err
    assert [o.read_text() for o in tmp_path.iterdir()] == ['mine']


def test_pages_need_a_project(call, place):
    code, _, err = call('serve', '--port', free_port())
    assert code == 2 and 'clothing-classifier new FOLDER' in err


def test_doctor_on_a_sick_machine(call, tmp_path):
    (write_settings(tmp_path).parent / 'tiny.onnx').write_bytes(b'no network')
    code, out, _ = call('doctor', cwd=tmp_path)
    assert code == 1 and '!!  export' in out and 'cannot' not in out.split('!!  export')[0]


def test_training_on_a_base_install_names_the_extra(place):
    "With torch, fastai and pandas made impossible to import"
    code = f"import sys; [sys.modules.__setitem__(o, None) for o in ('torch','fastai','pandas','imagehash')]; {MAIN}"
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    for cmd in ('train', 'build'):
        p = subprocess.run(
            [sys.executable, '-c', code, cmd], cwd=place, capture_output=True, text=True, timeout=120, env=env
        )
        assert p.returncode == 2 and "pip install 'clothing_classifier[train]'" in p.stderr
        assert 'Traceback' not in p.stderr


def test_completion(place):
    p = command(
        cwd=place,
        env=dict(_CLOTHING_CLASSIFIER_COMPLETE='complete_bash', COMP_WORDS='clothing-classifier pre', COMP_CWORD='1'),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert 'predict' in p.communicate(timeout=60)[0].decode()


def test_collect_and_count(place, call, tmp_path):
    "A folder comes in, and is counted"
    pics = draw_folder(tmp_path / 'drawn', ['jeans', 'socks'], n=4, size=80)
    args = ['--settings', place / 'settings.ini', '--json']
    code, out, _ = call('collect', '--folder', pics, '--data-path', tmp_path / 'data', *args)
    assert code == 0 and json.loads(out)['jeans']['found'] == 4
    code, out, _ = call('count', '--data-path', tmp_path / 'data', '--sheet', tmp_path / 'sheet.png', *args)
    assert code == 0 and json.loads(out)['socks']['pictures'] > 0 and (tmp_path / 'sheet.png').stat().st_size > 1000
    assert 'no such folder' in call('collect', '--folder', tmp_path / 'nowhere', *args)[2]
