"""`new`, `settings` and `doctor`: a project folder, what is set in it, and what is missing"""
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import typer

from ..settings import SettingsError
from .base import SERVING, TRAINING, add, as_json, command, debug, guarded, show_json

FOLDER = typer.Argument(metavar='FOLDER', help='folder of the project; it is made if it is missing', show_default=False)


def _settings_of_a_new_project():
    "The shipped settings; labels of somebody's CSV are left out, for they name the shipped categories"
    from ..files import shipped
    text = shipped('settings.ini').read_text(encoding='utf-8')
    labels = re.compile(r'(?<=^\[labels\]\n).*?(?=^\[|\Z)', flags=re.M|re.S)
    return labels.sub(lambda section: re.sub(r'(?m)^[^;#\n].*=.*\n', '', section[0]), text)


def make_project(
    folder:Path # made if it is missing; has no settings.ini yet
):
    "Write settings.ini and the notebooks. Raises `SettingsError`"
    from ..files import shipped, write_atomically
    file, notebooks = folder/'settings.ini', shipped('nbs')
    if file.exists(): raise SettingsError(f"{file}: is there already; name another folder")
    if not notebooks or not shipped('settings.ini'):
        raise SettingsError("the notebooks did not come with this installation; clone the project instead")
    (folder/'nbs').mkdir(parents=True, exist_ok=True)
    for notebook in sorted(notebooks.glob('*.ipynb')): shutil.copyfile(notebook, folder/'nbs'/notebook.name)
    write_atomically(file, _settings_of_a_new_project().encode())


@add('new', example='new hats', rich_help_panel=TRAINING)
def new(
    folder:Path=FOLDER,
    debug:bool=debug
):
    "Make a project folder for your own categories: settings.ini and the notebooks."
    guarded(lambda: make_project(folder), debug)
    print(f"{folder}: write your categories into settings.ini, then run clothing-classifier collect in it")


def _print_settings(rows, as_json):
    if as_json: return show_json(rows)
    for section in dict.fromkeys(row['section'] for row in rows):
        print(f'\n[{section}]')
        for row in rows:
            if row['section'] != section: continue
            default = f" (default {row['default']})" if row['default'] not in ('', row['value']) else ''
            print(f"; {row['comment']}{default}\n{row['key']} = {row['value']}")


def _print_finding(finding):
    print(f"{'!!' if finding.todo else 'ok'}  {finding.what}: {finding.found}")
    if finding.todo: print(f'      -> {finding.todo}')


@command(name='settings', project=False, rich_help_panel=SERVING)
def list_settings(settings, as_json:bool=as_json):
    "List every setting with its value, its default and what it does."
    from ..doctor import settings_table
    _print_settings(settings_table(settings), as_json)


@command(project=False, rich_help_panel=SERVING)
def doctor(settings, as_json:bool=as_json):
    "Say what works here, what is missing, and what to type."
    from ..doctor import examine
    findings = examine(settings)
    if as_json: show_json([asdict(o) for o in findings])
    else:
        for finding in findings: _print_finding(finding)
    if any(o.todo and o.needed == 'serve' for o in findings): raise typer.Exit(1)
