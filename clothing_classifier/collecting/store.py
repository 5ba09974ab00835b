"""The folder of pictures: what is kept, what is rejected and why, and the files that a person put there"""
import os
import re
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from ..files import is_near_duplicate, phash_array, write_atomically
from ..settings import Settings
from .check import Checked, check
from .found import CollectError, Found
from .importers import files_by_category
from .manifest import Failure, Failures, Manifest, Row, now
from .responses import FetchError

COMPARED = '', 'two-categories' # new pictures are compared with kept ones, and with those found for two categories


@contextmanager
def locked(
    path:Path # data folder
):
    "The only program that writes into a data folder, while a `with` block runs. Raises `CollectError`"
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path/'.lock', timeout=0)
    try: lock.acquire()
    except Timeout:
        raise CollectError(f"{path}: another program is collecting into this folder; "
            "wait until it has ended, or stop it") from None
    try: yield
    finally: lock.release()


def _link(src, path):
    "A hard link to `src` at `path`, or a copy where the file system has none; one name means one content"
    try: os.link(src, path)
    except FileExistsError: pass
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(src, path)
    except OSError: write_atomically(path, Path(src).read_bytes())


class PhashIndex:
    "Perceptual hashes of pictures in one array, so that 20,000 comparisons take a fraction of a millisecond"
    def __init__(self, rows):
        self.rows = list(rows)
        self.phashes = phash_array(r.phash for r in self.rows)

    def add(self, row):
        "Add one picture; the array doubles when it is full"
        size = len(self.rows)
        if size == len(self.phashes): self.phashes = np.resize(self.phashes, max(1024, 2*size))
        self.phashes[size] = int(row.phash, 16)
        self.rows.append(row)

    def near_duplicates(self, phash, bits):
        "The rows of all near duplicates"
        near = is_near_duplicate(self.phashes[:len(self.rows)], phash, bits)
        return [self.rows[i] for i in np.flatnonzero(near)]


def _is_stored_name(name): return re.fullmatch(r'[0-9a-f]{40}\.jpg', name) is not None


