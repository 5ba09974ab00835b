"""Sub-commands of the training wing, from pictures to an export"""
import sys
from functools import partial
from pathlib import Path

import typer

from ..settings import SettingsError, load_settings
from .base import TRAINING, as_json, command, option, progress, say, show, show_json, training_module
from .serving import serve_clean_page

FOLDER = option('folder with a folder of pictures for each category', '--folder', '-f', metavar='PATH')
CSV = option('CSV with a row for each picture; [labels] of the settings maps its labels to categories', metavar='FILE')
COLUMNS = option('columns of the CSV: file name, label and, for labels with a + pattern, description',
    default='image,label', shown='image,label', metavar='NAMES', rich_help_panel='Advanced')
IMAGES = option('folder of the pictures that the CSV names', shown='images/ beside it', metavar='PATH',
    rich_help_panel='Advanced')
MASKS = option('folder with images/, masks/ and labels.csv (value, name): each labelled garment becomes a picture',
    metavar='PATH', rich_help_panel='Advanced')
URLS = option('folder with a list of addresses for each category, urls_<category>.csv', metavar='PATH')
UNKNOWN = option('folder of pictures that are none of the categories; a sub-folder is a kind', metavar='PATH',
    rich_help_panel='Advanced')
SHEET = option('write a sheet of small pictures to this file', metavar='FILE')
APART_FROM = option('settings whose test pictures are left out, and whose validation pictures validate here too',
    default=[], metavar='FILE', rich_help_panel='Advanced')
BODY = option('write the weights of the body to this .safetensors file, to start other trainings from', metavar='FILE',
    rich_help_panel='Advanced')
ALSO = option('CSV with further labels to learn at once, matched by the file names of the pictures',
    metavar='FILE', rich_help_panel='Advanced')
ALSO_COLUMNS = option('columns of --also: file name, then the labels', default='image', metavar='NAMES',
    rich_help_panel='Advanced')
RUN = option('folder of the training; else the newest in [train] runs', '--run', '-r', metavar='PATH')
RESUME = option('go on with a training that was killed or stopped, as it began', '--resume', default=False)
RESUME_RUN = option('folder of the training that --resume goes on with; else the newest', '--run', '-r', metavar='PATH',
    rich_help_panel='Advanced')
ELSEWHERE = option('also leave each source of pictures out of training, and measure on it', '--elsewhere',
    default=False)
FINE_TUNE = option('with --elsewhere: fine-tune a network for each source, not a head on frozen features alone; a '
    'measurement that was stopped continues', '--fine-tune', default=False)
CONDITIONS = option('also measure pictures changed as a phone might have taken them: smaller, turned, dim, blurred',
    '--conditions', default=False)
REPLACE = option('replace the export that is there', '--replace', default=False)


# pictures

def _sources(settings, folder, csv, images=None, columns='image,label', urls=None, masks=None, unknown=None):
    "Iterables of found pictures, as far as options name some"
    importers = training_module('collecting.importers')
    if not csv and (images or columns != 'image,label'):
        raise SettingsError("--images and --columns describe a CSV: add --csv FILE")
    table = partial(importers.labelled, images=images, columns=_names(columns))
    given = [
        (importers.folder, folder),
        (table, csv),
        (importers.url_lists, urls),
        (importers.masked, masks),
        (importers.others, unknown)]
    return [source(place, settings=settings) for source,place in given if place]


def _corrected(settings):
    "Pictures that visitors corrected"
    from ..serving.feedback import gathered
    return training_module('collecting.importers').folder(gathered(settings), settings=settings)


@command('collect: region addresses', 'data: path', advanced=['collect', 'data'], example='--folder photos',
    rich_help_panel=TRAINING)
