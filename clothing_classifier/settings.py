"""One file says what the application is about; every error names the file, the section and the key"""

import configparser
import os
import re
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path


class SettingsError(ValueError):
    "A mistake in the settings; its text names the file, the section and the key, and says what to do"


@dataclass(frozen=True)
class Data:
    "`[data]`: pictures on disk"
    path: Path # Folder of `images/`, `rejected/` and `manifest.csv`
    min_side: int # Pixels; a shorter side is too small
    max_side: int # Pixels; larger pictures are stored shrunk to it
    near_duplicate_bits: int # Hamming distance of 64-bit perceptual hashes, at most
    splits: str # `hash`, or the path of a CSV with the columns `image` and `split`
    valid_percent: int # Share of the validation split
    test_percent: int # Share of the test split


@dataclass(frozen=True)
class Collect:
    "`[collect]`: searching and downloading"
    backends: str # Search engines of `ddgs`, in the order of asking, separated by commas
    region: str # Country and language of the search, like `us-en`
    safe_search: str # `on`, `moderate` or `off`
    addresses: int # Found for a category before its search stops
    pages: int # Of answers for a phrase, at most
    pause: float # Seconds between two questions to a search engine
    cache_days: float # An answer is used again for so long
    at_once: int # Downloads over all hosts
    at_once_per_host: int # Downloads from one host
    deadline: float # Seconds for one picture, its redirects and further tries included
    tries: int # For one picture, where another can help
    redirects: int # Followed for one picture
    max_mb: float # Megabytes of one picture
    host_failures: int # Pictures in a row that a host did not answer, until it is left alone for this run
    respect_noai: str # `yes` or `no`: leave pictures whose server answers `X-Robots-Tag: noai` or `noimageai`
    user_agent: str # What servers read about us
    enough: int # A category with fewer kept pictures is warned of


@dataclass(frozen=True)
class Train:
    "`[train]`: fine-tuning"
    arch: str # Name of a torchvision architecture
    weights: str # `imagenet`, `none` or the path of a `.safetensors` state dict
    size: int # Side of the square input, pixels
    batch_size: int # Pictures a step
    frozen_epochs: int # Epochs with a frozen body
    unfrozen_epochs: int # Epochs with every layer training
    final_epochs: int # Epochs at the final size, 0 for none
    final_size: int # Side of the square input in these, pixels
    min_rate: float # The smallest rate accepted from the finder
    max_rate: float # The largest
    rate_spread: float # Last layers' rate / first layers' rate
    finder_steps: int # Batches of the learning-rate finder
    augment: float # Strength of the random changes, 0 for none
    label_smoothing: float # 0 to 1
    mixup: float # Parameter of the Beta distribution, 0 for none
    cutmix: float # The same for cutmix
    balance: str # `no`, `weights` or `sampling`
    weight_decay: float # Of the optimizer
    average: float # Share of the old average of weights after a step, 0 for no averaging
    mirror: str # `yes` or `no`: an answer is the mean over a picture and its mirror image
    folds: int # Trainings for cross-validation, before the one that counts; 0 for none
    early_stop: int # Epochs without a better one that end a stage, 0 for none
    plateau: int # Epochs without a better one that lower the rate, 0 for one-cycle
    track: str # `no`, `tensorboard` or `wandb`
    precision: str # `auto`, `bf16` or `fp32`
    channels_last: str # `auto`, `yes` or `no`
    threads: int # Of the training process, 0 for one a core
    resize_ahead: str # `yes` or `no`: decode every picture once, before the first epoch
    cache_features: str # `yes` or `no`: run the frozen body once, and train the head on what it saw
    workers: int # Processes that decode pictures
    seed: int # Of every random number
    runs: Path # Folder with a sub-folder a training

    @property
    def network_size(self)->int: return self.final_size if self.final_epochs else self.size # Of what is exported


