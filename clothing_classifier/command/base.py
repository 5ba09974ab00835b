"""What all sub-commands share: settings as options, errors as a sentence and an exit code, results as text or JSON"""
import importlib
import inspect
import json
import os
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import typer

from ..settings import SettingsError, load_settings, sections

CODES = """Exit codes: 0 all done · 1 done, but something could not be (a picture that cannot be read, something that
doctor misses) · 2 a mistake in the command, the settings or what they name · 3 a failure; --debug shows where ·
130 stopped by Ctrl-C."""
ABOUT = 'From search words to a web page that tells kinds of clothing apart.'

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=ABOUT, epilog=CODES)


@app.callback()
def _about(): "From search words to a web page that tells kinds of clothing apart."


def option(
    text:str, # help
    *names:str, # like `--json`; none: from the parameter's name
    default=None,
    **kwargs # passed to typer
): return typer.Option(default, *names, help=text, show_default=False, **kwargs)


as_json = option('For machines', '--json', default=False)


# mistakes

def say(text): print(f'clothing-classifier: {text}', file=sys.stderr)


def _is_ours(error): return type(error).__module__.startswith('clothing_classifier')


def _sentence(error):
    "An error in one line"
    if _is_ours(error): return str(error)
    why = ' '.join(str(error).split()) or 'no details'
    return f"{type(error).__name__}: {why}; run it again with --debug to see where"


def _show_warning(message, category, *args, **kwargs):
    for_users = category is UserWarning or category.__module__.startswith('clothing_classifier')
    if for_users: say(message) # others are for developers


def _ignore_output():
    "Nobody reads standard output any more"
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def guarded(
    function, # without parameters
    debug:bool=False # show tracebacks
):
    "Call a function; a mistake ends in one sentence and its exit code"
    warnings.showwarning = _show_warning
    try: return function()
    except (typer.Exit, typer.Abort): raise
    except BrokenPipeError: _ignore_output()
    except KeyboardInterrupt: raise typer.Exit(130) from None
    except Exception as e:
        if debug: raise
        say(_sentence(e))
        raise typer.Exit(2 if _is_ours(e) else 3) from None


def training_module(
    name:str # module of the training wing, like `training.runs`
):
    "A module that needs the training extra. Raises `SettingsError` that says how to install it"
    try: return importlib.import_module(f'clothing_classifier.{name}')
    except ModuleNotFoundError as e:
        raise SettingsError(f"{e.name} is not installed; this command needs the training extra: "
            "pip install 'clothing_classifier[train]', or pip install -e '.[train]' in a clone") from None


# settings as options

def _setting_options(wanted):
    "Parameter name -> (section, key)"
    options, first = {}, None
    for text in wanted:
        section, _, keys = text.partition(':')
        first = first or section
        for key in keys.split() or sections[section].model_fields:
            options[key if section == first else f'{section}_{key}'] = (section, key)
    return options


def _field(section, key): return sections[section].model_fields[key]


def _keyword(name, kind, default):
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _setting_parameter(name, section, key):
    "One setting as an option"
    field = _field(section, key)
    kind = field.annotation if field.annotation in (int, float) else str
    return _keyword(name, kind, option(field.description))


COMMON = [
    _keyword('settings_file', str, option('A settings file; else the nearest settings.ini', '--settings')),
    _keyword('debug', bool, option('Show the traceback of an error', '--debug', default=False))]


def _is_path(section, key, value):
    "Whether the value of an option names a file or folder"
    if key in ('weights','splits'): return value not in ('imagenet','none','hash')
    return _field(section, key).annotation in (Path, Path|None)


def _changes(options, given):
    "Options as `load_settings` takes them; paths are relative to the working directory"
    changes = {}
    for name,(section, key) in options.items():
        value = given.pop(name)
        if value is None: continue
        if _is_path(section, key, value): value = str(Path(value).expanduser().resolve())
        changes[f'{section}_{key}'] = value
    return changes


def _parameters(function, options):
    "All parameters of a sub-command: its own, those of settings, and those that every one has"
    _, *own = inspect.signature(function).parameters.values()
    own = [o.replace(kind=inspect.Parameter.KEYWORD_ONLY) for o in own]
    return own + [_setting_parameter(name, *place) for name,place in options.items()] + COMMON


def command(
    *wanted:str, # sections of the settings, or `section: key key`, that become options
    **kwargs # passed to typer
):
    "Make a function a sub-command: its first parameter gets the settings, the others are its own options"
    options = _setting_options(wanted)
    def decorate(function):
        def run(**given):
            file, debug, changes = given.pop('settings_file'), given.pop('debug'), _changes(options, given)
            guarded(lambda: function(load_settings(file, **changes), **given), debug)
        parameters = _parameters(function, options)
        run.__signature__ = inspect.Signature(parameters)
        run.__annotations__ = {o.name: o.annotation for o in parameters}
        app.command(function.__name__, help=function.__doc__, epilog=CODES, **kwargs)(run)
        return function
    return decorate


# results

def show_json(value):
    "One line of JSON on standard output, of plain values or a table"
    if hasattr(value, 'to_json'): value = json.loads(value.to_json(orient='index'))
    print(json.dumps(value, ensure_ascii=False, default=str))


def show(value, as_json):
    "A result on standard output: JSON for machines, else as it prints"
    if as_json: show_json(value)
    elif isinstance(value, dict): print(json.dumps(value, indent=1, ensure_ascii=False, default=str))
    else: print(value)


@contextmanager
def progress():
    "What is printed meanwhile is progress, not a result; a log gets no bars"
    if not sys.stderr.isatty(): _hide_bars()
    with redirect_stdout(sys.stderr): yield


def _hide_bars():
    os.environ.setdefault('TQDM_DISABLE', '1')
    try: importlib.import_module('fastprogress.fastprogress').NO_BAR = True
    except ModuleNotFoundError: pass # the training extra is not installed
