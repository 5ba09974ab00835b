"""Files that are there whole or not at all, their hashes, and the one test for near duplicates"""
import hashlib
import os
import site
import sys
from pathlib import Path


def write_atomically(
    path:Path, # destination; missing folders are made
    data:bytes # the whole content
):
    "Write a file beside its destination, then rename it"
    beside = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
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
    phashes, # uint64 (n,), perceptual hashes
    phash, # the hash they are compared with
    bits:int # largest Hamming distance of near duplicates, 0 to 64
): # array of bool (n,)
    "Which pictures are near duplicates of one picture"
    import numpy as np  # takes memory that a kernel does not need
    return np.bitwise_count(phashes ^ np.uint64(phash)) <= bits


def phash_array(
    hexes # perceptual hashes as hex digits
): # array of uint64 (n,)
    "Perceptual hashes of a table as numbers"
    import numpy as np
    return np.array([int(digits, 16) for digits in hexes], np.uint64)


def shipped(
    name:str # path in the repository, like `examples/photos`
)->Path|None: # None if it is not installed
    "A file or folder that comes with the project: from the clone, or from where the wheel put it"
    return next((place/name for place in _places() if (place/name).exists()), None)


def _places():
    "The clone around the package; else where an installation puts files: environment, home of the user, `--target`"
    parent = Path(__file__).parents[1]
    if (parent/'pyproject.toml').is_file(): return [parent]
    roots = Path(sys.prefix), Path(site.getuserbase()), parent
    return [root/'share'/'clothing_classifier' for root in roots]
