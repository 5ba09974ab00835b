"""Where the network looked: the shipped export says it as the learner would, and an export that can't is no obstacle."""
import io
import warnings

import numpy as np
import pytest
from conftest import ROOT
from tiny import write_settings

from clothing_classifier.page.inference import Engine
from drawings import draw_picture as draw_goods
from clothing_classifier.predict import Classifier, preprocess
from clothing_classifier.settings import load_settings
from clothing_classifier.serving.heat_map import has_map, heat, where


@pytest.fixture(scope='module')
def clf():
    if not (ROOT/'export.onnx').is_file(): pytest.skip('needs export.onnx')
    clf = Classifier.load(ROOT/'export.onnx', 1, 25)
    if not has_map(clf): pytest.skip('the export in this tree has no map; export it again')
    return clf


def test_the_map_is_that_of_the_learner(clf):
    "Computed by torch from the pickle, in fp32, for three drawings: the same hills and valleys, for all that the file has 8 bits"
    torch = pytest.importorskip('torch')
    from fastai.learner import load_learner

    from clothing_classifier.training.network_outputs import HiResCAM
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        model = load_learner(ROOT/'export.pkl').model.eval()
    for c in ('socks', 'jeans', 'shirt'):
        x = preprocess(draw_goods(c), **clf.prep)[None]
        with torch.no_grad(): want = HiResCAM(model[1])(model[0](torch.from_numpy(x))).numpy()
        got, = clf.net.session.run(['map'], {'image': x})
        assert got.shape == want.shape and np.corrcoef(got.ravel(), want.ravel())[0, 1] > .8


def test_it_looks_where_the_thing_is(clf):
    "A sock in a corner of a white sheet: the heat moves with it"
    from PIL import Image
    sock = draw_goods('socks', 0, 224)
    for at, corner in (((0, 0), ('top', 'left')), ((216, 216), ('bottom', 'right'))):
        im = Image.new('RGB', (440, 440), sock.getpixel((2, 2)))
        im.paste(sock, at)
        a = heat(clf, im, 'socks')
        assert a.max() == pytest.approx(1) and any(o in where(a) for o in corner), where(a)


def test_an_older_export_answers_without_it(tmp_path):
    "No button, and a sentence for whoever asks all the same; the answer is the same as ever"
    pytest.importorskip('onnx')
    engine = Engine(load_settings(write_settings(tmp_path)))
    b = io.BytesIO()
    draw_goods('jeans').save(b, 'PNG')
    assert engine.ask('about')[0]['why'] is False
    assert 'Export it again' in engine.ask('why', b.getvalue(), category='jeans')[0]['error']
    assert engine.ask('look', b.getvalue())[0]['category'] in ('jeans', 'socks')
