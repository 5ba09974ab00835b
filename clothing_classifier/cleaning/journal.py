"""Find the wrong labels, and let a person fix them in minutes"""
import csv
import io
import json
import os
import re
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime, timezone
from pathlib import Path

from fastai.vision.all import *
from filelock import FileLock

from ..cleaning.ranking import CleanError
from ..files import write_atomically
from ..settings import Settings, load_settings


@dataclass(frozen=True)
class Move:
    "A row of `journal.csv`; paths are relative to the data folder, empty where there was nothing to move"
    batch: str # Number of the apply or undo that it belongs to
    time: str # UTC, ISO 8601
    sha1: str # Of the picture
    src: str # Where it lay
    dst: str # Where it went
    undoes: str = '' # The batch that it takes back
    done: str = '' # `yes` when all files of the batch have been moved


def _where(root):
    "SHA-1 -> path of every picture, relative to the data folder"
    return {p.stem: p.relative_to(root).as_posix() for d in ('rejected','images') for p in sorted((root/d).glob('*/*.jpg'))}


def _taken(src, dst):
    "Is there another file at `dst`?"
    return dst.exists() and dst.read_bytes() != src.read_bytes()


def _move(root, m):
    "Move one file, if it has not been moved yet"
    src, dst = root/m.src, root/m.dst
    if not m.src or not src.exists() or _taken(src, dst): return
    dst.parent.mkdir(parents=True, exist_ok=True)
    os.replace(src, dst)


class Journal:
    "`journal.csv`: every move that cleaning made, newest last"
    def __init__(self, root:str|Path): self.root, self.file = Path(root), Path(root)/'journal.csv'

    def moves(self)->list:
        "All rows as `Move`s"
        if not self.file.exists(): return []
        return [Move(**r) for r in csv.DictReader(io.StringIO(self.file.read_text(encoding='utf-8')))]

    def _save(self, moves):
        b = io.StringIO()
        w = csv.writer(b, lineterminator='\n')
        w.writerows([[f.name for f in fields(Move)], *map(astuple, moves)])
        write_atomically(self.file, b.getvalue().encode())

    def finish(self):
        "Make the moves that an interrupted process has written down but not made"
        ms = self.moves()
        todo = [m for m in ms if not m.done]
        for m in todo: _move(self.root, m)
        if todo: self._save([replace(m, done='yes') for m in ms])

    def run(self, moves):
        "Write a batch down, then make it; `moves` are triples (sha1, src, dst) or quadruples with the batch that is undone"
        ms = self.moves()
        batch, now = str(max([int(m.batch) for m in ms], default=0)+1), datetime.now(timezone.utc).isoformat(timespec='seconds')
        new = [Move(batch, now, *m) for m in moves]
        if new: self._save(ms + new)
        self.finish()
        return new

    def applied(self)->list:
        "Batches that can be undone, oldest first, each a list of moves"
        ms = self.moves()
        gone, out = {m.undoes for m in ms}, {}
        for m in ms:
            if not m.undoes and m.batch not in gone: out.setdefault(m.batch, []).append(m)
        return list(out.values())


def _lock(settings):
    "Held while files or marks change"
    settings.data.path.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.data.path/'.clean.lock', timeout=60)


def _check_decision(to, settings):
    "Fail unless `to` is a category or `rejected/<reason>`"
    if to not in settings.categories and not re.fullmatch(r'rejected/[a-z0-9][a-z0-9-]*', to): raise CleanError(f"{to!r} is neither a category ({', '.join(settings.categories)}) nor rejected/<reason>; decide for one of these")


def plan(
    decisions:dict, # SHA-1 -> category, or `rejected/<reason>`
    settings:Settings # Whose pictures
)->list: # Of (sha1, src, dst), relative to the data folder
    "What `apply` would move: pictures that are in `images` and not where they were decided to be. Raises `CleanError`"
    for to in decisions.values(): _check_decision(to, settings)
    at, to = _where(settings.data.path), lambda o: o if o.startswith('rejected/') else f'images/{o}'
    o = [(s, at[s], f'{to(d)}/{s}.jpg') for s,d in decisions.items() if at.get(s, '').startswith('images/')]
    o = [m for m in o if m[1] != m[2]]
    for _,src,dst in o:
        if _taken(settings.data.path/src, settings.data.path/dst): raise CleanError(f"{settings.data.path/dst}: is there already, and is another file than {src}; rename or move one of them")
    return o


def apply(
    decisions:dict, # SHA-1 -> category, or `rejected/<reason>`
    settings:Settings|None=None # None: the nearest `settings.ini`
)->list: # The `Move`s made
    "Move pictures as decided, journal first. Safe to kill and repeat at any point. Raises `CleanError`"
    settings = settings or load_settings()
    with _lock(settings):
        j = Journal(settings.data.path)
        j.finish()
        return j.run(plan(decisions, settings))


def _back(root, batch):
    "The moves that take a batch back, newest first"
    ok = lambda m: m.src and (root/m.dst).exists() and not (root/m.src).exists()
    return [(m.sha1, m.dst if ok(m) else '', m.src if ok(m) else '', m.batch) for m in reversed(batch)]


def undo(
    settings:Settings|None=None, # None: the nearest `settings.ini`
    everything:bool=False # Every apply there was, not only the last
)->list: # The moves that were taken back, oldest apply first
    "Take back the last apply, or all"
    settings = settings or load_settings()
    with _lock(settings):
        j = Journal(settings.data.path)
        j.finish()
        batches = j.applied() if everything else j.applied()[-1:]
        for b in reversed(batches): j.run(_back(j.root, b))
        return [m for b in batches for m in b]


class Marks:
    "Decisions on disk: SHA-1 -> category, or `rejected/<reason>`"
    def __init__(self, settings:Settings): self.settings, self.file = settings, settings.data.path/'marks.json'

    def read(self)->dict: return json.loads(self.file.read_text()) if self.file.exists() else {}

    def change(self,
        changes:dict # SHA-1 -> decision, None to take the mark away
    )->dict: # All marks
        "Set and remove marks, in one write. Raises `CleanError`"
        for o in changes.values(): _check_decision(o, self.settings) if o else None
        with _lock(self.settings):
            o = {k: v for k,v in (self.read() | changes).items() if v}
            write_atomically(self.file, json.dumps(o).encode())
        return o
