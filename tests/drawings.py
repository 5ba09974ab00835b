"""Drawn clothes: what the tests train on, what these notebooks show, what a newcomer tries first"""

import math
import random
import zlib
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

_sleeves = [(30,20),(42,16),(50,22),(58,16),(70,20),(90,40),(78,50),(70,42),(70,88),(30,88),(30,42),(22,50),(10,40)]


_long = [(32,14),(42,12),(50,18),(58,12),(68,14),(84,30),(92,78),(80,82),(70,42),(70,90),(30,90),(30,42),(20,82),(8,78),(16,30)]


_legs = [(30,8),(70,8),(76,94),(56,94),(50,36),(44,94),(24,94)]


_sock = [(36,6),(62,6),(62,58),(80,72),(80,86),(66,92),(52,90),(36,70)]


_shoe = [(8,50),(30,46),(52,28),(66,34),(62,48),(94,64),(96,78),(8,78)]


outlines = {'shirt': _long, 't-shirt': _sleeves, 'polo-shirt': _sleeves, 'jeans': _legs, 'socks': _sock, 'shoes': _shoe}


def _details(d, category, p, ink, w):
    "The lines that tell one category from the next"
    line = lambda *o: d.line([p(xy) for xy in o], fill=ink, width=w)
    if category in ('shirt','polo-shirt'):
        line((42,13), (50,24), (58,13))
        line((50,24), (50,90 if category=='shirt' else 44))
    if category=='shirt':
        for y in range(32, 88, 10): line((51,y), (53,y))
    if category=='jeans':
        line((30,14), (70,14))
        line((50,14), (50,36))
    if category=='socks': line((36,16), (62,16))
    if category=='shoes': line((8,70), (95,70))


