"Atomic writes, hashes, near duplicates, and what comes with the project"
import hashlib
from unittest.mock import patch

import numpy as np
import pytest
from conftest import ROOT

from clothing_classifier import files
from clothing_classifier.files import is_near_duplicate, phash_array, sha1, sha256, shipped, write_atomically


def test_a_write_makes_folders_and_leaves_nothing_beside(tmp_path):
    file = tmp_path/'a'/'b'/'c.txt'
    for content in (b'one', b'two'):
        write_atomically(file, content)
        assert file.read_bytes() == content and list(file.parent.iterdir()) == [file]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    file = tmp_path/'a.txt'
    write_atomically(file, b'one')
    with patch.object(files.os, 'replace', side_effect=OSError('disk')), pytest.raises(OSError, match='disk'):
        write_atomically(file, b'two')
    assert file.read_bytes() == b'one' and list(tmp_path.iterdir()) == [file]


def test_hashes(tmp_path):
    (tmp_path/'a').write_bytes(b'hat')
    assert sha1('hat') == sha1(b'hat') == hashlib.sha1(b'hat').hexdigest()
    assert sha256(tmp_path/'a') == hashlib.sha256(b'hat').hexdigest()


def test_near_duplicates():
    hashes = phash_array(['0', '1', '3', '7', 'ffffffffffffffff'])
    assert hashes.dtype == np.uint64
    assert is_near_duplicate(hashes, 0, 2).tolist() == [True, True, True, False, False]
    assert is_near_duplicate(hashes, int(hashes[-1]), 0).tolist() == [False]*4 + [True]
    assert is_near_duplicate(hashes, 0, 64).all()
    assert is_near_duplicate(phash_array([]), 0, 2).tolist() == []


def test_what_comes_with_the_project():
    assert shipped('examples/photos') == ROOT/'examples'/'photos' and shipped('export.onnx') == ROOT/'export.onnx'
    assert shipped('no/such') is None


def test_what_comes_with_a_wheel(tmp_path, monkeypatch):
    "Where there is no clone around the package, it is in share/ of the installation"
    share = tmp_path/'share'/'clothing_classifier'
    share.mkdir(parents=True)
    (share/'settings.ini').write_text('')
    monkeypatch.setattr(files, '__file__', str(tmp_path/'lib'/'clothing_classifier'/'files.py'))
    monkeypatch.setattr(files.sys, 'prefix', str(tmp_path))
    assert shipped('settings.ini') == share/'settings.ini' and shipped('export.onnx') is None
