"""Fine-tune a pretrained network: its new head first, then all of it, at rates that a finder suggests"""

import urllib.error
from pathlib import Path

import torch
import torchvision
from fastai.vision.all import *
from safetensors.torch import load_file, save_file

from ..settings import Settings


class TrainError(ValueError):
    "A training that cannot start; its text says what to do"


def _imagenet(arch):
    "The network with torchvision's ImageNet weights"
    w = torchvision.models.get_model_weights(arch).DEFAULT
    try: return torchvision.models.get_model(arch, weights=w)
    except (urllib.error.URLError, OSError) as e:
        to = Path(torch.hub.get_dir())/'checkpoints'
        raise TrainError(f"The ImageNet weights of {arch} cannot be downloaded ({e}); on a machine with internet fetch {w.url} and put the file into {to}, or set [train] weights in settings.ini to the path of a .safetensors file") from None


def _finite(v):
    "In 32 bits. What was too large for 16 was stored as infinite; it becomes the largest number that they hold"
    return v.clamp(torch.finfo(v.dtype).min, torch.finfo(v.dtype).max).float() if v.is_floating_point() else v


def _from_file(arch, path):
    "The network with the weights of a `.safetensors` file"
    if not path.is_file(): raise TrainError(f"{path}: there is no such file; set [train] weights in settings.ini to imagenet, none, or the path of a .safetensors file")
    net = torchvision.models.get_model(arch, weights=None)
    try: sd = {k: _finite(v) for k,v in load_file(path).items() if not k.startswith('fc.')}
    except Exception as e: raise TrainError(f"{path}: is not a .safetensors file ({e}); convert it with safetensors.torch.save_file") from None
    try: miss, extra = net.load_state_dict(sd, strict=False)
    except RuntimeError as e: raise TrainError(f"{path}: does not fit {arch}: {str(e).splitlines()[1].strip()}; set [train] arch to the architecture that it was made for") from None
    if miss := [k for k in miss if not k.startswith('fc.')]: raise TrainError(f"{path}: does not fit {arch}: it has no {miss[0]} and {len(miss)-1} more; set [train] arch to the architecture that it was made for")
    if bad := [k for k,v in sd.items() if not v.isfinite().all()]: raise TrainError(f"{path}: {bad[0]} holds values that are not numbers; the file was written by a training that had failed, so take another")
    return net


def pretrained(
    arch:str, # Name of a torchvision architecture
    weights:str, # `imagenet`, `none` or the path of a `.safetensors` state dict
    root:str|Path='.' # Folder that a relative path starts from
)->nn.Module: # With its own last layer
    "A torchvision network with its weights. Raises `TrainError`"
    if arch not in torchvision.models.list_models(module=torchvision.models): raise TrainError(f"[train] arch: torchvision has no {arch!r}; resnet18, resnet34 and resnet50 are good ones")
    if weights == 'none': return torchvision.models.get_model(arch, weights=None)
    return _imagenet(arch) if weights == 'imagenet' else _from_file(arch, Path(root)/Path(weights).expanduser())


def save_body(
    learn:Learner, # From `train`
    settings:Settings, # Whose `[train]`
    path:str|Path # `.safetensors`
)->Path: # `path`
    "The weights of the body under torchvision's names"
    names = [n for n,_ in torchvision.models.get_model(settings.train.arch, weights=None).named_children()]
    parts = ((k.split('.', 1), v) for k,v in learn.model[0].state_dict().items())
    save_file({f'{names[int(i)]}.{rest}': v.contiguous() for (i, rest),v in parts}, path)
    return Path(path)
