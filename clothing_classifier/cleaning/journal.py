"""Decisions become moves of files, each written to a journal first, so that every move can be taken back"""
import csv
import io
import json
import os
import re
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from ..files import write_atomically
from ..settings import Settings, load_settings
from . import CleanError


@dataclass(frozen=True)
class Move:
    "A row of `journal.csv`; paths are relative to the data folder, empty where there was nothing to move"
    batch: str # number of the apply or undo
    time: str # UTC, ISO 8601
    sha1: str # name of the picture
    src: str # path before the move
    dst: str # path after the move
    undoes: str = '' # batch that this move takes back
    done: str = '' # `yes` when all files of the batch have been moved


def picture_paths(
    root:Path # data folder
)->dict: # SHA-1 -> path, relative to the data folder
    "Every picture in `images` and `rejected`; one that is in both counts as kept"
    files = [p for folder in ('rejected','images') for p in sorted((root/folder).glob('*/*.jpg'))]
    return {p.stem: p.relative_to(root).as_posix() for p in files}


def _is_other_file(src, dst): return dst.exists() and dst.read_bytes() != src.read_bytes()


def _make(root, move):
    "Move one file, unless it has been moved already or would replace another"
    src, dst = root/move.src, root/move.dst
    if not move.src or not src.exists() or _is_other_file(src, dst): return
    dst.parent.mkdir(parents=True, exist_ok=True)
    os.replace(src, dst)


class Journal:
    "`journal.csv`: every move that cleaning made, newest last"
    def __init__(self,
        root:str|Path # data folder
    ): self.root, self.file = Path(root), Path(root)/'journal.csv'

    def moves(self)->list:
        "All rows as `Move`s"
        if not self.file.exists(): return []
        text = self.file.read_text(encoding='utf-8')
        return [Move(**row) for row in csv.DictReader(io.StringIO(text))]

    def _save(self, moves):
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator='\n')
        writer.writerow([field.name for field in fields(Move)])
        writer.writerows(map(astuple, moves))
        write_atomically(self.file, buffer.getvalue().encode())

    def finish(self):
        "Make the moves that an interrupted process has written down but not made"
        moves = self.moves()
        todo = [move for move in moves if not move.done]
        for move in todo: _make(self.root, move)
        if todo: self._save([replace(move, done='yes') for move in moves])

    def run(self,
        moves:list # (sha1, src, dst), or (sha1, src, dst, batch that is undone)
    )->list: # the `Move`s
        "Write a batch down, then make it"
        earlier = self.moves()
        batch = 1 + max((int(move.batch) for move in earlier), default=0)
        now = datetime.now(UTC).isoformat(timespec='seconds')
        new = [Move(str(batch), now, *move) for move in moves]
        if new: self._save(earlier + new)
        self.finish()
        return new

    def applied(self)->list:
        "Batches that can be undone, oldest first, each a list of moves"
        moves = self.moves()
        undone, batches = {move.undoes for move in moves}, {}
        for move in moves:
            if not move.undoes and move.batch not in undone: batches.setdefault(move.batch, []).append(move)
        return list(batches.values())


def files_locked(settings:Settings)->FileLock:
    "A lock to hold while files or marks change, so that two windows can clean one folder"
    settings.data.path.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.data.path/'.clean.lock', timeout=60)


def _check_decision(decision, settings):
    "Fail unless it is a category or `rejected/<reason>`"
    if decision in settings.categories or re.fullmatch(r'rejected/[a-z0-9][a-z0-9-]*', decision): return
    raise CleanError(f"{decision!r} is neither a category ({', '.join(settings.categories)}) nor rejected/<reason>; "
        "decide for one of these")


def folder_of(
    decision:str # category, or `rejected/<reason>`
)->str: # relative to the data folder
    "The folder that a decision moves a picture to"
    return decision if decision.startswith('rejected/') else f'images/{decision}'


def decision_of(
    path:str # path of a picture, relative to the data folder
)->str: # category, or `rejected/<reason>`
    "The decision that a picture's folder stands for"
    return Path(path).parent.as_posix().removeprefix('images/')


def _check_free(root, src, dst):
    "Fail if a move would replace another file"
    if _is_other_file(root/src, root/dst):
        raise CleanError(f"{root/dst}: is there already, and is another file than {src}; "
            "rename or move one of them")


def plan(
    decisions:dict, # SHA-1 -> category, or `rejected/<reason>`
    settings:Settings # project of the pictures
)->list: # (sha1, src, dst), paths relative to the data folder
    "What `apply` would move: pictures that are in `images` and not where they belong. Raises `CleanError`"
    root, moves = settings.data.path, []
    paths = picture_paths(root)
    for sha1,decision in decisions.items():
        _check_decision(decision, settings)
        src, dst = paths.get(sha1, ''), f'{folder_of(decision)}/{sha1}.jpg'
        if not src.startswith('images/') or src == dst: continue
        _check_free(root, src, dst)
        moves.append((sha1, src, dst))
    return moves


def apply(
    decisions:dict, # SHA-1 -> category, or `rejected/<reason>`
    settings:Settings|None=None # None: the nearest `settings.ini`
)->list: # the `Move`s that were made
    "Move pictures as decided, journal first; can be killed and repeated at any point. Raises `CleanError`"
    settings = settings or load_settings()
    with files_locked(settings):
        journal = Journal(settings.data.path)
        journal.finish()
        return journal.run(plan(decisions, settings))


def _reversed(root, batch):
    "The moves that take a batch back, newest first; a picture that somebody has moved since stays where it is"
    moves = []
    for move in reversed(batch):
        possible = move.src and (root/move.dst).exists() and not (root/move.src).exists()
        src, dst = (move.dst, move.src) if possible else ('', '')
        moves.append((move.sha1, src, dst, move.batch))
    return moves


def undo(
    settings:Settings|None=None, # None: the nearest `settings.ini`
    everything:bool=False # every apply there was, not only the last
)->list: # the moves that were taken back, oldest apply first
    "Take back the last apply, or all"
    settings = settings or load_settings()
    with files_locked(settings):
        journal = Journal(settings.data.path)
        journal.finish()
        batches = journal.applied() if everything else journal.applied()[-1:]
        for batch in reversed(batches): journal.run(_reversed(journal.root, batch))
        return [move for batch in batches for move in batch]


class Marks:
    "Decisions that wait for `apply`, in `marks.json`: SHA-1 -> category, or `rejected/<reason>`"
    def __init__(self,
        settings:Settings # project of the pictures
    ): self.settings, self.file = settings, settings.data.path/'marks.json'

    def read(self)->dict: return json.loads(self.file.read_text()) if self.file.exists() else {}

    def change(self,
        changes:dict # SHA-1 -> decision, None to take the mark away
    )->dict: # every mark
        "Set and remove marks, in one write. Raises `CleanError`"
        for decision in filter(None, changes.values()): _check_decision(decision, self.settings)
        with files_locked(self.settings):
            marks = {sha1: decision for sha1,decision in (self.read()|changes).items() if decision}
            write_atomically(self.file, json.dumps(marks).encode())
        return marks
