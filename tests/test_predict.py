"A classifier answers for paths, bytes and open pictures, one or many, and refuses what is not our network"
import itertools
from unittest.mock import patch

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from tiny import picture, settings_text, write_model

from clothing_classifier import predict
from clothing_classifier.images import ImageError, open_image
from clothing_classifier.predict import Classifier, ModelError, Prediction, calibrated, model_file, preprocess, softmax

JEANS = sorted((ROOT/'examples'/'photos'/'jeans').glob('*.jpg'))
META = dict(labels=['jeans', 'socks'], temperature=1., thresholds=dict(max_probability=.6),
    preprocessing=dict(size=32, mean=[.5]*3, std=[.5]*3))


def by_color(x): return (np.stack([x[:,2].mean((1, 2)), x[:,0].mean((1, 2))], 1)*4,)


@pytest.fixture
def clf(): return Classifier(by_color, META)


@pytest.fixture(scope='module')
def shipped_clf(): return Classifier.load(ROOT/'export.onnx', 1, 25)


def test_preprocess():
    x = preprocess(Image.new('RGB', (30, 40), 'white'), 8, [.5]*3, [.25]*3)
    assert (x.shape, x.dtype, float(x.max())) == ((3, 8, 8), np.float32, 2.) and x.flags.c_contiguous


def test_softmax():
    assert softmax(np.array([[0., 0.]])).tolist() == [[.5, .5]]
    assert softmax(np.array([[1000., 0.]])).tolist() == [[1, 0]]
    assert softmax(np.array([[3., 0.]]), 2)[0, 0] < softmax(np.array([[3., 0.]]))[0, 0]


def test_calibrated():
    logits = np.array([[0., 3.], [.1, 0.]])
    sure, unsure = calibrated(logits, None, META)
    assert (sure.answer, unsure.answer, unsure.category) == ('socks', 'unknown', 'jeans')
    assert list(sure.probabilities) == ['socks', 'jeans'] and sure.probability == sure.probabilities['socks']
    scored = calibrated(logits, np.array([-1., 1.]), META | dict(thresholds=dict(max_probability=.6, score=0)))
    assert [o.answer for o in scored] == ['unknown', 'jeans'] # the score decides where there is one


@pytest.mark.parametrize('color, answer', [('blue', 'jeans'), ('red', 'socks'), ('gray', 'unknown')])
def test_answers(clf, color, answer): assert clf.predict(picture(color)).answer == answer


def test_one_picture_in_every_form(shipped_clf):
    "The same answer to the last bit, and an open picture is not opened again"
    file = JEANS[0]
    im = open_image(file)
    expected = shipped_clf.predict(file)
    assert expected.answer == 'jeans'
    assert shipped_clf.predict(file.read_bytes()) == shipped_clf.predict(str(file)) == expected
    with patch.object(Image, 'open', side_effect=AssertionError('decoded')): assert shipped_clf.predict(im) == expected


def test_many_keep_their_order(clf):
    red, blue = (Image.new('RGB', (9, 9), o) for o in ('red', 'blue'))
    for batch_size, workers in itertools.product((1, 4), (0, 1, 3)):
        found = list(clf.predict_many([red, b'no picture', blue]*5, batch_size=batch_size, workers=workers))
        assert [o.category for o in found] == ['socks', None, 'jeans']*5
        assert found[1] == Prediction(None, 0., error=found[1].error) and 'not a picture' in found[1].error


def test_many_without_an_end(clf):
    "Items are read as answers are taken, not all at once"
    read = itertools.count()
    answers = clf.predict_many((Image.new('RGB', (9, 9)) for _ in read), workers=2)
    list(itertools.islice(answers, 20))
    assert next(read) < 60
    answers.close()


def test_a_reader_may_fail(clf):
    def read(name):
        if name == 'bad': raise ImageError('image_empty')
        return picture(name)
    assert [o.answer for o in clf.predict_many(['blue', 'bad', 'red'], read=read)][::2] == ['jeans', 'socks']
    assert [bool(o.error) for o in clf.answers(['blue', 'bad'], read)] == [False, True]
    assert clf.answers([]) == []


def test_what_is_refused(tmp_path):
    with pytest.raises(ModelError, match='there is no such file'): Classifier.load(tmp_path/'gone.onnx', 1, 25)
    reasons = {'a.pkl': 'is a pickle, which serving never', 'a.txt': 'not an .onnx file', 'a.onnx': 'export it again'}
    for name, why in reasons.items():
        (tmp_path/name).write_bytes(b'nothing')
        with pytest.raises(ModelError, match=why): Classifier.load(tmp_path/name, 1, 25)


def test_a_network_of_another_tool_is_refused(tmp_path):
    import onnx
    model = onnx.load(write_model(tmp_path/'a.onnx'))
    del model.metadata_props[:]
    onnx.save(model, tmp_path/'b.onnx')
    with pytest.raises(ModelError, match='has no labels, preprocessing, temperature, thresholds'):
        Classifier.load(tmp_path/'b.onnx', 1, 25)


def test_settings_say_what_is_not_said(tmp_path, monkeypatch):
    write_model(tmp_path/'tiny.onnx')
    (tmp_path/'settings.ini').write_text(settings_text(['jeans', 'socks'], serve_model='tiny.onnx', serve_threads=1,
        serve_max_megapixels=.01))
    monkeypatch.delenv('CLOTHING_CLASSIFIER_SETTINGS', raising=False)
    monkeypatch.chdir(tmp_path)
    clf = Classifier.load()
    assert (clf.threads, clf.labels) == (1, ['jeans', 'socks'])
    with pytest.raises(ImageError): clf.predict(picture(size=(200, 100)))
    assert Classifier.load(threads=0).threads == predict.cores()


def test_a_project_without_an_export_has_the_one_that_is_shipped(tmp_path):
    own = tmp_path/'export.onnx'
    assert model_file(own) == own # no project
    (tmp_path/'settings.ini').write_text(settings_text(['hat', 'dress']))
    assert model_file(own) == ROOT/'export.onnx' and model_file(tmp_path/'other.onnx') == tmp_path/'other.onnx'
    own.write_bytes(b'')
    assert model_file(own) == own
