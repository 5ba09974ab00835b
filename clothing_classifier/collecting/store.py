"""Pictures from anywhere, checked as they arrive, each with a row that says where it came from"""
import csv
import datetime
import errno
import io
import os
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from ..collecting.check import Checked, check
from ..collecting.download import Unfetched
from ..collecting.importers import CollectError, Found
from ..files import write_atomically
from ..images import read_bytes
from ..settings import Settings


@dataclass
class Row:
    "A row of `manifest.csv`"
    sha1: str # Of the file as it came
    category: str # It was collected for; the label is the folder where it lies now
    rejected: str # Reason, empty if kept
    url: str # Where it came from
    page: str = '' # The page that showed it
    query: str = '' # The search phrase that found it
    width: int = 0 # Pixels
    height: int = 0 # Pixels
    phash: str = '' # 16 hex digits
    fetched_at: str = '' # UTC, ISO 8601
    licence: str = '' # If known


columns = [f.name for f in fields(Row)]


@dataclass
class Miss:
    "A row of `unfetched.csv`"
    category: str # It was found for
    url: str # Where it should be
    reason: str # A word
    detail: str = '' # What the server or the network said
    lasting: str = '' # `yes`: it is not asked for again
    page: str = '' # The page that showed it
    query: str = '' # The search phrase that found it
    at: str = '' # UTC, ISO 8601


def _now(): return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')


def _line(values):
    "A line of CSV; nothing in it breaks it in two"
    b = io.StringIO()
    csv.writer(b, lineterminator='\n').writerow([' '.join(str(o).split()) for o in values])
    return b.getvalue().encode()


class Manifest:
    "`manifest.csv`: append-only while collecting"
    kind = Row
    def __init__(self, path): self.path, self.columns, self._file = Path(path), [f.name for f in fields(self.kind)], None

    def _read(self):
        "The whole lines, as bytes"
        data = self.path.read_bytes() if self.path.exists() else b''
        return data[:data.rfind(b'\n')+1]

    def rows(self):
        "All rows, the last for each category and url"
        rs = list(csv.reader(io.StringIO(self._read().decode())))
        if rs and rs[0] != self.columns: raise CollectError(f"{self.path}: its columns are {rs[0]}, not {self.columns}; move it away to start a new one")
        return list({(r.category, r.url): r for o in rs[1:] if (r := self.kind(*o))}.values())

    def _open(self):
        "The file, begun if there is none, and without a last line that was cut"
        if not self.path.exists() or self._read() != self.path.read_bytes(): write_atomically(self.path, self._read() or _line(self.columns))
        return open(self.path, 'ab', buffering=0)

    def append(self, *rows):
        "Add rows in one write; the file stays open"
        self._file = self._file or self._open()
        data = b''.join(_line(vars(r).values()) for r in rows)
        if self._file.write(data) < len(data): raise OSError(errno.ENOSPC, f"{self.path}: the disk is full; make room and run it again")

    def close(self):
        "Let go of the file; `append` would open it again"
        if self._file: self._file.close()
        self._file = None


class Misses(Manifest):
    "`unfetched.csv`"
    kind = Miss


def _link(src, path):
    "A hard link to `src` at `path`, or a copy where the file system has none. Files of one name have one content: there is no need to replace any"
    try: os.link(src, path)
    except FileExistsError: pass
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(src, path)
    except OSError: write_atomically(path, Path(src).read_bytes())


