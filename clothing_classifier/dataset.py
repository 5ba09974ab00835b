"""Pictures on disk become splits that never change and batches that a network can learn from"""
import io
import os

import numpy as np
import pandas as pd
from fastai.vision.all import *

from .collecting.store import Manifest
from .files import write_atomically
from .images import open_image
from .settings import Settings, load_settings
from .training.splits import DataError, given_splits, group_splits


def pictures(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->pd.DataFrame: # path, category, sha1, phash, source (first part of the url), url, group (of near duplicates), split
    "The pictures on disk, hand-dropped ones adopted. Raises `DataError`"
    settings = settings or load_settings()
    at = {p.stem: p for c in settings.categories for p in (settings.data.path/'images'/c).glob('*.jpg')}
    rs = [r for r in Manifest(settings.data.path/'manifest.csv').rows() if not r.rejected and r.sha1 in at]
    df = pd.DataFrame([(at[r.sha1], at[r.sha1].parent.name, r.sha1, r.phash, r.url.split('/')[0], r.url) for r in rs], columns=['path','category','sha1','phash','source','url'])
    df = df.drop_duplicates('sha1').reset_index(drop=True)
    n = df.category.value_counts()
    if few := [c for c in settings.categories if n.get(c, 0) < 10]: raise DataError(f"{settings.data.path/'images'}: fewer than 10 pictures of {', '.join(few)}; collect or import more, or take them out of [categories] in {settings.file}")
    d = settings.data
    hashes, percent = np.array([int(o, 16) for o in df.phash], np.uint64), dict(valid_percent=d.valid_percent, test_percent=d.test_percent)
    df['group'], df['split'] = group_splits(list(df.sha1), hashes, d.near_duplicate_bits, **percent)
    if d.splits != 'hash': df['split'] = given_splits(df.url, settings.file.parent/d.splits)
    if miss := [f'{c} in {s}' for s in ('train','valid') for c in settings.categories if not ((df.category==c) & (df.split==s)).any()]: raise DataError(f"no picture of {', '.join(miss)}; collect more pictures")
    return df


class Picture(PILImage):
    "fastai's picture, opened by `open_image`"
    @classmethod
    def create(cls, fn, **kw): return fn if isinstance(fn, cls) else cls(open_image(fn))


def augmentations(
    settings:Settings # Whose `[train]`
)->list: # Batch transforms
    "Random changes of the training pictures"
    a = settings.train.augment
    return aug_transforms(max_rotate=12*a, max_zoom=1+.25*a, max_lighting=min(.3*a, .9), max_warp=.15*a) if a else []


def _square(p, size, folder):
    "The path of the picture squished to a square, made if it is not there"
    if (to := folder/f'{p.stem}.png').exists(): return to
    b = io.BytesIO()
    Resize(size, method='squish')(Picture.create(p)).save(b, 'PNG', compress_level=1)
    write_atomically(to, b.getvalue())
    return to


def resized(
    df:pd.DataFrame, # From `pictures`
    settings:Settings, # Whose `[data]`
    size:int # Side of the square, pixels
)->pd.DataFrame: # The same with other paths
    "Decode and squish every picture once; what was done before is used again"
    folder = settings.data.path/'resized'/str(size)
    folder.mkdir(parents=True, exist_ok=True)
    return df.assign(path=parallel(partial(_square, size=size, folder=folder), df.path, threadpool=True, n_workers=os.cpu_count(), progress=len(df) > 500))


def dataloaders(
    df:pd.DataFrame, # From `pictures`
    settings:Settings, # Whose `[train]`
    device:str|None=None, # None: a GPU if there is one
    size:int|None=None # Side of the square, pixels; None: as in the settings
)->DataLoaders: # Training and validation; the test split stays away
    "Batches of (n, 3, size, size), normalized as ImageNet was"
    t, df = settings.train, df[df.split.isin(['train','valid'])].reset_index(drop=True)
    if t.resize_ahead: df = resized(df, settings, size or t.size)
    block = DataBlock(blocks=(ImageBlock(Picture), CategoryBlock(vocab=sorted(settings.categories))), get_x=ColReader('path'), get_y=ColReader('category'),
        splitter=IndexSplitter(df.index[df.split=='valid']), item_tfms=Resize(size or t.size, method='squish'),
        batch_tfms=[*augmentations(settings), Normalize.from_stats(*imagenet_stats)])
    how = dict(bs=t.batch_size, num_workers=t.workers, device=device or default_device())
    if t.balance != 'sampling': return block.dataloaders(df, **how)
    count = df.category[df.split=='train'].value_counts()
    return block.weighted_dataloaders(df, wgts=(1/df.category.map(count)).to_numpy(), **how) # One for each row, of which fastai takes those of the training split
