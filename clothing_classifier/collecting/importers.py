"""Where pictures come from: a web search, lists of addresses, a folder, a table; all say the same five things"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..settings import Settings, load_settings


class CollectError(ValueError):
    "Pictures that cannot be had; its text says what to do"


@dataclass(frozen=True)
class Found:
    "A picture that somebody says is one of a category"
    category: str # Of the settings
    url: str # Where it is; with the category, its identity
    page: str = '' # The page that shows it
    query: str = '' # The search phrase that found it
    licence: str = '' # If known
    path: Path|None = None # The file, if it is on this disk already


def _name(path):
    "The name of a path in a sentence"
    return path.name or str(path)


def folder(
    src:str|Path, # Holds a folder a category
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Iterator[Found]:
    "Pictures that are sorted into folders. Raises `CollectError`"
    settings, src = settings or load_settings(), Path(src).resolve()
    if not src.is_dir(): raise CollectError(f"{src}: there is no such folder; name one that holds a folder for each of {', '.join(settings.categories)}")
    found = [Found(c, f'{_name(src)}/{c}/{p.name}', path=p) for c in settings.categories for p in sorted((src/c).glob('*')) if p.is_file() and p.name[0] != '.']
    if not found: raise CollectError(f"{src}: holds no pictures in a folder named after a category ({', '.join(settings.categories)}); rename its folders, or the categories in {settings.file}")
    return iter(found)


def _table(file, columns):
    "A CSV with at least `columns`, all of it text"
    try: df = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as e: raise CollectError(f"{file}: cannot be read as a CSV ({e}); name a CSV file with the columns {' and '.join(columns)}") from None
    if miss := set(columns) - set(df.columns): raise CollectError(f"{file}: has no column {' and '.join(sorted(miss))}, only {', '.join(df.columns)}; rename its columns")
    return df


def labelled(
    file:str|Path, # A CSV with the columns `image` and `label`
    images:str|Path|None=None, # Folder of the pictures, `<image>` or `<image>.jpg`; None: `images` beside the file
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Iterator[Found]:
    "Pictures whose labels stand in a CSV. Raises `CollectError`"
    settings, file = settings or load_settings(), Path(file).resolve()
    images, df = Path(images) if images else file.parent/'images', _table(file, ['image','label'])
    path = lambda o: next((p for p in (images/o, images/f'{o}.jpg') if p.is_file()), None)
    listed = [r for r in df.itertuples() if r.label in settings.labels]
    found = [Found(settings.labels[r.label], f'{_name(file.parent)}/{p.name}', path=p) for r in listed if (p := path(r.image))]
    some, like = ', '.join(sorted(set(df.label))[:8]), f"{df.label[0] if len(df) else 'Their label'} = {next(iter(settings.categories))}"
    if not found: raise CollectError(f"{file}: none of its labels ({some} ...) with a picture in {images} stands in [labels] of {settings.file}; add lines like: {like}")
    return iter(found)


def _addresses(file):
    "The rows of a list whose first column is an address"
    with open(file, newline='', encoding='utf-8-sig', errors='replace') as f:
        for r in csv.reader(f):
            if r and '://' in r[0]: yield [o.strip() for o in (*r, '', '')][:3]


def url_lists(
    src:str|Path, # Folder of `urls_<category>.csv`
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Iterator[Found]:
    "Pictures whose addresses stand in files. Raises `CollectError`"
    settings, src = settings or load_settings(), Path(src).resolve()
    files = {c: p for c in settings.categories if (p := src/f'urls_{c}.csv').is_file()}
    if not files: raise CollectError(f"{src}: holds no urls_<category>.csv for any of {', '.join(settings.categories)}; put an address a line into such files")
    return (Found(c, url, page, licence=licence) for c,p in files.items() for url,page,licence in _addresses(p))
