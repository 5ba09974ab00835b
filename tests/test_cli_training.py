"The training sub-commands, one after the other on drawings, as somebody with a new idea would type them"

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import ROOT, small_settings
from drawings import draw_folder
from tiny import command, wait_until
from typer.testing import CliRunner

from clothing_classifier.cli import app
from clothing_classifier.settings import settings_text


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    "A folder with the settings of a tiny training, and drawings beside it"
    d = tmp_path_factory.mktemp('training')
    changes = dict(train_final_epochs=0, train_unfrozen_epochs=1, train_finder_steps=50, serve_threads=1)
    (d / 'settings.ini').write_text(settings_text(small_settings(d, **changes)))
    draw_folder(d / 'drawn', ['jeans', 'socks'], n=40)
    return d


@pytest.fixture(scope='module')
def say(place):
    "Run a sub-command with --json in this process: what it printed, as an object"

    def f(*args):
        with pytest.MonkeyPatch.context() as m:
            m.chdir(place)
            r = CliRunner().invoke(app, [*map(str, args), '--json'])
        assert r.exit_code == 0 and 'Traceback' not in r.stderr, r.stderr
        return json.loads(r.stdout)

    return f


@pytest.fixture(scope='module')
def collected(say): return say('collect', '--folder', 'drawn')


@pytest.fixture(scope='module')
def trained(collected, say): return say('train', '--seed', '7')


@pytest.fixture(scope='module')
def exported(trained, say): return say('export')


def test_collect(collected): assert collected['jeans']['kept'] == collected['socks']['kept'] == 40


def test_count(collected, say, place):
    rows = say('count', '--sheet', place / 'sheet.png')
    assert rows['socks']['pictures'] == 40 and (place / 'sheet.png').stat().st_size > 1000


def test_clean(collected, say, place):
    "A picture in the wrong folder is listed; there is nothing to take back"
    assert isinstance(say('clean', '--most', '3'), dict)
    assert say('clean', '--undo') == dict(taken_back=0)


def test_train(trained, place):
    "The run's folder has what `evaluate` and `export` need, and the option that was given"
    run = place / 'runs' / os.path.basename(trained['run'])
    assert {'learner.pkl', 'metrics.json', 'history.csv', 'settings.ini'} <= {o.name for o in run.iterdir()}
    assert 'seed = 7' in (run / 'settings.ini').read_text()


