"""The ONNX file: heat maps that are the gradient, further outputs that change no answer, 8 bits that stay near"""

import numpy as np
import pytest

pytest.importorskip('fastai')

import torch
from drawings import draw_picture
from fastai.vision.all import create_head, imagenet_stats
from torch import nn

from clothing_classifier.predict import Classifier, preprocess
from clothing_classifier.training.network import Mirrored
from clothing_classifier.training.network_outputs import HiResCAM, add_outputs
from clothing_classifier.training.onnx_export import (
    ExportError,
    ExportExists,
    check_agreement,
    refuse_to_replace,
    write_int8,
    write_onnx,
)
from clothing_classifier.training.unknown import fit_known_score

MEAN, STD = imagenet_stats
METADATA = dict(labels=['jeans', 'socks', 'shirt'], temperature=1., thresholds=dict(max_probability=.5),
    preprocessing=dict(size=32, resize='squish', resample='bilinear', mean=MEAN, std=STD))


def head(channels):
    "fastai's head with batch norms that do something"
    made = create_head(channels, 3).eval()
    for o in made.modules():
        if isinstance(o, nn.BatchNorm1d):
            o.running_mean.normal_()
            o.running_var.uniform_(.5, 2)
            nn.init.normal_(o.weight)
            nn.init.normal_(o.bias)
    return made


def test_a_map_sums_to_gradient_times_features():
    torch.manual_seed(0)
    network, f = head(16), torch.randn(2, 16, 5, 4)
    with torch.no_grad(): maps = HiResCAM(network)(f)
    assert maps.shape == (2, 3, 5, 4)
    pooled = network[:2](f).requires_grad_()
    gradient, = torch.autograd.grad(network[2:](pooled)[:, 1].sum(), pooled)
    assert torch.allclose(maps[:, 1].sum((1, 2)), (gradient*pooled).sum(1), atol=1e-3)


@pytest.fixture(scope='module', params=[nn.Sequential, Mirrored], ids=['plain', 'mirrored'])
def network(request):
    "A small network, a score of *known*, its file before and after the further outputs"
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
    model = request.param(body, head(16)).eval()
    rng = np.random.default_rng(0)
    known = fit_known_score(rng.normal(1, 1, (40, 32)), np.arange(40)%3, rng.normal(-1, 1, (40, 32)), prototypes=3)
    return model, known


def pictures(n): return [draw_picture(c, i, 48) for i in range(n) for c in ('jeans', 'socks')]


def batch(): return np.stack([preprocess(o, 32, MEAN, STD) for o in pictures(4)])


@pytest.fixture(scope='module')
def file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp('onnx')/'network.onnx'
    write_onnx(network[0], METADATA, path)
    return path


def test_the_file_answers_like_torch(network, file):
    with torch.no_grad(): want = network[0](torch.from_numpy(batch())).numpy()
    classifier = Classifier(file, threads=1, max_megapixels=25)
    assert np.abs(classifier.net(batch())[0] - want).max() < 1e-4
    assert classifier.meta == METADATA | dict(precision='fp32', preprocessing=classifier.meta['preprocessing'])


def test_further_outputs_change_no_logit(network, file, tmp_path):
    model, known = network
    more = tmp_path/'more.onnx'
    more.write_bytes(file.read_bytes())
    assert add_outputs(more, model, known) == ['map', 'score']
    before, after = (Classifier(o, threads=1, max_megapixels=25) for o in (file, more))
    assert after.meta == before.meta
    logits, score = after.net(batch())
    assert (before.net(batch())[0] == logits).all()
    with torch.no_grad():
        features = model[0](torch.from_numpy(batch()))
        want = HiResCAM(model[1])(features).numpy(), known(model[1][:2](features)).numpy()
    maps, = after.net.session.run(['map'], {'image': batch()})
    assert np.abs(maps - want[0]).max() < 1e-3 and np.abs(score - want[1]).max() < 1e-3


def test_a_head_that_is_not_fastais_gets_no_further_outputs(file):
    before = file.read_bytes()
    model = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(3, 2)))
    assert add_outputs(file, model) == [] and file.read_bytes() == before


def test_eight_bits_are_near(file, tmp_path):
    paths = []
    for i, im in enumerate(pictures(8)):
        paths.append(tmp_path/f'{i}.png')
        im.save(paths[-1])
    write_int8(file, tmp_path/'int8.onnx', paths)
    fp32, int8 = (Classifier(o, threads=1, max_megapixels=25) for o in (file, tmp_path/'int8.onnx'))
    assert int8.meta == fp32.meta | dict(precision='int8')
    logits = [o.net(batch())[0].ravel() for o in (fp32, int8)]
    assert np.corrcoef(*logits)[0, 1] > .95
    assert sorted(o.name for o in tmp_path.iterdir() if o.suffix != '.png') == ['int8.onnx']


def test_the_file_names_no_folder_of_this_machine(file):
    content = file.read_bytes()
    assert b'site-packages' not in content and b'/tests/' not in content


@pytest.mark.parametrize('same, median, says', [(198, .001, '198 of 200'), (200, .02, '0.0200')])
def test_a_network_that_differs_stops_the_export(same, median, says):
    with pytest.raises(ExportError, match=says): check_agreement(dict(pictures=200, same=same, median=median))


def test_one_picture_of_200_may_differ():
    found = dict(pictures=200, same=199, median=.001)
    assert check_agreement(found) == found


def test_an_export_that_is_there_is_not_replaced(tmp_path):
    refuse_to_replace(tmp_path/'export.pkl')
    (tmp_path/'export.pkl').touch()
    with pytest.raises(ExportExists, match='export.pkl is there already.*replace=True'):
        refuse_to_replace(tmp_path/'export.pkl')
