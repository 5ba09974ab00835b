"""Where the network looked, as a picture and in words, without torch"""

import numpy as np
from PIL import Image, ImageOps

from ..images import thumbnail
from ..predict import Classifier, preprocess


def has_map(
    classifier:Classifier # any
)->bool:
    "Whether its export can say where it looked"
    session = getattr(classifier.net, 'session', None)
    return session is not None and 'map' in [output.name for output in session.get_outputs()]


def heat(
    classifier:Classifier, # one for which `has_map` is true
    image:Image.Image, # RGB picture, as `classifier.open` returns it
    category:str # one of its labels
)->np.ndarray: # (h, w), 0 to 1; what speaks against the category counts as 0
    "How much each place of the picture speaks for a category"
    session = classifier.net.session
    x = preprocess(image, **classifier.prep)[None]
    maps, = session.run(['map'], {session.get_inputs()[0].name: x})
    positive = maps[0, classifier.labels.index(category)].clip(0)
    return positive/positive.max() if positive.max() > 0 else positive


def overlay(
    image:Image.Image, # RGB picture
    heat:np.ndarray, # (h, w), 0 to 1
    side:int=480 # longest side of the result in pixels
)->Image.Image:
    "The picture in dim grey, with a glow where the network looked"
    image = image.copy()
    image.thumbnail((side, side))
    mask = Image.fromarray((heat*255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    grey = ImageOps.colorize(ImageOps.grayscale(image), (24,26,40), (158,160,172))
    dim = Image.blend(grey, image, .2)
    glow = ImageOps.colorize(mask, (110,10,70), (255,238,120), mid=(240,96,32))
    return Image.composite(glow, dim, mask.point(lambda v: int(v*.7)))


_columns = ('left', '', 'right')
_rows = ('top', '', 'bottom')
_lines = { # three cells in a line -> key of their text
    frozenset((0,1,2)): 'glow_top', frozenset((3,4,5)): 'glow_row', frozenset((6,7,8)): 'glow_bottom',
    frozenset((0,3,6)): 'glow_left', frozenset((1,4,7)): 'glow_column', frozenset((2,5,8)): 'glow_right'}


def _cell_key(cell):
    "The key of the text for a cell of a grid of 3 x 3"
    row, column = divmod(cell, 3)
    name = '_'.join(filter(None, (_rows[row], _columns[column])))
    return f"glow_{name or 'centre'}"


def glow_shares(
    heat:np.ndarray # (h, w), 0 to 1, not all 0
)->np.ndarray: # (9,), sums to 1: row by row from the top left
    "How the glow is distributed over a grid of 3 x 3; a place of twice the heat counts four times"
    glow = Image.fromarray(heat.astype(np.float32)**2)
    cells = np.asarray(glow.resize((3, 3), Image.Resampling.BOX)).ravel()
    return cells/cells.sum()


def places(
    heat:np.ndarray # (h, w), 0 to 1
)->list: # keys of texts: none, one or two
    "Where most of the glow is"
    if not heat.any(): return []
    shares = glow_shares(heat)
    order = np.argsort(-shares, kind='stable')
    n = np.searchsorted(shares[order].cumsum(), .5) # the first n+1 cells hold at least half of it
    cells = [int(cell) for cell in order if shares[cell] >= .8*shares[order[n]]] # and those that glow about as much
    if len(cells) <= 2: return [_cell_key(cell) for cell in cells]
    return [_lines.get(frozenset(cells), 'glow_spread')]


def explain(
    classifier:Classifier, # one for which `has_map` is true
    image:Image.Image, # RGB picture, as `classifier.open` returns it
    category:str, # one of its labels
    side:int=480 # longest side of the heat map in pixels
)->tuple: # keys of texts for the places, JPEG
    "What the network looked at"
    glow = heat(classifier, image, category)
    return places(glow), thumbnail(overlay(image, glow, side), side)
