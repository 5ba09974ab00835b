"""What works here, what is missing, and what to type"""
import os
import platform
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from PIL import Image

from .files import shipped
from .predict import Classifier, ModelError, cores, model_file, network_mismatch
from .settings import Settings, SettingsError, find_settings, sections, serving_settings, written

PACKAGE = 'clothing_classifier'


@dataclass
class Finding:
    "One row of the report"
    what: str # subject of the check
    found: str # state of it
    todo: str = '' # command to type; empty if all is well
    needed: str = 'serve' # purpose: `serve` or `train`


def python()->Finding:
    "The version of Python, and the machine"
    found = f'{platform.python_version()} on {platform.system()} {platform.machine()}, {cores()} cores'
    return Finding('Python', found, '' if sys.version_info >= (3, 10) else 'install Python 3.10 or newer')


def project(settings:Settings)->Finding:
    "The settings file: of a project, or of the package"
    found = str(settings.file)
    try: find_settings()
    except SettingsError:
        todo = 'clothing-classifier new FOLDER, for categories of your own'
        if settings.file == shipped('settings.ini'): return Finding('settings', f'{found}, no project', todo, 'train')
    return Finding('settings', found)


def _belongs(requirement, extra):
    "Whether a requirement of the package belongs to an extra, or to the base"
    marker = requirement.marker
    if not marker: return not extra
    return marker.evaluate(dict(extra=extra)) and (not extra or not marker.evaluate(dict(extra='')))


def _requirements(extra):
    "The requirements of an extra, or of the base"
    try: everything = requires(PACKAGE) or []
    except PackageNotFoundError: return [] # a folder on PYTHONPATH
    return [o for o in map(Requirement, everything) if _belongs(o, extra)]


def _lack(requirement):
    "What is wrong with a requirement here, or ''"
    try: installed = version(requirement.name)
    except PackageNotFoundError: return requirement.name
    fits = requirement.specifier.contains(installed, prereleases=True)
    return '' if fits else f'{requirement.name}{requirement.specifier} (is {installed})'


def packages(
    extra:str='' # `train` or `database`; '' for the base
)->Finding:
    "The packages of an extra"
    wanted = _requirements(extra)
    lacks = list(filter(None, map(_lack, wanted)))
    name = f'{PACKAGE}[{extra}]' if extra else PACKAGE
    found = f'{len(wanted)-len(lacks)} of {len(wanted)}'
    if lacks: found += f", without {', '.join(lacks)}"
    needed = 'train' if extra == 'train' else 'serve'
    return Finding(f'packages of {name}', found, f"pip install '{name}'" if lacks else '', needed)


def _torch_hub():
    "The folder into which torchvision downloads weights"
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home()/'.cache')
    return Path(os.environ.get('TORCH_HOME') or cache/'torch')/'hub'/'checkpoints'


def _imagenet(arch):
    "Where the weights of torchvision are"
    here = next(_torch_hub().glob(f'{arch}-*.pth'), None)
    return here.name if here else f'imagenet: torchvision will download them to {_torch_hub()}'


def weights(settings:Settings)->Finding:
    "The pretrained body"
    name, todo = settings.train.weights, ''
    file = settings.file.parent/Path(name).expanduser()
    if name == 'none': found = 'none: training starts from nothing'
    elif name == 'imagenet': found = _imagenet(settings.train.arch)
    elif file.is_file(): found = str(file)
    else:
        found = f'{file}: no such file'
        todo = f'set [train] weights in {settings.file} to imagenet or to a file that exists'
    return Finding('weights', found, todo, 'train')


def _count(folder): return sum(1 for o in folder.glob('*') if o.name[0] != '.')


def data(settings:Settings)->Finding:
    "The pictures of each category"
    counts = {c: _count(settings.data.path/'images'/c) for c in settings.categories}
    few = ', '.join(c for c,n in counts.items() if n < 20)
    found = ', '.join(f'{c} {n}' for c,n in counts.items())
    todo = f'clothing-classifier build --folder FOLDER: at least 20 pictures of {few}' if few else ''
    return Finding('pictures', found, todo, 'train')


def _milliseconds(classifier):
    "Time of one answer"
    start = time.perf_counter()
    classifier.predict(Image.new('RGB', (256, 256)))
    return 1000*(time.perf_counter()-start)


def network(settings:Settings)->Finding:
    "Whether the network that serves opens, answers, and knows the categories"
    file = model_file(settings)
    try: classifier = Classifier(file, settings=settings)
    except ModelError as e:
        return Finding('export', str(e), f'clothing-classifier build, or set [serve] model in {settings.file}')
    name = file.name if file == settings.serve.model else f'{file.name} of the package'
    megabytes, labels = file.stat().st_size/1e6, ', '.join(classifier.labels)
    found = f'{name}, {megabytes:.0f} MB, answers in {_milliseconds(classifier):.0f} ms, knows {labels}'
    same = set(classifier.labels) == set(settings.categories)
    return Finding('export', found, network_mismatch(settings, classifier.labels), 'train' if same else 'serve')


def examine(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->list: # of `Finding`
    "Everything that can be found out about this machine and project"
    settings = settings or serving_settings()
    extras = ['database','train'] if settings.feedback.store == 'database' else ['train']
    machine = [python(), packages(), *map(packages, extras)]
    return machine + [about(settings) for about in (project, weights, data, network)]


def settings_table(
    settings:Settings # values
)->list: # of dicts with section, key, value, default and comment
    "Every setting"
    return [_setting_row(settings, section, key) for section,model in sections.items() for key in model.model_fields]


def _setting_row(settings, section, key):
    field = sections[section].model_fields[key]
    value = written(getattr(getattr(settings, section), key), settings.file.parent)
    default = '' if field.default is None else written(field.default, '')
    return dict(section=section, key=key, value=value, default=default, comment=field.description)
