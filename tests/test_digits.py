"Command, API, README and docs show a probability of the same picture in the same digits"

import csv
import io
import json
import re
import subprocess

import pytest
from conftest import COMMAND, ROOT
from fastapi.testclient import TestClient

from clothing_classifier.api.app import create_app
from clothing_classifier.settings import load_settings

pytestmark = pytest.mark.skipif(not (ROOT / 'export.onnx').is_file(), reason='needs export.onnx')
PHOTO = 'examples/photos/jeans/52167e0c578f.jpg'


def predict(*options):
    return subprocess.check_output([COMMAND, 'predict', PHOTO, *options], cwd=ROOT, text=True)


def test_command_and_api_print_the_same_digits():
    api = TestClient(create_app(load_settings(ROOT / 'settings.ini')))
    headers = {'Content-Type': 'image/jpeg'}
    (answer,) = api.post('/v1/predict', content=(ROOT / PHOTO).read_bytes(), headers=headers).json()['results']
    row = json.loads(predict('--json'))
    assert answer['probability'] == row['probability'] == round(row['probability'], 4)
    assert answer['probabilities'] == row['probabilities']
    (in_csv,) = csv.DictReader(io.StringIO(predict('--csv')))
    assert {c: float(in_csv[c]) for c in row['probabilities']} == row['probabilities']
    assert predict() == f'jeans {row["probability"]:.4f} {PHOTO}\n'


def test_readme_and_docs_show_the_same_digits():
    in_readme = re.search(rf'^jeans (\S+) {PHOTO}$', (ROOT / 'README.md').read_text(), re.M)[1]
    in_docs = re.search(rf'{PHOTO}.*?"probability": (0\.\d+)', (ROOT / 'docs/api.md').read_text(), re.S)[1]
    assert in_readme == in_docs
