"""Random changes of training pictures that a phone in a dim room makes and a studio does not"""
import torch
import torch.nn.functional as F
from fastai.vision.all import RandTransform, TensorImage


class _SomePictures(RandTransform):
    "A transform that changes each picture of a batch with the probability `p`"
    split_idx = 0
    def __init__(self,
        p:float # probability for each picture
    ):
        super().__init__(p=1.) # the draw is made for each picture, not for each batch
        self.share = p

    def changed(self, x): raise NotImplementedError

    def encodes(self, x:TensorImage):
        chosen = torch.rand(len(x), device=x.device) < self.share
        if not chosen.any(): return x
        x = x.clone()
        x[chosen] = self.changed(x[chosen])
        return x


class WarmLight(_SomePictures):
    "Less light, and warmer or colder: brightness times 0.4 to 1, red up and blue down by up to a third or vice versa"
    order = 30 # before `Normalize`
    def changed(self, x):
        brightness = torch.empty(len(x), 1, device=x.device).uniform_(.4, 1)
        warmth = torch.empty(len(x), 1, device=x.device).uniform_(-.35, .35)
        gains = brightness*torch.cat([1+warmth, torch.ones_like(warmth), 1-warmth], 1)
        return (x*gains[:,:,None,None]).clamp(0, 1)


class OutOfFocus(_SomePictures):
    "Shrunk by a factor of 1.5 to 4 and enlarged again: out of focus, or a thumbnail"
    order = 31
    def changed(self, x):
        side = x.shape[-1]
        small = int(side/torch.empty(1).uniform_(1.5, 4))
        x = F.interpolate(x, size=(small, small), mode='bilinear', antialias=True)
        return F.interpolate(x, size=(side, side), mode='bicubic').clamp(0, 1)