@pytest.mark.parametrize('cmd', ['train', 'build'])
def test_ctrl_c_keeps_the_best_epoch_and_ends_with_130(cmd, collected, place):
    "Nothing is exported then"
    runs, exports = place / f'stopped_{cmd}', ['--export-learner', f'{cmd}.pkl', '--export-network', f'{cmd}.onnx']
    options = ['--runs', runs, '--unfrozen-epochs', '500', *(exports if cmd == 'build' else [])]
    p = command(cmd, *options, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    def epochs(): return sum(o.read_text().count('\n') for o in runs.glob('*/history.csv'))
    wait_until(lambda: epochs() > 2 or p.poll() is not None, 240)
    p.send_signal(signal.SIGINT)
    err = p.communicate(timeout=240)[1].decode()
    assert p.returncode == 130 and 'holds the best epoch before Ctrl-C; clothing-classifier report' in err, err
    assert 'Traceback' not in err and list(runs.glob('*/learner.pkl')) and not (place / f'{cmd}.onnx').exists()


@pytest.mark.slow
def test_a_killed_training_goes_on(collected, say, place):
    "With the epochs that it began with, also those that an option had named"
    runs = place / 'killed'
    p = command('train', '--runs', runs, '--unfrozen-epochs', '4', cwd=place, stderr=subprocess.DEVNULL)
    def epochs(): return sum(o.read_text().count('\n') - 1 for o in runs.glob('*/history.csv'))
    wait_until(lambda: epochs() >= 2 or p.poll() is not None, 240)
    p.kill()
    assert p.wait() == -signal.SIGKILL
    o = say('train', '--resume', '--runs', runs)
    history = (runs / os.path.basename(o['run']) / 'history.csv').read_text().splitlines()
    assert [line.split(',')[0] for line in history] == ['epoch', '0', '0', '1', '2', '3']
    assert not list(runs.glob('*/began.pkl'))


def test_train_for_a_body(collected, say, place):
    "A body that has not seen the test pictures of other settings; what it trained on and what is held back add up"
    from clothing_classifier.settings import load_settings
    shutil.copy(place/'settings.ini', place/'other.ini')
    o = say('train', '--apart-from', 'other.ini', '--body', 'body.safetensors')
    from clothing_classifier.dataset import pictures
    df = pictures(load_settings(place/'other.ini'))
    assert o['pictures'] == df.split[df.split != 'test'].value_counts().to_dict()
    assert (place / 'body.safetensors').is_file()


@pytest.fixture(scope='module')
def run(place):
    "Run a sub-command in this process: exit code, standard output, standard error"
    def f(*args, **kwargs):
        with pytest.MonkeyPatch.context() as m:
            m.chdir(place)
            r = CliRunner().invoke(app, list(map(str, args)), **kwargs)
        return r.exit_code, r.stdout, r.stderr

    return f


def test_evaluate_prints_a_table(trained, run):
    code, out, _ = run('evaluate', '--run', trained['run'])
    first, _, head, *rows = out.splitlines()
    assert code == 0 and re.match(r'[\d.]+ % of \d+ test pictures are right \(95 % interval', first)
    assert head.split() == ['precision', 'recall', 'f1', 'pictures']
    assert [o.split()[0] for o in rows] == ['jeans', 'socks']


def test_evaluate_further(trained, run):
    "Conditions are measured; all drawings are from one folder, so that none can be left out"
    code, out, err = run('evaluate', '--run', trained['run'], '--conditions', '--elsewhere')
    assert code == 0 and 'Test pictures, changed:' in out and 'turned by 20°' in out
    assert 'no source of pictures can be left out' in err and 'Each source' not in out


def test_fine_tune_alone_means_nothing(trained, run):
    code, out, err = run('evaluate', '--run', trained['run'], '--fine-tune')
    assert (code, out) == (2, '') and 'add --elsewhere' in err


def test_clean_says_why(trained, run, place):
    code, out, _ = run('clean')
    assert code == 0
    columns = ['category', 'split', 'suggestion', 'score', 'reason', 'path']
    assert out.split()[:6] == columns or out.startswith('Empty')


@pytest.mark.parametrize('cmd', ['export', 'report', 'build'])
def test_an_export_is_not_replaced_unasked(cmd, exported, run, place):
    before = (place / 'export.onnx').read_bytes()
    code, out, err = run(cmd)
    assert (code, out) == (2, '') and 'add --replace' in err and 'export.pkl and export.onnx' in err
    assert (place / 'export.onnx').read_bytes() == before


def test_on_a_terminal_it_asks(exported, run, monkeypatch):
    monkeypatch.setattr('clothing_classifier.command.training._is_terminal', lambda: True)
    code, _, err = run('export', input='n\n')
    assert code == 2 and 'Replace export.pkl and export.onnx? [y/N]' in err and 'not replaced' in err


@pytest.mark.slow
def test_a_log_has_no_bars(collected, place):
    "Standard error that is a file has a line an epoch"
    p = command('train', '--runs', 'others', cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    log = p.communicate(timeout=600)[1].decode()
    assert p.returncode == 0 and not set(log) & set('\r█') and log.count('\n') < 30, log


def test_evaluate(trained, say):
    o = say('evaluate', '--run', trained['run'])
    assert 0 <= o['test']['accuracy'] <= 1 and {'temperature', 'thresholds'} == set(o['serving'])


def test_export(exported, place):
    assert exported['check']['same'] == exported['check']['pictures'] and exported['shipped'] == 'int8'
    assert (place / 'export.pkl').is_file() and (place / 'export.onnx').is_file()


def test_what_was_exported_answers(exported, place):
    "The last station: a process of its own, without torch"
    p = command('predict', 'drawn/jeans/0001.jpg', '--json', cwd=place, stdout=subprocess.PIPE)
    assert set(json.loads(p.communicate(timeout=120)[0])['probabilities']) == {'jeans', 'socks'} and p.returncode == 0


@pytest.mark.slow
def test_build(say, tmp_path, place):
    "All of it at once, elsewhere; summaries of the import stay off standard output"
    shutil.copy(place / 'settings.ini', tmp_path)
    o = say('build', '--folder', 'drawn', '--settings', tmp_path / 'settings.ini')
    assert o['export']['shipped'] == 'int8' and (tmp_path / 'export.onnx').is_file()
    assert o['learning_curve'] and 'Model card' in (tmp_path / 'MODEL_CARD.md').read_text()


def test_a_table_with_columns_of_its_own(say, place, tmp_path):
    ini = tmp_path/'settings.ini'
    ini.write_text(settings_text(small_settings(tmp_path)).replace('[labels]', '[labels]\nT + blue = jeans\nT = socks'))
    (tmp_path/'table.csv').write_text('name,file,type\nBlue one,0001,T\nRed one,0002,T\n')
    columns = '--columns', 'file, type, name'
    o = say('collect', '--csv', tmp_path/'table.csv', '--images', place/'drawn'/'jeans', *columns, '--settings', ini)
    assert o['jeans']['kept'] == o['socks']['kept'] == 1


@pytest.mark.parametrize('args, says', [
    (['collect', '--columns', 'id,type'], '--images and --columns describe a CSV: add --csv FILE'),
    (['collect', '--images', 'drawn'], '--images and --columns describe a CSV: add --csv FILE'),
    (['train', '--also-columns', 'id,colour'], '--also-columns describes a CSV: add --also FILE')])
def test_columns_of_nothing(run, args, says):
    "No search of the web, and no training"
    code, out, err = run(*args)
    assert (code, out) == (2, '') and says in err


@pytest.mark.parametrize('cmd', ['evaluate', 'export', 'report'])
def test_several_labels_are_not_measured(cmd, run, place, tmp_path):
    (tmp_path/'learner.pkl').write_bytes(b'')
    (tmp_path/'metrics.json').write_text('{"also": ["colour"]}')
    code, _, err = run(cmd, '--run', tmp_path)
    assert code == 2 and 'has learned several labels' in err and 'start another training from its body' in err


@pytest.mark.parametrize('cmd', ['count', 'train', 'clean', 'build'])
def test_without_pictures_they_say_what_to_do(cmd, place, tmp_path):
    shutil.copy(place / 'settings.ini', tmp_path)
    r = CliRunner().invoke(app, [cmd, '--settings', str(tmp_path / 'settings.ini')])
    said = [o for o in r.stderr.splitlines() if o.startswith('clothing-classifier: ')]
    assert (r.exit_code, len(said)) == (2, 1) and re.search('collect|import|more pictures', said[0]), r.stderr


@pytest.mark.parametrize('cmd', ['collect', 'count', 'clean', 'train', 'evaluate', 'export', 'report', 'build'])
def test_a_base_install_names_the_extra(cmd, place, tmp_path):
    "With what the training extra brings made impossible to import"
    heavy = "('torch','fastai','pandas','imagehash','sklearn','onnx','matplotlib','aiohttp','ddgs')"
    main = 'from clothing_classifier.cli import main; main()'
    code = f'import sys; [sys.modules.__setitem__(o, None) for o in {heavy}]; {main}'
    (tmp_path / 'learner.pkl').write_bytes(b'')
    args = ['--run', tmp_path] if cmd in ('evaluate', 'export', 'report') else []
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    run = [sys.executable, '-c', code, cmd, *args]
    p = subprocess.run(run, cwd=place, capture_output=True, text=True, timeout=240, env=env)
    assert p.returncode == 2 and p.stderr.count('\n') == 1, p.stderr
    assert "pip install 'clothing_classifier[train]'" in p.stderr
