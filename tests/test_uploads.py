"Every upload ends as an RGB picture or as one sentence"

import csv
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from conftest import SHARED, needs_photos
from PIL import Image
from tiny import encoded, hostile_tiff

from clothing_classifier.images import ImageError, open_image

UPLOADS = SHARED / 'uploads'
INDEX = UPLOADS / 'index.csv'
FILES = [row['path'] for row in csv.DictReader(INDEX.read_text().splitlines())] if INDEX.is_file() else []


@needs_photos
@pytest.mark.parametrize('name', FILES)
def test_picture_or_sentence(name):
    file = UPLOADS / name
    if not file.is_file():
        pytest.skip('listed, but not there')
    try:
        im = open_image(file)
    except ImageError as e:
        assert str(e).endswith('.') and len(str(e)) < 200
    else:
        assert im.mode == 'RGB' and im.width * im.height <= 25e6


OPEN_ALL = """
import pathlib, sys
from clothing_classifier.images import ImageError, open_image
for file in sorted(pathlib.Path(sys.argv[1]).rglob('*')):
    if file.is_file():
        try: open_image(file)
        except ImageError: pass
print(int(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) // 1024)
"""


@needs_photos
@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='reads the peak of memory from Linux')
def test_all_of_them_fit_into_little_memory():
    "One process opens every file, and never holds more than 400 MB"
    cmd = [sys.executable, '-c', OPEN_ALL, str(UPLOADS)]
    assert int(subprocess.check_output(cmd, text=True, timeout=300)) < 400


def lines_on_standard_error(folder):
    "What one process writes there that opens every file of a folder"
    cmd = [sys.executable, '-c', OPEN_ALL, str(folder)]
    return subprocess.run(cmd, stderr=subprocess.PIPE, timeout=300, check=True).stderr.splitlines()


def test_a_hostile_tiff_writes_nothing_to_the_log(tmp_path):
    "Thousands of tags that are wrong, thousands of rows that are, and both"
    (tmp_path / 'rows.tif').write_bytes(hostile_tiff(tags=0))
    (tmp_path / 'tags.tif').write_bytes(hostile_tiff(rows=1))
    (tmp_path / 'both.tif').write_bytes(hostile_tiff())
    assert lines_on_standard_error(tmp_path) == []


@needs_photos
def test_none_of_them_writes_to_the_log():
    assert lines_on_standard_error(UPLOADS) == []


def test_a_claimed_giant_is_refused_before_decoding():
    "A few bytes that claim 60000 by 60000 pixels"
    data = bytearray(encoded(Image.new('1', (16, 16)), 'PNG'))
    data[16:24] = struct.pack('>II', 60000, 60000)
    data[29:33] = struct.pack('>I', zlib.crc32(data[12:29]))
    with pytest.raises(ImageError, match='large|megapixels'):
        open_image(bytes(data))
