"""One command for all of it"""

import importlib
import inspect
import json
import os
import socket
import sys
import tempfile
import warnings
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path

import typer

from .settings import SettingsError, load_settings, sections, settings_text

codes = """Exit codes: 0 all done · 1 done, but something could not be (a picture that cannot be read, something that doctor misses) ·
2 a mistake in the command, the settings or what they name · 3 a failure; --debug shows where · 130 stopped by Ctrl-C."""


app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help='From search words to a web page that tells kinds of clothing apart.', epilog=codes)


@app.callback()
def _app(): "From search words to a web page that tells kinds of clothing apart."


def say(text): print(f'clothing-classifier: {text}', file=sys.stderr)


def training(
    module:str # Of the training wing
):
    "A module that needs the training extra, or a sentence on how to get it"
    try: return importlib.import_module(f'clothing_classifier.{module}')
    except ModuleNotFoundError as e:
        raise SettingsError(f"{e.name} is not installed; this command needs the training extra: pip install 'clothing_classifier[train]', or pip install -e '.[train]' in a clone") from None


def _ours(e): return type(e).__module__.startswith('clothing_classifier')


def guarded(f, debug=False):
    "Call `f`; a mistake ends in one sentence and the exit code that belongs to it"
    warnings.showwarning = lambda message, *args, **kw: say(message)
    try: return f()
    except BrokenPipeError: os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()) # Whoever read our output has left
    except KeyboardInterrupt: raise typer.Exit(130) from None
    except Exception as e:
        if debug or isinstance(e, typer.Exit): raise
        say(e if _ours(e) else f"{type(e).__name__}: {' '.join(str(e).split()) or 'no details'}; run it again with --debug to see where")
        raise typer.Exit(2 if _ours(e) else 3) from None


def setting_options(
    wanted # `serve` for all keys of a section, `serve: model threads` for some
)->dict: # parameter name -> (section, key)
    "Settings as parameters of a command"
    parts, options = [o.partition(':') for o in wanted], {}
    for section,_,keys in parts:
        for key in keys.split() or sections[section].model_fields:
            options[key if section == parts[0][0] else f'{section}_{key}'] = (section, key)
    return options


def _field(section, key): return sections[section].model_fields[key]


def _is_path(section, key): return Path in (_field(section, key).annotation, *getattr(_field(section, key).annotation, '__args__', ()))


def _option(name, section, key):
    "One setting as an option"
    field = _field(section, key)
    kind = field.annotation if field.annotation in (int, float) else str
    default = typer.Option(None, help=field.description, show_default=False)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


_common = dict(
    settings_file=inspect.Parameter('settings_file', inspect.Parameter.KEYWORD_ONLY, annotation=str, default=typer.Option(None, '--settings', help='A settings file; else the nearest settings.ini')),
    debug=inspect.Parameter('debug', inspect.Parameter.KEYWORD_ONLY, annotation=bool, default=typer.Option(False, '--debug', help='Show the traceback of an error')))


def _changes(options, given):
    "Options that were given, as `load_settings` takes them; a path is relative to where the user stands"
    changes = {}
    for option,(section, key) in options.items():
        value = given.pop(option)
        if value is None: continue
        is_file = key in ('weights','splits') and value not in ('imagenet','none','hash')
        if is_file or _is_path(section, key): value = str(Path(value).expanduser().resolve())
        changes[f'{section}_{key}'] = value
    return changes


def command(
    *wanted:str # Sections of the settings, or keys of them, that become options
):
    "Make a function a sub-command: its first parameter gets the settings, the others are its own options"
    options = setting_options(wanted)
    def deco(f):
        def run(**kw):
            file, debug, changes = kw.pop('settings_file'), kw.pop('debug'), _changes(options, kw)
            guarded(lambda: f(load_settings(file, **changes), **kw), debug)
        own = [o.replace(kind=inspect.Parameter.KEYWORD_ONLY) for o in list(inspect.signature(f).parameters.values())[1:]]
        own += [_option(name, *at) for name,at in options.items()] + list(_common.values())
        run.__signature__, run.__annotations__ = inspect.Signature(own), {o.name: o.annotation for o in own}
        app.command(f.__name__, help=f.__doc__, epilog=codes)(run)
        return f
    return deco


