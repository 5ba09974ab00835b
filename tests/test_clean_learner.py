"""Ranking by the losses of a learner that the user has trained: just its top losses, and the page shows them"""
import time

import pytest

pytest.importorskip('fastai')

import numpy as np
from conftest import small_settings
from fastai.losses import CrossEntropyLossFlat

from clothing_classifier.cleaning.widget import Cleaner
from clothing_classifier.cleaning.ranking import CleanError, accepted
from clothing_classifier.clean import suspects
from clothing_classifier.collect import import_folder
from clothing_classifier.dataset import dataloaders, pictures
from drawings import draw_folder
from clothing_classifier.train import learner


@pytest.fixture(scope='module')
def setting(tmp_path_factory):
    "Three drawn categories, four pairs of jeans among the socks, and a learner that has seen them for three epochs"
    d = tmp_path_factory.mktemp('learner')
    settings = small_settings(d, ['jeans', 'shoes', 'socks'], train_precision='fp32')
    draw_folder(d/'drawn', settings.categories, n=24, size=96)
    for i in range(4): (d/f'drawn/jeans/{i:04}.jpg').rename(d/f'drawn/socks/wrong{i}.jpg')
    import_folder(d/'drawn', settings)
    learn = learner(dataloaders(pictures(settings), settings), settings, d)
    with learn.no_bar(), learn.no_logging(): learn.fit(3, 3e-3)
    return settings, learn


def test_the_order_is_that_of_fastais_losses(setting):
    settings, learn = setting
    df = pictures(settings).query('split != "test"').reset_index(drop=True)
    was, learn.loss_func = learn.loss_func, CrossEntropyLossFlat()
    with learn.no_bar(), learn.no_logging(): losses = learn.get_preds(dl=learn.dls.test_dl(df, with_labels=True, num_workers=0), with_loss=True)[2]
    learn.loss_func = was
    table = suspects(settings, learn)
    ours = -np.log(1-table.score.clip(upper=1-1e-9).to_numpy(float))
    theirs = dict(zip(df.sha1, losses.tolist(), strict=True))
    np.testing.assert_allclose(ours, [theirs[o] for o in table.sha1], atol=.01)
    assert set(table.sha1) == set(df.sha1) and (table.score.diff().dropna() <= 0).all()
    assert not (settings.data.path/'features').exists(), 'no features were needed'
    assert set(accepted(table)) <= set(table.sha1[table.suggestion != table.category])


def test_a_learner_of_other_categories_is_refused(setting):
    settings, learn = setting
    df = pictures(settings)
    with pytest.raises(CleanError, match='does not know hats; train one'): suspects(settings, learn, df=df.assign(category=df.category.replace('shoes', 'hats')))


def test_the_page_shows_that_ranking(setting):
    settings, learn = setting
    c = Cleaner(settings, learn=learn)
    for _ in range(600):
        if not c.busy: break
        time.sleep(.2)
    c.do('show', show='all')
    assert c.listed == suspects(settings, learn).sha1.tolist(), c.message
