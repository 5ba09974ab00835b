"""The serving wing starts without the training wing: no torch, no fastai, nothing else that would not fit a dyno."""
import subprocess
import sys

import pytest

HEAVY = ('torch', 'torchvision', 'fastai', 'fastcore', 'nbdev', 'pandas', 'matplotlib', 'scipy', 'sklearn', 'onnx')
SERVING = ('settings', 'images', 'examples', 'predict', 'dashboard', 'cli')


@pytest.mark.parametrize('module', SERVING)
def test_imports_nothing_heavy(module):
    code = f"import sys, clothing_classifier.{module}; print(*[o for o in {HEAVY} if o in sys.modules])"
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout.strip() == ''


def test_answers_without_torch(tmp_path):
    "Also when a model is opened and asked, with torch and fastai made impossible to import"
    code = f"""
import sys
for o in {HEAVY}: sys.modules[o] = None
from clothing_classifier.examples import draw_picture
from clothing_classifier.predict import Classifier
print(Classifier.load().predict(draw_picture('jeans')).category)
"""
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip()