def collect(settings,
    folder:Path=FOLDER, csv:Path=CSV, images:Path=IMAGES, columns:str=COLUMNS, urls:Path=URLS, masks:Path=MASKS,
    unknown:Path=UNKNOWN,
    dropped:bool=option('only files that you put into images/<category>/ yourself', '--dropped', default=False),
    feedback:bool=option('pictures that visitors of the page corrected', '--feedback', default=False),
    as_json:bool=as_json
):
    "Bring in pictures: from the web, or from a folder, a CSV, lists of addresses, masks or the page."
    sources = _sources(settings, folder, csv, images, columns, urls, masks, unknown)
    if dropped: sources.append(()) # files in images/ are taken in before any source
    if feedback: sources.append(_corrected(settings))
    with progress(): summary = training_module('collect').collect(*sources, settings=settings)
    show(summary, as_json)


def _kept(settings):
    "A table of the pictures on disk, also where they are too few to train on: path, category, width, height"
    store = training_module('collecting.store').Store(settings)
    rows = [row for row in store.rows.values() if not row.rejected and store.file(row).is_file()]
    table = [(store.file(row), store.category(row), int(row.width), int(row.height)) for row in rows]
    import pandas as pd
    return pd.DataFrame(table, columns=['path','category','width','height']).drop_duplicates('path')


@command('data: path', advanced=['data'], example='--sheet sheet.png', rich_help_panel=TRAINING)
def count(settings,
    sheet:Path=SHEET,
    as_json:bool=as_json
):
    "Count the pictures, and show some."
    pictures = _kept(settings)
    if pictures.empty:
        raise SettingsError(f"{settings.data.path}: holds no picture of these categories; "
            "run clothing-classifier collect first")
    if sheet: training_module('training.charts').contact_sheet(pictures).save(sheet)
    columns = dict(pictures=('path','size'), width=('width','median'), height=('height','median'))
    show(pictures.groupby('category').agg(**columns), as_json)


@command('data: path', 'serve: port', advanced=['clean', 'data'], example='--page', rich_help_panel=TRAINING)
def clean(settings,
    most:int=option('pictures to list', '--most', '-n', default=20, shown=20, min=1, metavar='N'),
    undo:bool=option('take back what was applied last', '--undo', default=False),
    page:bool=option('open the page that shows and mends them, for this machine alone', '--page', default=False),
    as_json:bool=as_json
):
    "List the pictures whose label is most in doubt."
    module, journal = training_module('clean'), training_module('cleaning.journal')
    if page: return serve_clean_page(settings)
    if undo: return show(dict(taken_back=len(journal.undo(settings))), as_json)
    with progress(): ranked = module.suspects(settings)
    ranked = ranked[ranked.kind != ''].head(most)
    ranked = ranked.assign(path=ranked.path.astype(str))[['category','split','suggestion','score','reason','path']]
    if as_json: show_json(ranked)
    else: print(ranked.to_string(index=False))


# runs

def _names(text): return [o.strip() for o in text.split(',') if o.strip()]


def _train_on(settings, others, also, columns):
    "The pictures of a training that leaves the test pictures of other settings alone; None: all"
    if not others and not also: return None
    pictures, splits = training_module('dataset').pictures, training_module('training.splits')
    several = training_module('training.several_labels')
    if also: several.check_settings(settings)
    df = pictures(settings)
    if others: df = splits.apart(df, *(pictures(load_settings(o)) for o in others))
    if also: df = several.with_labels(df, also, columns)
    else: df = training_module('training.others').with_others(df, settings)
    return df[df.split != ''].reset_index(drop=True)


def _save_body(learn, arch, file):
    file.parent.mkdir(parents=True, exist_ok=True)
    training_module('training.weights').save_body(learn, arch, file)


def _end_if_stopped(learn):
    "Ctrl-C during a training keeps its best epoch, and ends the command after that"
    if not learn.graceful_stop.stopped: return
    say(f"{learn.path}: holds the best epoch before Ctrl-C; clothing-classifier report measures and exports it, "
        "clothing-classifier train --resume goes on")
    raise typer.Exit(130)


def _folder(settings, resume, folder, **marks):
    "The folder of a training: of one that goes on, or a new one; None: one that `train` makes"
    if resume: return training_module('training.checkpoint').unfinished(settings, folder).path
    if folder: raise SettingsError("--run names the training that --resume goes on with; add --resume")
    marks = {name: values for name,values in marks.items() if values}
    if not marks: return None
    run = training_module('training.runs').Run.new(settings)
    run.add_metrics(**marks) # at once, since a kill must not lose them
    return run.path


