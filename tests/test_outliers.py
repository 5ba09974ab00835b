"""Pictures of something else in training: the network is unsure of them, and answers for the others as before"""
import pytest
from conftest import small_settings

pytest.importorskip('fastai')

import torch
from drawings import draw_folder
from fastai.vision.all import DataLoaders, Learner, accuracy, nn

from clothing_classifier.collect import import_folder
from clothing_classifier.dataset import dataloaders, other_batches, pictures
from clothing_classifier.train import learner
from clothing_classifier.training.others import others_of, with_others
from clothing_classifier.training.outliers import OutlierExposure


def patches(n, channel):
    "Noise, one channel of it bright"
    x = .1*torch.randn(n, 3, 8, 8)
    x[:, channel] += 1
    return x


def fitted(*callbacks):
    "A small network that tells red from green"
    torch.manual_seed(0)
    data = [(x, torch.tensor(c)) for c in (0, 1) for x in patches(32, c)]
    dls = DataLoaders.from_dsets(data, data[::4], bs=16, device=torch.device('cpu'))
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU(), nn.Linear(16, 2))
    learn = Learner(dls, network, loss_func=nn.CrossEntropyLoss(), metrics=accuracy, cbs=callbacks)
    with learn.no_bar(), learn.no_logging(): learn.fit(8, 1e-2)
    return learn


def test_the_network_is_unsure_of_them_and_right_on_the_others():
    blue = [(patches(8, 2) + patches(8, 1),) for _ in range(3)]
    plain, exposed = fitted(), fitted(OutlierExposure(blue, weight=2))
    sure = [learn.model(patches(50, 2) + patches(50, 1)).softmax(1).max(1).values.mean() for learn in (plain, exposed)]
    assert sure[1] < sure[0] - .2
    assert exposed.recorder.values[-1][-1] == 1 # validation pictures stay by themselves


def test_larger_pictures_of_a_last_stage():
    exposure = OutlierExposure([(torch.zeros(2, 3, 8, 8),)])
    exposure.learn = type('Learn', (), dict(x=torch.zeros(4, 3, 16, 16)))()
    exposure.before_train()
    assert exposure._next().shape == (2, 3, 16, 16)


@pytest.fixture
def project(tmp_path):
    "Jeans and socks, with shirts as something else"
    draw_folder(tmp_path/'unknown', ['shirt'], n=12)
    settings = small_settings(tmp_path, unknown_pictures=tmp_path/'unknown', unknown_held=tmp_path/'held')
    import_folder(draw_folder(tmp_path/'drawn', settings.categories, n=40), settings)
    return settings


def test_a_project_shows_its_own(project):
    "Prepared as the training pictures are; those that are left out stay out; without any there is no such callback"
    df = with_others(pictures(project), project)
    others, size = df[df.split == 'other'], project.train.size
    assert len(others) == 12 and set(others.category) == {'unknown'}
    assert next(iter(other_batches(others, project)))[0].shape == (8, 3, size, size)
    assert len(others_of(project, apart=[others.path.iloc[0].stem])) == 11
    dls = dataloaders(df, project)
    def exposed(table): return hasattr(learner(dls, project, others=table), 'outlier_exposure')
    assert exposed(others) and not exposed(others.head(3)) and not exposed(None)
