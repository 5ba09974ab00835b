"""Calibration, intervals and scores, on answers whose truth is known"""
import numpy as np
import pytest

pytest.importorskip('scipy')

from clothing_classifier.predict import softmax
from clothing_classifier.training.metrics import (
    by_source,
    calibration_error,
    confused,
    fit_temperature,
    fit_threshold,
    reliability,
    scores,
    wilson_interval,
)

rng = np.random.default_rng(0)
Y = rng.integers(0, 3, 3000)
HONEST = 2*(rng.normal(size=(3000, 3)) + 2*np.eye(3)[Y])
LABELS = ['a', 'b', 'c']


def test_the_temperature_undoes_logits_that_are_three_times_too_large():
    t = fit_temperature(3*HONEST, Y)
    assert t/fit_temperature(HONEST, Y) == pytest.approx(3, rel=.01)
    before, after = (calibration_error(softmax(3*HONEST, o), Y) for o in (1, t))
    assert after < before/3


def test_honest_answers_lie_on_the_diagonal():
    table = reliability(softmax(HONEST), Y)
    assert table.pictures.sum() == 3000
    assert (abs(table.confidence - table.accuracy)[table.pictures > 100] < .06).all()


def test_the_threshold_keeps_the_wanted_share():
    best = softmax(HONEST).max(1)
    assert (best >= fit_threshold(best, 97)).mean() == pytest.approx(.97, abs=1e-3)


@pytest.mark.parametrize('right, n, interval', [(360, 400, (.8667, .9257)), (0, 0, (0, 1)), (5, 5, (.5655, 1))])
def test_wilsons_interval(right, n, interval): assert wilson_interval(right, n) == pytest.approx(interval, abs=1e-3)


def test_scores_add_up():
    s = scores(LABELS, HONEST, Y)
    assert np.sum(s['confusion']) == s['pictures'] == 3000 and s['known'] == 1
    right = np.diagonal(s['confusion'])
    assert s['accuracy'] == pytest.approx(right.sum()/3000, abs=1e-4)
    assert s['interval'][0] < s['accuracy'] < s['interval'][1]
    for i, found in enumerate(s['categories'].values()):
        assert found['recall'] == pytest.approx(right[i]/found['pictures'], abs=1e-4)
        assert found['f1'] == pytest.approx(2/(1/found['precision'] + 1/found['recall']), abs=1e-3)


def test_a_category_without_pictures_is_no_obstacle():
    found = scores(['a', 'b', 'c', 'd'], np.c_[HONEST, np.full(3000, -9)], Y)['categories']['d']
    assert found == dict(precision=0, recall=0, f1=0, pictures=0)


def test_confused_pairs_come_most_often_first_and_surest_picture_first():
    logits = np.array([[0, 9, 0], [0, 5, 0], [9, 0, 0], [0, 3, 0], [0, 0, 9]])
    pairs = confused(LABELS, softmax(logits), np.array([0, 0, 0, 2, 2]), [*'pqrst'])
    assert pairs[['category', 'answer', 'pictures']].values.tolist() == [['a', 'b', 2], ['c', 'b', 1]]
    assert pairs.paths[0] == ['p', 'q']


def test_each_source_has_its_accuracy():
    found = by_source(np.array([True, False, True]), np.array(['web', 'web', 'photo']))
    assert found['web']['accuracy'] == .5
    assert found['photo'] == dict(pictures=1, accuracy=1, interval=wilson_interval(1, 1))
