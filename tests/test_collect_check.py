"""One picture is checked: what is found out about it, and why it is rejected"""
import io

import numpy as np
import pytest
from drawings import draw_picture
from PIL import Image

from clothing_classifier.collecting.check import check
from clothing_classifier.collecting.manifest import Row
from clothing_classifier.collecting.store import PhashIndex


def encoded(im, format='JPEG'):
    file = io.BytesIO()
    im.save(file, format)
    return file.getvalue()


def different_bits(a, b): return (check(encoded(a)).phash ^ check(encoded(b, 'PNG')).phash).bit_count()


def test_copies_have_near_hashes():
    jeans = draw_picture('jeans')
    assert different_bits(jeans, jeans.resize((120, 120))) <= 4 < 10 < different_bits(jeans, draw_picture('socks'))


@pytest.mark.parametrize('data, reason', [
    (b'no picture', 'broken'),
    (encoded(draw_picture('jeans'))[:900], 'broken'),
    (encoded(draw_picture('jeans').resize((30, 90))), 'too-small'),
    (encoded(Image.new('RGB', (99, 99))), 'blank'),
    (encoded(draw_picture('jeans')), '')])
def test_reasons(data, reason): assert check(data).reason == reason


def test_what_is_stored():
    "A JPEG of moderate size byte for byte; anything else as a JPEG"
    jeans = draw_picture('jeans')
    assert check(encoded(jeans)).stored is None
    assert Image.open(io.BytesIO(check(encoded(jeans, 'PNG')).stored)).format == 'JPEG'
    large = check(encoded(jeans.resize((1500, 750))))
    assert large.size == (1500, 750) and Image.open(io.BytesIO(large.stored)).size == (1024, 512)


def test_the_index_grows_and_finds():
    index, draw = PhashIndex([]), np.random.default_rng(0)
    hashes = [int(o) for o in draw.integers(0, 2**63, 3000, np.uint64)]
    for i,phash in enumerate(hashes): index.add(Row(str(i), 'jeans', '', '', phash=f'{phash:016x}'))
    assert [r.sha1 for r in index.near_duplicates(hashes[2500] ^ 0b101, bits=2)] == ['2500']
    assert index.near_duplicates(hashes[2500] ^ 0b111, bits=2) == []
    assert PhashIndex([]).near_duplicates(1, bits=2) == []
