"""Ten thousand pictures in a folder: answers as they come, memory that does not grow, and a stop that loses nothing"""

import csv
import glob
import io
import json
import os
import sys
from pathlib import Path

from PIL import Image

from ..images import ImageError, formats
from ..predict import Classifier, Prediction


class BulkError(ValueError):
    "A list of pictures that cannot be worked through; its text says what to do"


def is_link(name:str)->bool: return name.lower().startswith(('http://','https://'))


def _walk(folder):
    "Pictures in a folder and below it"
    endings = {k for k,v in Image.registered_extensions().items() if v in formats}
    for d,dirs,fs in os.walk(folder):
        dirs[:] = sorted(o for o in dirs if o[0] != '.')
        yield from (os.path.join(d, o) for o in sorted(fs) if o[0] != '.' and os.path.splitext(o)[1].lower() in endings)


def names(
    args # Files, folders, patterns, links, `-`
):
    "Yield the name of every picture meant by `args`; a file that is named but not there is yielded too, and gets its error later"
    for o in map(str, args):
        if o == '-' or is_link(o): yield o
        elif os.path.isdir(o): yield from _walk(o)
        elif glob.has_magic(o) and not os.path.exists(o): yield from sorted(glob.iglob(o, recursive=True)) or [o]
        else: yield o


def reader(
    links, # `Links`, or None if links are not followed
    max_mb:float=20 # Most that is read from standard input
):
    "A function from a name to what `Classifier.predict` takes; it raises `ImageError`"
    def read(name):
        if name == '-': return sys.stdin.buffer.read(int(max_mb*1e6)+1)
        if not is_link(name): return name
        from clothing_classifier.serving.safe_fetch import LinkError  # Not at the top: its libraries take a third of a second, and most names are files
        if links is None: raise ImageError('links_off_in_settings')
        try: return links.fetch(name)
        except LinkError as e: raise ImageError(e.key, **e.values) from None
    return read


columns = ['file','answer','category','probability','known','error']


def as_row(name:str, p:Prediction)->dict:
    "An answer in plain values"
    return dict(file=name, answer='' if p.error else p.answer, category=p.category or '', probability=round(p.probability, 4),
        known=p.known, error=p.error.removeprefix(f'{name}: '), probabilities={k: round(v, 4) for k,v in p.probabilities.items()})


def as_text(r): return f"{r['answer']} {r['probability']:.3f} {r['file']}"


def as_json(r): return json.dumps(r, ensure_ascii=False)


def as_csv(r, labels): return _csv([*(r[k] for k in columns), *(r['probabilities'].get(k, '') for k in labels)])


def _csv(values):
    b = io.StringIO()
    csv.writer(b, lineterminator='').writerow(values)
    return b.getvalue()


def csv_head(labels)->str: return _csv([*columns, *labels])


class Sheet:
    "A `.csv` or `.jsonl` file of answers, one line each"
    def __init__(self,
        path:str|Path, # Ends in .csv, .json or .jsonl
        labels:list, # Categories, for the columns
        resume:bool=False # Go on with a file that is there
    ):
        self.path, self.labels, self.csv = Path(path), list(labels), Path(path).suffix == '.csv'
        if self.path.suffix not in ('.csv','.json','.jsonl'): raise BulkError(f"{path}: name a file that ends in .csv, .json or .jsonl")
        if self.path.exists() and self.path.stat().st_size and not resume: raise BulkError(f"{path}: is there already; add --resume to go on with it, or name another file")
        self.done = self._whole() if resume and self.path.exists() else set()

    def _whole(self):
        "Take half a line away; the names in the others. Raises `BulkError`"
        text = self.path.read_bytes()
        end = text.rfind(b'\n')+1
        if end < len(text): os.truncate(self.path, end)
        good = text[:end].decode(errors='surrogateescape')
        rows = csv.DictReader(io.StringIO(good, newline='')) if self.csv else map(json.loads, filter(None, good.split('\n')))
        if self.csv and good and rows.fieldnames != [*columns, *self.labels]: raise BulkError(f"{self.path}: has the columns {', '.join(rows.fieldnames)}, not those of this network; name another file")
        try: return {r['file'] for r in rows}
        except (ValueError, KeyError, TypeError): raise BulkError(f"{self.path}: is not a file of answers; name another file") from None

    def __enter__(self):
        self.f = open(self.path, 'a', encoding='utf-8', errors='surrogateescape', newline='', buffering=1)
        if self.csv and not self.f.tell(): self.f.write(csv_head(self.labels) + '\n')
        return self

    def __exit__(self, *args): self.f.close()
    def add(self, r): self.f.write((as_csv(r, self.labels) if self.csv else as_json(r)) + '\n')


def classify(
    clf:Classifier, # Answers
    names, # From `names`; any iterable, it is never held as a whole
    read, # From `reader`
    workers:int=0 # 0 for one a core
):
    "Yield a row for each name, in order"
    todo = []
    def tee():
        for o in names:
            todo.append(o)
            yield o
    for p in clf.predict_many(tee(), workers=workers, read=read): yield as_row(todo.pop(0), p)
