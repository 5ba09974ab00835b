"""One picture is decoded, measured and hashed; what cannot be used gets a reason"""
import io
from dataclasses import dataclass

import imagehash
from PIL import Image

from ..files import sha1
from ..images import ImageError, open_image

WHOLE = 1 << 16 # pixels; no side is longer, so a picture is not shrunk
HASHED_SIDE = 128 # pixels; from smaller copies the hashes of resaved pictures differ more


@dataclass
class Checked:
    "The result of checking one picture"
    data: bytes # content of the file as it came
    sha1: str # SHA-1 of that content
    reason: str = '' # reason for the rejection, empty for a usable picture
    size: tuple = (0, 0) # upright width and height in pixels
    phash: int|None = None # perceptual hash of 64 bits
    stored: bytes|None = None # content to store instead; None: the file as it came


def phash(im:Image.Image)->int: return int(str(imagehash.phash(im)), 16)


def _size_to_keep(data, max_side):
    "Width and height of a JPEG that is stored byte for byte, None for any other file"
    try:
        with Image.open(io.BytesIO(data), formats=['JPEG']) as im:
            upright = im.getexif().get(0x0112, 1) == 1
            plain = im.format == 'JPEG' and im.mode == 'RGB'
            return im.size if plain and upright and max(im.size) <= max_side else None
    except Exception: return None


def _jpeg(im, max_side):
    "A JPEG of at most `max_side` pixels a side"
    small, file = im.copy(), io.BytesIO()
    small.thumbnail((max_side, max_side))
    small.save(file, 'JPEG', quality=92)
    return file.getvalue()


def cut_out(
    data:bytes, # content of a picture file
    box:tuple # left, top, right, bottom in pixels of the upright picture
)->bytes: # JPEG
    "A part of a picture, upright and not shrunk. Raises `ImageError`"
    part = open_image(data, side=WHOLE).crop(box)
    return _jpeg(part, max(part.size))


def _reduced(im, side):
    "`im` averaged over whole pixels, its shorter side at least `side`"
    return im.reduce(max(1, min(im.size)//side))


def _is_blank(im):
    "Is there next to no contrast in a copy of about 16 pixels a side?"
    return all(high - low < 8 for low,high in _reduced(im, 16).getextrema())


def check(
    data:bytes, # content of a file
    min_side:int=48, # pixels of the shorter side, at least
    max_side:int=1024 # pixels of the longer side as stored, at most
)->Checked: # its `reason` is empty for a usable picture
    "Decode, measure and hash one picture; independent of all others, so that threads may do it"
    name, kept_size = sha1(data), _size_to_keep(data, max_side)
    try: im = open_image(data, side=HASHED_SIDE if kept_size else max_side)
    except ImageError: return Checked(data, name, 'broken')
    size = kept_size or im.size
    if min(size) < min_side: return Checked(data, name, 'too-small', size)
    if _is_blank(im): return Checked(data, name, 'blank', size)
    stored = None if kept_size else _jpeg(im, max_side)
    return Checked(data, name, '', size, phash(_reduced(im, HASHED_SIDE)), stored)