def show(o, as_json):
    "A result on standard output: JSON for machines, else as it prints"
    if as_json: print(json.dumps(json.loads(o.to_json(orient='index')) if hasattr(o, 'to_json') else o, ensure_ascii=False, default=str))
    elif isinstance(o, dict): print(json.dumps(o, indent=1, ensure_ascii=False, default=str))
    else: print(o)


def aside(): return redirect_stdout(sys.stderr) # What fastai prints on the way is progress, not a result


_json = typer.Option(False, '--json', help='For machines')


def _bar(total, out):
    "A progress bar on standard error, if somebody looks at it and not at the answers"
    from tqdm import tqdm
    return tqdm(total=total, unit=' pictures', file=sys.stderr, disable=not sys.stderr.isatty() or (sys.stdout.isatty() and not out), mininterval=.5)


def _printer(sheet, as_json, as_csv, labels):
    "What is done with a row"
    from clothing_classifier.serving import batch as bulk
    if sheet: return sheet.add
    if as_csv: print(bulk.csv_head(labels))
    line = bulk.as_json if as_json else (lambda r: bulk.as_csv(r, labels)) if as_csv else bulk.as_text
    return lambda r: None if r['error'] and not (as_json or as_csv) else print(line(r), flush=True)


@command('serve: model threads max_upload_mb max_megapixels', 'links', 'api: workers')
def predict(settings, pictures:list[str]=typer.Argument(help='Files, folders, patterns, links, or - for a picture on standard input', show_default=False),
    as_json:bool=typer.Option(False, '--json', help='One JSON object a line'), as_csv:bool=typer.Option(False, '--csv', help='Comma-separated values'),
    out:Path=typer.Option(None, help='Write to this .csv or .jsonl file', show_default=False),
    resume:bool=typer.Option(False, '--resume', help='Go on with the file of --out: leave out what stands there')):
    "Say what is on pictures."
    from clothing_classifier.images import give_memory_back
    from clothing_classifier.predict import Classifier
    from clothing_classifier.serving import batch as bulk
    from clothing_classifier.serving.safe_fetch import open_links
    if (as_json or as_csv) and (out or as_json and as_csv): raise SettingsError("answers take one form: --json, --csv, or --out FILE, whose ending says which; name one of the three")
    if resume and not out: raise SettingsError("--resume needs --out FILE, the file to go on with")
    give_memory_back()
    clf = Classifier.load(settings.serve.model, settings.serve.threads, settings.serve.max_megapixels)
    sheet, bad = bulk.Sheet(out, clf.labels, resume) if out else None, 0
    todo = lambda: (o for o in bulk.names(pictures) if not sheet or o not in sheet.done)
    links = open_links(settings) if any(map(bulk.is_link, pictures)) else None
    if not (n := sum(1 for _ in todo())) and not (sheet and sheet.done): print(f"{', '.join(pictures)}: there is no picture", file=sys.stderr)
    with sheet or nullcontext(), _bar(n, out) as bar:
        put = _printer(sheet, as_json, as_csv, clf.labels)
        for r in bulk.classify(clf, todo(), bulk.reader(links, settings.serve.max_upload_mb), settings.api.workers):
            put(r)
            bar.update()
            if not r['error']: continue
            bad += 1
            bar.write(f"{r['file']}: {r['error']}", file=sys.stderr)
    if bad: raise typer.Exit(1)


def _for_kernels(settings):
    "Let the page's kernels, which are processes of their own, read these settings with the options that were given"
    f = Path(tempfile.mkdtemp(prefix='clothing-classifier-'))/'settings.ini'
    w = settings.train.weights
    f.write_text(encoding='utf-8', data=settings_text(settings.model_copy(update=dict(file=f)), '' if w in ('imagenet','none') else str((settings.file.parent/Path(w).expanduser()).resolve())))
    os.environ['CLOTHING_CLASSIFIER_SETTINGS'] = str(f if load_settings(settings.file) != settings else settings.file)


def _notebook(settings, name):
    "A notebook of the project"
    if not (nb := settings.file.parent/'nbs'/name).is_file(): raise SettingsError(f"{nb}: there is no such notebook; run this in a clone of the project")
    return nb


def _room_at(s):
    "Raise `SettingsError` if nobody can listen at the address and port of `[serve]`"
    with socket.socket(socket.AF_INET6 if ':' in s.ip else socket.AF_INET) as o:
        o.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try: o.bind((s.ip, s.port))
        except OSError as e: raise SettingsError(f"{s.ip}:{s.port} cannot be listened at ({e.strerror}); stop what is there, or name another --port") from None


