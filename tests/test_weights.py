"""Where a body comes from: torchvision, a file, or an exported learner."""
import pytest
import torch
from conftest import ROOT
from safetensors.torch import save_file

from clothing_classifier.training.features import logits_of
from clothing_classifier.training.learner_file import read_learner
from clothing_classifier.training.weights import TrainError, body_state, pretrained, save_body


def test_mistakes_say_what_to_do():
    with pytest.raises(TrainError, match='no such file'): pretrained('resnet18', 'nowhere.safetensors')
    with pytest.raises(TrainError, match='torchvision has no'): pretrained('resnet35', 'none')


def test_a_file_for_another_architecture(tmp_path):
    save_file(pretrained('resnet18', 'none').state_dict(), tmp_path/'w.safetensors')
    with pytest.raises(TrainError, match='does not fit resnet34'): pretrained('resnet34', str(tmp_path/'w.safetensors'))


def test_half_precision_that_overflowed_is_clipped(tmp_path):
    "One infinite variance silences a channel; it becomes the largest number of 16 bits"
    state = pretrained('resnet18', 'none').state_dict()

    def read_back(variance):
        save_file(state | {'bn1.running_var': torch.full((64,), variance).half()}, tmp_path/'w.safetensors')
        return pretrained('resnet18', str(tmp_path/'w.safetensors')).bn1.running_var[0].item()

    assert (read_back(9.), read_back(1e6)) == (9., 65504.)
    with pytest.raises(TrainError, match='not numbers'): read_back(float('nan'))


def test_the_body_of_an_export(trained, tmp_path):
    "`weights` may name an export.pkl, and a body that was saved is the same"
    settings, learn, _ = trained
    body = body_state(learn.model[0], 'resnet18')
    network = pretrained('resnet18', str(settings.export.learner)).state_dict()
    assert all(torch.equal(network[k], v.cpu()) for k, v in body.items())
    saved = save_body(learn, 'resnet18', tmp_path/'body.safetensors')
    network = pretrained('resnet18', str(saved)).state_dict()
    assert all(torch.equal(network[k], v.cpu()) for k, v in body.items())


def test_the_shipped_body(shipped_learner=ROOT/'export.pkl'):
    assert len(pretrained('resnet34', str(shipped_learner)).state_dict()) > 200


def test_a_learner_in_a_file_holds_no_path_of_this_machine(trained, tmp_path):
    "and answers as the one in memory"
    settings, learn, _ = trained
    file = next(learn.path.glob('learner.pkl'))
    data = file.read_bytes()
    assert str(settings.data.path).encode() not in data and str(ROOT).encode() not in data
    photos = sorted((settings.data.path/'images').glob('*/*.jpg'))[:8]
    assert abs(logits_of(read_learner(file), photos) - logits_of(learn, photos)).max() < 1e-5
