"""Drawings of clothes: a data set of any size that tests train on in seconds"""

import math
import random
import zlib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

_sleeves = [(30,20),(42,16),(50,22),(58,16),(70,20),(90,40),(78,50),(70,42),(70,88),(30,88),(30,42),(22,50),(10,40)]
_long = [(32,14),(42,12),(50,18),(58,12),(68,14),(84,30),(92,78),(80,82),
    (70,42),(70,90),(30,90),(30,42),(20,82),(8,78),(16,30)]
_legs = [(30,8),(70,8),(76,94),(56,94),(50,36),(44,94),(24,94)]
_sock = [(36,6),(62,6),(62,58),(80,72),(80,86),(66,92),(52,90),(36,70)]
_shoe = [(8,50),(30,46),(52,28),(66,34),(62,48),(94,64),(96,78),(8,78)]

outlines = {'shirt': _long, 't-shirt': _sleeves, 'polo-shirt': _sleeves, 'jeans': _legs, 'socks': _sock, 'shoes': _shoe}


def _details(draw, category, place, ink, width):
    "Draw the lines that distinguish categories with similar outlines"
    line = lambda *points: draw.line([place(o) for o in points], fill=ink, width=width)
    if category in ('shirt', 'polo-shirt'):
        line((42,13), (50,24), (58,13))
        line((50,24), (50, 90 if category == 'shirt' else 44))
    if category == 'shirt':
        for y in range(32, 88, 10): line((51,y), (53,y))
    if category == 'jeans':
        line((30,14), (70,14))
        line((50,14), (50,36))
    if category == 'socks': line((36,16), (62,16))
    if category == 'shoes': line((8,70), (95,70))


def _cloth(rng, size, color):
    "A square of plain, striped or dotted cloth"
    cloth = Image.new('RGB', (size, size), color)
    draw = ImageDraw.Draw(cloth)
    kind = rng.choice(['plain', 'stripes', 'bars', 'dots'])
    step = rng.randint(size//16, size//6)
    ink = tuple(min(v+60, 255) for v in color)
    for i in range(0, size, step):
        if kind == 'stripes': draw.rectangle((0, i, size, i+step//2), fill=ink)
        if kind == 'bars': draw.rectangle((i, 0, i+step//2, size), fill=ink)
        if kind == 'dots':
            for j in range(0, size, step): draw.ellipse((i, j, i+step//2, j+step//2), fill=ink)
    return cloth


def _placed(rng, size):
    "A function from points of a 100 × 100 sheet to pixels, with a random rotation, scale and shift"
    angle = math.radians(rng.uniform(-22, 22))
    scale = rng.uniform(.55, .95)
    narrow = rng.uniform(.75, 1)
    right = rng.uniform(-9, 9)
    down = rng.uniform(-9, 9)
    cos, sin = math.cos(angle), math.sin(angle)
    def place(point):
        x = (point[0]-50)*scale*narrow
        y = (point[1]-50)*scale
        return (50+right+x*cos-y*sin)*size/100, (50+down+x*sin+y*cos)*size/100
    return place


def _background(rng, size):
    "A gradient from white to a random light color"
    color = tuple(rng.randint(170, 255) for _ in range(3))
    gradient = Image.linear_gradient('L').rotate(rng.choice([0, 90, 180, 270])).resize((size, size))
    return Image.composite(Image.new('RGB', gradient.size, color), Image.new('RGB', gradient.size, 'white'), gradient)


def draw_picture(
    category:str, # one of `outlines`; any other name gets an outline of its own
    seed:int=0, # seed of the random numbers; the same seed draws the same picture
    size:int=256 # side of the square in pixels
)->Image.Image: # picture in mode RGB
    "Draw a piece of clothing"
    rng = random.Random(f'{category}-{seed}')
    big = 2*size
    place = _placed(rng, big)
    outline = [place(o) for o in outlines.get(category) or _other(category)]
    denim = rng.randint(30, 70), rng.randint(60, 110), rng.randint(120, 180)
    color = denim if category == 'jeans' else tuple(rng.randint(20, 220) for _ in range(3))
    picture = _background(rng, big)
    mask = Image.new('L', (big, big))
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    cloth = Image.new('RGB', (big, big), color) if category == 'jeans' else _cloth(rng, big, color)
    picture.paste(cloth, mask=mask)
    draw = ImageDraw.Draw(picture)
    ink = tuple(v//2 for v in color)
    width = max(size//60, 2)
    draw.line([*outline, outline[0]], fill=ink, width=width)
    _details(draw, category, place, ink, width)
    return picture.filter(ImageFilter.GaussianBlur(1)).resize((size, size), Image.Resampling.LANCZOS)


def _other(category):
    "A star for a name without an outline; the name decides its number of points"
    points = random.Random(zlib.crc32(category.encode())).randint(3, 9)
    radii = [18, 42]*points
    angles = [i*math.pi/points for i in range(2*points)]
    return [(50+radius*math.cos(angle), 50+radius*math.sin(angle)) for radius, angle in zip(radii, angles, strict=True)]


def draw_folder(
    path:str|Path, # folder that receives `<category>/<number>.jpg`
    categories, # names of the categories
    n:int=20, # number of pictures a category
    size:int=160 # side of a picture in pixels
)->Path: # folder with the pictures
    "Draw a small data set"
    path = Path(path)
    for category in categories:
        folder = path/category
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(n): draw_picture(category, i, size).save(folder/f'{i:04}.jpg', quality=90)
    return path
