"""What the network looked at, as a picture, without torch"""

import numpy as np
from PIL import Image, ImageOps

from ..images import thumbnail
from ..predict import Classifier, preprocess


def has_map(clf:Classifier)->bool: return 'map' in [o.name for o in clf.net.session.get_outputs()] if hasattr(clf.net, 'session') else False


def heat(
    clf:Classifier, # That answered
    im:Image.Image, # RGB picture
    category:str # For which one
)->np.ndarray|None: # (h, w), 0 to 1; what speaks against counts as 0. None if the export has no map
    "How much each place of the picture speaks for `category`"
    if not has_map(clf): return None
    s, x = clf.net.session, preprocess(clf.open(im), **clf.prep)[None]
    a = s.run(['map'], {s.get_inputs()[0].name: x})[0][0, clf.labels.index(category)].clip(0)
    return a/a.max() if a.max() > 0 else a


def overlay(
    im:Image.Image, # RGB picture
    a:np.ndarray, # From `heat`
    side:int=480 # Longest side of the result, pixels
)->Image.Image:
    "The picture, aglow where the network looked"
    im = im.copy()
    im.thumbnail((side, side))
    mask = Image.fromarray((a*255).astype(np.uint8)).resize(im.size, Image.Resampling.BICUBIC)
    dark = Image.blend(ImageOps.colorize(ImageOps.grayscale(im), (24,26,40), (158,160,172)), im, .2)
    glow = ImageOps.colorize(mask, (110,10,70), (255,238,120), mid=(240,96,32))
    return Image.composite(glow, dark, mask.point(lambda v: int(v*.7)))


def where(
    a:np.ndarray # From `heat`
)->str: # `centre`, `top`, `bottom left` ...; '' if nothing speaks for the category
    "Where most of the heat is"
    if not a.any(): return ''
    w = a**2/(a**2).sum()
    y, x = ((w.sum(1-i)*(np.arange(n)+.5)/n).sum() for i,n in enumerate(a.shape))
    third = lambda v, low, high: low if v < .4 else high if v > .6 else ''
    return f"{third(y, 'top', 'bottom')} {third(x, 'left', 'right')}".strip() or 'centre'


def why(
    clf:Classifier, # That answered
    im:Image.Image, # RGB picture
    category:str, # For which one
    side:int=480 # Longest side, pixels
)->tuple|None: # Place as `where` says it, JPEG. None if the export has no map
    "What the network looked at"
    a = heat(clf, im, category)
    return None if a is None else (where(a), thumbnail(overlay(im, a, side), side))
