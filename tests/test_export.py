"""An export: two files that agree, written whole, and never over another without being told to"""
import pytest

pytest.importorskip('fastai')

import numpy as np
from drawings import draw_picture

from clothing_classifier.export import export, report
from clothing_classifier.files import sha256
from clothing_classifier.predict import Classifier
from clothing_classifier.training.learner_classifier import LearnerClassifier
from clothing_classifier.training.learner_file import read_learner
from clothing_classifier.training.onnx_export import ExportError, agreement
from clothing_classifier.training.runs import Run


def test_the_network_answers_like_fastai(trained):
    check = trained[2]['check']
    assert check['same'] == check['pictures'] > 0 and check['median'] < 1e-3


def test_the_network_names_its_learner(trained):
    settings, _, figures = trained
    meta = Classifier(settings.export.network, 1, 25).meta
    assert meta['learner_sha256'] == figures['learner_sha256'] == sha256(settings.export.learner)
    assert meta['precision'] == figures['shipped'] == 'int8'
    assert meta['preprocessing']['size'] == settings.train.network_size


def test_learner_and_network_give_the_same_predictions(trained):
    settings = trained[0]
    fp32 = Classifier(settings.export.network.with_suffix('.fp32.onnx'), 1, 25)
    with pytest.warns(UserWarning, match='runs the code inside'):
        pickled = LearnerClassifier(settings.export.learner)
    assert (fp32.labels, fp32.thresholds, fp32.temperature) == (pickled.labels, pickled.thresholds, pickled.temperature)
    for category in settings.categories:
        a, b = (o.predict(draw_picture(category, 9000)) for o in (fp32, pickled))
        assert (a.category, a.known) == (b.category, b.known)
        assert a.probability == pytest.approx(b.probability, abs=2e-3)


def test_learner_and_network_agree_on_pictures_of_all_shapes(trained, tmp_path):
    "Padded by fastai's pipeline and by serving, they differ by rounding only"
    settings, rng = trained[0], np.random.default_rng(0)
    shapes = [(16, 200), (200, 16), *rng.integers(40, 300, (20, 2)).tolist()]
    files = [tmp_path/f'{i}.png' for i in range(len(shapes))]
    for file, shape in zip(files, shapes, strict=True): draw_picture('jeans', 0).resize(shape).save(file)
    learn, fp32 = read_learner(settings.export.learner), settings.export.network.with_suffix('.fp32.onnx')
    assert Classifier(fp32, 1, 25).prep['resize'] == 'pad'
    found = agreement(learn, fp32, files)
    assert found['same'] == found['pictures'] == 22 and found['largest'] < 2e-3


def files(settings): return {o.name: sha256(o) for o in settings.file.parent.glob('export*')}


def test_another_export_is_not_replaced(trained):
    settings, learn, _ = trained
    before = files(settings)
    with pytest.raises(ExportError, match='export.pkl is there already; export.learn, replace=True. replaces it'):
        export(learn, settings)
    assert files(settings) == before


def test_an_export_that_does_not_agree_replaces_nothing(trained, monkeypatch):
    import clothing_classifier.export as chapter
    settings, learn, _ = trained
    before = {name: digest for name, digest in files(settings).items() if name in ('export.pkl', 'export.onnx')}
    monkeypatch.setattr(chapter, 'agreement', lambda *args: dict(pictures=10, same=3, median=.4, largest=.9))
    with pytest.raises(ExportError, match='3 of 10'): export(learn, settings, replace=True)
    assert before.items() <= files(settings).items()
    (settings.file.parent/'export.new.pkl').unlink(missing_ok=True)


def test_the_report_writes_curve_and_card(trained, monkeypatch):
    import clothing_classifier.export as chapter
    settings, learn, figures = trained
    run = Run.of(learn)
    monkeypatch.setattr(chapter, 'export', lambda *args: None) # exported already
    metrics = report(learn, settings)
    assert metrics['export']['learner_sha256'] == figures['learner_sha256']
    assert [o['pictures'] for o in metrics['learning_curve']][:2] == [5, 10]
    card = (settings.file.parent/'MODEL_CARD.md').read_text()
    assert run.path.name in card and figures['learner_sha256'][:16] in card
