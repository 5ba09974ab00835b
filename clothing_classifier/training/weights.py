"""Pretrained weights: from torchvision, from a file, or from the body of an exported learner"""
import urllib.error
import warnings
from pathlib import Path

import torch
import torchvision
from fastai.learner import load_learner
from safetensors.torch import load_file, save_file
from torch import nn


class TrainError(ValueError):
    "A training that cannot start; its text says what to do"


def _imagenet(arch):
    "Network with torchvision's ImageNet weights"
    weights = torchvision.models.get_model_weights(arch).DEFAULT
    try: return torchvision.models.get_model(arch, weights=weights)
    except (urllib.error.URLError, OSError) as e:
        folder = Path(torch.hub.get_dir())/'checkpoints'
        raise TrainError(f"The ImageNet weights of {arch} cannot be downloaded ({e}); on a machine with internet fetch "
            f"{weights.url} and put the file into {folder}, or set [train] weights in settings.ini to export.pkl "
            "or to a .safetensors file") from None


def _finite(value):
    "A tensor in 32 bits; what overflowed in 16 bits becomes the largest number that they hold"
    if not value.is_floating_point(): return value
    limits = torch.finfo(value.dtype)
    return value.clamp(limits.min, limits.max).float()


def _body_names(arch):
    "torchvision's names of the layers of a body, in order"
    return [name for name,_ in torchvision.models.get_model(arch, weights=None).named_children()]


def body_state(
    body:nn.Sequential, # as fastai's `create_body` makes it
    arch:str # torchvision architecture of the body
)->dict: # name -> tensor
    "The weights of a body under torchvision's names"
    names = _body_names(arch)
    state = {}
    for key,value in body.state_dict().items():
        layer, rest = key.split('.', 1)
        state[f'{names[int(layer)]}.{rest}'] = value.contiguous()
    return state


def open_learner(
    path:str|Path # `.pkl`; opening it runs the code inside, so open only your own
):
    "fastai's `load_learner` without its warning, which the documentation of this project gives"
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)
        return load_learner(path)


def _read(path, arch):
    "State dict of a file, under torchvision's names"
    if not path.is_file():
        raise TrainError(f"{path}: there is no such file; set [train] weights in settings.ini to imagenet, none, "
            "export.pkl, or the path of a .safetensors file")
    try:
        if path.suffix == '.pkl': return body_state(open_learner(path).model[0], arch)
        return load_file(path)
    except Exception as e:
        raise TrainError(f"{path}: is neither a .safetensors file nor an exported learner ({e}); "
            "name one that is") from None


def _from_file(arch, path):
    "Network with the weights of a file, its last layer left out"
    network = torchvision.models.get_model(arch, weights=None)
    state = {k: _finite(v) for k,v in _read(path, arch).items() if not k.startswith('fc.')}
    advice = "set [train] arch to the architecture that it was made for"
    try: missing, _ = network.load_state_dict(state, strict=False)
    except RuntimeError as e:
        raise TrainError(f"{path}: does not fit {arch}: {str(e).splitlines()[1].strip()}; {advice}") from None
    missing = [k for k in missing if not k.startswith('fc.')]
    if missing:
        raise TrainError(f"{path}: does not fit {arch}: it has no {missing[0]} and {len(missing)-1} more; {advice}")
    broken = [k for k,v in state.items() if not v.isfinite().all()]
    if broken:
        raise TrainError(f"{path}: {broken[0]} holds values that are not numbers; the file was written by a training "
            "that had failed, so take another")
    return network


def pretrained(
    arch:str, # name of a torchvision architecture
    weights:str, # `imagenet`, `none`, or the path of a `.safetensors` state dict or of an exported learner
    root:str|Path='.' # folder where relative paths start
)->nn.Module: # with its own last layer
    "A torchvision network with its weights. Raises `TrainError`"
    if arch not in torchvision.models.list_models(module=torchvision.models):
        raise TrainError(f"[train] arch: torchvision has no {arch!r}; resnet18, resnet34 and resnet50 are good ones")
    if weights == 'none': return torchvision.models.get_model(arch, weights=None)
    return _imagenet(arch) if weights == 'imagenet' else _from_file(arch, Path(root)/Path(weights).expanduser())


def save_body(
    learn, # trained learner
    arch:str, # its torchvision architecture
    path:str|Path # `.safetensors` file to write
)->Path:
    "Write the weights of a learner's body, to start other trainings from"
    save_file({k: v.cpu() for k,v in body_state(learn.model[0], arch).items()}, path)
    return Path(path)
