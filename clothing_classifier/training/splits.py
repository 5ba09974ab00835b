"""Splits that never change, and splits that come from elsewhere"""
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from ..files import is_near_duplicate, phash_array


def source_of(
    url:str # as in the manifest: an address, or a path that begins with the name of a folder or table
)->str:
    "Where a picture came from"
    return urlsplit(url).hostname or url.split('/')[0]


class DataError(ValueError):
    "Pictures that cannot be trained on; its text says what to do"


def split_of(
    sha1:str, # hex digits of the oldest picture of a group
    valid_percent:int, # share of the validation split
    test_percent:int # share of the test split
)->str: # `train`, `valid` or `test`
    "The split that follows from a SHA-1"
    x = int(sha1[:15], 16)%100
    if x < test_percent: return 'test'
    return 'valid' if x < test_percent+valid_percent else 'train'


def group_splits(
    sha1s:list, # hex digits, oldest picture first
    phashes:np.ndarray, # uint64 (n,), same order
    bits:int, # largest Hamming distance of near duplicates
    **percent # `valid_percent` and `test_percent`
)->tuple: # index of each picture's group leader; split of each picture, '' for none
    "Group near duplicates and split by group, so that no later picture changes an earlier one"
    leaders, splits = [], []
    for i,(sha1, phash) in enumerate(zip(sha1s, phashes, strict=True)):
        near = np.flatnonzero(is_near_duplicate(phashes[:i], phash, bits))
        first = near[0] if len(near) else None
        split = split_of(sha1, **percent) if first is None else splits[first]
        torn = any(splits[j] not in (split, '') for j in near)
        leaders.append(i if first is None else leaders[first])
        splits.append('' if torn else split)
    return leaders, splits


def given_splits(
    urls:list, # of the pictures, as in the manifest; the last part, without its ending, is the name
    file:str|Path # CSV with the columns `image` and `split`
)->list: # `train`, `valid`, `test`, or '' for a picture that is not in the file
    "The splits of a benchmark that comes with its own. Raises `DataError`"
    try: table = pd.read_csv(file, dtype=str)[['image','split']]
    except (OSError, ValueError, KeyError) as e:
        raise DataError(f"{file}: cannot be read as splits ({e}); "
            "[data] splits wants hash, or a CSV with the columns image and split") from None
    wrong = sorted(map(str, set(table.split) - {'train','validation','valid','test'}))
    if wrong: raise DataError(f"{file}: has the split {wrong[0]!r}; write train, validation or test")
    names = table.image.map(lambda o: Path(o).stem)
    split_by_name = dict(zip(names, table.split.replace('validation', 'valid'), strict=True))
    return [split_by_name.get(Path(o).stem, '') for o in urls]


def _in_split(df, other, split, bits):
    "Which pictures are, or nearly are, in a split of another table; with their whole groups"
    theirs = other[other.split == split]
    hashes = phash_array(theirs.phash)
    near = np.array([is_near_duplicate(hashes, o, bits).any() for o in phash_array(df.phash)])
    same = df.sha1.isin(theirs.sha1) | df.url.isin(theirs.url) | near
    return df.group.isin(df.group[same]).to_numpy()


def apart(
    df:pd.DataFrame, # table from `pictures`
    *others:pd.DataFrame, # tables from `pictures` of other settings, whose test splits stay unseen
    bits:int=2 # largest Hamming distance of near duplicates
)->pd.DataFrame: # the same pictures with new splits; '' for those that are left out
    "Splits that give away nothing of other test splits. Raises `DataError`"
    test = np.any([_in_split(df, o, 'test', bits) for o in others], axis=0)
    valid = np.any([_in_split(df, o, 'valid', bits) for o in others], axis=0)
    if not (valid & ~test).any():
        raise DataError("none of the pictures is among those that the other settings validate on; "
            "collect both from the same pictures")
    return df.assign(split=np.select([test, valid], ['','valid'], 'train'))
