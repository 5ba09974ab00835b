"""Pictures of something else teach the export when to answer *unknown*, in the pickle and in both networks alike"""
import warnings

import numpy as np
import pytest
from conftest import small_settings

pytest.importorskip('fastai')

from drawings import draw_folder, draw_picture

from clothing_classifier.collect import import_folder
from clothing_classifier.evaluate import evaluate, evaluate_folder
from clothing_classifier.export import export
from clothing_classifier.predict import Classifier, preprocess
from clothing_classifier.train import train
from clothing_classifier.training.answers import known_examples
from clothing_classifier.training.learner_classifier import LearnerClassifier
from clothing_classifier.training.onnx_export import serving_metadata
from clothing_classifier.training.runs import Run
from clothing_classifier.training.splits import DataError
from clothing_classifier.training.unknown import auroc, fit_known_score, other_pictures, unseen_kinds


@pytest.fixture(scope='module', params=['no', 'yes'], ids=['plain', 'mirror'])
def made(request, tmp_path_factory):
    "Jeans and socks trained on, with shirts and shoes as something else: settings, learner, what was reported"
    d = tmp_path_factory.mktemp('unknown')
    draw_folder(d/'unknown', ['shirt'], n=30)
    draw_folder(d/'held', ['shirt', 'shoes'], n=20)
    settings = small_settings(d, train_mirror=request.param, train_final_epochs=0, train_unfrozen_epochs=4,
        unknown_pictures=d/'unknown', unknown_held=d/'held')
    import_folder(draw_folder(d/'drawn', settings.categories, n=100), settings)
    learn = train(settings)
    export(learn, settings)
    return settings, learn, Run.of(learn).metrics


@pytest.fixture(scope='module')
def files(made):
    "The pickle and the two networks, opened as they answer"
    files = made[0].export
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        pickled = LearnerClassifier(files.learner, 2, 25)
    return dict(pkl=pickled, int8=Classifier(files.network, 2, 25),
        fp32=Classifier(files.network.with_suffix('.fp32.onnx'), 2, 25))


def pictures(): return [draw_picture(c, 5000+i) for c in ('jeans', 'socks', 'shirt', 'shoes') for i in range(8)]


def test_what_the_files_hold(files):
    assert [o.name for o in files['int8'].net.session.get_outputs()] == ['logits', 'map', 'score']
    assert all({'max_probability', 'score'} == set(o.thresholds) for o in files.values())


def test_all_say_the_same(files):
    "The same score to rounding from pickle and fp32; the same verdict, and the verdict is the score's"
    xs = [preprocess(o, **files['pkl'].prep) for o in pictures()]
    batch = np.stack(xs)
    (z, a), (zz, b) = (files[k].net(batch) for k in ('pkl', 'fp32'))
    assert np.abs(z-zz).max() < 1e-3 and np.abs(a-b).max() < 1e-3
    known = {k: [o.answer(x).known for x in xs] for k, o in files.items()}
    for k, score in dict(pkl=a, fp32=b).items(): assert known[k] == list(score >= files[k].thresholds['score'])
    assert np.mean(np.equal(known['int8'], known['fp32'])) > .8


def test_the_report(made):
    "A figure a kind, for the score and for the largest probability; nearly all validation pictures stay known"
    metrics = made[2]
    assert set(metrics['unknown']) == {'shirt', 'shoes'} and metrics['unknown']['shirt']['pictures'] == 20
    areas = metrics['unknown']['shirt']['auroc']
    assert metrics['valid']['known'] >= .97 and areas['score'] > max(.8, areas['max_probability'] - .05)


def test_any_folder(made, tmp_path):
    "`evaluate_folder` obeys the score of a learner that was opened from the disk"
    from fastai.learner import load_learner
    draw_folder(tmp_path, ['jeans', 'socks'], n=10)
    assert 0 <= evaluate_folder(load_learner(made[0].export.learner), tmp_path)['known'] <= 1


def test_the_map_is_of_the_picture_and_not_of_its_mirror_image(files):
    x = preprocess(draw_picture('jeans', 1), **files['fp32'].prep)[None]
    maps, = files['fp32'].net.session.run(['map'], {'image': x})
    assert maps.shape == (1, 2, 2, 2)


def test_without_such_pictures_the_largest_probability_decides(trained):
    "The shared learner was shown nothing else"
    metrics = evaluate(trained[1], trained[0])
    assert set(metrics['serving']['thresholds']) == {'max_probability'} and metrics['unknown'] == {}
    assert set(serving_metadata(trained[1], trained[0].train, metrics['serving'])['thresholds']) == {'max_probability'}


def test_what_is_learned_is_not_what_is_asked(made):
    settings, learn, _ = made
    nested = settings.changed(unknown_held=settings.unknown.pictures/'shirt')
    with pytest.raises(DataError, match='lies inside'): known_examples(learn, None, nested)


def test_the_score_tells_clusters_apart():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 24))
    def draw(n, centre): return centre + .3*rng.normal(size=(n, 24))
    f, y = np.concatenate([draw(40, centres[c]) for c in (0, 1)]), np.repeat([0, 1], 40)
    score = fit_known_score(f, y, draw(40, centres[2]), prototypes=5)
    import torch
    known, other = (score(torch.tensor(draw(50, centres[c]), dtype=torch.float32)).numpy() for c in (0, 2))
    assert auroc(known, other) > .99 and auroc(known, known) == .5


def test_other_pictures_are_found_with_their_kind(tmp_path):
    draw_folder(tmp_path, ['cats'], n=2, size=64)
    draw_picture('dog', 0, 64).save(tmp_path/'dog.png')
    (tmp_path/'broken.jpg').write_bytes(b'no picture')
    (tmp_path/'notes.txt').write_text('no picture either')
    with pytest.warns(UserWarning, match='broken.jpg is left out'): df = other_pictures(tmp_path)
    assert sorted(df.kind) == ['cats', 'cats', 'other'] and other_pictures(tmp_path/'nowhere').empty


def test_kinds_that_were_left_out_are_reported():
    "A kind is asked of a score that has learned from the other kinds alone; the table holds each picture once"
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(6, 24))
    def draw(n, centre): return centre + .2*rng.normal(size=(n, 24))
    f, y = np.concatenate([draw(40, centres[c]) for c in (0, 1)]), np.repeat([0, 1], 40)
    valid = np.concatenate([draw(20, centres[c]) for c in (0, 1)])
    other, kinds = np.concatenate([draw(15, centres[c]) for c in (2, 3, 4, 5)]), np.repeat(list('abcd'), 15)
    table = unseen_kinds(f, y, valid, other, kinds, keep_percent=95, folds=2)
    assert sorted(table.kind) == list('abcd') and set(table.pictures) == {15} and table.unknown.mean() > .9
    same = unseen_kinds(f, y, valid, valid, np.repeat(['a', 'b'], 20), keep_percent=95)
    assert same.unknown.mean() < .5


def test_a_collected_picture_has_the_kind_of_its_table(tmp_path):
    (tmp_path/'unknown').mkdir()
    draw_picture('dog', 0, 64).save(tmp_path/'unknown'/'abc.png')
    assert list(other_pictures(tmp_path/'unknown', {'abc': 'Watches'}).kind) == ['Watches']
    assert list(other_pictures(tmp_path/'unknown').kind) == ['other']
