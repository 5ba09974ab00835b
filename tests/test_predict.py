"A classifier answers for a picture in every form, one or many, and refuses what is not our network"
import doctest
import inspect
import io
import itertools
import warnings
from unittest.mock import patch

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from tiny import picture, settings_text, write_model

from clothing_classifier import predict
from clothing_classifier.images import ImageError, open_image
from clothing_classifier.predict import (
    Classifier,
    ModelError,
    NetworkClassifier,
    Prediction,
    calibrated,
    padding,
    preprocess,
    softmax,
    square,
)

JEANS = sorted((ROOT/'examples'/'photos'/'jeans').glob('*.jpg'))
META = dict(labels=['jeans', 'socks'], temperature=1., thresholds=dict(max_probability=.6),
    preprocessing=dict(size=32, mean=[.5]*3, std=[.5]*3))


def by_color(x): return (np.stack([x[:,2].mean((1, 2)), x[:,0].mean((1, 2))], 1)*4,)


@pytest.fixture
def clf(): return NetworkClassifier(by_color, META)


@pytest.fixture(scope='module')
def shipped_clf(): return Classifier(ROOT/'export.onnx', 1, 25)


def test_preprocess():
    x = preprocess(Image.new('RGB', (30, 40), 'white'), 8, [.5]*3, [.25]*3)
    assert (x.shape, x.dtype, float(x.max())) == ((3, 8, 8), np.float32, 2.) and x.flags.c_contiguous


SIZES = [(30, 40), (40, 30), (33, 33), (1, 1), (1, 500), (500, 1), (101, 100), (639, 481), (7, 333), (160, 161)]


@pytest.mark.parametrize('width, height', SIZES)
def test_the_padding_is_what_a_square_lacks(width, height):
    for size in (32, 33, 160):
        left, top, right, bottom = padding(width, height, size)
        assert min(left, top, right, bottom) == 0 == min(left+right, top+bottom) and 0 <= right-left <= 1
        inner = size-left-right, size-top-bottom
        assert max(inner) == size and min(inner) == max(1, round(size*min(width, height)/max(width, height)))


@pytest.mark.parametrize('size', SIZES)
def test_a_padded_picture_repeats_its_edges(size):
    "The middle is the picture in its proportions, and nothing is invented"
    im = Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8))
    left, top, right, bottom = padding(*size, 64)
    x = np.asarray(square(im, 64, 'pad'))
    assert x.shape == (64, 64, 3)
    inner = x[top:64-bottom, left:64-right]
    assert (inner == np.asarray(im.resize(inner.shape[1::-1], Image.Resampling.BILINEAR))).all()
    assert (x[:, :left] == x[:, [left]]).all() and (x[:, 64-right:] == x[:, [63-right]]).all()
    assert (x[:top] == x[[top]]).all() and (x[64-bottom:] == x[[63-bottom]]).all()


def test_a_square_stays_as_it_is():
    "A small copy that is one already becomes the same numbers"
    once = square(open_image(JEANS[0]), 64, 'pad')
    assert all((np.asarray(square(once, 64, how)) == np.asarray(once)).all() for how in ('pad', 'squish'))


def test_a_long_strip_needs_no_memory():
    "A file of a hundred kilobytes may be 60,000 pixels long; its square of that side would fill 10 GB"
    assert preprocess(Image.new('RGB', (60_000, 1)), 64, [.5]*3, [.5]*3, 'pad').shape == (3, 64, 64)


@pytest.mark.parametrize('how', ['pad', 'squish', None])
def test_an_export_says_how_a_picture_becomes_a_square(how):
    "Our first exports did not say it, and squished"
    said = dict(resample='bilinear') | (dict(resize=how) if how else {})
    clf = NetworkClassifier(by_color, META | dict(preprocessing=META['preprocessing'] | said))
    half = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255], [0, 0, 255]]], np.uint8))
    x = preprocess(half, **clf.prep)
    assert (x == preprocess(half, 32, [.5]*3, [.5]*3, how or 'squish')).all()


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
    assert shipped_clf.predict(np.asarray(im)) == shipped_clf.predict(io.BytesIO(file.read_bytes())) == expected
    with open(file, 'rb') as f: assert shipped_clf.predict(f) == expected


def test_an_array_may_be_grey(clf):
    assert clf.predict(np.full((40, 60), 128, np.uint8)) == clf.predict(Image.new('RGB', (60, 40), (128, 128, 128)))


