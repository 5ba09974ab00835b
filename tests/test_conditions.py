"""What a phone changes: each condition on a picture, and the answers under all of them"""
import numpy as np
import pytest

pytest.importorskip('fastai')

from PIL import Image

from clothing_classifier.dataset import pictures
from clothing_classifier.evaluate import evaluate, evaluate_conditions
from clothing_classifier.training.conditions import condition_table, conditions, some
from clothing_classifier.training.runs import Run


@pytest.fixture
def garment():
    "A blue square on a grey background"
    im = Image.new('RGB', (300, 200), (120, 120, 120))
    im.paste((0, 0, 200), (100, 50, 200, 150))
    return im


def blue(im): return float((np.asarray(im)[:,:,0] < 60).mean())


@pytest.mark.parametrize('name', conditions)
def test_each_condition_makes_a_new_picture(garment, name):
    before, changed = garment.copy(), conditions[name](garment)
    assert changed.mode == 'RGB' and garment == before and conditions[name].__doc__
    assert (changed == garment) == (name == 'unchanged')


@pytest.mark.parametrize('size', [(1, 1), (3, 500), (97, 2)])
@pytest.mark.parametrize('name', conditions)
def test_pictures_of_any_shape(name, size): assert min(conditions[name](Image.new('RGB', size)).size) >= 1


def test_smaller_in_a_frame_that_goes_on(garment):
    half = conditions['half of the frame'](garment)
    assert half.size == garment.size and half.getpixel((0, 0)) == (120, 120, 120)
    assert blue(half) == pytest.approx(blue(garment)/4, rel=.1)


def test_closer(garment):
    assert conditions['centre crop of 70 %'](garment).size == (210, 140)
    assert blue(conditions['centre crop of 70 %'](garment)) > 1.9*blue(garment)


def test_turned(garment):
    assert conditions['turned by 90°'](garment).size == (200, 300)
    assert conditions['turned by 20°'](garment).getpixel((0, 0)) == (120, 120, 120)


def test_dim_and_warm(garment):
    assert conditions['dim and warm light'](garment).getpixel((0, 0)) == (75, 60, 45)


def test_blur_grows_with_the_picture(garment):
    def edge(im): return np.abs(np.diff(np.asarray(im, float)[:,:,2][im.height//2])).max()
    large = garment.resize((900, 600), Image.Resampling.NEAREST)
    assert edge(conditions['out of focus'](large)) < edge(conditions['out of focus'](garment)) < edge(garment)


def test_thumbnail(garment): assert conditions['shrunk to 96 px'](garment).size == (96, 64)


def test_the_sample_is_the_same_every_time(trained):
    df = pictures(trained[0])
    assert some(df, 10, 1).equals(some(df, 10, 1)) and len(some(df, 10, 1)) == 10 and some(df, 10**6, 1) is df


def test_the_test_split_under_every_condition(trained):
    settings, *_ = trained
    learn = Run.latest(settings).load()
    found, test = evaluate_conditions(learn), evaluate(learn)['test']
    assert list(found) == list(conditions) and Run.of(learn).metrics['conditions'].keys() == found.keys()
    assert {o['pictures'] for o in found.values()} == {test['pictures']}
    assert found['unchanged']['accuracy'] == test['accuracy'] and found['unchanged']['known'] == test['known']
    assert (Run.of(learn).path/'conditions.png').is_file()
    assert list(condition_table(found).columns) == ['what','pictures','right','low','high','known']
