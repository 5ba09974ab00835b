"""What `evaluate` measures, and where it writes"""
import json

import numpy as np
import pytest

pytest.importorskip('fastai')

from drawings import draw_folder

from clothing_classifier.dataset import pictures
from clothing_classifier.evaluate import evaluate, evaluate_folder
from clothing_classifier.training.answers import LearnerAnswers, answers_of, calibrate, numbers_of
from clothing_classifier.training.metrics import score_table
from clothing_classifier.training.runs import Run
from clothing_classifier.training.splits import DataError


@pytest.fixture(scope='module')
def metrics(trained):
    "Measured again, as a notebook does: from the run alone"
    settings, *_ = trained
    return evaluate(Run.latest(settings).load())


def test_the_project_is_found_from_the_run(trained, metrics, tmp_path, monkeypatch):
    "A learner in a notebook knows its project, wherever the notebook lies"
    settings, learn, _ = trained
    monkeypatch.chdir(tmp_path)
    project = Run.of(learn).project
    assert project.file == settings.file and project.train.network_size == settings.train.network_size
    assert not list(tmp_path.iterdir())


def test_the_figures_are_in_the_run(trained, metrics):
    run = Run.latest(trained[0])
    kept = run.metrics
    assert {k: kept[k] for k in metrics} == json.loads(json.dumps(metrics))
    assert all((run.path/f'{o}.png').is_file() for o in ('confusion', 'reliability'))


def test_only_the_test_split_is_measured(trained, metrics):
    df = pictures(trained[0])
    assert metrics['test']['pictures'] == (df.split == 'test').sum()
    assert metrics['valid']['pictures'] == (df.split == 'valid').sum()
    assert sum(o['pictures'] for o in metrics['sources'].values()) == metrics['test']['pictures']


def test_the_table_has_a_row_a_category_and_one_for_all(trained, metrics):
    table = score_table(metrics)
    assert list(table.index) == [*sorted(trained[0].categories), 'all']
    assert table.pictures['all'] == table.pictures[:-1].sum()
    assert table.right['all'] == pytest.approx(metrics['test']['accuracy'], abs=1e-3)
    assert (table.low <= table.right).all() and (table.right <= table.high).all()


def test_without_test_pictures_a_sentence_says_what_to_do(trained, monkeypatch):
    import clothing_classifier.evaluate as chapter
    settings, learn, _ = trained
    monkeypatch.setattr(chapter, 'pictures', lambda s: pictures(s).query('split != "test"'))
    with pytest.raises(DataError, match='test split; collect more'): evaluate(learn, settings)


def test_a_folder_is_measured_with_the_calibration_of_the_export(trained, tmp_path):
    from fastai.learner import load_learner
    settings = trained[0]
    draw_folder(tmp_path/'new', settings.categories, n=10)
    found = evaluate_folder(load_learner(settings.export.learner), tmp_path/'new')
    assert found['pictures'] == 20 and found['accuracy'] >= .7 and 0 <= found['known'] <= 1
    with pytest.raises(DataError, match='one sub-folder a category'): evaluate_folder(trained[1], tmp_path)


def test_calibration_keeps_the_wanted_share_known(trained):
    settings, learn, _ = trained
    valid = pictures(settings).query('split == "valid"')
    answers = answers_of(learn, valid.path)
    serving = calibrate(answers, numbers_of(learn, valid), keep_percent=90)
    assert .9 <= answers.known(serving).mean() <= .9 + 1/len(valid) + 1e-9


def test_the_score_decides_where_there_is_one():
    serving = dict(temperature=1., thresholds=dict(max_probability=.5, score=0.))
    answers = LearnerAnswers(['a', 'b'], np.array([[9., 0], [9, 0]]), np.array([1., -1]))
    assert list(answers.known(serving)) == [True, False]
    serving['thresholds'].pop('score')
    assert list(answers.known(serving)) == [True, True]


def test_fastais_interpretation_works_on_our_learner(trained):
    "Items are paths, so confusion matrix and top losses come from fastai itself"
    import matplotlib
    matplotlib.use('agg')
    from fastai.vision.all import ClassificationInterpretation
    settings, *_ = trained
    learn, test = Run.latest(settings).load(), pictures(settings).query('split == "test"')
    with learn.no_bar(), learn.no_logging():
        dl = learn.dls.test_dl(list(test.path), with_labels=True)
        interp = ClassificationInterpretation.from_learner(learn, dl=dl)
        assert (interp.confusion_matrix() == np.array(evaluate(learn, settings)['test']['confusion'])).all()
        interp.plot_top_losses(4)
