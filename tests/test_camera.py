"""A phone's light and focus: some training pictures get them, each on its own draw, and stay pictures"""
import pytest
import torch
from fastai.vision.all import TensorImage

from clothing_classifier.training.camera import OutOfFocus, WarmLight

BOTH = pytest.mark.parametrize('kind', [WarmLight, OutOfFocus])


@pytest.fixture
def batch():
    "64 pictures of noise"
    torch.manual_seed(0)
    return TensorImage(torch.rand(64, 3, 32, 32))


def changed(before, after): return (after != before).flatten(1).any(1)


@BOTH
def test_only_training_pictures_change(kind, batch):
    assert (kind(1.)(batch, split_idx=1) == batch).all()
    assert changed(batch, kind(1.)(batch, split_idx=0)).all()


@BOTH
def test_the_share_of_the_pictures_that_change(kind, batch):
    "Drawn for each: some do, some do not, and the batch itself stays as it was"
    before = batch.clone()
    share = torch.stack([changed(batch, kind(.3)(batch, split_idx=0)) for _ in range(30)]).float().mean(0)
    assert .25 < share.mean() < .35 and share.min() > 0 and share.max() < 1
    assert (batch == before).all()
    assert kind(0.)(batch, split_idx=0) is batch


@BOTH
def test_they_stay_pictures(kind, batch):
    "Values from 0 to 1, also where all is black or white or one pixel wide"
    for x in (batch, TensorImage(torch.zeros(4, 3, 32, 32)), TensorImage(torch.ones(4, 3, 33, 33)),
            TensorImage((torch.rand(8, 3, 32, 32) > .5).float())):
        after = kind(1.)(x, split_idx=0)
        assert after.shape == x.shape and isinstance(after, TensorImage)
        assert after.min() >= 0 and after.max() <= 1 and after.isfinite().all()


def test_light_of_many_colors():
    "Each picture has its own: less light, warm or cold, and never other than by the factors that are promised"
    torch.manual_seed(0)
    red, green, blue = WarmLight(1.)(TensorImage(torch.full((200, 3, 4, 4), .6)), split_idx=0)[:, :, 0, 0].T
    brightness, warmth = green/.6, (red-blue)/(red+blue)
    assert len(set(warmth.tolist())) == 200 and warmth.min() < -.3 and warmth.max() > .3
    assert brightness.min() >= .399 and brightness.max() <= 1.001 and warmth.abs().max() < .351


def test_out_of_focus_keeps_the_light(batch):
    "Less contrast, the same mean"
    after = OutOfFocus(1.)(batch, split_idx=0)
    assert after.std() < .7*batch.std()
    assert torch.allclose(after.mean((1, 2, 3)), batch.mean((1, 2, 3)), atol=.02)