class Store:
    "The pictures on disk. `add` takes one in"
    def __init__(self, settings:Settings):
        self.settings, self.path = settings, settings.data.path
        self.manifest, self.unfetched = Manifest(self.path/'manifest.csv'), Misses(self.path/'unfetched.csv')
        self.rows = {(r.category, r.url): r for r in self.manifest.rows()}
        self.misses = {(r.category, r.url): r for r in self.unfetched.rows() if (r.category, r.url) not in self.rows}
        self._at = {p.stem: p.parent.name for p in (self.path/'images').glob('*/*.jpg')} # People may have moved files
        self._hashes, self._of = np.zeros(1024, np.uint64), []
        for r in self.rows.values():
            if r.phash and r.rejected in ('','two-categories'): self._remember(r)

    def images(self, category): return self.path/'images'/category
    def kept(self, r): return self.images(self._at.get(r.sha1, r.category))/f'{r.sha1}.jpg'
    def rejected(self, r): return self.path/'rejected'/r.rejected/f'{r.sha1}.jpg'
    def file(self, r): return self.rejected(r) if r.rejected else self.kept(r)

    def _remember(self, r):
        "Put a row into the index of perceptual hashes"
        if len(self._of) == len(self._hashes): self._hashes = np.resize(self._hashes, 2*len(self._hashes))
        self._hashes[len(self._of)] = int(r.phash, 16)
        self._of.append(r)

    def nearest(self, h):
        "The row with the nearest perceptual hash within the distance, or None. 20,000 take a fraction of a millisecond"
        if not self._of: return None
        d = np.bitwise_count(self._hashes[:len(self._of)] ^ np.uint64(h))
        i = int(d.argmin())
        return self._of[i] if d[i] <= self.settings.data.near_duplicate_bits else None

    def _reason(self, c, category):
        "Why a checked picture is rejected, '' if it is kept, and the row that it repeats"
        if c.reason: return c.reason, None
        if not (twin := self.nearest(c.phash)): return '', None
        if twin.rejected or self._at.get(twin.sha1, twin.category) != category: return 'two-categories', twin
        return ('duplicate' if twin.sha1 == c.sha1 else 'near-duplicate'), twin

    def add(self,
        c:Checked, # From `check`
        found:Found, # What it was found as
        src:Path|None=None # The file on disk, for a hard link
    )->str: # '' if kept, else the reason
        "Take one picture in: its file first, then its row"
        reason, twin = self._reason(c, found.category)
        r = Row(c.sha1, found.category, reason, found.url, found.page, found.query, *c.size, '' if c.phash is None else f'{c.phash:016x}', _now(), found.licence)
        to = self.rejected(r) if reason else self.images(r.category)/f'{r.sha1}.jpg'
        if c.stored: write_atomically(to, c.stored)
        elif src: _link(src, to)
        else: write_atomically(to, c.data)
        rows = [r]
        if reason == 'two-categories' and not twin.rejected: rows.append(self._take_out(twin))
        self.manifest.append(*rows)
        self.rows[found.category, found.url] = r
        self.misses.pop((found.category, found.url), None)
        if not reason: self._remember(r)
        return reason

    def _take_out(self, r):
        "Move a kept picture to `rejected/two-categories`"
        at, r.rejected = self.kept(r), 'two-categories'
        self.rejected(r).parent.mkdir(parents=True, exist_ok=True)
        if at.exists(): os.replace(at, self.rejected(r))
        return r

    def miss(self,
        found:Found, # What was found
        why:Unfetched # Why it could not be had
    ):
        "Write down what could not be had"
        r = Miss(found.category, found.url, why.reason, why.detail, 'yes' if why.lasting else '', found.page, found.query, _now())
        self.unfetched.append(r)
        self.misses[found.category, found.url] = r

    def close(self):
        "Let go of the tables' files"
        self.manifest.close()
        self.unfetched.close()

    def summary(self)->pd.DataFrame:
        "Pictures per category: found, fetched, kept, rejected by reason, not fetched by reason"
        bad, gone = sorted({r.rejected for r in self.rows.values()} - {''}), sorted({r.reason for r in self.misses.values()})
        n = Counter((r.category, r.rejected) for r in self.rows.values()) + Counter((r.category, r.reason) for r in self.misses.values())
        line = lambda c: [sum(n[c, o] for o in ['',*bad,*gone]), sum(n[c, o] for o in ['',*bad]), *(n[c, o] for o in ['',*bad,*gone])]
        df = pd.DataFrame([line(c) for c in self.settings.categories], index=list(self.settings.categories), columns=['found','fetched','kept',*bad,*gone])
        df.loc['all'] = df.sum()
        return df


def adopt(
    settings:Settings # Whose pictures
)->list: # (path, '' or the reason for the rejection) of each file that was new
    "Take in the files that people dropped into `images/<category>/`"
    store, d, out = Store(settings), settings.data, []
    known = {r.sha1 for r in store.rows.values() if not r.rejected}
    for p in sorted(p for c in settings.categories for p in store.images(c).glob('*') if p.is_file() and p.name[0] != '.'):
        if p.stem in known and p.suffix == '.jpg': continue
        c = check(read_bytes(p), d.min_side, d.max_side)
        out.append((p, store.add(c, Found(p.parent.name, f'by-hand/{p.parent.name}/{p.name}'), src=p)))
        if p != store.images(p.parent.name)/f'{c.sha1}.jpg' or out[-1][1]: p.unlink()
    store.close()
    return out
