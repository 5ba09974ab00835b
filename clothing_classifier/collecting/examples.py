"""A small project of example photos, for chapters that are opened before there are pictures of one's own"""
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..files import shipped
from ..settings import Settings, load_settings
from .found import Found
from .importers import files_by_category, folder
from .pipeline import take_in
from .store import Store, adopt

EXAMPLE = '''; The example photos, with settings for a training of a minute. Delete this folder whenever you like
[categories]
{categories}
[data]
path = .
[collect]
enough = 10
[train]
weights = {weights}
size = 128
batch_size = 16
frozen_epochs = 3
unfrozen_epochs = 3
finder_steps = 20
[export]
calibration_pictures = 32
'''


def _write_settings(file, categories):
    "The settings file of the example project"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = '\n'.join(f'{c} = {c}, {c} product photo' for c in categories)
    text = EXAMPLE.format(categories=lines, weights=shipped('export.pkl') or 'imagenet')
    file.write_text(text, encoding='utf-8')


def _photos(settings):
    "The example photos as a source; all of them are CC0"
    photos = folder(shipped('examples/photos'), settings)
    return iter([replace(found, licence='CC0') for found in photos])


def example_settings(
    root:str|Path # folder of the example project, made if it is missing
)->Settings:
    "A project of its own with the example photos, six categories of twenty"
    file = Path(root)/'settings.ini'
    categories = sorted(p.name for p in shipped('examples/photos').iterdir() if p.is_dir())
    if not file.exists(): _write_settings(file, categories)
    settings = load_settings(file)
    if not has_pictures(settings): take_in([_photos(settings)], settings)
    return settings


def example_photos(
    settings:Settings # settings of the example project, or your own
)->Iterator[Found]:
    "The example photos as a source; empty for a project of your own, where they do not belong"
    is_example = settings.file.read_text(encoding='utf-8-sig').startswith(EXAMPLE.splitlines()[0])
    return _photos(settings) if is_example else iter(())


def has_pictures(settings:Settings)->bool:
    "Is there a file in a folder named after a category?"
    return bool(files_by_category(settings.data.path/'images', settings))


def _adopt(settings):
    "Take in files that a person put into `images/`, so that every chapter sees them"
    if not Store(settings).dropped(): return
    added = adopt(settings)
    print(f"Took in {len(added)} files that were put into {settings.data.path.name}/images; "
        f"{sum(bool(reason) for _,reason in added)} of them are in rejected/.")


def yours_or_examples(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Settings:
    "Your settings if you have pictures of your categories, else those of the project in `examples/` of the data folder"
    settings = settings or load_settings()
    if has_pictures(settings):
        _adopt(settings)
        return settings
    print(f"No pictures of {', '.join(settings.categories)} yet in {settings.data.path.name}/images: "
        "these are the example photos.")
    return example_settings(settings.data.path/'examples')