def _page(settings, browser):
    "Serve the page that classifies"
    from clothing_classifier.page.server import serve_page
    nb = _notebook(settings, 'app.ipynb')
    if not settings.serve.model.is_file(): raise SettingsError(f"{settings.serve.model}: there is no such file; train and export a model, or set [serve] model in {settings.file}")
    _for_kernels(settings)
    serve_page(settings, nb, browser)


def _clean_page(settings):
    "Serve the page that mends labels, to this machine alone"
    from voila.app import Voila

    from clothing_classifier.page.server import voila_config
    nb = _notebook(settings, 'clean.ipynb')
    _for_kernels(settings)
    Voila.launch_instance([str(nb), f'--port={settings.serve.port}', '--Voila.ip=127.0.0.1'], config=voila_config(settings, preheat=False, idle=600, ours=False))


@command('serve', 'links', 'feedback', 'api')
def serve(settings, api:bool=typer.Option(False, '--api', help='The REST API instead of the page'),
    browser:bool=typer.Option(False, help='Open the page in a browser')):
    "Serve the page, or the API."
    _room_at(settings.serve)
    if not api: return _page(settings, browser)
    from clothing_classifier.api.app import serve_api
    serve_api(settings)


_folder = typer.Option(None, help='A folder with a folder of pictures for each category', show_default=False)


_csv = typer.Option(None, help='A CSV with the columns image and label; [labels] of the settings says what is what', show_default=False)


_urls = typer.Option(None, help='A folder with a list of addresses for each category, urls_<category>.csv', show_default=False)


def _sources(settings, folder, csv, urls=None):
    "Where pictures come from, as far as it is said"
    s = training('collecting.importers')
    return [f(o, settings=settings) for f,o in ((s.folder, folder), (s.labelled, csv), (s.url_lists, urls)) if o]


@command('collect', 'data')
def collect(settings, folder:Path=_folder, csv:Path=_csv, urls:Path=_urls, feedback:bool=typer.Option(False, '--feedback', help='What visitors of the page corrected'),
    as_json:bool=_json):
    "Bring in pictures: from the web, or from a folder, a CSV, lists of addresses or the page."
    sources = _sources(settings, folder, csv, urls)
    if feedback:
        from clothing_classifier.serving.feedback import gathered
        sources.append(training('collecting.importers').folder(gathered(settings), settings=settings))
    show(training('collect').collect(*sources, settings=settings), as_json)


@command('data')
def look(settings, sheet:Path=typer.Option(None, help='Write a sheet of small pictures to this file', show_default=False), as_json:bool=_json):
    "Count the pictures, and show some."
    module, charts = training('cleaning.quality'), training('training.charts')
    df = module.pictures(settings)
    if df.empty: raise SettingsError(f"{settings.data.path}: holds no picture of these categories; run clothing-classifier collect first")
    if sheet: charts.contact_sheet(df).save(sheet)
    show(df.groupby('category').agg(pictures=('path','size'), width=('width','median'), height=('height','median')), as_json)


@command('clean', 'data', 'serve: port')
def clean(settings, most:int=typer.Option(20, min=1, help='Pictures to list'), undo:bool=typer.Option(False, '--undo', help='Take back what was applied last'),
    page:bool=typer.Option(False, '--page', help='Open the page that shows and mends them, for this machine alone'), as_json:bool=_json):
    "List the pictures whose label is most in doubt."
    module, journal = training('clean'), training('cleaning.journal')
    if page: return _clean_page(settings)
    if undo: return show(dict(taken_back=len(journal.undo(settings))), as_json)
    df = module.suspects(settings)
    df = df[df.kind != ''].head(most).assign(path=lambda o: o.path.astype(str))
    show(df[['path','category','suggestion','score','reason']] if as_json else df[['category','suggestion','score','path']].to_string(index=False), as_json)


_run = typer.Option(None, help='Folder of the training; else the newest in [train] runs', show_default=False)


def _kept_apart(run): return json.loads(f.read_text()).get('apart_from') if (f := run/'metrics.json').exists() else None # Settings whose test pictures it has not seen


