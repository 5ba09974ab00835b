"""What a student changes in a cell of `app.ipynb` is what the page shows."""
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
from conftest import ROOT, SIX, dyno, example, free_port, idle, open_page, serving, upload_of, wait_until

from clothing_classifier.page.shared_classifier import PageAnswer, UploadedPicture, shared_classifier
from clothing_classifier.settings import load_settings

CHANGES = {
    'title = settings.serve.title': "title = 'Shall I iron it?'",
    'sentence = None': "sentence = 'A <b>very</b> honest page.'",
    'return classifier.predict(picture)': "return {'socks': .2, 'jeans': .8} if 'two' in picture.name else 'jeans'"}


def test_the_notebook_is_six_cells():
    cells = json.loads((ROOT/'nbs'/'app.ipynb').read_text())['cells']
    assert len(cells) == 6 and all(len(cell['source']) <= 4 for cell in cells)


@contextmanager
def started(command, folder):
    "A command that runs in a folder while the block does: the file of what it says"
    log = folder/'log'
    with open(log, 'w') as f:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | dict(PYTHONPATH=str(ROOT)), stdout=f, stderr=f)
    try: yield log
    finally:
        process.terminate()
        process.wait(30)


needs_model = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')


@needs_model
def test_a_changed_cell_changes_the_page(browser, tmp_path):
    "Another title, another sentence, and a function that calls no network"
    notebook = dyno(tmp_path)/'nbs'/'app.ipynb'
    text = notebook.read_text()
    for old, new in CHANGES.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    notebook.write_text(text)
    with serving(tmp_path) as (_, url):
        page, wrong = open_page(browser, url)
        page.get_by_role('heading', name='Shall I iron it?').wait_for() # comes with the kernel
        assert page.inner_text('h1') == page.title() == 'Shall I iron it?'
        assert page.inner_text('.cc-page > p') == 'A <b>very</b> honest page.'
        page.set_input_files('.cc-upload input', [upload_of('shoes', 'one.jpg'), upload_of('shoes', 'two.jpg')])
        one, two = idle(page, 2).all()
        assert one.locator('.cc-answer').inner_text() == 'jeans > 99 % sure'
        assert two.locator('.cc-answer').inner_text() == 'jeans 80 % sure' and two.locator('.cc-row').count() == 2
        assert one.locator('img').evaluate('o => o.decode().then(() => o.naturalWidth)') > 50
        one.locator('[data-act=why]').click() # the network still explains what it sees of jeans in a shoe
        one.locator('.cc-said').wait_for()
        page.close()
    assert wrong == []


@needs_model
def test_a_notebook_may_show_more_than_the_page(browser, tmp_path):
    "Then Voila shows all of it"
    notebook = dyno(tmp_path)/'nbs'/'app.ipynb'
    content = json.loads(notebook.read_text())
    content['cells'][2]['source'] += ["\n", "from IPython.display import HTML\n", "HTML('<i>Hello, dear visitor</i>')"]
    notebook.write_text(json.dumps(content))
    with serving(tmp_path) as (_, url):
        page = browser.new_page(viewport=dict(width=1280, height=900))
        page.goto(url)
        page.get_by_text('Hello, dear visitor').wait_for(timeout=120_000)
        page.set_input_files('.cc-upload input', [upload_of('jeans')])
        assert idle(page, 1).first.locator('[data-answer=jeans]').is_visible()
        page.close()


@pytest.mark.parametrize('returned, category, probability, answer', [
    ('jeans', 'jeans', 1, 'jeans'),
    ('unknown', None, 0, 'unknown'),
    ({'socks': .3, 'jeans': .7}, 'jeans', .7, 'jeans'),
    ({}, None, 0, 'unknown'),
    (PageAnswer('socks', {'socks': .4}, known=False), 'socks', .4, 'unknown')])
def test_what_the_function_may_return(returned, category, probability, answer):
    given = PageAnswer.of(returned)
    assert (given.category, given.probability, given.answer) == (category, probability, answer)


def test_anything_else_is_explained():
    with pytest.raises(TypeError, match='return what classifier.predict returns'): PageAnswer.of(None)


@needs_model
def test_without_a_server_the_classifier_is_in_this_process():
    classifier, picture = shared_classifier(load_settings(ROOT/'settings.ini')), UploadedPicture(data=example('jeans'))
    assert sorted(classifier.categories) == sorted(SIX)
    assert classifier.predict(picture).answer == 'jeans' and picture.thumbnail[:2] == b'\xff\xd8'


@needs_model
def test_plain_voila_shows_it_too(browser, tmp_path):
    "Without our server: Voila's own template and scripts, the page over the whole width, and no word of an API"
    folder, port = dyno(tmp_path), free_port()
    url = f'http://127.0.0.1:{port}/'
    with started([sys.executable, '-m', 'voila', 'nbs/app.ipynb', f'--port={port}', '--no-browser'], folder) as log:
        assert wait_until(lambda: 'is running at' in log.read_text(), 120)
        page, _ = open_page(browser, url)
        page.locator('.cc-strip button').first.click()
        idle(page, 1)
        assert page.locator('.cc').evaluate('o => o.clientWidth') == 1280
        assert page.locator('.cc-foot').count() == 1 and page.locator('.cc-api, .cc-foot a').count() == 0
        page.close()


@needs_model
def test_jupyterlab_shows_it_too(browser, tmp_path):
    "The cells are run there, and the page is as wide as their output"
    pytest.importorskip('jupyterlab')
    folder, port = dyno(tmp_path), free_port()
    options = ['--no-browser', '--allow-root', f'--port={port}', '--IdentityProvider.token=', '--ServerApp.password=']
    url = f'http://127.0.0.1:{port}/lab/tree/nbs/app.ipynb'
    with started([sys.executable, '-m', 'jupyterlab', *options], folder) as log:
        assert wait_until(lambda: 'is running at' in log.read_text(), 120)
        page = browser.new_page(viewport=dict(width=1280, height=900))
        page.goto(url)
        page.wait_for_selector('.jp-Notebook .jp-Cell', timeout=120_000)
        page.get_by_text(re.compile(r'ipykernel\) \| Idle')).wait_for(timeout=120_000) # else nothing is run
        page.get_by_role('menuitem', name='Run', exact=True).click()
        page.locator('.lm-Menu-item', has_text='Run All Cells').first.click()
        page.set_input_files('.cc-upload input', [upload_of('jeans')], timeout=120_000)
        assert idle(page, 1).first.locator('[data-answer=jeans]').count() == 1
        output = page.locator('.jp-OutputArea-output:has(.cc)').last
        assert page.locator('.cc').evaluate('o => o.clientWidth') > .9*output.evaluate('o => o.clientWidth') > 600
        page.close()
