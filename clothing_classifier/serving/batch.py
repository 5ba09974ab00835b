"""Many pictures: their names one by one, an answer for each, and a file of answers that can be continued"""

import csv
import glob
import io
import json
import os
import re
import sys
from pathlib import Path

from PIL import Image

from ..images import ImageError, formats
from ..predict import Classifier, Prediction


class BatchError(ValueError):
    "A file of answers that cannot be written or continued"


def is_link(name:str)->bool: return name.lower().startswith(('http://', 'https://'))


def _visible(names): return sorted(name for name in names if not name.startswith('.'))


def _picture_endings():
    return tuple(ending for ending, format in Image.registered_extensions().items() if format in formats)


def _pictures_below(folder):
    endings = _picture_endings()
    for parent, folders, files in os.walk(folder):
        folders[:] = _visible(folders) # `os.walk` goes on with these
        for file in _visible(files):
            if file.lower().endswith(endings): yield os.path.join(parent, file)


def names(
    args # files, folders, patterns, links, or `-` for standard input
):
    "Yield the name of every picture that `args` mean; also of a missing file and an empty folder, which get an error"
    for arg in map(str, args):
        if arg == '-' or is_link(arg): yield arg
        elif os.path.isdir(arg): yield from _or(_pictures_below(arg), arg)
        elif os.path.exists(arg): yield arg
        else: yield from sorted(glob.iglob(arg, recursive=True)) or [arg]


def _or(names, instead):
    "The names, or what stands for them if there are none"
    first = next(names, instead)
    yield first
    yield from names


def _check_file(name):
    "Raise `ImageError` for what is not a file with content that ends"
    if os.path.isdir(name): raise ImageError('folder_without_pictures', file=name)
    if not os.path.exists(name): raise ImageError('file_missing', file=name)
    if not os.path.isfile(name): raise ImageError('file_is_stream', file=name)


def _fetched(name, fetcher):
    from .safe_fetch import LinkError  # imported late: its libraries take a third of a second
    if fetcher is None: raise ImageError('links_off_in_settings')
    try: return fetcher.fetch(name)
    except LinkError as e: raise ImageError(e.key, **e.values) from None


def reader(
    fetcher, # `SafeFetcher`; None if links are not followed
    max_mb:float=20 # megabytes that are read from standard input, at most
):
    "A function from a name to what `Classifier.predict` takes; it raises `ImageError`"
    def read(name):
        if name == '-': return sys.stdin.buffer.read(int(max_mb*1e6)+1)
        if is_link(name): return _fetched(name, fetcher)
        _check_file(name)
        return name
    return read


columns = ['file', 'answer', 'category', 'probability', 'known', 'error']


def _rounded(probability): return round(probability, 4)


def as_row(
    name:str, # name of the picture
    prediction:Prediction # its answer
)->dict: # the keys of `columns`, and `probabilities`
    "An answer as plain values, probabilities in the digits that command and API show"
    p = prediction
    return dict(file=name, answer='' if p.error else p.answer, category=p.category or '',
        probability=_rounded(p.probability), known=p.known, error=p.error.removeprefix(f'{name}: '),
        probabilities={category: _rounded(value) for category, value in p.probabilities.items()})


def as_text(row)->str: return f"{row['answer']} {row['probability']:.4f} {row['file']}"


def as_json(row)->str: return json.dumps(row, ensure_ascii=False)


_formula = re.compile('[=+@\t\r]|-.')


def _as_cell(name):
    "A name that a spreadsheet does not take for a formula"
    return f"'{name}" if _formula.match(name) else name


def _of_cell(cell):
    "The name that `_as_cell` made a cell of"
    return cell[1:] if cell.startswith("'") and _formula.match(cell[1:]) else cell


def as_csv(
    row:dict, # row of `as_row`
    labels # categories, in the order of their columns
)->str: # line without its end
    "An answer as a line of CSV"
    file, *others = (row[column] for column in columns)
    probabilities = [row['probabilities'].get(label, '') for label in labels]
    return _csv_line([_as_cell(file), *others, *probabilities])


def csv_head(
    labels # categories, in the order of their columns
)->str: # line without its end
    "The head of a CSV of answers"
    return _csv_line([*columns, *labels])


def _csv_line(values):
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator='').writerow(values)
    return buffer.getvalue()


class Sheet:
    "A `.csv` or `.jsonl` file of answers, one line each, for a `with` statement"
    def __init__(self,
        path:str|Path, # file that ends in .csv, .json or .jsonl
        labels:list, # categories, for the columns of a CSV
        resume:bool=False # whether an existing file is continued
    ):
        self.path, self.labels, self.done = Path(path), list(labels), set()
        self.is_csv = self.path.suffix == '.csv'
        if self.path.suffix not in ('.csv', '.json', '.jsonl'):
            raise BatchError(f"{path}: name a file that ends in .csv, .json or .jsonl")
        if not self.path.exists(): return
        if resume: self.done = self._names_of_whole_lines()
        elif self.path.stat().st_size:
            raise BatchError(f"{path}: exists already; add --resume to go on with it, or name another file")

    def _names_of_whole_lines(self):
        "Names that have an answer; a half-written last line is cut off. Raises `BatchError`"
        content = self.path.read_bytes()
        end = content.rfind(b'\n')+1
        if end < len(content): os.truncate(self.path, end)
        text = content[:end].decode(errors='surrogateescape')
        name = _of_cell if self.is_csv else str
        try: return {name(row['file']) for row in self._rows(text)}
        except BatchError: raise
        except (ValueError, KeyError, TypeError):
            raise BatchError(f"{self.path}: is not a file of answers; name another file") from None

    def _rows(self, text):
        if not self.is_csv: return [json.loads(line) for line in text.split('\n') if line]
        rows = csv.DictReader(io.StringIO(text, newline=''))
        if text and rows.fieldnames != [*columns, *self.labels]:
            found = ', '.join(rows.fieldnames)
            raise BatchError(f"{self.path}: has columns of another network ({found}); name another file")
        return rows

    def __enter__(self):
        options = dict(encoding='utf-8', errors='surrogateescape', newline='')
        try: self.file = open(self.path, 'a', buffering=1, **options) # each line is written at once
        except OSError as e:
            why = f'cannot be written ({e.strerror}); name a file in a folder where you may write'
            raise BatchError(f"{self.path}: {why}") from None
        if self.is_csv and not self.file.tell(): self.file.write(csv_head(self.labels) + '\n')
        return self

    def __exit__(self, *args): self.file.close()

    def add(self,
        row:dict # row of `as_row`
    ):
        "Write an answer at once"
        line = as_csv(row, self.labels) if self.is_csv else as_json(row)
        self.file.write(line + '\n')


def classify(
    classifier:Classifier, # classifier that answers
    names, # iterable of names, read as they are needed
    read, # function of `reader`
    workers:int=0 # simultaneous runs of the network, 0 for one a core
):
    "Yield a row for each name, in order"
    started = []
    def note_names():
        for name in names:
            started.append(name)
            yield name
    for prediction in classifier.predict_many(note_names(), workers=workers, read=read):
        yield as_row(started.pop(0), prediction)
