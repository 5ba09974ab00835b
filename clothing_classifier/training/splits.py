"""Pictures on disk become splits that never change and batches that a network can learn from"""

import numpy as np
import pandas as pd
from fastai.vision.all import *


class DataError(ValueError):
    "Pictures that cannot be trained on; its text says what to do"


def split_of(
    sha1:str, # Of the group's first picture
    valid_percent:int, # Share of the validation split
    test_percent:int # Share of the test split
)->str: # `train`, `valid` or `test`
    "The split that follows from a SHA-1"
    x = int(sha1[:15], 16)%100
    return 'test' if x < test_percent else 'valid' if x < test_percent+valid_percent else 'train'


def group_splits(
    sha1s:list, # Oldest first
    phashes:np.ndarray, # uint64, same order
    bits:int, # At most so many bits differ between near duplicates
    **percent # `valid_percent`, `test_percent`
)->tuple: # (index of each picture's group leader, split of each picture, '' for none)
    "Group near duplicates and split by group, so that no later picture changes an earlier one"
    leader, split = [], []
    for i,h in enumerate(phashes):
        near = np.flatnonzero(np.bitwise_count(phashes[:i] ^ h) <= bits)
        leader.append(leader[near[0]] if len(near) else i)
        mine = split[near[0]] if len(near) else split_of(sha1s[i], **percent)
        split.append(mine if all(split[j] in (mine, '') for j in near) else '')
    return leader, split


def given_splits(
    urls:list, # Of the pictures, as the manifest has them; the last part, without its ending, is the name
    file:str|Path # CSV with the columns `image` and `split`
)->list: # `train`, `valid`, `test`, or '' for a picture that is not in the file
    "The splits that a file gives. Raises `DataError`"
    try: t = pd.read_csv(file, dtype=str)[['image','split']]
    except (OSError, ValueError, KeyError) as e: raise DataError(f"{file}: cannot be read as splits ({e}); [data] splits wants hash, or a CSV with the columns image and split") from None
    if wrong := set(t.split) - {'train','validation','valid','test'}: raise DataError(f"{file}: has the split {sorted(map(str, wrong))[0]!r}; write train, validation or test")
    of = dict(zip(t.image.map(lambda o: Path(o).stem), t.split.replace('validation', 'valid')))
    return [of.get(Path(o).stem, '') for o in urls]


def _is_of(df, pics, split, bits):
    "Which pictures are, or nearly are, in a split of others"
    o = pics[pics.split == split]
    mine, theirs = (np.array([int(h, 16) for h in f.phash], np.uint64) for f in (df, o))
    near = np.array([(np.bitwise_count(theirs ^ h) <= bits).any() for h in mine])
    return df.group.isin(df.group[df.sha1.isin(o.sha1) | df.url.isin(o.url) | near]).to_numpy()


def apart(
    df:pd.DataFrame, # From `pictures`
    *others:pd.DataFrame, # From `pictures` of other settings, whose splits are respected
    bits:int=2 # Perceptual hashes of near duplicates differ in at most so many
)->pd.DataFrame: # The same pictures with new splits; '' for those that are left out
    "Splits that give away nothing of other settings' test splits. Raises `DataError`"
    test, valid = (np.any([_is_of(df, o, s, bits) for o in others], axis=0) for s in ('test','valid'))
    if not (valid & ~test).any(): raise DataError(f"none of the pictures is among those that the other settings validate on; collect both from the same pictures")
    return df.assign(split=np.select([test, valid], ['','valid'], 'train'))