@dataclass(frozen=True)
class Clean:
    "`[clean]`: finding wrong labels"
    folds: int # Heads; each judges the pictures that it has not seen
    head_strength: float # Inverse of the heads' regularization
    similar_percent: float # Cosine similarity of features of near duplicates
    far: float # Robust standard deviations beyond the usual distance
    page_pictures: int # Thumbnails a page
    thumbnail_side: int # Pixels
    accept_percent: int # Where "accept all suggestions above" starts


@dataclass(frozen=True)
class Export:
    "`[export]`: the files that a training ends in"
    learner: Path # fastai's pickle
    network: Path # ONNX, for serving
    precision: str # `int8` or `fp32`
    calibration_pictures: int # Training pictures behind the int8 ranges
    keep_known_percent: float # Share of validation pictures that stay known


@dataclass(frozen=True)
class Unknown:
    "`[unknown]`: pictures that are none of the categories; a folder that is missing or empty counts as none"
    pictures: Path # They teach the export what to answer with *unknown*
    held: Path # Others, for the report only; a sub-folder is a kind


@dataclass(frozen=True)
class Serve:
    "`[serve]`: answering"
    model: Path # `.onnx`, or `.pkl` with the `train` extra
    threads: int # Of one answer, 0 for one a core
    max_upload_mb: int # Megabytes
    max_megapixels: float # Megapixels
    title: str # Heading of the page
    language: str # Of the page: `en` or `lt`
    visitors: int # Pages open at the same time; more get one that waits
    ip: str # Address to listen on
    port: int # To listen on


@dataclass(frozen=True)
class Links:
    "`[links]`: pictures that are fetched from a link"
    follow: str # `yes` or `no`
    deadline: float # Seconds, redirects and all
    at_once: int # Fetched at the same time
    redirects: int # Followed, at most


@dataclass(frozen=True)
class Feedback:
    "`[feedback]`: pictures that people gave the right category"
    store: str # `no`, `folder` or `database`
    folder: Path # Of `folder`
    max_side: int # Pixels; larger pictures are kept shrunk to it
    max_pictures: int # Kept, at most


@dataclass(frozen=True)
class Api:
    "`[api]`: answers over HTTP"
    workers: int # Runs of the network at the same time, 0 for one a core
    batch: int # Waiting pictures that one run takes, at most
    requests: int # In the house at the same time
    memory_mb: int # Megabytes of uploads in the house
    max_pictures: int # A request
    upload_seconds: float # Until a body must have arrived
    drain_seconds: float # For answers after a stop was asked for
    rate: int # Requests a minute and client, 0 for any number
    token_variable: str # Environment variable with the bearer token
    cors: str # `none`, `*` or origins


@dataclass(frozen=True)
class Settings:
    "What `settings.ini` says"
    file: Path # Where it was read
    categories: dict # Category -> its search phrases
    labels: dict # Label in a CSV -> category
    data: Data
    collect: Collect
    train: Train
    clean: Clean
    export: Export
    unknown: Unknown
    serve: Serve
    links: Links
    feedback: Feedback
    api: Api


_choices = {('collect','safe_search'): ('on','moderate','off'), ('collect','respect_noai'): ('yes','no'), ('train','precision'): ('auto','bf16','fp32'), ('train','channels_last'): ('auto','yes','no'), ('train','resize_ahead'): ('yes','no'), ('train','mirror'): ('yes','no'), ('train','cache_features'): ('yes','no'),
    ('train','balance'): ('no','weights','sampling'), ('train','track'): ('no','tensorboard','wandb'), ('export','precision'): ('int8','fp32')}


