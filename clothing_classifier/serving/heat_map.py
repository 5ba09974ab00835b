"""Where the network looked, as a picture and in words, without torch"""

import numpy as np
from PIL import Image, ImageOps

from ..images import thumbnail
from ..predict import Classifier, padding, preprocess


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
    if classifier.prep.get('resize') == 'pad': positive = _inside(positive, image, classifier.prep['size'])
    return positive/positive.max() if positive.max() > 0 else positive


def _inside(heat, image, size):
    "The part of a square map that is the picture and not its padding, in pixels of the network's input"
    left, top, right, bottom = padding(*image.size, size)
    whole = Image.fromarray(heat.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(whole.crop((left, top, size-right, size-bottom))).clip(0)


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
_lines = { # key of a text -> three cells in a line
    'glow_top': {0,1,2}, 'glow_row': {3,4,5}, 'glow_bottom': {6,7,8},
    'glow_left': {0,3,6}, 'glow_column': {1,4,7}, 'glow_right': {2,5,8}}
_areas = _lines | {'glow_corners': {0,2,6,8}, 'glow_edges': {0,1,2,3,5,6,7,8}}
_enough = {'glow_corners': .6, 'glow_edges': .95} # share of the heat from which they are named; lines: more than half


def _cell_key(cell):
    "The key of the text for a cell of a grid of 3 x 3; at the top, in the middle, is 'at the top'"
    row, column = divmod(cell, 3)
    name = '_'.join(filter(None, (_rows[row], _columns[column])))
    return f"glow_{name or 'centre'}"


def heat_shares(
    heat:np.ndarray # (h, w), 0 to 1, not all 0
)->np.ndarray: # (9,), sums to 1: row by row from the top left
    "How the heat is distributed over a grid of 3 x 3"
    height, width = heat.shape
    thirds = np.kron(heat, np.ones((3, 3))).reshape(3, height, 3, width)
    return thirds.sum((1, 3)).ravel()/thirds.sum()


def _hottest(shares):
    "The fewest cells that hold more than half of the heat, and those that hold about as much as the least of them"
    order = np.argsort(-shares, kind='stable')
    least = shares[order[shares[order].cumsum().searchsorted(.5, side='right')]]
    return [int(cell) for cell in order if shares[cell] >= .8*least]


def _names(cells):
    "The keys of some cells, without those that lie in the line that another one names"
    keys = {_cell_key(cell): cell for cell in cells}
    return [key for key,cell in keys.items() if not any(cell in _lines.get(o, ()) for o in keys if o != key)]


def places(
    heat:np.ndarray # (h, w), 0 to 1
)->list: # keys of texts: none, one or two
    "Places that hold more than half of the heat; `glow_spread` if they would be most of the picture"
    if not heat.any(): return []
    shares = heat_shares(heat)
    cells = _hottest(shares)
    if len(cells) <= 2: return _names(cells)
    held = {key: shares[list(area)].sum() for key,area in _areas.items()}
    def rank(key): return key == 'glow_edges', not _areas[key].issuperset(cells), -held[key]
    return [next((key for key in sorted(held, key=rank) if held[key] > _enough.get(key, .5)), 'glow_spread')]


def explain(
    classifier:Classifier, # one for which `has_map` is true
    image:Image.Image, # RGB picture, as `classifier.open` returns it
    category:str, # one of its labels
    side:int=960 # longest side of the heat map in pixels
)->tuple: # keys of texts for the places, JPEG
    "What the network looked at"
    glow = heat(classifier, image, category)
    return places(glow), thumbnail(overlay(image, glow, side), side)
