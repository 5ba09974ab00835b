"""Pictures from a folder, from a table of labels, from pictures with masks, or from lists of addresses"""
import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

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


def others(
    src:str|Path, # folder of pictures that are none of the categories; a sub-folder is a kind
    settings:Settings|None=None # as for the other importers; nothing of it matters here
)->Iterator[Found]:
    "Pictures of something else, from which the answer *unknown* is learned. Raises `CollectError`"
    src = Path(src).resolve()
    files = [p for p in sorted(src.rglob('*')) if is_visible_file(p)]
    if not files: raise CollectError(f"{src}: there is no such folder, or it holds no pictures; name one that does")
    return iter([Found('unknown', f'{_name(src)}/{p.relative_to(src).as_posix()}', query=_kind(p, src), path=p)
        for p in files])


def _kind(path, src):
    "The folder of a picture below `src`, empty if it lies in `src` itself"
    return '' if path.parent == src else path.parent.name


def _read_table(file, columns):
    "A CSV with at least `columns`, all of it text"
    try: table = pd.read_csv(file, dtype=str, keep_default_na=False, index_col=False)
    except (OSError, ValueError) as e:
        raise CollectError(f"{file}: cannot be read as a CSV ({e}); "
            f"name a CSV file with the columns {' and '.join(columns)}") from None
    missing = sorted(set(columns) - set(table.columns))
    if missing:
        raise CollectError(f"{file}: has no column {' and '.join(missing)}, only {', '.join(table.columns)}; "
            "rename its columns, or name others")
    return table.fillna('') # rows that are too short


def _picture_file(images, name):
    "`<name>` or `<name>.jpg` in a folder, None if there is neither"
    return next((p for p in (images/name, images/f'{name}.jpg') if os.path.isfile(p)), None)


def _rules(labels):
    """Label of a table -> pairs of a pattern and a category, the ones with a pattern first

    `Tshirts + polo = polo-shirt` in `[labels]` is for rows of that label whose description matches the pattern."""
    rules = {}
    for line,category in labels.items():
        label, _, pattern = map(str.strip, line.partition(' + '))
        rules.setdefault(label, []).append((pattern, category))
    return {label: sorted(pairs, key=lambda pair: not pair[0]) for label,pairs in rules.items()}


def _category_of(pairs, description):
    "The category of a row, None if no pattern of its label matches"
    return next((category for pattern,category in pairs if re.search(pattern, description, re.IGNORECASE)), None)


def _unlisted_labels(file, labels, settings):
    "The error for a table whose labels are not in the settings"
    some, first = ', '.join(labels[:8]), next(filter(None, labels), 'Their label')
    return CollectError(f"{file}: none of its labels ({some} ...) stands in [labels] of {settings.file}; "
        f"add lines like: {first} = {next(iter(settings.categories))}")


def _check_columns(file, columns):
    "Fail if no columns of the picture and of the label are named"
    if len(columns) < 2:
        raise CollectError(f"{file}: two of its columns are needed, that of the file name and that of the label, and "
            f"there is only {', '.join(columns) or 'none'}; name both, for example: image,label")


def _check_rules(file, rules, labels, columns):
    "Fail if a pattern has nothing to match"
    without = [o for o in labels if any(pattern for pattern,_ in rules.get(o, []))]
    if without and len(columns) < 3:
        raise CollectError(f"{file}: [labels] tells the rows of {without[0]} apart by a pattern, but no column of "
            f"descriptions is named; name one after the others: {','.join(columns)},DESCRIPTION")


def _listed_rows(file, rows, rules, settings):
    "Name, label and category of the rows that `[labels]` has a line for"
    categories = [_category_of(rules.get(label, []), ' '.join(about)) for _,label,*about in rows]
    listed = [(row[0], row[1], category) for row,category in zip(rows, categories, strict=True) if category]
    if not listed: raise _unlisted_labels(file, sorted({row[1] for row in rows}), settings)
    return listed