_bounds = {('data','valid_percent'): (1,90), ('data','test_percent'): (1,90), ('data','near_duplicate_bits'): (0,32), ('data','min_side'): (1,None),
    ('data','max_side'): (32,None), ('collect','addresses'): (1,None), ('collect','pages'): (1,50), ('collect','at_once'): (1,512),
    ('collect','at_once_per_host'): (1,128), ('collect','deadline'): (0.1,None), ('collect','tries'): (1,20), ('collect','redirects'): (0,50),
    ('collect','max_mb'): (0.01,1024), ('collect','host_failures'): (1,None), ('train','size'): (32,1024), ('train','final_size'): (32,1024),
    ('train','batch_size'): (2,4096), ('train','frozen_epochs'): (1,None), ('train','min_rate'): (1e-9,1), ('train','max_rate'): (1e-8,10), ('train','rate_spread'): (1,None),
    ('train','finder_steps'): (10,None), ('train','label_smoothing'): (0,0.99), ('train','augment'): (0,3), ('train','average'): (0,0.99999), ('train','folds'): (0,50), ('clean','folds'): (2,50), ('clean','head_strength'): (1e-8,1e8),
    ('clean','similar_percent'): (50,100), ('clean','page_pictures'): (1,200), ('clean','thumbnail_side'): (32,1024), ('clean','accept_percent'): (1,100),
    ('export','calibration_pictures'): (1,None), ('export','keep_known_percent'): (1,100), ('serve','max_upload_mb'): (1,1024),
    ('serve','max_megapixels'): (0.01,178)}


_choices |= {('serve','language'): ('en','lt'), ('links','follow'): ('yes','no'), ('feedback','store'): ('no','folder','database')}


_bounds |= {('serve','port'): (0,65535), ('serve','visitors'): (1,10000), ('links','deadline'): (0.1,120), ('links','at_once'): (1,64), ('links','redirects'): (0,10), ('feedback','max_side'): (64,None),
    ('feedback','max_pictures'): (1,None), ('api','requests'): (1,10000), ('api','memory_mb'): (1,None), ('api','max_pictures'): (1,1000), ('api','batch'): (1,64), ('api','upload_seconds'): (1,3600)}


_kinds = {int: 'a whole number', float: 'a number', str: 'some text', Path: 'a path'}


def _fail(file, section, key, why): raise SettingsError(f"{file}: [{section}] {key}: {why}" if key else f"{file}: [{section}]: {why}")


def _value(file, section, field, text):
    "`text` as the type of `field`"
    key, kind = field.name, field.type
    if not text: _fail(file, section, key, f"is empty; write {_kinds[kind]}")
    try: o = (file.parent/Path(text).expanduser()).resolve() if kind is Path else kind(text)
    except ValueError: _fail(file, section, key, f"{text!r} is not {_kinds[kind]}; write {_kinds[kind]}")
    if (c := _choices.get((section, key))) and o not in c: _fail(file, section, key, f"{text!r} is none of {', '.join(c)}; write one of these")
    if kind in (int, float):
        lo, hi = _bounds.get((section, key), (0, None))
        if not (lo <= o and (hi is None or o <= hi)): _fail(file, section, key, f"{text} is out of range; write a number {f'from {lo} to {hi}' if hi is not None else f'of at least {lo}'}")
    return o


def _known(file, section, got, want):
    "Fail if the keys `got` are not exactly those `want`ed"
    for k in got:
        if k not in want: _fail(file, section, k, f"there is no such key; the keys here are {', '.join(want)}")
    for k in want:
        if k not in got: _fail(file, section, k, "is missing; add it, with the comment in the settings.ini that came with the project as a guide")


def _section(file, section, cls, items):
    "One section as its dataclass"
    _known(file, section, items, [f.name for f in fields(cls)])
    return cls(**{f.name: _value(file, section, f, items[f.name]) for f in fields(cls)})


_reserved = {'con','prn','aux','nul',*(f'{o}{i}' for o in ('com','lpt') for i in range(1,10))}


def _categories(file, items):
    "Category -> tuple of search phrases"
    if len(items) < 2: _fail(file, 'categories', '', f"{'is empty' if not items else 'has one category'}; write at least two lines like: jeans = jeans, denim trousers")
    for c in items:
        if not re.fullmatch(r'\w([\w \-]*\w)?', c) or c.lower() in _reserved or c.lower()=='unknown' or len(c) > 60:
            _fail(file, 'categories', c, "cannot be a folder name here; use letters, digits, spaces, - and _, at most 60, and neither a reserved name nor 'unknown'")
    if len({c.lower() for c in items}) < len(items): _fail(file, 'categories', '', "two categories differ only in case; some file systems hold them in one folder, so rename one")
    o = {c: tuple(p.strip() for p in (v or '').split(',') if p.strip()) for c,v in items.items()}
    for c,v in o.items():
        if not v: _fail(file, 'categories', c, f"has no search phrase; write for example: {c} = {c} product photo")
    return o


