"""Pictures from anywhere, checked as they arrive, each with a row that says where it came from"""

import hashlib
import io
from dataclasses import dataclass

import imagehash
from PIL import Image

from ..images import ImageError, open_image


@dataclass
class Checked:
    "What one look at a picture found out"
    data: bytes # The file as it came
    sha1: str # Of `data`
    reason: str = '' # Why it is rejected as it stands, if it is
    size: tuple = (0, 0) # Width and height, pixels, upright
    phash: int|None = None # 64 bits
    stored: bytes|None = None # What is written instead of `data`, if not `data` itself


def phash(im:Image.Image)->int: return int(str(imagehash.phash(im)), 16)


def _size_as_it_is(data, max_side):
    "Width and height of a file that can be kept byte for byte, None for others"
    try:
        with Image.open(io.BytesIO(data), formats=['JPEG']) as o:
            good = o.format == 'JPEG' and o.mode == 'RGB' and max(o.size) <= max_side and o.getexif().get(0x0112, 1) == 1
            return o.size if good else None
    except Exception: return None


def _jpeg(im, max_side):
    o, b = im.copy(), io.BytesIO()
    o.thumbnail((max_side, max_side))
    o.save(b, 'JPEG', quality=92)
    return b.getvalue()


_enough = 128 # Pixels of the shorter side


def _reduced(im, side):
    "`im` with a shorter side of at least `side`, by averaging whole pixels"
    return im.reduce(max(1, min(im.size)//side))


def _blank(im):
    "Does a copy of about 16 pixels a side hold next to no contrast?"
    return all(hi - lo < 8 for lo,hi in _reduced(im, 16).getextrema())


def check(
    data:bytes, # A file's content
    min_side:int=64, # Pixels, of the shorter side
    max_side:int=1024 # Pixels, of the longer side, as stored
)->Checked: # With a `reason` if it cannot be used
    "Look at one picture: decode, measure, hash. Needs no other picture, so it may run in a thread"
    sha1, as_it_is = hashlib.sha1(data).hexdigest(), _size_as_it_is(data, max_side)
    try: im = open_image(data, side=_enough if as_it_is else max_side)
    except ImageError: return Checked(data, sha1, 'broken')
    size = as_it_is or im.size
    if min(size) < min_side: return Checked(data, sha1, 'too-small', size)
    if _blank(im): return Checked(data, sha1, 'blank', size)
    return Checked(data, sha1, '', size, phash(_reduced(im, _enough)), None if as_it_is else _jpeg(im, max_side))
