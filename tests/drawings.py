"""Drawn clothes, as many as a test wants: the data set that tests train on in seconds"""

import math
import random
import zlib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

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