def test_a_list_gets_a_list(clf):
    "Of any forms; a bad picture has its error, and does not stop the others"
    answers = clf.predict([picture('blue'), np.asarray(Image.new('RGB', (9, 9), 'red')), b'no picture'])
    assert [o.answer for o in answers[:2]] == ['jeans', 'socks'] and 'not a picture' in answers[2].error
    assert clf.predict([]) == []


@pytest.mark.parametrize('given, says', [
    (np.zeros((3, 8, 8), np.float32), r'float32 \(3, 8, 8\) is not a picture; give uint8 of shape'),
    (np.zeros((8, 8, 2), np.uint8), 'give uint8 of shape'),
    (io.StringIO('text'), "open it with mode 'rb'")])
def test_what_is_no_picture_says_what_to_give(clf, given, says):
    with pytest.raises(TypeError, match=says): clf.predict(given)


def test_every_public_method_has_an_example_that_runs(monkeypatch):
    "In the docstring, from the folder of the clone"
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv('CLOTHING_CLASSIFIER_SETTINGS', raising=False)
    for kind in (Classifier, NetworkClassifier):
        public = [o for name, o in vars(kind).items() if inspect.isfunction(o) and name[0] != '_']
        assert all('>>> ' in o.__doc__ for o in [kind, *public])
    result = doctest.testmod(predict)
    assert result.attempted > 8 and result.failed == 0


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
    with pytest.raises(ModelError, match='there is no such file'): Classifier(tmp_path/'gone.onnx', 1, 25)
    reasons = {'a.pkl': 'is a pickle, which serving never', 'a.txt': 'not an .onnx file', 'a.onnx': 'export it again'}
    for name, why in reasons.items():
        (tmp_path/name).write_bytes(b'nothing')
        with pytest.raises(ModelError, match=why): Classifier(tmp_path/name, 1, 25)


def test_a_network_of_another_tool_is_refused(tmp_path):
    import onnx
    model = onnx.load(write_model(tmp_path/'a.onnx'))
    del model.metadata_props[:]
    onnx.save(model, tmp_path/'b.onnx')
    with pytest.raises(ModelError, match='has no labels, preprocessing, temperature, thresholds'):
        Classifier(tmp_path/'b.onnx', 1, 25)


def test_settings_say_what_is_not_said(tmp_path, monkeypatch):
    write_model(tmp_path/'tiny.onnx')
    (tmp_path/'settings.ini').write_text(settings_text(['jeans', 'socks'], serve_model='tiny.onnx', serve_threads=1,
        serve_max_megapixels=.01))
    monkeypatch.delenv('CLOTHING_CLASSIFIER_SETTINGS', raising=False)
    monkeypatch.chdir(tmp_path)
    clf = Classifier()
    assert (clf.threads, clf.labels) == (1, ['jeans', 'socks'])
    with pytest.raises(ImageError): clf.predict(picture(size=(200, 100)))
    assert Classifier(threads=0).threads == predict.cores()


@pytest.fixture
def opened(tmp_path, monkeypatch):
    "What `Classifier()` opens in a project of these categories, and what it warns of"
    monkeypatch.delenv('CLOTHING_CLASSIFIER_SETTINGS', raising=False)
    monkeypatch.chdir(tmp_path)
    def f(*categories, **changes):
        (tmp_path/'settings.ini').write_text(settings_text(categories, **changes))
        with warnings.catch_warnings(record=True) as found: classifier = Classifier()
        return classifier, ' '.join(str(o.message) for o in found)
    return f


def test_a_project_without_an_export_hears_that_the_shipped_network_answers(opened, tmp_path):
    classifier, warning = opened('hat', 'dress')
    assert classifier.file == ROOT/'export.onnx'
    assert warning.startswith(f'{tmp_path/"export.onnx"}: is not there yet, so the network that comes with the package')
    assert warning.endswith('clothing-classifier build trains your own')


def test_categories_that_the_network_does_not_know_are_named(opened, tmp_path):
    write_model(tmp_path/'export.onnx')
    assert opened('jeans', 'socks')[1] == ''
    _, warning = opened('hat', 'dress')
    assert 'knows jeans, socks, but [categories] in' in warning and 'has hat, dress; clothing-classifier' in warning


def test_a_network_that_is_named_is_not_replaced(opened):
    with pytest.raises(ModelError, match='there is no such file'): opened('hat', 'dress', serve_model='gone.onnx')


def test_without_a_project_the_shipped_network_answers(tmp_path, monkeypatch):
    "In any folder, and without a word"
    monkeypatch.delenv('CLOTHING_CLASSIFIER_SETTINGS', raising=False)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert Classifier().predict(JEANS[0]).answer == 'jeans'
