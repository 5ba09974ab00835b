"""Learning rates: two suggestions for fastai's finder, and what is made of them"""
import warnings

import numpy as np
from fastai.callback.schedule import valley

FEWEST = 5 # points that make a curve


def _nothing():
    "Suggestion for a curve that ended before there was one, as on a network that blows up at once"
    return 1e-9, (1e-9, float('nan'))


def descent(
    lrs, # tensor (n,), learning rates in rising order
    losses, # tensor (n,), smoothed losses
    num_it:int # batches of the finder
)->tuple: # rate, and the point to plot
    "fastai's `valley`: a rate from the middle of the longest descent; for a new head"
    return valley(lrs, losses, num_it) if len(losses) >= FEWEST else _nothing()


def edge(
    lrs, # tensor (n,), learning rates in rising order
    losses, # tensor (n,), smoothed losses
    num_it:int # batches of the finder
)->tuple: # rate, and the point to plot
    "A third of the rate where a flat curve has risen by 5 % over its lowest; for a network that has just been trained"
    if len(losses) < FEWEST: return _nothing()
    lowest = losses[len(losses)//2:].min()
    last = int((losses < 1.05*lowest).nonzero().max())
    return float(lrs[last])/3, (float(lrs[last]), losses[last])


def accepted_rate(
    suggested:float, # by the learning-rate finder
    settings # `Settings`; `[train] min_rate` and `max_rate` are the limits
)->float:
    "The suggestion, or a cautious rate with a warning where the finder has found no limit"
    low, high = settings.train.min_rate, settings.train.max_rate
    if suggested <= high: return max(suggested, low)
    cautious = float(np.sqrt(low*high))
    warnings.warn(f"the learning-rate finder saw no end of the good rates (it suggests {suggested:.1e}, more than "
        f"max_rate = {high:g}), as happens with few pictures; {cautious:.1e} is taken. To choose yourself, write "
        f"frozen_rate or unfrozen_rate into [train] of {settings.file.name}", stacklevel=2)
    return cautious