class Store:
    "The pictures on disk and their tables"
    def __init__(self, settings:Settings):
        self.settings, self.path = settings, settings.data.path
        self.manifest, self.unfetched = Manifest(self.path/'manifest.csv'), Failures(self.path/'unfetched.csv')
        self.rows = {r.key: r for r in self.manifest.rows()}
        self.failures = {f.key: f for f in self.unfetched.rows() if f.key not in self.rows}
        self._folder = {p.stem: p.parent.name for p in self.path.glob('images/*/*.jpg')} # files may have been moved
        self._index = PhashIndex(r for r in self.rows.values() if r.phash and r.rejected in COMPARED)

    def images(self, category:str)->Path:
        "The folder of a category; pictures of something else lie where training reads them"
        return self.settings.unknown.pictures if category == 'unknown' else self.path/'images'/category

    def category(self, row:Row)->str: return self._folder.get(row.sha1, row.category)

    def file(self, row:Row)->Path:
        "The file of a picture, kept or rejected"
        folder = self.path/'rejected'/row.rejected if row.rejected else self.images(self.category(row))
        return folder/f'{row.sha1}.jpg'

    def _twin(self, checked, found):
        "The row of a near duplicate, the same file first; what a person sorted by hand overrules a rejection"
        rows = self._index.near_duplicates(checked.phash, self.settings.data.near_duplicate_bits)
        if found.by_hand: rows = [r for r in rows if not r.rejected]
        same = [r for r in rows if r.sha1 == checked.sha1]
        return next(iter(same + rows), None)

    def _judge(self, checked, found):
        "The reason for a rejection, empty for none, and the row of the near duplicate"
        if checked.reason: return checked.reason, None
        twin = self._twin(checked, found)
        if twin is None: return '', None
        if twin.rejected or self.category(twin) != found.category: return 'two-categories', twin
        return ('duplicate' if twin.sha1 == checked.sha1 else 'near-duplicate'), twin

    def _row(self, checked, found, reason):
        phash = '' if checked.phash is None else f'{checked.phash:016x}'
        width, height = checked.size
        return Row(checked.sha1, found.category, reason, found.url, found.page, found.query, width, height, phash,
            now(), found.licence)

    def _write(self, path, checked, src):
        if checked.stored: write_atomically(path, checked.stored)
        elif src: _link(src, path)
        else: write_atomically(path, checked.data)

    def add(self,
        checked:Checked, # result of `check`
        found:Found, # its source and category
        src:Path|None=None # file on disk that can be linked
    )->str: # reason for the rejection, empty if kept
        "Add one picture: first its file, then its row"
        reason, twin = self._judge(checked, found)
        row = self._row(checked, found, reason)
        folder = self.path/'rejected'/reason if reason else self.images(found.category)
        self._write(folder/f'{row.sha1}.jpg', checked, src)
        is_conflict = reason == 'two-categories' and not twin.rejected
        self.manifest.append(row, *([self._reject(twin)] if is_conflict else []))
        self.rows[row.key] = row
        self.failures.pop(row.key, None)
        if reason in COMPARED: self._index.add(row)
        return reason

    def _reject(self, row):
        "Move a kept picture, found for two categories, to the rejected ones"
        file, row.rejected = self.file(row), 'two-categories'
        self.file(row).parent.mkdir(parents=True, exist_ok=True)
        if file.exists(): os.replace(file, self.file(row))
        return row

    def add_failure(self,
        found:Found, # its source and category
        error:FetchError # why there is no picture
    ):
        "Record a picture that could not be downloaded"
        lasting = 'yes' if error.lasting else ''
        failure = Failure(found.category, found.url, error.reason, error.detail, lasting, found.page, found.query,
            now())
        self.unfetched.append(failure)
        self.failures[failure.key] = failure

    def dropped(self)->list:
        "Files in `images/<category>/` that a person put there and the manifest does not know"
        kept = {f'{r.sha1}.jpg' for r in self.rows.values() if not r.rejected}
        return [p for p in files_by_category(self.path/'images', self.settings) if p.name not in kept]

    def _adopt_file(self, file):
        "Add one file that a person put into `images/<category>/`, unless a killed run has added it"
        category, options = file.parent.name, self.settings.data
        checked = check(file.read_bytes(), options.min_side, options.max_side)
        found = Found(category, f'by-hand/{category}/{checked.sha1[:8]}/{file.name}')
        row = self.rows.get(found.key)
        is_added = row is not None and self.file(row).exists()
        reason = row.rejected if is_added else self.add(checked, found, src=file)
        if reason or file.name != f'{checked.sha1}.jpg': file.unlink()
        return reason

    def adopt(self,
        new_names_only:bool=False # leave files that are named like stored ones, as a killed run leaves them behind
    )->list: # (path, reason for the rejection or '') of each file
        "Take in the files that a person put into `images/<category>/`"
        files = [file for file in self.dropped() if not (new_names_only and _is_stored_name(file.name))]
        progress = tqdm(files, desc='files put into images', disable=not files)
        return [(file, self._adopt_file(file)) for file in progress]

    def close(self):
        "Close the files of the tables"
        self.manifest.close()
        self.unfetched.close()

    def _fetched(self): return Counter((r.category, r.rejected or 'kept') for r in self.rows.values())
    def _failed(self): return Counter((f.category, f.reason) for f in self.failures.values())

    def summary(self)->pd.DataFrame:
        "Pictures per category: found, fetched, kept, rejected by reason, not fetched by reason"
        fetched, failed = self._fetched(), self._failed()
        kept_and_rejected = ['kept', *sorted({result for _,result in fetched} - {'kept'})]
        reasons = sorted({reason for _,reason in failed})
        numbers = fetched + failed
        found_unknown = any(category == 'unknown' for category,_ in numbers)
        categories = [*self.settings.categories, *['unknown']*found_unknown]
        columns = {o: [numbers[c, o] for c in categories] for o in (*kept_and_rejected, *reasons)}
        table = pd.DataFrame(columns, index=categories)
        table.insert(0, 'found', table.sum(axis=1))
        table.insert(1, 'fetched', table[kept_and_rejected].sum(axis=1))
        table.loc['all'] = table.sum()
        return table


def adopt(
    settings:Settings # settings of the project
)->list: # (path, reason for the rejection or '') of each file that was new
    "Take in the files that a person put into `images/<category>/`. Raises `CollectError`"
    with locked(settings.data.path):
        store = Store(settings)
        try: return store.adopt()
        finally: store.close()