@command('train: weights arch size batch_size frozen_epochs unfrozen_epochs', 'data: path',
    advanced=['train', 'data'], example='--unfrozen-epochs 10', rich_help_panel=TRAINING)
def train(settings,
    resume:bool=RESUME, run:Path=RESUME_RUN,
    apart_from:list[str]=APART_FROM,
    also:Path=ALSO, also_columns:str=ALSO_COLUMNS,
    body:Path=BODY,
    as_json:bool=as_json
):
    "Fine-tune a network on the pictures."
    runs, module, columns = training_module('training.runs'), training_module('train'), _names(also_columns)
    if columns[1:] and not also: raise SettingsError("--also-columns describes a CSV: add --also FILE")
    pics = _train_on(settings, apart_from, also, columns)
    others = [Path(o).name for o in apart_from]
    folder = _folder(settings, resume, run, apart_from=others, also=columns[1:])
    with progress(): learn = module.train(settings, folder, pics, columns[1:])
    run = runs.Run.of(learn)
    if body: _save_body(learn, settings.train.arch, body)
    show(dict(run=str(run.path), **run.metrics), as_json)
    _end_if_stopped(learn)


def _chosen_run(settings, folder):
    "The run that an option names, or the newest. Raises `SettingsError`"
    training_module('train') # says what to install if fastai is not there
    runs = training_module('training.runs')
    run = runs.Run(folder.resolve()) if folder else runs.Run.latest(settings)
    if not run.learner_file.is_file():
        raise SettingsError(f"{folder}: holds no learner.pkl of a training; run clothing-classifier train first")
    others = run.metrics.get('apart_from')
    if others:
        raise SettingsError(f"{run.path}: was trained on all that {', '.join(others)} do not test on, some of its own "
            "test pictures among it; start another training from its body (--weights) and measure that")
    if run.metrics.get('also'):
        raise SettingsError(f"{run.path}: has learned several labels, which cannot be measured or exported; "
            "start another training from its body (train --body FILE, then --weights FILE) and measure that")
    return run


# measuring and exporting

def _percent(share): return f'{100*share:.1f} %'


def print_figures(
    figures:dict # from `evaluate`, or the metrics of a run
):
    "Accuracy with its interval, figures of each category, of sources left out, and how other things are answered"
    _print_accuracy(figures['test'])
    print()
    _print_categories(figures['test']['categories'])
    for kind,other in figures.get('unknown', {}).items():
        print(f"\n{kind}: {_percent(other['unknown'])} of {other['pictures']} are answered with unknown")
    if 'elsewhere' in figures: _print_elsewhere(figures['elsewhere'])
    if 'conditions' in figures: _print_conditions('Test pictures, changed', figures['conditions'])


def _print_accuracy(test):
    low, high = map(_percent, test['interval'])
    print(f"{_percent(test['accuracy'])} of {test['pictures']} test pictures are right "
        f"(95 % interval {low} to {high}); {_percent(test['known'])} stay known")


def _print_categories(categories):
    import pandas as pd
    table = pd.DataFrame(categories).T.reindex(columns=['precision','recall','f1','pictures'])
    print(table.astype(dict(pictures=int)).to_string())


def _print_elsewhere(found):
    print(f"\nEach source left out of training once ({found['how']}):")
    print(training_module('training.elsewhere').elsewhere_table(found).to_string())
    if 'conditions' in found: _print_conditions('Pictures of sources left out, changed', found['conditions'])


def _print_conditions(what, figures):
    table = training_module('training.conditions').condition_table(figures)
    print(f"\n{what}:")
    print(table.drop(columns='what').to_string())


def _is_terminal(): return sys.stdin.isatty()