def _cloth(r, size, color):
    "A square of plain, striped or dotted cloth"
    im = Image.new('RGB', (size, size), color)
    d, kind, step = ImageDraw.Draw(im), r.choice(['plain','stripes','bars','dots']), r.randint(size//16, size//6)
    ink = tuple(min(v+60, 255) for v in color)
    for i in range(0, size, step):
        if kind == 'stripes': d.rectangle((0, i, size, i+step//2), fill=ink)
        if kind == 'bars': d.rectangle((i, 0, i+step//2, size), fill=ink)
        if kind == 'dots':
            for j in range(0, size, step): d.ellipse((i, j, i+step//2, j+step//2), fill=ink)
    return im


def _placed(r, size):
    "A function that puts a point of the 100 × 100 sheet somewhere on the picture"
    t, s, wide, dx, dy = math.radians(r.uniform(-22, 22)), r.uniform(.55, .95), r.uniform(.75, 1), r.uniform(-9, 9), r.uniform(-9, 9)
    def place(xy):
        x, y = (xy[0]-50)*s*wide, (xy[1]-50)*s
        return (50+dx+x*math.cos(t)-y*math.sin(t))*size/100, (50+dy+x*math.sin(t)+y*math.cos(t))*size/100
    return place


def draw_picture(
    category:str, # One of `outlines`; any other name gets an outline of its own
    seed:int=0, # Same seed, same picture
    size:int=256 # Side of the square, pixels
)->Image.Image: # Mode RGB
    "Draw a piece of clothing"
    r, big = random.Random(f'{category}-{seed}'), 2*size
    p, pts = _placed(r, big), outlines.get(category) or _other(category)
    jeans = r.randint(30,70), r.randint(60,110), r.randint(120,180)
    color = jeans if category=='jeans' else tuple(r.randint(20, 220) for _ in range(3))
    ground = tuple(r.randint(170, 255) for _ in range(3))
    im, mask = Image.linear_gradient('L').rotate(r.choice([0,90,180,270])).resize((big, big)), Image.new('L', (big, big))
    im = Image.composite(Image.new('RGB', im.size, ground), Image.new('RGB', im.size, 'white'), im)
    ImageDraw.Draw(mask).polygon([p(o) for o in pts], fill=255)
    im.paste(Image.new('RGB', im.size, color) if category=='jeans' else _cloth(r, big, color), mask=mask)
    d, ink, w = ImageDraw.Draw(im), tuple(v//2 for v in color), max(size//60, 2)
    d.line([p(o) for o in (*pts, pts[0])], fill=ink, width=w)
    _details(d, category, p, ink, w)
    return im.filter(ImageFilter.GaussianBlur(1)).resize((size, size), Image.Resampling.LANCZOS)


def _other(category):
    "An outline for a name without one: a star whose number of points follows from the name"
    r = random.Random(zlib.crc32(category.encode()))
    n = r.randint(3, 9)
    return [(50+a*math.cos(i*math.pi/n), 50+a*math.sin(i*math.pi/n)) for i in range(2*n) for a in [42 if i%2 else 18]]


_goods = {'jeans': [(31,5),(69,5),(71,20),(73,60),(71,96),(55,96),(52,34),(48,34),(45,96),(29,96),(27,60),(29,20)],
    't-shirt': [(33,12),(42,9),(46,13),(54,13),(58,9),(67,12),(90,28),(82,44),(71,37),(71,90),(29,90),(29,37),(18,44),(10,28)],
    'shirt': [(33,10),(43,6),(57,6),(67,10),(80,22),(91,78),(80,81),(70,42),(71,93),(29,93),(30,42),(20,81),(9,78),(20,22)],
    'shoes': [(6,40),(14,34),(26,36),(40,44),(56,54),(80,60),(93,66),(95,74),(92,78),(8,78),(5,70)],
    'socks': [(34,5),(60,5),(61,52),(66,62),(84,74),(88,84),(82,92),(66,94),(48,84),(36,70),(35,40)]}


_goods['polo-shirt'] = _goods['t-shirt']


_dyes = {'jeans': [(62,88,128),(74,104,148),(44,60,92)], 't-shirt': [(180,40,44),(36,70,130),(240,190,60)], 'shirt': [(150,185,220),(226,230,236),(190,205,228)],
    'shoes': [(120,72,40),(60,40,30),(200,60,50)], 'socks': [(70,90,110),(150,60,70),(60,110,90)], 'polo-shirt': [(30,110,80),(40,60,120),(170,40,50)]}


def _weave(r, im, mask):
    "Uneven cloth, where the mask is"
    noise = lambda n, soft: Image.frombytes('L', (n, n), r.randbytes(n*n)).point(lambda v: int(128+(v-128)*soft)).resize(im.size, Image.Resampling.BICUBIC)
    t = Image.blend(noise(im.width//3, .3), noise(im.width//40, .35), .5)
    return Image.composite(ImageChops.overlay(im, Image.merge('RGB', [t]*3)), im, mask)


def _tints(c): return [tuple(min(int(v*f), 255) for v in c) for f in (.35, .62, .8, 1.35)] # Sole, seam, shadow, light


def _sew_jeans(line, shape, c):
    sole, seam, shadow, light = _tints(c)
    line((31,10), (69,10)), line((50,10), (50,34)), line((31,7), (69,7), ink=(206,160,90), w=.25)
    line((33,11), (34,17), (39,21), (43,21)), line((67,11), (66,17), (61,21), (57,21))
    for x in (36,44,56,64): shape((x-.8,4.5), (x+.8,4.5), (x+.8,11), (x-.8,11), ink=seam)
    shape((49,6.5), (51,6.5), (51,8.5), (49,8.5), ink=(206,160,90))


def _sew_tshirt(line, shape, c):
    shape((42,9), (45,17), (50,19), (55,17), (58,9), (54,13), (46,13), ink=_tints(c)[2])
    line((71,37), (68,26)), line((29,37), (32,26)), line((29,87), (71,87), w=.3)


def _sew_polo(line, shape, c):
    seam, shadow = _tints(c)[1:3]
    for x in (-1,1): shape((50+8*x,9), (50+13*x,15), (50+4*x,24), (50,16), ink=shadow)
    shape((44,9), (56,9), (50,16), ink=seam)
    line((47.5,22), (47.5,40), (52.5,40), (52.5,22))
    for y in (26,33): shape((49.4,y), (50.6,y), (50.6,y+1.2), (49.4,y+1.2), ink=(245,245,240))
    line((71,37), (68,26)), line((29,37), (32,26)), line((29,87), (71,87), w=.3)


def _sew_shirt(line, shape, c):
    seam, shadow = _tints(c)[1:3]
    for x in (-1,1): shape((50+7*x,6), (50+13*x,12), (50+4*x,23), (50,14), ink=shadow)
    shape((44,6), (56,6), (50,14), ink=seam)
    line((48,20), (48,93), w=.35), line((52,18), (52,93), w=.35), line((70,42), (68,24)), line((30,42), (32,24))
    for y in range(28, 90, 10): shape((49.4,y), (50.6,y), (50.6,y+1.4), (49.4,y+1.4), ink=seam)
    line((57,36), (67,36), (67,48), (62,51), (57,48), (57,36), w=.35), line((10,73), (20,76)), line((90,73), (80,76))


def _sew_shoes(line, shape, c):
    shape((5,72), (95,74), (94,80), (6,80), ink=_tints(c)[0])
    for i in range(4): line((36+i*5,40+i*3.4), (31+i*5,47+i*3.2), ink=(240,240,235), w=1)
    line((14,36), (20,58), (10,72))


def _sew_socks(line, shape, c):
    for y in range(7, 17, 2): line((34.6,y), (59.6,y), w=.35)
    line((35,18), (60,18))
    for o in ([(35.5,62),(36,70),(46,82),(53,70),(46,62)], [(70,66),(84,74),(88,84),(82,92),(70,93),(74,80)]): shape(*o, ink=_tints(c)[2])


_seams = {'jeans': _sew_jeans, 't-shirt': _sew_tshirt, 'polo-shirt': _sew_polo, 'shirt': _sew_shirt, 'shoes': _sew_shoes, 'socks': _sew_socks}


def draw_goods(
    category:str, # Any name; those that are not ours are drawn by `draw_picture`
    seed:int=0, # Same seed, same picture
    size:int=224 # Side of the square, pixels
)->Image.Image: # Mode RGB
    "Draw a piece of clothing as a shop shows it"
    if category not in _goods: return draw_picture(category, seed, size)
    r, side, at = random.Random(f'{category}-{seed}'), 3*size, lambda pts: [(x*side/100, y*side/100) for x,y in pts]
    ground, c = r.choice([(250,250,250),(232,228,222)]), _dyes[category][seed % 3]
    im, mask = Image.new('RGB', (side, side), ground), Image.new('L', (side, side))
    ImageDraw.Draw(mask).polygon(at(_goods[category]), fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(side/180)).point(lambda v: 255*(v > 127)) # Round corners
    im.paste(Image.new('RGB', im.size, c), mask=mask)
    im = _weave(r, im, mask)
    d, seam = ImageDraw.Draw(im), _tints(c)[1]
    line = lambda *o, ink=seam, w=.5: d.line(at(o), fill=ink, width=int(w*side/100), joint='curve')
    _seams[category](line, lambda *o, ink: d.polygon(at(o), fill=ink), c)
    return im.filter(ImageFilter.GaussianBlur(.8)).resize((size, size), Image.Resampling.LANCZOS)


def draw_folder(
    path:str|Path, # Gets `<category>/<number>.jpg`
    categories, # Names
    n:int=20, # Pictures a category
    size:int=160 # Side, pixels
)->Path: # `path`
    "Draw a small data set"
    for c in categories:
        (Path(path)/c).mkdir(parents=True, exist_ok=True)
        for i in range(n): draw_picture(c, i, size).save(Path(path)/c/f'{i:04}.jpg', quality=90)
    return Path(path)
