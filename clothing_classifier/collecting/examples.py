"""A small project of example photos, for chapters that are opened before there are pictures of one's own"""
from pathlib import Path

from ..files import shipped
from ..settings import Settings, load_settings
from .importers import folder
from .pipeline import take_in

EXAMPLE = '''; Made for the chapters: the example photos, and a training of a minute. Delete this folder whenever you like
[categories]
{categories}
[data]
path = .
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


def example_settings(
    root:str|Path # folder of the example project; made if it is missing
)->Settings:
    "A project of its own with the example photos, six categories of twenty"
    root, photos, learner = Path(root), shipped('examples/photos'), shipped('export.pkl')
    names = sorted(o.name for o in photos.iterdir() if o.is_dir())
    if not (root/'settings.ini').exists():
        root.mkdir(parents=True, exist_ok=True)
        text = EXAMPLE.format(categories='\n'.join(f'{c} = {c}' for c in names), weights=learner or 'imagenet')
        (root/'settings.ini').write_text(text, encoding='utf-8')
    settings = load_settings(root/'settings.ini')
    if not (root/'images').exists(): take_in([folder(photos, settings)], settings)
    return settings


def has_pictures(settings): return any(any((settings.data.path/'images'/c).glob('*.*')) for c in settings.categories)


def yours_or_examples(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Settings:
    "Your settings if you have pictures of your categories; until then the example photos, in `examples/` of the data folder"
    settings = settings or load_settings()
    if has_pictures(settings): return settings
    print(f"No pictures of {', '.join(settings.categories)} yet in {settings.data.path.name}/images: these are the example photos.")
    return example_settings(settings.data.path/'examples')