def _learner(settings, run):
    "The learner of a run, its folder, and the settings with its sizes"
    training('train') # Says what to install, if fastai is not there
    found = [run/'learner.pkl'] if run else [o for o in sorted(settings.train.runs.glob('*/learner.pkl')) if not _kept_apart(o.parent)]
    if not found or not found[-1].is_file(): raise SettingsError(f"{run or settings.train.runs}: holds no learner.pkl of a training; run clothing-classifier train first")
    run = found[-1].parent.resolve()
    if others := _kept_apart(run):
        raise SettingsError(f"{run}: was trained on all that {', '.join(others)} do not test on, some of its own test pictures among it; start another training from its body (--weights) and measure that")
    from fastai.learner import load_learner
    return load_learner(found[-1]), run, _as_trained(settings, run)


def _as_trained(settings, run):
    "The settings with the architecture and the sizes of a run"
    t = training('training.model_card').run_train(run)
    return settings.changed(train_arch=t['arch'], **{f'train_{k}': int(t[k]) for k in ('size','final_epochs','final_size')})


@command('train', 'data')
def train(settings, apart_from:list[str]=typer.Option([], help='Settings whose test pictures are left out, and whose validation pictures validate here too'),
    body:Path=typer.Option(None, help='Write the weights of the body to this .safetensors file, to start other trainings from', show_default=False), as_json:bool=_json):
    "Fine-tune a network on the pictures."
    onnx_export, module, pics = training('training.onnx_export'), training('train'), None
    pictures = training('dataset').pictures
    if apart_from:
        df = training('training.splits').apart(pictures(settings), *(pictures(load_settings(o)) for o in apart_from))
        pics = df[df.split != ''].reset_index(drop=True)
    with aside(): learn = module.train(settings, pics=pics)
    run = Path(learn.path)
    training('training.runs').Run(run).save(learn)
    if apart_from: training('training.runs').Run(run).add_metrics(apart_from=[Path(o).name for o in apart_from])
    if body:
        body.parent.mkdir(parents=True, exist_ok=True)
        training('training.weights').save_body(learn, settings, body)
    show(dict(run=str(run), **json.loads((run/'metrics.json').read_text())), as_json)


@command('export', 'unknown', 'data')
def evaluate(settings, run:Path=_run, as_json:bool=_json):
    "Measure a training on pictures that it has not seen."
    learn, run, settings = _learner(settings, run)
    with aside(): o = training('evaluate').evaluate(learn, settings, run)
    show(o, as_json)


@command('export', 'unknown', 'data')
def export(settings, run:Path=_run, as_json:bool=_json):
    "Write export.pkl and export.onnx of a training."
    learn, run, settings = _learner(settings, run)
    with aside(): o = training('export').export(learn, settings, run)
    training('training.model_card').write_card(settings, run)
    show(o, as_json)


@command('export', 'unknown', 'data', 'train: weights')
def report(settings, run:Path=_run, as_json:bool=_json):
    "Export, measure everything there is to measure, and write the model card."
    learn, run, settings = _learner(settings, run)
    with aside(): o = training('export').report(learn, settings, run)
    show(o, as_json)


@command('train', 'export', 'unknown', 'data')
def build(settings, folder:Path=_folder, csv:Path=_csv, as_json:bool=_json):
    "Import pictures, train, evaluate, export: everything from pictures to export.pkl and export.onnx."
    train, sources, *_ = training('train'), _sources(settings, folder, csv), training('export'), training('training.baselines') # What is missing is said now, not after hours
    if sources: print(training('collect').collect(*sources, settings=settings), file=sys.stderr)
    with aside(): o = training('export').report(train.train(settings), settings)
    show(o, as_json)


@command()
def doctor(settings, as_json:bool=_json):
    "Say what works here, what is missing, and what to type."
    from clothing_classifier.doctor import examine
    rows = examine(settings)
    if as_json: show([asdict(o) for o in rows], True)
    else:
        for o in rows: print(f"{'!!' if o.todo else 'ok'}  {o.what}: {o.found}" + (f'\n      -> {o.todo}' if o.todo else ''))
    if any(o.todo and o.needed == 'serve' for o in rows): raise typer.Exit(1)


def main():
    "Run the command; a file name that no encoding knows is printed as it is"
    for o in (sys.stdout, sys.stderr): o.reconfigure(errors='surrogateescape')
    app(prog_name='clothing-classifier')
