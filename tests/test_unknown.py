"Pictures of something else teach the export what to answer with *unknown*, in the pickle and in both networks alike; and a network may look at the mirror image too"
import warnings

import numpy as np
import pytest
from conftest import small_settings

from clothing_classifier.collect import import_folder
from clothing_classifier.evaluate import evaluate, evaluate_folder
from drawings import draw_folder, draw_picture
from clothing_classifier.export import export
from clothing_classifier.predict import Classifier, preprocess
from clothing_classifier.train import train

LIKE = dict(train_final_epochs=0, train_unfrozen_epochs=4)


@pytest.fixture(scope='module', params=['no', 'yes'], ids=['one look', 'mirror'])
def made(request, tmp_path_factory):
    "Jeans and socks trained on, with shirts and shoes as something else: settings, learner, what was reported"
    d = tmp_path_factory.mktemp('unknown')
    draw_folder(d/'unknown', ['shirt'], n=30)
    draw_folder(d/'held', ['shirt', 'shoes'], n=20)
    s = small_settings(d, train_mirror=request.param, unknown_pictures=d/'unknown', unknown_held=d/'held', **LIKE)
    import_folder(draw_folder(d/'drawn', s.categories, n=100), s)
    learn = train(s)
    return s, learn, export(learn, s), evaluate(learn, s)


@pytest.fixture(scope='module')
def files(made):
    "The pickle and the two networks, opened as they are served"
    e = made[0].export
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return {k: Classifier.load(f, 2, 25) for k, f in dict(pkl=e.learner, int8=e.network, fp32=e.network.with_suffix('.fp32.onnx')).items()}


def pictures(): return [draw_picture(c, 5000+i) for c in ('jeans', 'socks', 'shirt', 'shoes') for i in range(8)]


def test_what_the_files_hold(made, files):
    assert [o.name for o in files['int8'].net.session.get_outputs()] == ['logits', 'map', 'score']
    assert all({'max_probability', 'score'} == set(o.thresholds) for o in files.values())


def test_all_say_the_same(files):
    "The same score to rounding from pickle and fp32; the same verdict, and the verdict is the score's"
    xs = [preprocess(o, **files['pkl'].prep) for o in pictures()]
    (z, a), (zz, b) = (files[k].logits_and_score(xs) for k in ('pkl', 'fp32'))
    assert np.abs(z-zz).max() < 1e-3 and np.abs(a-b).max() < 1e-3
    for k, score in dict(pkl=a, fp32=b).items():
        assert [files[k].answer(x).known for x in xs] == list(score >= files[k].thresholds['score'])
    assert np.mean([files['int8'].answer(x).known == files['fp32'].answer(x).known for x in xs]) > .8


def test_the_report(made):
    "A figure a kind, for the score and for the largest probability; nearly all validation pictures stay known"
    m = made[3]
    assert set(m['unknown']) == {'shirt', 'shoes'} and m['unknown']['shirt']['pictures'] == 20
    assert m['valid']['known'] >= .97 and m['unknown']['shirt']['auroc']['score'] > max(.8, m['unknown']['shirt']['auroc']['max_probability'] - .05)


def test_any_folder(made, tmp_path):
    "`evaluate_folder` obeys the score of a learner that was opened from the disk"
    from fastai.learner import load_learner
    draw_folder(tmp_path, ['jeans', 'socks'], n=10)
    assert 0 <= evaluate_folder(load_learner(made[0].export.learner), tmp_path)['known'] <= 1


def test_the_map_is_of_the_picture_and_not_of_its_mirror_image(made, files):
    from clothing_classifier.serving.heat_map import heat
    assert heat(files['int8'], draw_picture('jeans', 1), 'jeans').shape == (2, 2)


def test_without_such_pictures_the_largest_probability_decides(tmp_path):
    s = small_settings(tmp_path, unknown_pictures=tmp_path/'nowhere', unknown_held=tmp_path/'nowhere', **LIKE | dict(train_unfrozen_epochs=1))
    import_folder(draw_folder(tmp_path/'drawn', s.categories, n=40), s)
    o = evaluate(train(s), s)
    assert set(o['serving']['thresholds']) == {'max_probability'} and o['unknown'] == {}
