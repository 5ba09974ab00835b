"""What model card, README and docs say about the model is what was measured"""
import csv
import json
import re
import shutil
import urllib.request

import pytest
from conftest import ROOT
from tiny import served

from clothing_classifier.training.model_card import model_card, percent

RUN = sorted(ROOT.glob('runs/*/metrics.json'))[-1].parent
METRICS = json.loads((RUN/'metrics.json').read_text())
TEN = json.loads((ROOT/'bench'/'ten.json').read_text())
RESULTS = (ROOT/'bench'/'RESULTS.md').read_text()
DOCUMENTS = [o for o in (ROOT/'README.md', ROOT/'docs'/'benchmarks.md') if o.is_file()]
each_document = pytest.mark.parametrize('text', [o.read_text() for o in DOCUMENTS], ids=[o.name for o in DOCUMENTS])


def numbers(o):
    "All numbers in a value of JSON"
    if isinstance(o, dict): o = o.values()
    if isinstance(o, (int, float)): return [o]
    return [] if isinstance(o, str) or o is None else [n for part in o for n in numbers(part)]


def baselines():
    "Accuracies of the simpler models"
    with open(ROOT/'bench'/'baselines.csv') as f: return [float(row['accuracy']) for row in csv.DictReader(f)]


def test_the_card_is_the_one_of_the_run():
    assert (ROOT/'MODEL_CARD.md').read_text() == model_card(RUN, (ROOT/'model_card_words.md').read_text())


@each_document
def test_no_percentage_is_made_up(text):
    "Each share with a decimal is a figure of the run or of a benchmark"
    measured = {percent(o) for o in (*numbers(METRICS), *numbers(TEN), *baselines())}
    stated = [f'{o} %' for o in re.findall(r'(\d+\.\d) ?%', text)]
    assert [o for o in stated if o not in measured and o.replace(' ', '') not in RESULTS.replace(' ', '')] == []


def rows(text):
    "Cells of the rows of all tables"
    return [[cell.strip(' *`') for cell in o.strip('|').split('|')] for o in text.splitlines() if o.startswith('|')]


@each_document
def test_ten_categories(text):
    "Rows that begin with the size of the pictures"
    for o in TEN['rows']:
        name = f"{o['pixels']} px{', mirror' if o['mirror'] == 'yes' else ''}"
        for row in rows(text):
            want = [f"{o['test']:.3f}", f"{o['lowest']:.3f} to {o['highest']:.3f}"]
            if row[0] == name: assert row[1:3] == want


@each_document
def test_calibration_and_unknown(text):
    "Rows of the calibration error, and of the kinds of something else"
    measured = {kind: list(found['auroc'].values()) for kind, found in METRICS['unknown'].items()}
    measured['expected calibration error'] = [METRICS['test'][o] for o in ('ece', 'ece_raw')]
    for row in rows(text):
        name = row[0].partition(',')[0]
        stated = re.findall(r'0\.\d{3}', ' '.join(row))
        if name in measured: assert set(stated) <= {f'{o:.3f}' for o in measured[name]}


def test_the_run_of_the_shipped_files_is_named():
    assert any(f'runs/{RUN.name}' in o.read_text() for o in DOCUMENTS)


def test_the_bars():
    "Accuracy, calibration, pictures that stay known, and pictures of something else that are told"
    test, unknown = METRICS['test'], METRICS['unknown']
    assert test['accuracy'] >= .93 and test['ece'] <= .03 and test['known'] >= .95
    assert unknown['far']['auroc']['score'] >= .97 and unknown['near']['auroc']['score'] >= .85
    assert max(o['test'] for o in TEN['rows'] if o['mirror'] == 'no') >= .86


def test_the_api_shows_the_card(tmp_path):
    for name in ('settings.ini', 'export.onnx', 'MODEL_CARD.md'): shutil.copy(ROOT/name, tmp_path/name)
    with served(tmp_path) as (port, *_):
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/v1/model', timeout=30) as response:
            assert json.load(response)['card'] == (ROOT/'MODEL_CARD.md').read_text(encoding='utf-8')
