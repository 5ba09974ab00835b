"""From pictures to an answer, on drawings and with a random body."""
import os
import re
import signal
import subprocess
import threading

import pytest
from conftest import COMMAND, ROOT, small_settings
from drawings import draw_folder, draw_picture

from clothing_classifier.predict import Classifier
from clothing_classifier.training.learner_classifier import LearnerClassifier


def test_learns_the_drawings(trained):
    settings, learn, _ = trained
    clf = Classifier(settings.export.network, threads=1, max_megapixels=25)
    asked = [(c, draw_picture(c, 5000+i)) for c in settings.categories for i in range(20)]
    right = sum(p.category == c for (c, _), p in zip(asked, clf.predict_many(im for _, im in asked), strict=True))
    assert right >= 32, f'{right} of 40 drawings that it has never seen'


def test_leaves_a_record(trained):
    settings, learn, _ = trained
    names = {p.name for p in learn.path.iterdir()}
    charts = {'history.png', 'finder_frozen.png', 'finder_unfrozen.png', 'confusion.png'}
    assert {'settings.ini', 'history.csv', 'metrics.json', 'learner.pkl'} | charts <= names


def test_onnx_equals_fastai(trained):
    _, _, out = trained
    assert out['check']['same'] == out['check']['pictures']
    assert out['check']['median'] < 1e-3


def test_pickle_and_onnx_give_the_same_predictions(trained):
    "One interface, two files; the int8 one is near"
    settings, _, out = trained
    fp32 = settings.export.network.with_suffix('.fp32.onnx')
    one = Classifier(fp32 if fp32.exists() else settings.export.network, threads=1, max_megapixels=25)
    with pytest.warns(UserWarning, match='runs the code inside'): two = LearnerClassifier(settings.export.learner)
    assert (one.labels, one.thresholds, one.temperature) == (two.labels, two.thresholds, two.temperature)
    for c in settings.categories:
        a, b = (o.predict(draw_picture(c, 9000)) for o in (one, two))
        assert (a.category, a.known) == (b.category, b.known)
        assert a.probability == pytest.approx(b.probability, abs=2e-3)


def test_export_stops_when_the_network_differs():
    from clothing_classifier.training.onnx_export import ExportError, check_agreement
    check_agreement(dict(pictures=200, same=199, median=.001))
    with pytest.raises(ExportError, match='198 of 200'): check_agreement(dict(pictures=200, same=198, median=.001))
    with pytest.raises(ExportError, match='0.0200'): check_agreement(dict(pictures=200, same=200, median=.02))


def test_ctrl_c_keeps_the_best_epoch(tmp_path):
    "The first interrupt ends the training, and there is a learner to go on with"
    from clothing_classifier.collect import import_folder
    from clothing_classifier.train import train
    from clothing_classifier.training.runs import Run
    settings = small_settings(tmp_path, train_unfrozen_epochs=400)
    import_folder(draw_folder(tmp_path/'drawn', settings.categories, n=40), settings)
    run = tmp_path/'run'
    run.mkdir()

    def interrupt():
        while not (run/'history.csv').exists() or len((run/'history.csv').read_text().splitlines()) < 5: done.wait(.2)
        os.kill(os.getpid(), signal.SIGINT)
    done = threading.Event()
    threading.Thread(target=interrupt, daemon=True).start()
    learn = train(settings, run)
    assert 3 <= len(Run(run).history) < 400
    assert float(learn.validate()[1]) == pytest.approx(Run(run).history.accuracy.max(), abs=1e-6)


def test_offline_imagenet_says_where_to_put_the_file(tmp_path, monkeypatch):
    import urllib.error
    import urllib.request

    from clothing_classifier.training.weights import TrainError, pretrained
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))

    def offline(*a, **kw): raise urllib.error.URLError('no route to host')
    monkeypatch.setattr(urllib.request, 'urlopen', offline)
    with pytest.raises(TrainError) as e: pretrained('resnet34', 'imagenet')
    assert 'resnet34-' in str(e.value) and str(tmp_path) in str(e.value) and 'settings.ini' in str(e.value)


@pytest.mark.parametrize('args, says', [
    (['predict', 'nowhere.jpg'], 'there is no such file'),
    (['serve', '--port', 'x'], 'is not a whole number'),
    (['build', '--folder', 'nowhere'], 'there is no such folder')])
def test_mistakes_end_in_a_sentence(args, says):
    out = subprocess.run([COMMAND, *args], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert says in re.sub(r'[\s│]+', ' ', out.stderr), out.stderr
    assert 'Traceback' not in out.stderr
