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
from typer.core import TyperCommand, TyperGroup

from ..settings import SettingsError, load_settings, sections, serving_settings, written

CODES = ('Exit codes: 0 all done · 1 done, but something could not be (a picture that cannot be read, something that '
    'doctor misses) · 2 a mistake in the command, the settings or what they name · 3 a failure; --debug shows where · '
    '130 stopped by Ctrl-C.')
SERVING, TRAINING = 'Classify pictures', 'Train on your own categories' # headings of the verbs in --help


class _Plain:
    "A command whose help has no types of Python: where a value is needed, its metavar says which"
    def get_params(self, ctx):
        params = super().get_params(ctx)
        for param in params:
            if param.metavar is None or param.param_type_name == 'argument': param.display_type_rich = lambda ctx: ''
        return params


class _Command(_Plain, TyperCommand): pass
class _Commands(_Plain, TyperGroup): pass


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, epilog=CODES,
    context_settings=dict(help_option_names=['-h','--help']))


def option(
    text:str, # help
    *names:str, # like `--json`; none: from the parameter's name
    default=None,
    shown='', # default in the help; '': none
    **kwargs # passed to typer
):
    "An option of a sub-command"
    text = text.replace('[', r'\[') # rich reads brackets as markup
    if shown != '': text += rf' [dim]\[default: {shown}][/dim]'
    return typer.Option(default, *names, help=text, show_default=False, **kwargs)


as_json = option('one JSON object, for programs', '--json', '-j', default=False)
debug = option('show the traceback of an error', '--debug', default=False, rich_help_panel='Advanced')


def _print_version(wanted):
    if wanted:
        from clothing_classifier import __version__
        print(f'clothing-classifier {__version__}')
        raise typer.Exit


VERSION = option('print the version', '--version', '-V', default=False, callback=_print_version, is_eager=True)


@app.callback()
def _about(version:bool=VERSION): "From search words to a web page that tells kinds of clothing apart."


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


stopped = [] # an item for each Ctrl-C


def stop(*_):
    "The handler of Ctrl-C. It leaves a note, since libraries catch `KeyboardInterrupt` or make another error of it"
    stopped.append(True)
    raise KeyboardInterrupt


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
        if stopped and not _is_ours(e): raise typer.Exit(130) from None
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

SHORT = dict(port='-p', model='-m', data_path='-d')
VERBS = 'collect', 'clean', 'train', 'serve' # sections whose keys are options without the name of the section


def _setting_options(wanted):
    "Parameter name -> (section, key)"
    options = {}
    for text in wanted:
        section, _, keys = text.partition(':')
        for key in keys.split() or sections[section].model_fields:
            options[key if section in VERBS else f'{section}_{key}'] = (section, key)
    return options


def _field(section, key): return sections[section].model_fields[key]


def _flag(name): return f"--{name.replace('_', '-')}"


def _metavar(kind):
    "What to write after an option"
    if kind in (int, float): return 'N'
    if kind in (Path, Path|None): return 'PATH'
    if kind is bool: return 'yes|no'
    return 'TEXT'


def _keyword(name, kind, default):
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _setting_parameter(name, section, key, panel):
    "One setting as an option"
    field, flags = _field(section, key), filter(None, [_flag(name), SHORT.get(name)])
    shown = '' if field.default is None else written(field.default, '')
    return _keyword(name, str, option(field.description, *flags, shown=shown, metavar=_metavar(field.annotation),
        rich_help_panel=panel))


SETTINGS = option('file whose values replace these defaults; default: the nearest settings.ini', '--settings', '-s',
    metavar='FILE')
COMMON = [_keyword('settings_file', str, SETTINGS), _keyword('debug', bool, debug)]


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
        if value and _is_path(section, key, value): value = str(Path(value).expanduser().resolve())
        changes[f'{section}_{key}'] = value
    return changes


def _loaded(load, file, options, changes):
    "The settings with the options that were given. Raises `SettingsError`, which names the option at fault"
    try: return load(file, **changes)
    except SettingsError as e:
        if e.name not in changes: raise
        name = next(name for name,place in options.items() if '_'.join(place) == e.name)
        raise SettingsError(f"{_flag(name)}: {e.why}") from None


def _parameters(function, main, options):
    "All parameters of a sub-command: its own, those of settings, and those that every one has"
    _, *own = inspect.signature(function).parameters.values()
    own = [o.replace(kind=inspect.Parameter.KEYWORD_ONLY) for o in own]
    def of_setting(name): return _setting_parameter(name, *options[name], None if name in main else 'Advanced')
    return own + list(map(of_setting, options)) + COMMON


def add(
    verb:str, # name of the sub-command
    example:str, # verb and arguments
    **kwargs # passed to typer
):
    "A decorator that makes a function of options a sub-command"
    return app.command(verb, cls=_Command, epilog=f'Example: clothing-classifier {example}\n\n{CODES}', **kwargs)


def command(
    *wanted:str, # sections of the settings, or `section: key key`, that become options
    advanced=(), # more of these, for the panel "Advanced" of the help
    example:str='', # arguments of an example
    project:bool=True, # needs a project; False: without one, the settings that come with the package do
    name:str='', # verb; '': name of the function
    **kwargs # passed to typer
):
    "Make a function a sub-command: its first parameter gets the settings, the others are its own options"
    main = _setting_options(wanted)
    options = main | _setting_options(advanced)
    load = load_settings if project else serving_settings
    def decorate(function):
        def run(**given):
            file, debug, changes = given.pop('settings_file'), given.pop('debug'), _changes(options, given)
            guarded(lambda: function(_loaded(load, file, options, changes), **given), debug)
        parameters, verb = _parameters(function, main, options), name or function.__name__
        run.__signature__ = inspect.Signature(parameters)
        run.__annotations__ = {o.name: o.annotation for o in parameters}
        add(verb, help=function.__doc__, example=f'{verb} {example}'.strip(), **kwargs)(run)
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
