"""fastai's own tools work on our learner: its items are paths, and its pictures are large enough to see"""
from pathlib import Path

import pytest

pytest.importorskip('fastai')

import matplotlib
import numpy as np
from conftest import small_settings
from drawings import draw_folder
from fastai.vision.all import ClassificationInterpretation, Interpretation
from fastai.vision.widgets import ImageClassifierCleaner

from clothing_classifier.collect import import_folder
from clothing_classifier.dataset import dataloaders, pictures
from clothing_classifier.train import train
from clothing_classifier.training.runs import Run

matplotlib.use('Agg')


@pytest.fixture(scope='module')
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp('tools')
    settings = small_settings(folder, train_unfrozen_epochs=1, train_final_epochs=0)
    import_folder(draw_folder(folder/'drawn', settings.categories, n=24), settings)
    return settings


@pytest.fixture(scope='module')
def learn(settings): return train(settings)


def test_items_are_the_paths_of_the_pictures(learn):
    items = [*learn.dls.train_ds.items, *learn.dls.valid_ds.items]
    assert items and all(isinstance(path, Path) and path.is_file() for path in items)
    assert {path.parent.name for path in items} == set(learn.dls.vocab)


def test_image_classifier_cleaner(learn, monkeypatch):
    "Its thumbnails, and what it says about the choices that a person made"
    monkeypatch.setattr('fastai.vision.widgets.display', lambda image: None, raising=False) # IPython has it
    with learn.no_bar(): cleaner = ImageClassifierCleaner(learn, max_n=6)
    category = learn.dls.vocab[1]
    cleaner.dd_ds.value, cleaner.dd_cats.value = 'Valid', category
    assert 0 < len(cleaner.fns) <= 6 and {path.parent.name for path in cleaner.fns} == {category}
    cleaner.iw.widget.children[0].children[1].value = '<Delete>'
    assert list(cleaner.delete()) == [0]


def test_plot_top_losses(learn):
    import matplotlib.pyplot as plt
    with learn.no_bar(): interp = Interpretation.from_learner(learn)
    interp.plot_top_losses(4)
    shown = [ax.images[0].get_array() for ax in plt.gcf().axes if ax.images]
    plt.close('all')
    assert len(shown) == 4 and min(shown[0].shape[:2]) >= 64


def test_classification_interpretation(learn):
    with learn.no_bar(): interp = ClassificationInterpretation.from_learner(learn)
    matrix = interp.confusion_matrix()
    assert matrix.sum() == len(learn.dls.valid_ds) and matrix.shape == (2, 2)
    assert all(len(row) == 3 for row in interp.most_confused())
    losses, _ = interp.top_losses(3)[:2]
    assert np.all(np.diff(losses) <= 0)


def test_a_loaded_learner_takes_batches_again(learn, settings):
    "As the chapters use it: the learner of a run has no pictures until it is given some"
    loaded = Run.latest(settings).load()
    loaded.dls = dataloaders(pictures(settings), settings)
    with loaded.no_bar(): interp = ClassificationInterpretation.from_learner(loaded, ds_idx=0)
    assert interp.confusion_matrix().sum() == len(loaded.dls.train_ds)
