"""Ranking by the losses of a learner that the user has trained, and by heads that have not seen the pictures"""
import time

import pytest

pytest.importorskip('fastai')

import numpy as np
from conftest import small_settings
from drawings import draw_folder
from fastai.losses import CrossEntropyLossFlat

from clothing_classifier.clean import cleaner, suspects
from clothing_classifier.cleaning import CleanError
from clothing_classifier.cleaning.journal import apply, undo
from clothing_classifier.cleaning.planted import plant_errors
from clothing_classifier.cleaning.ranking import accepted
from clothing_classifier.collect import import_folder
from clothing_classifier.dataset import dataloaders, pictures
from clothing_classifier.train import learner


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    "Three drawn categories, four pairs of jeans among the socks, and a learner that has seen them for three epochs"
    folder = tmp_path_factory.mktemp('learner')
    settings = small_settings(folder, ['jeans', 'shoes', 'socks'], train_precision='fp32')
    drawn = draw_folder(folder/'drawn', settings.categories, n=24, size=96)
    for i in range(4): (drawn/f'jeans/{i:04}.jpg').rename(drawn/f'socks/wrong{i}.jpg')
    import_folder(drawn, settings)
    learn = learner(dataloaders(pictures(settings), settings), settings, folder)
    with learn.no_bar(), learn.no_logging(): learn.fit(3, 3e-3)
    return settings, learn


def test_the_order_is_that_of_fastais_losses(project):
    settings, learn = project
    df = pictures(settings)
    dl = learn.dls.test_dl(list(df.path), num_workers=0)
    with learn.no_bar(), learn.no_logging(): probabilities = learn.get_preds(dl=dl)[0]
    given = [learn.dls.vocab.o2i[o] for o in df.category]
    theirs = dict(zip(df.sha1, -probabilities.log()[range(len(df)), given], strict=True))
    table = suspects(settings, learn)
    ours = -np.log(1-table.score.clip(upper=1-1e-9).to_numpy(float))
    np.testing.assert_allclose(ours, [float(theirs[o]) for o in table.sha1], atol=.01)
    assert set(table.sha1) == set(df.sha1) and set(table.split) == {'train', 'valid', 'test'}
    assert (table.score.diff().dropna() <= 0).all()
    assert not (settings.data.path/'features').exists(), 'no features were needed'
    assert set(accepted(table)) <= set(table.sha1[table.suggestion != table.category])


def test_losses_are_those_of_cross_entropy(project):
    "What fastai's `get_preds(with_loss=True)` says of the validation split, in our score"
    settings, learn = project
    smooth, learn.loss_func = learn.loss_func, CrossEntropyLossFlat()
    with learn.no_bar(), learn.no_logging(): losses = learn.get_preds(ds_idx=1, with_loss=True)[2]
    learn.loss_func = smooth
    score = suspects(settings, learn).set_index('sha1').score
    ours = [-np.log(1-score[path.stem]) for path in learn.dls.valid_ds.items]
    np.testing.assert_allclose(ours, losses, atol=.01)


def test_a_learner_of_other_categories_is_refused(project):
    settings, learn = project
    hats = pictures(settings).replace(dict(category={'shoes': 'hats'}))
    with pytest.raises(CleanError, match='does not know hats; train one'): suspects(settings, learn, df=hats)


def test_training_can_go_on_in_the_next_cell(project):
    "The page has ranked when `cleaner(learn)` returns; nothing uses the learner behind the user's back"
    settings, learn = project
    page = cleaner(learn, settings)
    assert not page.busy and page.message == ''
    page.do('show', show='all')
    assert page.listed == suspects(settings, learn).sha1.tolist()
    with learn.no_logging(): learn.fit(1) # with its progress bar
    page.do('rank')
    assert not page.busy and page.listed == suspects(settings, learn).sha1.tolist()


def test_without_a_learner_it_ranks_in_the_background(project):
    settings, _ = project
    page = cleaner(settings=settings)
    assert page.busy and page.state['message'].startswith('Looking at the pictures')
    for _ in range(600):
        if not page.busy: break
        time.sleep(.2)
    assert page.message == '' and len(page.table) == len(pictures(settings))
    assert set(page.table.kind.str.split().explode().dropna()) <= {'category', 'duplicate', 'scope', 'quality', 'doubt'}


def test_planted_errors_in_every_split_are_listed_and_undone(project):
    settings, _ = project
    before = pictures(settings)
    planted = plant_errors(before, share=.1, seed=3).query('planted')
    apply(dict(zip(planted.sha1, planted.category, strict=True)), settings)
    table = suspects(settings).set_index('sha1')
    assert set(planted.sha1) <= set(table.index)
    assert (table.category[planted.sha1] == planted.category.to_numpy()).all()
    undo(settings)
    assert pictures(settings).equals(before)
