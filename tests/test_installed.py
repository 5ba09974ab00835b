"Installed from its wheel, the command works in any folder, and writes nothing beside the package"

import os
import shutil
import site
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest
from conftest import EXAMPLES, ROOT, free_port, wait_for_server
from tiny import answers, wait_until

is_clone = (ROOT / '.git').exists() and shutil.which('git')
pytestmark = pytest.mark.skipif(not is_clone, reason='asks git which files belong to the project')
JEANS = sorted((EXAMPLES / 'jeans').glob('*.jpg'))[0]


def run(*args, **options):
    return subprocess.run(list(map(str, args)), capture_output=True, text=True, timeout=300, **options)


def copy_of_the_project(folder):
    "The files of the project, as pip finds them in a clone"
    listed = run('git', 'ls-files', '--cached', '--others', '--exclude-standard', cwd=ROOT, check=True).stdout
    for name in listed.splitlines():
        if not (ROOT / name).is_file(): continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope='module')
def environment(tmp_path_factory):
    "A virtual environment with the wheel; what it depends on comes from the environment of the tests"
    d = tmp_path_factory.mktemp('installed')
    pip = sys.executable, '-m', 'pip', '--disable-pip-version-check', '--quiet'
    source = copy_of_the_project(d / 'source')
    run(*pip, 'wheel', source, '--no-deps', '--no-build-isolation', '--wheel-dir', d, check=True)
    shutil.rmtree(source)
    run(sys.executable, '-m', 'venv', '--without-pip', d / 'venv', check=True)
    python = d / 'venv' / 'bin' / 'python'
    run(*pip, '--python', python, 'install', '--no-deps', '--no-index', *d.glob('*.whl'), check=True)
    packages = run(python, '-c', 'import site; print(site.getsitepackages()[0])', check=True).stdout.strip()
    Path(packages, 'others.pth').write_text(site.getsitepackages()[0])
    return d / 'venv'


def plain_environment():
    "Environment variables without those that lead to the clone"
    leading = 'PYTHONPATH', 'CLOTHING_CLASSIFIER_SETTINGS'
    return {key: value for key, value in os.environ.items() if key not in leading}


@pytest.fixture
def installed(environment, tmp_path):
    "Run something of the environment in an empty folder"
    def f(name, *args, cwd=tmp_path, **env):
        return run(environment / 'bin' / name, *args, cwd=cwd, env=plain_environment() | env)

    return f


@pytest.fixture(autouse=True)
def nothing_is_written_beside_the_package(environment):
    "Whatever a test does"
    def files(): return {o for o in environment.rglob('*') if o.suffix != '.pyc' and o.name != '__pycache__'}
    before = files()
    yield
    assert files() == before


def test_predict_works_in_any_folder(installed):
    p = installed('clothing-classifier', 'predict', JEANS)
    assert (p.returncode, p.stderr) == (0, '') and p.stdout.startswith('jeans 0.')


def test_the_classifier_works_in_any_folder(installed, environment):
    code = f'import clothing_classifier.predict as p; print(p.__file__, p.Classifier().predict({str(JEANS)!r}).answer)'
    p = installed('python', '-c', code)
    assert p.stdout.startswith(str(environment)) and p.stdout.endswith(' jeans\n'), p.stderr


def test_doctor_and_settings_work_in_any_folder(installed):
    p = installed('clothing-classifier', 'doctor')
    assert p.returncode == 0 and 'ok  export: export.onnx' in p.stdout and 'clothing-classifier new FOLDER' in p.stdout
    assert 'port = 8866' in installed('clothing-classifier', 'settings').stdout


@pytest.fixture
def temporary():
    "A folder for temporary files, whose path is short enough for sockets"
    with tempfile.TemporaryDirectory() as folder: yield Path(folder)


@pytest.mark.parametrize('options', [[], ['--api']])
def test_serve_works_in_any_folder(options, environment, tmp_path, temporary):
    "And leaves nothing there, nor among the temporary files"
    port, log = free_port(), tmp_path / 'log'
    command = [environment / 'bin' / 'clothing-classifier', 'serve', '--port', str(port), *options]
    empty = tmp_path / 'empty'
    empty.mkdir()
    env = plain_environment() | dict(TMPDIR=str(temporary))
    with open(log, 'w') as f: process = subprocess.Popen(command, cwd=empty, env=env, stdout=f, stderr=f)
    try:
        url = f'http://127.0.0.1:{port}/'
        wait_for_server(process, url, log)
        wait_until(lambda: answers(f'{url}readyz'))
        request = urllib.request.Request(f'{url}v1/predict', JEANS.read_bytes(), {'Content-Type': 'image/jpeg'})
        assert b'"answer":"jeans"' in urllib.request.urlopen(request, timeout=120).read()
    finally:
        process.terminate()
        process.wait(60)
    assert list(empty.iterdir()) == list(temporary.glob('clothing-classifier-*')) == []


@pytest.mark.parametrize('verb', ['collect', 'count', 'clean', 'train', 'evaluate', 'export', 'report', 'build'])
def test_what_needs_a_project_says_how_to_make_one(verb, installed, tmp_path):
    p = installed('clothing-classifier', verb)
    assert p.returncode == 2 and p.stderr.count('\n') == 1 and 'clothing-classifier new FOLDER' in p.stderr
    assert list(tmp_path.iterdir()) == []


def test_settings_that_are_found_or_named_replace_the_shipped_ones(installed, tmp_path):
    "The nearest file, that of --settings, and that of the environment variable"
    assert installed('clothing-classifier', 'new', 'hats').returncode == 0
    file = tmp_path / 'hats' / 'settings.ini'
    file.write_text(file.read_text().replace('port = 8866', 'port = 9999'))
    ways = (
        installed('clothing-classifier', 'settings', cwd=tmp_path / 'hats' / 'nbs'),
        installed('clothing-classifier', 'settings', '--settings', file),
        installed('clothing-classifier', 'settings', CLOTHING_CLASSIFIER_SETTINGS=str(file)),
    )
    for p in ways: assert 'port = 9999' in p.stdout, p.stderr
