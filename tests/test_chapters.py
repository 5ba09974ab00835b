"""Every chapter runs from top to bottom on somebody's own three categories, and touches nothing but their project."""
import hashlib
import os
import subprocess

import nbformat
import pytest
from conftest import COMMAND, ROOT
from drawings import draw_folder
from nbclient import NotebookClient
from tiny import settings_text

CATEGORIES = 'hat', 'dress', 'shorts'
CHAPTERS = '01_collect', '02_dataset', '03_train', '04_evaluate', '05_clean', '06_export'
SMALL = dict(train_arch='resnet18', train_weights='none', train_size=64, train_batch_size=8, train_frozen_epochs=1,
    train_unfrozen_epochs=1, train_finder_steps=10, train_threads=1, export_calibration_pictures=8)

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    "A project folder as `new` makes it, with pictures dropped into the folders of three categories"
    folder = tmp_path_factory.mktemp('own')/'hats'
    subprocess.run([COMMAND, 'new', str(folder)], check=True)
    (folder/'settings.ini').write_text(settings_text(CATEGORIES, **SMALL))
    draw_folder(folder/'data'/'images', CATEGORIES, n=40)
    return folder


def counted(project): return {c: len(list((project/'data'/'images'/c).glob('*.jpg'))) for c in CATEGORIES}
def sha256(path): return hashlib.sha256(path.read_bytes()).hexdigest()


def run(notebook, folder):
    "Execute a notebook as Jupyter would, without the cells that the tests leave out"
    nb = nbformat.read(notebook, as_version=4)
    nb.cells = [c for c in nb.cells if not c.source.startswith('#| notest')]
    NotebookClient(nb, timeout=600, kernel_name='python3', resources=dict(metadata=dict(path=folder))).execute()
    return nb


def test_all_chapters_in_order(project, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]))
    shipped = {o: sha256(ROOT/o) for o in ('export.pkl', 'export.onnx')}
    before = {o.name for o in (project/'nbs').iterdir()}
    counts = counted(project)
    for chapter in CHAPTERS: run(project/'nbs'/f'{chapter}.ipynb', project/'nbs')
    assert {o.name for o in (project/'nbs').iterdir()} == before, 'a chapter left files among the notebooks'
    assert {o: sha256(ROOT/o) for o in shipped} == shipped
    assert counted(project) == counts, 'a chapter moved pictures'
    assert (project/'export.onnx').is_file() and (project/'export.pkl').is_file()
    hat = next((project/'data'/'images'/'hat').iterdir())
    out = subprocess.run([COMMAND, 'predict', str(hat)], cwd=project, capture_output=True, text=True)
    assert out.stdout.split()[0] in (*CATEGORIES, 'unknown'), out.stderr


def test_until_there_are_pictures_the_examples_are_shown(tmp_path, monkeypatch):
    "After step 1 of the README, with categories of one's own and not one picture"
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]))
    subprocess.run([COMMAND, 'new', str(tmp_path/'hats')], check=True)
    (tmp_path/'hats'/'settings.ini').write_text(settings_text(CATEGORIES))
    nb = run(tmp_path/'hats'/'nbs'/'02_dataset.ipynb', tmp_path/'hats'/'nbs')
    said = ''.join(o.get('text', '') for c in nb.cells for o in c.get('outputs', []))
    assert 'No pictures of hat, dress, shorts yet' in said
