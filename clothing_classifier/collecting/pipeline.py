"""From sources to the store: downloads run ahead, threads check, pictures are added in the order of the sources"""
import os
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from operator import length_hint

import pandas as pd
from tqdm.auto import tqdm

from ..files import sha1
from ..images import ImageError
from ..settings import Settings
from .check import Checked, check, cut_out
from .download import downloads, finished, in_order
from .found import CollectError, CollectWarning
from .manifest import Failure
from .responses import FetchError
from .store import Store, locked

warnings.simplefilter('always', CollectWarning, append=True) # also when a cell is run again


def _counted(results):
    "Reasons and their numbers in words, the most frequent first: `socks 2, shoes 1`"
    return ', '.join(f'{name} {n}' for name,n in Counter(results).most_common() if n)


def _dropped_advice(dropped):
    "What became of files that a person put into `images/`"
    results = [reason or 'kept' for _,reason in dropped]
    if results: yield f"new files in images/ were taken in: {_counted(results)}"


def _too_few_advice(store, summary):
    enough, file = store.settings.collect.enough, store.settings.file.name
    for name,n in summary.kept[list(store.settings.categories)].items():
        if n < enough:
            yield (f"{name}: {n} pictures are kept, fewer than {enough}; "
                f"add search phrases for it in {file}, or more addresses")


def _two_categories_advice(store, summary):
    if 'two-categories' not in summary or not summary.loc['all', 'two-categories']: return
    by_category, folder = summary['two-categories'].drop('all').to_dict(), store.path.name
    yield (f"{sum(by_category.values())} pictures were found for two categories ({_counted(by_category)}) and are in "
        f"neither; look into {folder}/rejected/two-categories and move those that you are sure of to "
        f"{folder}/images/<category>")


def _failures_advice(store):
    reasons = Counter(f.reason for f in store.failures.values() if not f.lasting)
    if reasons:
        yield (f"{reasons.total()} addresses did not answer this time ({_counted(reasons)}; "
            f"details in {store.unfetched.path.name}); run it again to ask only them")


def _advice(store, dropped):
    "Sentences for the user"
    summary = store.summary()
    yield from _dropped_advice(dropped)
    yield from _too_few_advice(store, summary)
    yield from _two_categories_advice(store, summary)
    yield from _failures_advice(store)


def _checked_before(row, data):
    "The result of `check` as a row of the manifest has it"
    size = int(row.width), int(row.height)
    if row.phash: return Checked(data, row.sha1, '', size, int(row.phash, 16))
    return Checked(data, row.sha1, row.rejected, size)


class Pipeline:
    "Takes pictures from sources into the store"
    def __init__(self, settings:Settings):
        self.settings, self.store = settings, Store(settings)
        self.incoming = settings.data.path/'incoming'
        self.errors = [] # messages of sources that failed
        lasting = {key: f for key,f in self.store.failures.items() if f.lasting}
        known = self.store.rows | lasting
        self.seen = set(known)
        self.by_url = {url: entry for (_,url),entry in known.items()} # the row or failure of each address
        self._remove_leftovers()

    def _remove_leftovers(self):
        "Remove what a killed program left: half-written files, and downloads that have their row"
        for file in self.store.path.rglob('.*.tmp'): file.unlink(missing_ok=True)
        added = {sha1(url) for _,url in self.store.rows}
        for file in self.incoming.glob('*'):
            if file.name in added: file.unlink(missing_ok=True)

    def _check(self, path, data):
        "The file and the result of `check`, whose bytes stay on disk"
        checked = check(data, self.settings.data.min_side, self.settings.data.max_side)
        checked.data = b''
        return path, checked

    def _check_file(self, path):
        try: return self._check(path, path.read_bytes())
        except OSError as e: return FetchError('unreadable', e.strerror)

    def _check_part(self, found):
        "A part of a file, which is kept as a picture of its own; a broken file is rejected as a whole"
        options = self.settings.data
        try: part = cut_out(found.path.read_bytes(), found.box)
        except OSError as e: return FetchError('unreadable', e.strerror)
        except ImageError: return self._check_file(found.path)
        checked = check(part, options.min_side, options.max_side)
        checked.stored = checked.stored or part
        return found.path, checked

    def _new(self, source):
        "Pictures of a source that are not known yet"
        for found in source:
            if found.key not in self.seen: yield found
            self.seen.add(found.key)

    def _all_new(self, sources):
        "New pictures of all sources; the error of a source is kept for the end"
        for source in sources:
            try: yield from self._new(source)
            except CollectError as e: self.errors.append(str(e))

    def _start(self, found, fetch, pool):
        "The future of a checked file; of None for an address that another category has too"
        if found.box: return pool.submit(self._check_part, found)
        if found.path: return pool.submit(self._check_file, found.path)
        if found.url in self.by_url: return finished(None)
        self.by_url[found.url] = None
        return fetch(found.url)

    def _repeat(self, found):
        "Add an address that another category has too: its result is known"
        known = self.by_url[found.url]
        if isinstance(known, Failure):
            error = FetchError(known.reason, known.detail, bool(known.lasting))
            return self.store.add_failure(found, error)
        file = self.store.file(known)
        if file.exists(): self.store.add(_checked_before(known, file.read_bytes()), found)

    def _finish(self, found, result):
        "Add a checked file or a failure to the store"
        if result is None: return self._repeat(found)
        if isinstance(result, FetchError):
            self.store.add_failure(found, result)
            self.by_url[found.url] = self.store.failures[found.key]
            return
        file, checked = result
        self.store.add(checked, found, src=file)
        self.by_url[found.url] = self.store.rows[found.key]
        if not found.path: os.unlink(file)

    def run(self, sources):
        "Take in all that is new"
        options, total = self.settings.collect, sum(map(length_hint, sources))
        with downloads(options, self.incoming, self._check) as fetch, ThreadPoolExecutor(2) as pool:
            start = partial(self._start, fetch=fetch, pool=pool)
            results = in_order(start, self._all_new(sources), ahead=8*options.at_once)
            progress = tqdm(results, total=total or None, desc='collect', disable=not sources)
            for found,result in progress: self._finish(found, result)
        if not any(self.incoming.iterdir()): self.incoming.rmdir()


def take_in(
    sources, # iterables of `Found`; none: only the files that a person put into `images/`
    settings:Settings # settings of the project
)->pd.DataFrame: # `Store.summary`
    "Adopt new files in `images/`, take in all sources, warn, sum up. Raises `CollectError` if there is nothing at all"
    with locked(settings.data.path):
        pipeline = Pipeline(settings)
        with closing(pipeline.store) as store:
            dropped = store.adopt(new_names_only=True)
            pipeline.run(sources) # finds again what a killed run had stored without a row
            dropped += store.adopt()
    if pipeline.errors and not (store.rows or store.failures): raise CollectError(' '.join(pipeline.errors))
    for sentence in (*pipeline.errors, *_advice(store, dropped)):
        warnings.warn(sentence, CollectWarning, stacklevel=3)
    return store.summary()
