"""Pictures that are none of the categories, shown in training so that the network is unsure of them"""
from itertools import chain, repeat

import torch
import torch.nn.functional as F
from fastai.vision.all import Callback, MixUp

from .callbacks import TrainingOnly, has_cached_body, in_finder


class OutlierExposure(TrainingOnly, Callback):
    """Add pictures of something else to each training batch; their answer should be that all categories are alike

    Hendrycks et al. 2019, https://arxiv.org/abs/1812.04606"""
    order = MixUp.order+1 # blended pictures are of the categories only
    def __init__(self,
        batches, # loader of such pictures, as (m, 3, size, size), changed at random as training pictures are
        weight:float=.5 # of their loss
    ): self.batches, self.weight, self.extra = batches, weight, 0

    def before_fit(self): self.run = not in_finder(self)
    def before_train(self): self.endless = chain.from_iterable(repeat(self.batches))

    def before_batch(self):
        self.extra = 0
        if not self.training or has_cached_body(self.model): return
        others = self._next()
        self.learn.xb, self.extra = (torch.cat([self.x, others]),), len(others)

    def _next(self):
        "The next few pictures, as large as those of the batch"
        others, size = next(self.endless)[0].to(self.x.device), self.x.shape[-2:]
        if others.shape[-2:] == size: return others
        return F.interpolate(others, size=size, mode='bilinear', antialias=True)

    def after_pred(self):
        if not self.extra: return
        self.others, self.learn.pred = self.pred[-self.extra:], self.pred[:-self.extra]

    def after_loss(self):
        if not self.extra: return
        alike = -F.log_softmax(self.others.float(), 1).mean()
        self.learn.loss_grad = self.loss_grad + self.weight*alike
