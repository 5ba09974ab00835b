"""A small project of example photos, for chapters that are opened before there are pictures of one's own"""
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..files import shipped, write_atomically
from ..settings import Settings, load_settings, settings_text
from .found import Found
from .importers import files_by_category, folder
from .pipeline import take_in
from .store import Store, adopt

HEADER = '; Written for the example photos, with the settings of the project. Delete this folder whenever you like'


def _with_examples(settings, root):
    "Settings of a project, changed for the example photos in the folder `root`"
    names = sorted(p.name for p in shipped('examples/photos').iterdir() if p.is_dir())
    phrases = {c: settings.categories.get(c, (c, f'{c} product photo')) for c in names}
    weights, learner = settings.train.weights, shipped('export.pkl')
    if weights == 'imagenet' and settings.train.arch == 'resnet34' and learner: weights = learner
    network = root/'export.onnx'
    changed = settings.changed(data_path=root, collect_enough=10, train_weights=str(weights), train_batch_size=16,
        train_finder_steps=20, train_runs=root/'runs', export_learner=root/'export.pkl', export_network=network,
        export_calibration_pictures=32, serve_model=network)
    return changed.model_copy(update=dict(file=root/'settings.ini', categories=phrases, labels={}))


def _write_settings(settings):
    "Write the settings file of the example project, if it says something else"
    text, file = f'{HEADER}\n{settings_text(settings)}', settings.file
    if file.is_file() and file.read_text(encoding='utf-8') == text: return
    write_atomically(file, text.encode())


def _photos(settings):
    "The example photos as a source; all of them are CC0"
    photos = folder(shipped('examples/photos'), settings)
    return iter([replace(found, licence='CC0') for found in photos])


def example_settings(
    root:str|Path, # folder of the example project, made if it is missing
    settings:Settings|None=None # settings that it takes over; None: the nearest `settings.ini`
)->Settings:
    "A project of its own with the example photos, six categories of twenty"
    example = _with_examples(settings or load_settings(), Path(root).resolve())
    _write_settings(example)
    settings = load_settings(example.file)
    if not has_pictures(settings): take_in([_photos(settings)], settings)
    return settings


def example_photos(
    settings:Settings # settings of the example project, or your own
)->Iterator[Found]:
    "The example photos as a source; empty for a project of your own, where they do not belong"
    is_example = settings.file.read_text(encoding='utf-8-sig').startswith(HEADER)
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
    folder = settings.data.path.name
    print(f"No pictures of {', '.join(settings.categories)} yet in {folder}/images: these are the example photos,\n"
        f"in a project of their own, {folder}/examples, with the settings of {settings.file.name}.")
    return example_settings(settings.data.path/'examples', settings)
