"""The project's pictures of something else: what they show, and their place beside the pictures of the categories"""
import pandas as pd

from ..collecting.manifest import Manifest
from ..settings import Settings
from .splits import DataError
from .unknown import other_pictures


def _collected_kinds(settings):
    "SHA-1 of a collected picture -> its label in the table that it came from, its folder, or `other`"
    rows = Manifest(settings.data.path/'manifest.csv').rows()
    return {row.sha1: row.query or 'other' for row in rows if row.category == 'unknown' and not row.rejected}


def others_of(
    settings:Settings, # the project
    apart=() # SHA-1 of pictures that are left out
)->pd.DataFrame: # path and kind
    "The pictures of something else to learn from. Raises `DataError`"
    folders = settings.unknown
    table = other_pictures(folders.pictures, _collected_kinds(settings))
    if len(table) and folders.held.is_relative_to(folders.pictures):
        raise DataError(f"[unknown] held: {folders.held} lies inside {folders.pictures}, so the report would ask for "
            "what was learned; put the two beside each other")
    return table[~table.path.map(lambda path: path.stem).isin(set(apart))]


def with_others(
    df:pd.DataFrame, # table from `pictures`
    settings:Settings, # the project
    apart=() # SHA-1 of pictures of something else that are left out
)->pd.DataFrame: # the same and, in the split `other`, the pictures of something else
    "Pictures to train on, with those that are none of the categories. Raises `DataError`"
    others = others_of(settings, apart).drop(columns='kind').assign(category='unknown', split='other')
    return pd.concat([df, others], ignore_index=True) if len(others) else df
