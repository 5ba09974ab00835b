"""Whatever comes through the upload box ends as an RGB picture or as one sentence."""
import csv
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SHARED, needs_photos

from clothing_classifier.images import ImageError, open_image

INDEX = SHARED/'uploads'/'index.csv'
FILES = [o['path'] for o in csv.DictReader(INDEX.read_text().splitlines())] if INDEX.is_file() else []


@needs_photos
@pytest.mark.parametrize('name', FILES)
def test_picture_or_sentence(name):
    f = SHARED/'uploads'/name
    if not f.is_file(): pytest.skip('listed, but not there')
    try: im = open_image(f)
    except ImageError as e: assert str(e).endswith('.') and len(str(e)) < 200
    else: assert im.mode == 'RGB' and im.width*im.height <= 25e6


@needs_photos
@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='reads the high-water mark of memory from Linux')
def test_all_of_them_fit_into_little_memory():
    "One process opens every file, and never holds more than 400 MB"
    code = f"""
import pathlib
from clothing_classifier.images import ImageError, open_image
for f in sorted(pathlib.Path({str(SHARED/'uploads')!r}).rglob('*')):
    if f.is_file():
        try: open_image(f)
        except ImageError: pass
print(int(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])//1024)
"""
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, timeout=120)
    assert int(out.stdout) < 400


def test_a_claimed_giant_is_refused_before_decoding():
    "A few bytes that claim 60000 by 60000 pixels"
    import io

    from PIL import Image
    b = io.BytesIO()
    Image.new('1', (16, 16)).save(b, 'PNG')
    import struct
    import zlib
    data = bytearray(b.getvalue())
    data[16:24] = struct.pack('>II', 60000, 60000)
    data[29:33] = struct.pack('>I', zlib.crc32(data[12:29]))
    with pytest.raises(ImageError, match='large|megapixels'): open_image(bytes(data))