def _labels(file, items, categories):
    "Label in a CSV -> category"
    for k,v in items.items():
        if v not in categories: _fail(file, 'labels', k, f"{v!r} is not among the categories; write one of {', '.join(categories)}")
    return items


def find_settings(
    start:str|Path='.' # Where to begin
)->Path: # The nearest `settings.ini`, in `start` or a folder above it
    "Find `settings.ini`; `CLOTHING_CLASSIFIER_SETTINGS` in the environment names another. Raises `SettingsError`"
    if p := os.environ.get('CLOTHING_CLASSIFIER_SETTINGS'): return Path(p)
    start = Path(start).resolve()
    for d in (start, *start.parents):
        if (d/'settings.ini').is_file(): return d/'settings.ini'
    raise SettingsError(f"settings.ini: not found in {start} nor above it; go to the project's folder, or name the file")


def _read(file):
    "The sections of `file` as dicts"
    cp = configparser.ConfigParser(interpolation=None, delimiters=('=',), comment_prefixes=('#',';'), strict=True, default_section='\0')
    cp.optionxform = str
    try: cp.read_string(file.read_text(encoding='utf-8-sig'), source=str(file))
    except OSError as e: raise SettingsError(f"{file}: cannot be read ({e.strerror}); name a settings.ini that exists") from None
    except UnicodeDecodeError: raise SettingsError(f"{file}: is not UTF-8 text; save it as UTF-8") from None
    except configparser.DuplicateOptionError as e: _fail(file, e.section, e.option, f"stands there twice (line {e.lineno}); keep one")
    except configparser.Error as e: raise SettingsError(f"{file}: is not a settings file: {' '.join(str(e).split())}; a line is 'key = value', below a [section]") from None
    return {s: dict(cp[s]) for s in cp.sections()}


_sections = {f.name: f.type for f in fields(Settings) if is_dataclass(f.type)}


def load_settings(
    file:str|Path|None=None, # A settings file; None finds it
    **changes # Values that replace those of the file: `train_size='96'`, section and key joined by `_`
)->Settings:
    "Read and check the settings. Raises `SettingsError` that names file, section and key"
    file = Path(file or find_settings()).resolve()
    d = _read(file)
    _known(file, 'the sections', d, ['categories','labels',*_sections])
    for k,v in changes.items():
        section, _, key = k.partition('_')
        if key not in d.get(section, {}): _fail(file, section, key, "there is no such key to change")
        d[section][key] = str(v)
    categories = _categories(file, d['categories'])
    o = {s: _section(file, s, cls, d[s]) for s,cls in _sections.items()}
    if o['data'].valid_percent + o['data'].test_percent > 90: _fail(file, 'data', 'test_percent', "together with valid_percent leaves under 10 % to train on; make them smaller")
    return Settings(file, categories, _labels(file, d['labels'], categories), **o)


def settings_text(
    settings:Settings, # To be written down
    weights:str='' # Text that replaces the path of the weights, so that no folder of one machine is recorded
)->str: # In the form of `settings.ini`
    "The settings as text that `load_settings` reads; paths are relative to the folder of the file they came from"
    rel = lambda v: Path(os.path.relpath(v, settings.file.parent)).as_posix() if isinstance(v, Path) else str(v)
    d = {s: asdict(getattr(settings, s)) for s in _sections}
    d = {'categories': {k: ', '.join(v) for k,v in settings.categories.items()}, 'labels': settings.labels} | d
    if weights: d['train']['weights'] = weights
    return '\n'.join(f'[{s}]\n' + ''.join(f'{k} = {rel(v)}\n' for k,v in kv.items()) for s,kv in d.items())
