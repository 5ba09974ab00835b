"""The two files that ship, `export.pkl` and `export.onnx`, agree with each other and with what is said about them."""
import json
import pickletools
import random
import warnings
import zipfile

import pytest
from conftest import ROOT, SHARED, SIX, needs_photos, photos

from clothing_classifier.files import sha256
from clothing_classifier.predict import Classifier
from clothing_classifier.settings import load_settings
from clothing_classifier.training.onnx_export import agreement, check_agreement


@pytest.fixture(scope='module')
def learn():
    "As anybody opens it: plain fastai"
    from fastai.learner import load_learner
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return load_learner(ROOT/'export.pkl')


@pytest.fixture(scope='module')
def clf(): return Classifier(ROOT/'export.onnx', threads=2, max_megapixels=25)


def test_pickle_goes_by_name():
    "No bytecode, which only one version of Python reads, and no folder of the machine that trained it"
    with zipfile.ZipFile(ROOT/'export.pkl') as z:
        data = next(n for n in z.namelist() if n.endswith('data.pkl'))
        ops = list(pickletools.genops(z.read(data)))
    names = [a for o, a, _ in ops if o.name in ('GLOBAL', 'STACK_GLOBAL') and a]
    texts = [a for _, a, _ in ops if isinstance(a, str)]
    assert not [o for o in names if 'cloudpickle' in o or 'CodeType' in o]
    assert not [o for o in texts if o.startswith('/')]


def test_six_categories(learn, clf):
    assert sorted(SIX) == clf.labels == list(learn.dls.vocab)


def test_onnx_names_its_pickle(clf): assert clf.meta['learner_sha256'] == sha256(ROOT/'export.pkl')


def test_onnx_is_one_file_with_a_dynamic_batch(clf):
    import numpy as np
    assert clf.logits(np.zeros((3, 3, *[clf.prep['size']]*2))).shape == (3, 6)
    assert not list(ROOT.glob('export*.onnx.data'))


@needs_photos
def test_agrees_with_fastai_on_real_pictures(learn):
    "200 photos: the same category on 199, probabilities within 0.01 at the median"
    paths = [f for c in SIX for f in photos(c)] + sorted((SHARED/'clothing-dataset'/'images').glob('*.jpg'))[::20]
    print(check_agreement(agreement(learn, ROOT/'export.onnx', random.Random(1).sample(paths, 200))))


def test_agrees_with_fastai_on_the_example_photos(learn, clf):
    "Thirty CC0 photos that every clone has"
    paths = sorted((ROOT/'examples'/'photos').glob('*/*.jpg'))[::4]
    found = agreement(learn, ROOT/'export.onnx', paths)
    assert found['same'] >= found['pictures']-1 and found['median'] < .02


def test_the_page_answers_what_the_photos_show(clf):
    best = [ROOT/'examples'/'photos'/o for o in (ROOT/'examples'/'photos'/'best.txt').read_text().split()]
    right = [clf.predict(path).category == path.parent.name for path in best]
    assert len(right) == 12 and sum(right) >= 11


@pytest.fixture(scope='module')
def metrics(clf):
    "`metrics.json` of the run that the shipped pickle came from"
    for f in (ROOT/'runs').glob('*/metrics.json'):
        m = json.loads(f.read_text())
        if m.get('export', {}).get('learner_sha256') == clf.meta['learner_sha256']: return m
    pytest.fail('no metrics.json in runs/ belongs to export.pkl')


def test_run_has_its_figures(metrics):
    "Test accuracy with its interval, and a confusion matrix that adds up"
    t = metrics['test']
    assert t['interval'][0] < t['accuracy'] < t['interval'][1]
    assert sum(map(sum, t['confusion'])) == t['pictures']
    assert t['accuracy'] >= .90


def test_settings_serve_what_is_there():
    assert load_settings(ROOT/'settings.ini').serve.model.is_file()