def labelled(
    file:str|Path, # CSV with a row for each picture
    images:str|Path|None=None, # folder of the pictures; None: `images` beside the file
    settings:Settings|None=None, # None: the nearest `settings.ini`
    columns:tuple=('image','label') # columns of the file name, of the label and, optional, of the description
)->Iterator[Found]:
    """Pictures named in a CSV; `[labels]` of the settings maps its labels to categories. Raises `CollectError`

    A line `Tshirts + polo = polo-shirt` is for the rows with the label Tshirts whose description matches the regular
    expression `polo`, in capitals or not; it goes before the line `Tshirts = t-shirt`, wherever the two stand."""
    settings, file, columns = settings or load_settings(), Path(file).resolve(), list(columns)
    images, rules = Path(images) if images else file.parent/'images', _rules(settings.labels)
    _check_columns(file, columns)
    rows = _read_table(file, columns)[columns].to_numpy().tolist()
    _check_rules(file, rules, sorted({row[1] for row in rows}), columns)
    listed = _listed_rows(file, rows, rules, settings)
    source = _name(images.resolve().parent)
    paths = [_picture_file(images, name) for name,_,_ in listed]
    found = [Found(category, f'{source}/{os.path.relpath(path, images)}', query=label, path=path)
        for path,(_,label,category) in zip(paths, listed, strict=True) if path]
    if not found:
        raise CollectError(f"{images}: holds none of the {len(listed)} pictures that {file.name} names, "
            f"{listed[0][0]} or {listed[0][0]}.jpg for example; name the folder that does")
    return iter(found)


MARGIN = .12 # of a garment's width and height, added on each side


def _with_margin(mask):
    "The box around the pixels of a mask"
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    (top, bottom), (left, right) = rows[[0, -1]], columns[[0, -1]]
    y, x = round(MARGIN*(bottom-top+1)), round(MARGIN*(right-left+1))
    height, width = mask.shape
    return max(left-x, 0), max(top-y, 0), min(right+1+x, width), min(bottom+1+y, height)


def _mask(file):
    "The values of a mask's pixels"
    try:
        with Image.open(file) as im: values = np.asarray(im)
    except Exception as e: raise CollectError(f"cannot be read as a picture ({e})") from None
    if values.ndim != 2: raise CollectError("has several values a pixel; save it with one, as grey or with a palette")
    return values


def _upright_size(file):
    "Width and height of a picture as it is shown; None if it cannot be read, which `check` will say"
    try:
        with Image.open(file) as im:
            turned = im.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return im.size[::-1] if turned else im.size
    except Exception: return None


def _check_size(mask, image):
    "Fail if a mask is not of the size of its picture"
    (height, width), size = mask.shape, _upright_size(image)
    if size and size != (width, height):
        raise CollectError(f"is {width} x {height} pixels, but {image.name} is {size[0]} x {size[1]} as it is shown; "
            "save the two in one size and turned alike")


def _garments(mask, categories):
    "Each labelled garment of a picture: label, category and box"
    for value,(label, category) in categories.items():
        here = mask == value
        if here.any(): yield label, category, tuple(map(int, _with_margin(here)))


def _mask_labels(file, settings):
    "Value of a mask -> its label and category"
    table = _read_table(file, ['value','name'])
    listed = table[table.name.isin(settings.labels)]
    if listed.empty: raise _unlisted_labels(file, sorted(set(table.name)), settings)
    odd = [o for o in listed.value if not o.strip().isdecimal()]
    if odd: raise CollectError(f"{file}: the value {odd[0]!r} is not a whole number; write the one that the masks have")
    return {int(value): (name, settings.labels[name]) for value,name in zip(listed.value, listed.name, strict=True)}


def masked(
    src:str|Path, # folder with images/, masks/ of the same names (.png), and labels.csv with the columns value and name
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Iterator[Found]:
    """Garments cut out of pictures with a label for each pixel; `[labels]` maps the labels. Raises `CollectError`

    Pictures without a mask are left out. Masks that cannot be used are named when all others have been read."""
    settings, src = settings or load_settings(), Path(src).resolve()
    categories = _mask_labels(src/'labels.csv', settings)
    pairs = [(p, src/'masks'/f'{p.stem}.png') for p in _files(src/'images')]
    pairs = [(image, mask) for image,mask in pairs if mask.is_file()]
    if not pairs: raise CollectError(f"{src}: no picture in images/ has a mask of the same name in masks/; add them")
    return _cut_out(pairs, categories, _name(src))


def _cut_out(pairs, categories, source):
    "All garments; the masks that cannot be used are an error at the end"
    wrong = []
    for image,file in pairs:
        try:
            mask = _mask(file)
            _check_size(mask, image)
        except CollectError as e:
            wrong.append(f'{file} {e}')
            continue
        for label,category,box in _garments(mask, categories):
            yield Found(category, f'{source}/{image.stem}-{label}{image.suffix}', query=label, path=image, box=box)
    if wrong:
        raise CollectError(f"{len(wrong)} of {len(pairs)} masks cannot be used: {wrong[0]}. "
            "Mend or remove these, then import the folder again; the others are in")


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
