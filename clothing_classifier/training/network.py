"""The network of a learner: body, pooling, head"""
import torch
from torch import nn

HEAD = 'AdaptiveConcatPool2d','Flatten','BatchNorm1d','Dropout','Linear','ReLU','BatchNorm1d','Dropout','Linear'


def has_head(
    model:nn.Module # network of a learner
)->bool:
    "Does the network end in the head that fastai's `create_head` makes?"
    return len(model) == 2 and tuple(type(o).__name__ for o in model[1]) == HEAD


class Mirrored(nn.Sequential):
    "Network that, once trained, also sees the mirror image and answers with the mean"
    def forward(self, x):
        if self.training: return super().forward(x)
        return super().forward(torch.cat([x, x.flip(-1)])).unflatten(0, (2, -1)).mean(0)


def pooled(
    model:nn.Sequential, # body, and a head that begins with pooling and flattening
    x:torch.Tensor # (n, 3, size, size)
)->torch.Tensor: # (n, 2*channels): maxima, then means
    "Pooled features: what the head is given"
    return model[1][:2](model[0](x))


def logits_and_features(
    model:nn.Sequential, # body and fastai's head
    x:torch.Tensor # (n, 3, size, size)
)->tuple: # logits (n, categories), pooled features (n, 2*channels)
    "Logits and pooled features in one pass"
    if not isinstance(model, Mirrored):
        features = pooled(model, x)
        return model[1][2:](features), features
    features = pooled(model, torch.cat([x, x.flip(-1)]))
    logits = model[1][2:](features).unflatten(0, (2, -1)).mean(0)
    return logits, features[:len(x)]
