"""Files that are there whole or not at all, their hashes, and the one test for near duplicates"""
import hashlib
import os
import sys
from pathlib import Path

import numpy as np


def write_atomically(
    path:Path, # destination; missing folders are made
    data:bytes # the whole content
):
    "Write a file beside its destination, then rename it"
    tmp = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        tmp.write_bytes(data)
        os.replace(tmp, path)
    except OSError:
        tmp.unlink(missing_ok=True)
        raise


def sha1(
    data:bytes|str # content, or text that is encoded as UTF-8
)->str: # 40 hex digits
    "SHA-1 of some content"
    return hashlib.sha1(data.encode() if isinstance(data, str) else data).hexdigest()


def sha256(
    path:str|Path # an existing file
)->str: # 64 hex digits
    "SHA-256 of a file"
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def is_near_duplicate(
    phashes:np.ndarray, # uint64 (n,), perceptual hashes
    phash:int|np.uint64, # the hash they are compared with
    bits:int # largest Hamming distance of near duplicates, 0 to 64
)->np.ndarray: # bool (n,)
    "Which pictures are near duplicates of one picture"
    return np.bitwise_count(phashes ^ np.uint64(phash)) <= bits


def phash_array(
    hexes # perceptual hashes as hex digits
)->np.ndarray: # uint64 (n,)
    "Perceptual hashes of a table as numbers"
    return np.array([int(o, 16) for o in hexes], np.uint64)


def shipped(
    name:str # path in the repository, like `examples/photos`
)->Path|None: # None if it is not installed
    "A file or folder that comes with the project: from the clone, or from where the wheel put it"
    places = Path(__file__).parents[1], Path(sys.prefix)/'share'/'clothing_classifier'
    return next((p/name for p in places if (p/name).exists()), None)
