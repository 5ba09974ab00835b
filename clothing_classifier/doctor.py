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

from .predict import Classifier, ModelError, cores
from .settings import Settings, load_settings


@dataclass
class Finding:
    "One row of the report"
    what: str # Was looked at
    found: str # What is there
    todo: str = '' # What to type; empty if all is well
    needed: str = 'serve' # For: `serve` or `train`


_package = 'clothing_classifier'


def _lacks(r):
    "What is wrong with the requirement `r` here, or ''"
    try: v = version(r.name)
    except PackageNotFoundError: return r.name
    return '' if r.specifier.contains(v, prereleases=True) else f'{r.name}{r.specifier} (is {v})'


def packages(
    extra:str='' # `train` or `database`; '' for the base
)->Finding:
    "Are the packages there that an extra asks for?"
    rs = [Requirement(o) for o in requires(_package) or []]
    rs = [o for o in rs if (o.marker.evaluate(dict(extra=extra)) and not o.marker.evaluate(dict(extra='')) if o.marker else not extra)]
    lacks = [o for o in map(_lacks, rs) if o]
    name = f'{_package}[{extra}]' if extra else _package
    return Finding(f'packages of {name}', f'{len(rs)-len(lacks)} of {len(rs)}' + (f", without {', '.join(lacks)}" if lacks else ''), f"pip install '{name}'" if lacks else '', 'train' if extra == 'train' else 'serve')


def python()->Finding:
    "Is Python new enough?"
    return Finding('Python', f'{platform.python_version()} on {platform.system()} {platform.machine()}, {cores()} cores', '' if sys.version_info >= (3, 10) else 'install Python 3.10 or newer')


def weights(settings:Settings)->Finding:
    "Is the pretrained body there?"
    w = settings.train.weights
    if w == 'none': return Finding('weights', 'none: training starts from nothing', needed='train')
    if w != 'imagenet':
        p = settings.file.parent/Path(w).expanduser()
        return Finding('weights', str(p) if p.is_file() else f'{p}: no such file', '' if p.is_file() else f'set [train] weights in {settings.file} to imagenet or to a file that exists', 'train')
    hub = Path(os.environ.get('TORCH_HOME') or Path(os.environ.get('XDG_CACHE_HOME') or Path.home()/'.cache')/'torch')/'hub'/'checkpoints'
    here = list(hub.glob(f'{settings.train.arch}-*.pth'))
    return Finding('weights', here[0].name if here else f'imagenet: torchvision will download them to {hub}', needed='train')


def data(settings:Settings)->Finding:
    "How many pictures are there of each category?"
    n = {c: sum(1 for o in (settings.data.path/'images'/c).glob('*') if o.name[0] != '.') for c in settings.categories}
    few = [c for c,k in n.items() if k < 20]
    return Finding('pictures', ', '.join(f'{c} {k}' for c,k in n.items()), f"clothing-classifier build --folder FOLDER: at least 20 pictures of {', '.join(few)}" if few else '', 'train')


def network(settings:Settings)->Finding:
    "Does the network that serves open, know the categories and answer?"
    p = settings.serve.model
    try: clf = Classifier.load(p, settings.serve.threads, settings.serve.max_megapixels)
    except ModelError as e: return Finding('export', str(e), f'clothing-classifier build, or set [serve] model in {settings.file}')
    start = time.perf_counter()
    clf.predict(Image.new('RGB', (256, 256)))
    other = set(clf.labels) ^ set(settings.categories)
    return Finding('export', f'{p.name}, {p.stat().st_size/1e6:.0f} MB, answers in {1000*(time.perf_counter()-start):.0f} ms, knows {", ".join(clf.labels)}',
        f"clothing-classifier build: the network and [categories] differ in {', '.join(sorted(other))}" if other else '')


def examine(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->list: # Of `Finding`
    "Look at this machine"
    s = settings or load_settings()
    extras = ['database', 'train'] if s.feedback.store == 'database' else ['train']
    return [python(), Finding('settings', str(s.file)), packages(), *map(packages, extras), weights(s), data(s), network(s)]