def _check_replace(settings, replace):
    "Raise `SettingsError` if an export is there and nobody says that it may be replaced"
    files = [o for o in (settings.export.learner, settings.export.network) if o.exists()]
    if replace or not files: return
    names = ' and '.join(o.name for o in files)
    if not _is_terminal(): raise SettingsError(f"{names}: already there; add --replace to replace what is there")
    if not typer.confirm(f'Replace {names}?', err=True):
        raise SettingsError(f"{names}: not replaced; name other files in [export] of {settings.file}")


def _measured_further(learn, settings, run, elsewhere, fine_tune, conditions):
    "What `evaluate` measures only if it is asked to"
    module, figures = training_module('evaluate'), {}
    if conditions: figures['conditions'] = module.evaluate_conditions(learn, run.as_trained(settings), run.path)
    if not elsewhere: return figures
    found = module.evaluate_elsewhere(run.recipe(settings), run.path, fine_tune, conditions)
    if not found: say('no source of pictures can be left out: nearly all are from one; collect from another')
    return figures | dict(elsewhere=found) if found else figures


@command('data: path', advanced=['export', 'unknown', 'data', 'train: weights'], example='--elsewhere --conditions',
    rich_help_panel=TRAINING)
def evaluate(settings, run:Path=RUN,
    elsewhere:bool=ELSEWHERE, fine_tune:bool=FINE_TUNE, conditions:bool=CONDITIONS,
    as_json:bool=as_json
):
    "Measure a training on pictures that it has not seen."
    if fine_tune and not elsewhere: raise SettingsError("--fine-tune: trains without a source; add --elsewhere")
    run = _chosen_run(settings, run)
    learn = run.load()
    with progress():
        figures = training_module('evaluate').evaluate(learn, run.as_trained(settings), run.path)
        figures |= _measured_further(learn, settings, run, elsewhere, fine_tune, conditions)
    if as_json: show_json(figures)
    else: print_figures(figures)


@command('export: learner network precision', 'data: path', advanced=['export', 'unknown', 'data'],
    example='--replace', rich_help_panel=TRAINING)
def export(settings, run:Path=RUN, replace:bool=REPLACE, as_json:bool=as_json):
    "Write export.pkl and export.onnx of a training."
    run = _chosen_run(settings, run)
    _check_replace(settings, replace)
    with progress():
        figures = training_module('export').export(run.load(), run.as_trained(settings), run.path, replace=True)
    training_module('training.model_card').write_card(settings, run.path)
    show(figures, as_json)


def _show_report(settings, figures, as_json):
    if as_json: return show_json(figures)
    print_figures(figures)
    written = settings.export.learner, settings.export.network, settings.export.learner.with_name('MODEL_CARD.md')
    print('\nWritten:', *written)


@command('export: learner network precision', 'data: path', advanced=['export', 'unknown', 'data', 'train: weights'],
    example='--replace', rich_help_panel=TRAINING)
def report(settings, run:Path=RUN, replace:bool=REPLACE, as_json:bool=as_json):
    "Export, measure everything there is to measure, and write the model card."
    run = _chosen_run(settings, run)
    _check_replace(settings, replace)
    with progress():
        figures = training_module('export').report(run.load(), run.as_trained(settings), run.path, replace=True)
    _show_report(settings, figures, as_json)


@command('train: weights frozen_epochs unfrozen_epochs', 'data: path',
    advanced=['train', 'export', 'unknown', 'data'], example='--folder photos', rich_help_panel=TRAINING)
def build(settings, folder:Path=FOLDER, csv:Path=CSV, replace:bool=REPLACE, as_json:bool=as_json):
    "Import pictures, train, evaluate, export: everything from pictures to export.pkl and export.onnx."
    module, exporting = training_module('train'), training_module('export') # first of all: are they installed?
    sources = _sources(settings, folder, csv)
    _check_replace(settings, replace)
    with progress():
        training_module('collecting.store').adopt(settings) # files that were put into images/
        if sources: print(training_module('collect').collect(*sources, settings=settings))
        learn = module.train(settings)
        _end_if_stopped(learn)
        figures = exporting.report(learn, settings, replace=True)
    _show_report(settings, figures, as_json)
