"""Tables that grow by whole lines: pictures in `manifest.csv`, failed downloads in `unfetched.csv`"""
import csv
import errno
import io
import time
from dataclasses import dataclass, fields
from pathlib import Path

from ..files import write_atomically
from .found import CollectError


@dataclass
class Row:
    "One picture in `manifest.csv`"
    sha1: str # SHA-1 of the file as it came
    category: str # category it was collected for; its label is the folder where it lies now
    rejected: str # reason for the rejection, empty if kept
    url: str # address, or where an import found it
    page: str = '' # address of the page that showed it
    query: str = '' # search phrase that found it
    width: int = 0 # pixels
    height: int = 0 # pixels
    phash: str = '' # perceptual hash, 16 hex digits
    fetched_at: str = '' # UTC, ISO 8601
    licence: str = '' # licence, if known

    @property
    def key(self)->tuple: return self.category, self.url


@dataclass
class Failure:
    "One address in `unfetched.csv`"
    category: str # category it was found for
    url: str # address of the picture
    reason: str # one word
    detail: str = '' # what the server or the network said
    lasting: str = '' # `yes`: it is not asked for again
    page: str = '' # address of the page that showed it
    query: str = '' # search phrase that found it
    at: str = '' # UTC, ISO 8601

    @property
    def key(self)->tuple: return self.category, self.url


def now()->str: return time.strftime('%Y-%m-%dT%H:%M:%S+00:00', time.gmtime())


def _csv_line(values):
    "One line of CSV; line breaks within the values become spaces"
    line = io.StringIO()
    csv.writer(line, lineterminator='\n').writerow([' '.join(str(o).split()) for o in values])
    return line.getvalue().encode()


class Manifest:
    "`manifest.csv`; rows are only ever appended"
    kind = Row
    def __init__(self, path):
        self.path, self._file = Path(path), None
        self.columns = [o.name for o in fields(self.kind)]

    def _whole_lines(self):
        "The content up to its last line break; a killed program may have left half a line"
        data = self.path.read_bytes() if self.path.exists() else b''
        return data[:data.rfind(b'\n')+1]

    def rows(self):
        "All rows, the last for each category and url"
        text = io.StringIO(self._whole_lines().decode())
        head, *lines = list(csv.reader(text)) or [self.columns]
        if head != self.columns:
            raise CollectError(f"{self.path}: its columns are {head}, not {self.columns}; "
                "move it away to start a new one")
        rows = [self.kind(*line) for line in lines]
        return list({r.key: r for r in rows}.values())

    def _open(self):
        "The file, made if there is none, and without half a line at its end"
        lines = self._whole_lines()
        if not self.path.exists() or lines != self.path.read_bytes():
            write_atomically(self.path, lines or _csv_line(self.columns))
        return open(self.path, 'ab', buffering=0)

    def append(self, *rows):
        "Add rows with a single write; the file stays open"
        self._file = self._file or self._open()
        data = b''.join(_csv_line(vars(r).values()) for r in rows)
        if self._file.write(data) < len(data):
            raise OSError(errno.ENOSPC, f"{self.path}: the disk is full; make room and run it again")

    def close(self):
        "Close the file; `append` opens it again"
        if self._file: self._file.close()
        self._file = None


class Failures(Manifest):
    "`unfetched.csv`"
    kind = Failure
