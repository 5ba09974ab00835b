"""`predict`: what is on pictures"""
import sys
from contextlib import nullcontext
from pathlib import Path

import typer

from ..settings import SettingsError
from .base import SERVING, command, option


def _check_form(as_json, as_csv, out, resume):
    "Raise `SettingsError` if options contradict each other"
    if sum(map(bool, (as_json, as_csv, out))) > 1:
        raise SettingsError("answers take one form: --json, --csv, or --out FILE, whose ending says which; "
            "name one of the three")
    if resume and not out: raise SettingsError("--resume needs --out FILE, the file to go on with")


def _bar(total, out):
    "A progress bar, unless standard error is a log or the answers appear on the same terminal"
    from tqdm import tqdm
    hidden = not sys.stderr.isatty() or (sys.stdout.isatty() and not out)
    return tqdm(total=total, unit=' pictures', file=sys.stderr, disable=hidden, mininterval=.5)


def _printer(labels, as_json, as_csv):
    "A function that prints a row"
    from ..serving import batch
    if as_csv: print(batch.csv_head(labels))
    def put(row):
        if as_json: line = batch.as_json(row)
        elif as_csv: line = batch.as_csv(row, labels)
        elif row['error']: return
        else: line = batch.as_text(row)
        print(line, flush=True)
    return put


def _answer_all(rows, put, bar):
    "Give every row to `put`; the number of those with an error"
    errors = 0
    for row in rows:
        put(row)
        bar.update()
        if row['error']:
            errors += 1
            bar.write(f"{row['file']}: {row['error']}", file=sys.stderr)
    return errors


def _classifier(settings):
    "The classifier of a project"
    from ..images import give_memory_back
    from ..predict import Classifier
    give_memory_back()
    return Classifier(settings=settings)


def _names(pictures, done):
    "Names of the pictures that are not answered yet"
    from ..serving import batch
    return (name for name in batch.names(pictures) if name not in done)


def _reader(settings, pictures):
    "A function that reads a picture from its file, link or standard input"
    from ..serving import batch
    if not any(map(batch.is_link, pictures)): return batch.reader(None, settings.serve.max_upload_mb)
    from ..serving.safe_fetch import open_links  # takes a third of a second
    return batch.reader(open_links(settings), settings.serve.max_upload_mb)


PICTURES = typer.Argument(metavar='PICTURES',
    help='files, folders, patterns, links, or - for a picture on standard input', show_default=False)
OUT = option('write to this .csv or .jsonl file', '--out', '-o', metavar='FILE')


@command('serve: model', advanced=['serve: threads max_upload_mb max_megapixels', 'links', 'api: workers'],
    example='photo.jpg holiday/ --out answers.csv', project=False, rich_help_panel=SERVING)
def predict(settings,
    pictures:list[str]=PICTURES,
    as_json:bool=option('one JSON object a line', '--json', '-j', default=False),
    as_csv:bool=option('comma-separated values', '--csv', default=False),
    out:Path=OUT,
    resume:bool=option('go on with the file of --out: leave out what stands there', '--resume', default=False)
):
    "Say what is on pictures."
    from ..serving import batch
    _check_form(as_json, as_csv, out, resume)
    classifier = _classifier(settings)
    sheet = batch.Sheet(out, classifier.labels, resume) if out else None
    done = sheet.done if sheet else ()
    total = sum(1 for _ in _names(pictures, done))
    with sheet or nullcontext(), _bar(total, out) as bar:
        put = sheet.add if sheet else _printer(classifier.labels, as_json, as_csv)
        rows = batch.classify(classifier, _names(pictures, done), _reader(settings, pictures), settings.api.workers)
        errors = _answer_all(rows, put, bar)
    if errors: raise typer.Exit(1)
