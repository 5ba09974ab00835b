"""Pictures from anywhere, checked as they arrive, each with a row that says where it came from"""
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from .collecting.importers import Found, folder, labelled
from .collecting.pipeline import take_in
from .collecting.search import web_search
from .settings import Settings, load_settings


def import_folder(
    src:str|Path, # Holds a folder a category; folders of other names are left alone
    settings:Settings|None=None # None: the nearest `settings.ini`
)->pd.DataFrame: # `Store.summary`
    "Bring in pictures that are sorted into folders, by hard link or copy. Raises `CollectError`"
    settings = settings or load_settings()
    return take_in([folder(src, settings)], settings)


def import_csv(
    file:str|Path, # A CSV with the columns `image` and `label`
    images:str|Path|None=None, # Folder of the pictures, `<image>` or `<image>.jpg`; None: `images` beside the file
    settings:Settings|None=None # None: the nearest `settings.ini`
)->pd.DataFrame: # `Store.summary`
    "Bring in pictures whose labels stand in a CSV, by hard link or copy. Raises `CollectError`"
    settings = settings or load_settings()
    return take_in([labelled(file, images, settings)], settings)


def collect(
    *sources:Iterable[Found], # Where from, in this order; none: `web_search`
    settings:Settings|None=None # None: the nearest `settings.ini`
)->pd.DataFrame: # `Store.summary`
    "Collect pictures: fetch, check, store, record. Can be stopped at any time; run again, it continues. Raises `CollectError` if there is nothing at all"
    settings = settings or load_settings()
    return take_in(sources or [web_search(settings)], settings)
