"Untrusted bytes become one safe RGB image, or an error with a key"
import io
import struct
import zlib

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from clothing_classifier.images import ImageError, formats, give_memory_back, open_image, read_bytes, thumbnail

PHOTO = sorted((ROOT/'examples'/'photos'/'jeans').glob('*.jpg'))[0]
GREEN = Image.new('RGB', (60, 40), 'green')


def encode(im, format='PNG', **kwargs):
    "The content of a file"
    file = io.BytesIO()
    im.save(file, format, **kwargs)
    return file.getvalue()


def key(data, **kwargs):
    "The key of the error"
    with pytest.raises(ImageError) as e: open_image(data, **kwargs)
    return e.value.key


def header_only(width, height):
    "A PNG that claims a size and has no pixels"
    def chunk(name, data):
        return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
    header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + chunk(b'IDAT', b'')


@pytest.mark.parametrize('format', [o for o in formats if o != 'GIF'])
def test_formats(format):
    im = open_image(encode(GREEN, format))
    assert (im.mode, im.size) == ('RGB', (60, 40)) and np.abs(np.subtract(im.getpixel((5, 5)), (0, 128, 0))).max() < 6


@pytest.mark.parametrize('format', ['ICO', 'PPM', 'TGA', 'PDF', 'EPS'])
def test_other_formats_are_refused(format): assert key(encode(GREEN, format)) == 'image_unreadable'


def test_a_path_bytes_and_a_view_are_the_same():
    data = PHOTO.read_bytes()
    ims = [open_image(o) for o in (PHOTO, str(PHOTO), data, memoryview(data), bytearray(data))]
    assert all(im.tobytes() == ims[0].tobytes() for im in ims)
    assert read_bytes(PHOTO) == data


def test_an_open_picture_is_not_decoded_again():
    photo = open_image(PHOTO)
    assert open_image(photo) is photo
    before = GREEN.copy()
    assert open_image(before) is before


@pytest.mark.parametrize('mode', ['L', 'LA', 'P', 'RGBA', 'CMYK', '1', 'I', 'F', 'YCbCr'])
def test_an_open_picture_of_another_mode_becomes_rgb(mode):
    im = GREEN.convert('RGB').convert('L').convert(mode) if mode in ('LA', 'I', 'F') else GREEN.convert(mode)
    was = im.tobytes()
    assert open_image(im).mode == 'RGB' and im.tobytes() == was


def test_an_open_picture_is_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.open(io.BytesIO(encode(GREEN, 'JPEG', exif=exif)))
    assert open_image(lying).size == (40, 60) and lying.size == (60, 40)


@pytest.mark.parametrize('orientation, size', [
    (1, (60, 40)), (3, (60, 40)), (6, (40, 60)), (8, (40, 60)), (99, (60, 40))])
def test_orientation(orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert open_image(encode(GREEN, 'JPEG', exif=exif)).size == size


def test_broken_exif_is_ignored():
    assert open_image(encode(GREEN, 'JPEG', exif=b'Exif\0\0MM\0*\xff\xff\xff\xff')).size == (60, 40)


def test_transparent_is_white():
    clear = Image.new('RGBA', (9, 9), (255, 0, 0, 0))
    assert open_image(encode(clear)).getpixel((0, 0)) == (255, 255, 255)
    assert open_image(encode(GREEN, 'GIF', transparency=0)).mode == 'RGB'


def test_deep_grey_stays_grey():
    assert open_image(encode(Image.new('I;16', (9, 9), 128*257))).getpixel((0, 0)) == (128, 128, 128)
    assert open_image(encode(Image.new('F', (9, 9), .5), 'TIFF')).getpixel((0, 0)) == (127, 127, 127)


def test_the_first_frame():
    frames = [Image.new('RGB', (9, 9), o) for o in ('red', 'blue')]
    assert open_image(encode(frames[0], 'GIF', save_all=True, append_images=frames[1:])).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize('data, expected', [
    (b'', 'image_empty'), (b'<svg/>', 'image_unreadable'), (b'\0'*100, 'image_unreadable'),
    (PHOTO.read_bytes()[:3000], 'image_damaged'), (header_only(60, 40), 'image_damaged'),
    (header_only(6000, 6000), 'image_too_many_megapixels'), (header_only(60000, 60000), 'image_claims_too_large'),
    ('no/such.jpg', 'file_unreadable'), (ROOT, 'file_unreadable')])
def test_errors(data, expected): assert key(data) == expected


def test_the_budget():
    assert key(encode(GREEN), max_megapixels=.002) == 'image_too_many_megapixels'
    assert open_image(encode(GREEN), max_megapixels=.0024).size == (60, 40)
    assert key(encode(GREEN, 'WEBP'), max_megapixels=.0024) == 'image_too_many_megapixels' # its decoder needs more
    with pytest.raises(ImageError, match='has 36 megapixels; the most is 25'): open_image(header_only(6000, 6000))


def test_large_pictures_come_smaller():
    large = encode(Image.new('RGB', (4000, 3000), 'navy'), 'JPEG')
    assert open_image(large).size == (1000, 750)
    assert open_image(large, side=2000).size == (4000, 3000)
    assert open_image(encode(Image.new('RGB', (12000, 9000)), 'JPEG')).size == (1500, 1125) # 108 megapixels
    progressive = encode(Image.new('RGB', (6000, 5000)), 'JPEG', progressive=True)
    assert key(progressive) == 'image_too_many_megapixels'


@pytest.mark.parametrize('mode', ['RGBA', 'I;16', 'P', 'L'])
def test_large_pictures_of_other_modes(mode):
    assert open_image(encode(Image.new(mode, (3001, 2000)))).size == (1001, 667)


def test_thumbnail():
    exif = Image.Exif()
    exif[0x010f] = 'a camera'
    im = open_image(encode(GREEN, 'JPEG', exif=exif))
    small = Image.open(io.BytesIO(thumbnail(im, 30)))
    assert (small.format, small.size, dict(small.getexif())) == ('JPEG', (30, 20), {}) and im.size == (60, 40)


def test_memory(): assert give_memory_back() is None
