"""Untrusted bytes in, one safe RGB image out, or one sentence that says what is wrong"""

import ctypes
import io
import threading
import warnings
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from .texts import VisitorError


class ImageError(VisitorError):
    "A picture that cannot be used; its text is a sentence for the person who sent it"


formats = ['JPEG','PNG','WEBP','GIF','BMP','TIFF','AVIF']


try:
    import pillow_heif
    pillow_heif.register_heif_opener()
    formats.append('HEIF')
except ImportError: pass # iPhone photos are refused with a sentence; everything else works




def _open(data):
    "The lazily opened picture: header only, nothing decoded"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError: raise ImageError('image_claims_too_large') from None
    except Exception: raise ImageError('image_unreadable') from None


def _shrink_on_load(im, side):
    "Use JPEG's draft mode as far as both sides stay at least `side` pixels"
    if im.format in ('JPEG','MPO') and not im.info.get('progressive') and not im.info.get('progression'): im.draft(None, (side, side))


def _share(im): return .6 if im.format == 'WEBP' or (im.mode == 'CMYK' and 'progression' in im.info) else 1 # Of the budget


def _check_budget(im, max_megapixels):
    mp, most = im.width*im.height/1e6, max_megapixels*_share(im)
    if mp > most: raise ImageError('image_too_many_megapixels', mp=f'{mp:,.0f}', most=f'{most:g}')


def _white(im):
    "The value that is white in a mode of more than 8 bits"
    if im.mode.startswith('I;16'): return 65535
    top = im.getextrema()[1]
    return 65535 if top > 255 else 1 if im.mode == 'F' and top <= 1 else 255


def _deep_to_l(im, white): return Image.fromarray((np.nan_to_num(np.asarray(im, np.float32))/white*255).clip(0, 255).astype(np.uint8))


def _flat(im, white):
    "A strip as RGB, transparent onto white"
    if white: im = _deep_to_l(im, white)
    if not im.has_transparency_data: return im.convert('RGB')
    im = im.convert('RGBA')
    o = Image.new('RGB', im.size, 'white')
    o.paste(im, mask=im.getchannel('A'))
    return o


def _to_rgb(im, k=1):
    "Any mode as RGB, `k` times smaller"
    if k == 1 and im.mode == 'RGB' and 'transparency' not in im.info: return im
    o, white = Image.new('RGB', [-(-n//k) for n in im.size]), _white(im) if im.mode[0] in 'IF' else 0
    for y in range(0, im.height, 64*k): o.paste(_flat(im.crop((0, y, im.width, min(y+64*k, im.height))), white).reduce(k), (0, y//k))
    return o


def _upright(im):
    "Turn the picture itself, without a copy, as its EXIF orientation says; EXIF that cannot be read is ignored"
    try: ImageOps.exif_transpose(im, in_place=True)
    except Exception: pass
    return im


def read_bytes(
    o:bytes|memoryview|str|Path # A file's content or its path
)->bytes: # The content
    "The bytes of a file. Raises `ImageError` if there is none"
    if isinstance(o, (bytes, bytearray, memoryview)): return bytes(o)
    try: return Path(o).read_bytes()
    except OSError as e: raise ImageError('file_unreadable', file=str(o), why=e.strerror) from None


_one_large = threading.Lock()


def _decoded(im, side):
    "The pixels, upright, as RGB. They take up to 16 bytes a pixel meanwhile, so threads decode large pictures one at a time, and shrink them"
    large = im.width*im.height > 4e6
    with _one_large if large else nullcontext():
        im.load()
        return _to_rgb(_upright(im), max(min(im.size)//side, 1) if large else 1)


def open_image(
    data:bytes|memoryview|str|Path|Image.Image, # A file's content, its path, or a picture opened elsewhere
    max_megapixels:float=25, # The budget; more is refused before decoding
    side:int=512 # Pixels that are enough for the shorter side: JPEGs and large pictures may come smaller, never below this
)->Image.Image: # Mode RGB, upright, size (width, height)
    "Open untrusted bytes as one RGB picture, the first frame. Raises `ImageError`"
    if isinstance(data, Image.Image): return _to_rgb(_upright(data.copy()))
    data = read_bytes(data)
    if not data: raise ImageError('image_empty')
    im = _open(data)
    try:
        _shrink_on_load(im, side)
        _check_budget(im, max_megapixels)
        return _decoded(im, side)
    except ImageError: raise
    except MemoryError: raise ImageError('image_needs_memory') from None
    except Exception: raise ImageError('image_damaged') from None


def give_memory_back():
    "Large blocks go back to the system when they are freed, where the C library is glibc; elsewhere nothing happens"
    try: ctypes.CDLL(None).mallopt(-3, 8<<20) # M_MMAP_THRESHOLD; Pillow's blocks have 16 MB
    except (AttributeError, OSError, TypeError): pass


def thumbnail(
    im:Image.Image, # RGB picture
    side:int=320 # Longest side, pixels
)->bytes: # JPEG
    "A small JPEG of `im` without metadata"
    o, b = im.copy(), io.BytesIO()
    o.thumbnail((side, side))
    o.info.clear()
    o.save(b, 'JPEG', quality=85)
    return b.getvalue()
