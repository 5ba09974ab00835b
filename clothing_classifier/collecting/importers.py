"""Pictures from a folder, from a table of labels, or from lists of addresses"""
import csv
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ..settings import Settings, load_settings
from .found import CollectError, Found


def is_visible_file(path:Path)->bool: return path.is_file() and not path.name.startswith('.')


def _files(folder): return [p for p in sorted(folder.glob('*')) if is_visible_file(p)]


def files_by_category(
    src:Path, # folder that holds a folder for each category
    settings:Settings # settings with these categories
)->list: # paths
    "The files in the folders of all categories"
    return [p for c in settings.categories for p in _files(src/c)]


def _name(path):
    "The name of a folder, which stands for it in the manifest"
    return path.name or str(path)


def folder(
    src:str|Path, # folder that holds a folder for each category, and one called `unknown` for other things
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Iterator[Found]:
    "Pictures sorted into folders; folders of other names are left alone. Raises `CollectError`"
    settings, src = settings or load_settings(), Path(src).resolve()
    if not src.is_dir():
        raise CollectError(f"{src}: there is no such folder; "
            f"name one that holds a folder for each of {', '.join(settings.categories)}")
    files = files_by_category(src, settings) + _files(src/'unknown')
    if not files:
        raise CollectError(f"{src}: holds no pictures in a folder named after a category "
            f"({', '.join(settings.categories)}) or unknown; rename its folders, or the categories in {settings.file}")
    return iter([Found(p.parent.name, f'{_name(src)}/{p.parent.name}/{p.name}', path=p) for p in files])


def _read_table(file, columns):
    "A CSV with at least `columns`, all of it text"
    try: table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as e:
        raise CollectError(f"{file}: cannot be read as a CSV ({e}); "
            f"name a CSV file with the columns {' and '.join(columns)}") from None
    missing = sorted(set(columns) - set(table.columns))
    if missing:
        raise CollectError(f"{file}: has no column {' and '.join(missing)}, only {', '.join(table.columns)}; "
            "rename its columns")
    return table


def _picture_file(images, name):
    "`<name>` or `<name>.jpg` in a folder, None if there is neither"
    return next((p for p in (images/name, images/f'{name}.jpg') if p.is_file()), None)


def _unlisted_labels(file, table, images, settings):
    "The error for a table whose labels are not in the settings"
    some = ', '.join(sorted(set(table.label))[:8])
    first = table.label[0] if len(table) else 'Their label'
    return CollectError(f"{file}: none of its labels ({some} ...) with a picture in {images} stands in [labels] of "
        f"{settings.file}; add lines like: {first} = {next(iter(settings.categories))}")


def labelled(
    file:str|Path, # CSV with the columns `image` and `label`
    images:str|Path|None=None, # folder of the pictures; None: `images` beside the file
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Iterator[Found]:
    "Pictures named in a CSV; `[labels]` of the settings maps its labels to categories. Raises `CollectError`"
    settings, file = settings or load_settings(), Path(file).resolve()
    images = Path(images) if images else file.parent/'images'
    table = _read_table(file, ['image','label'])
    listed = table[table.label.isin(settings.labels)]
    pairs = [(settings.labels[r.label], _picture_file(images, r.image)) for r in listed.itertuples()]
    found = [Found(category, f'{_name(file.parent)}/{p.name}', path=p) for category,p in pairs if p]
    if not found: raise _unlisted_labels(file, table, images, settings)
    return iter(found)


def _addresses(file):
    "Address, page and licence of each row whose first column is an address"
    with open(file, newline='', encoding='utf-8-sig', errors='replace') as f:
        for row in csv.reader(f):
            if row and '://' in row[0]: yield [cell.strip() for cell in (*row, '', '')][:3]


def _listed(lists):
    "The rows of all lists"
    for category,file in lists.items():
        for url,page,licence in _addresses(file): yield Found(category, url, page, licence=licence)


def url_lists(
    src:str|Path, # folder of `urls_<category>.csv`
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Iterator[Found]:
    "Pictures whose addresses are listed in files, with page and licence if known. Raises `CollectError`"
    settings, src = settings or load_settings(), Path(src).resolve()
    lists = {c: src/f'urls_{c}.csv' for c in settings.categories if (src/f'urls_{c}.csv').is_file()}
    if not lists:
        raise CollectError(f"{src}: holds no urls_<category>.csv for any of {', '.join(settings.categories)}; "
            "put an address a line into such files")
    return _listed(lists)
