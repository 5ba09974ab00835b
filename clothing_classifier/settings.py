"""One file says what the application is about; every error names the file, the section and the key"""
import configparser
import os
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class SettingsError(ValueError):
    "A mistake in the settings; its text names the file, the section and the key, and says what to do"


class Section(BaseModel):
    "A section of `settings.ini`; a key that is not written has its default"
    model_config = ConfigDict(frozen=True, extra='forbid')


def setting(default, comment, **bounds): return Field(default, description=comment, validate_default=True, **bounds)


class Data(Section):
    "Pictures on disk"
    path:Path = setting('data', 'folder of images/<category>/, rejected/<reason>/ and manifest.csv')
    min_side:int = setting(64, 'pixels of the shorter side; a smaller picture is rejected', ge=1)
    max_side:int = setting(1024, 'pixels of the longer side; a larger picture is stored shrunk to it', ge=32)
    near_duplicate_bits:int = setting(2, 'bits in which the perceptual hashes of near duplicates differ, at most', ge=0, le=32)
    splits:str = setting('hash', 'hash, or the path of a CSV with the columns image and split (train, validation or test)')
    valid_percent:int = setting(15, 'percent of the pictures for the validation split', ge=1, le=90)
    test_percent:int = setting(15, 'percent of the pictures for the test split, which only the final report reads', ge=1, le=90)


class Collect(Section):
    "Search and download"
    backends:str = setting('duckduckgo, bing', 'search engines of the ddgs library, in the order of asking')
    region:str = setting('us-en', 'country and language of the search: us-en, uk-en, de-de, fr-fr ...')
    safe_search:Literal['on','moderate','off'] = setting('moderate', 'filter of the search engine: on, moderate or off')
    addresses:int = setting(300, 'addresses of pictures after which the search for a category stops', ge=1)
    pages:int = setting(4, 'pages of search results for one phrase, at most', ge=1, le=50)
    pause:float = setting(1.5, 'seconds between two requests to a search engine', ge=0)
    cache_days:float = setting(30, 'days for which a stored search result is used again', ge=0)
    at_once:int = setting(32, 'simultaneous downloads over all hosts', ge=1, le=512)
    at_once_per_host:int = setting(8, 'simultaneous downloads from one host', ge=1, le=128)
    deadline:float = setting(60, 'seconds for one picture, redirects and retries included', ge=.1)
    tries:int = setting(4, 'attempts at one picture where a retry can help', ge=1, le=20)
    redirects:int = setting(5, 'redirects followed for one picture', ge=0, le=50)
    max_mb:float = setting(10, 'megabytes of one picture; at_once times this bounds the memory', ge=.01, le=1024)
    host_failures:int = setting(10, 'failures in a row after which a host is skipped until the next run', ge=1)
    respect_noai:bool = setting(True, 'leave out pictures whose server sends X-Robots-Tag: noai or noimageai')
    user_agent:str = setting('clothing_classifier/0.1 (collects pictures to train an image classifier)', 'User-Agent header; add an address where you can be reached')
    enough:int = setting(100, 'pictures of a category below which a warning is shown', ge=0)


class Train(Section):
    "Fine-tuning"
    arch:str = setting('resnet34', 'architecture of torchvision: resnet18, resnet34, resnet50 ...')
    weights:str = setting('imagenet', 'imagenet (downloaded by torchvision), none, a .safetensors state dict, or an export.pkl whose body is taken')
    size:int = setting(160, 'side of the square input in pixels', ge=32, le=1024)
    batch_size:int = setting(32, 'pictures in one step', ge=2, le=4096)
    frozen_epochs:int = setting(4, 'epochs with the pretrained body frozen', ge=1)
    unfrozen_epochs:int = setting(5, 'epochs with every layer training', ge=0)
    final_epochs:int = setting(0, 'further epochs with larger pictures; the export then takes pictures of that size', ge=0)
    final_size:int = setting(224, 'side of the square input of those epochs in pixels', ge=32, le=1024)
    frozen_rate:float = setting(0, 'learning rate of the frozen epochs; 0 asks the learning-rate finder', ge=0, le=10)
    unfrozen_rate:float = setting(0, 'learning rate of the last layers in the unfrozen epochs; 0 asks the finder', ge=0, le=10)
    min_rate:float = setting(1e-4, 'smallest rate accepted from the finder', ge=1e-9, le=1)
    max_rate:float = setting(1e-2, 'largest rate accepted from the finder', ge=1e-8, le=10)
    rate_spread:float = setting(20, 'rate of the last layers divided by that of the first', ge=1)
    finder_steps:int = setting(50, 'batches of one run of the finder', ge=10)
    augment:float = setting(1, 'strength of random rotation, zoom, warp and lighting; 0 for none, 1 moderate', ge=0, le=3)
    label_smoothing:float = setting(.1, 'share of the target moved from one-hot to uniform', ge=0, le=.99)
    mixup:float = setting(.2, 'parameter of the Beta distribution of mixup, 0 for none', ge=0)
    cutmix:float = setting(0, 'parameter of the Beta distribution of cutmix, 0 for none; only one of the two', ge=0)
    balance:Literal['no','weights','sampling'] = setting('no', 'rare categories: no, weights (in the loss) or sampling (drawn more often)')
    weight_decay:float = setting(.05, 'weight decay of AdamW', ge=0)
    average:float = setting(.99, 'decay of the moving average of the weights per step, 0 for no averaging', ge=0, le=.99999)
    mirror:bool = setting(False, 'average over a picture and its mirror image, in twice the time')
    folds:int = setting(0, 'trainings for cross-validation before the one that counts, 0 for none', ge=0, le=50)
    early_stop:int = setting(0, 'epochs without improvement that end a stage, 0 for never', ge=0)
    plateau:int = setting(0, 'epochs without improvement that divide the rate by ten, instead of one-cycle; 0 for one-cycle', ge=0)
    track:Literal['no','tensorboard','wandb'] = setting('no', 'experiment tracker: no, tensorboard, or wandb (offline)')
    precision:Literal['auto','bf16','fp32'] = setting('auto', 'auto (bf16 where the hardware computes in it), bf16 or fp32')
    channels_last:Literal['auto','yes','no'] = setting('auto', 'memory format of tensors: auto, yes or no')
    threads:int = setting(0, 'threads of the training process, 0 for one a core', ge=0)
    resize_ahead:bool = setting(True, 'decode and resize every picture once and keep it in resized/ beside images/')
    cache_features:bool = setting(True, 'train the head on cached features of the frozen body (not with balance = sampling)')
    workers:int = setting(0, 'worker processes that decode pictures', ge=0)
    seed:int = setting(42, 'seed of every random number', ge=0)
    runs:Path = setting('runs', 'folder with one sub-folder a training')

    @property
    def network_size(self)->int: return self.final_size if self.final_epochs else self.size


class Clean(Section):
    "Wrong labels"
    folds:int = setting(5, 'heads; each judges the pictures it was not trained on', ge=2, le=50)
    head_strength:float = setting(.002, 'inverse regularization of the heads; smaller resists wrong labels better', ge=1e-8, le=1e8)
    similar_percent:float = setting(90, 'cosine similarity of the features of near duplicates in percent', ge=50, le=100)
    far:float = setting(3, 'robust standard deviations of distance beyond which a picture is out of scope', ge=0)
    page_pictures:int = setting(24, 'thumbnails on one page', ge=1, le=200)
    thumbnail_side:int = setting(240, 'longest side of a thumbnail in pixels', ge=32, le=1024)
    accept_percent:int = setting(80, 'certainty in percent at which "accept all suggestions" starts', ge=1, le=100)


class Export(Section):
    "The two files that a training ends in"
    learner:Path = setting('export.pkl', 'fastai learner, for retraining, cleaning and inspection')
    network:Path = setting('export.onnx', 'the same network for serving')
    precision:Literal['int8','fp32'] = setting('int8', 'precision of the serving network: int8 or fp32')
    calibration_pictures:int = setting(256, 'training pictures that calibrate the int8 network', ge=1)
    keep_known_percent:float = setting(97, 'percent of the validation pictures that stay known', ge=1, le=100)


class Unknown(Section):
    "Pictures that are none of the categories"
    pictures:Path|None = setting(None, 'folder of other pictures that teach the answer unknown; default: unknown/ in [data] path')
    held:Path|None = setting(None, 'folder of others for the report, one figure a sub-folder; default: unknown_held/ in [data] path')


class Serve(Section):
    "The page, the command and the API"
    model:Path|None = setting(None, 'the .onnx file that answers; default: [export] network')
    threads:int = setting(1, 'threads of one answer, 0 for one a core', ge=0)
    max_upload_mb:int = setting(20, 'megabytes of one upload, at most', ge=1, le=1024)
    max_megapixels:float = setting(25, 'megapixels of a picture, checked before it is decoded', ge=.01, le=178)
    title:str = setting('What are you wearing?', 'heading of the page')
    language:Literal['en','lt'] = setting('en', 'language of the page: en or lt')
    visitors:int = setting(12, 'pages open at the same time; about 20 MB each', ge=1, le=10000)
    ip:str = setting('127.0.0.1', 'address to listen on; 0.0.0.0 for all')
    port:int = setting(8866, 'port to listen on', ge=0, le=65535)


class Links(Section):
    "Pictures fetched from a link"
    follow:bool = setting(True, 'may the server fetch a picture from an address that a visitor sends? Public addresses only')
    deadline:float = setting(10, 'seconds for one picture, redirects included', ge=.1, le=120)
    at_once:int = setting(4, 'simultaneous fetches', ge=1, le=64)
    redirects:int = setting(3, 'redirects followed', ge=0, le=10)


class Feedback(Section):
    "Pictures that visitors corrected"
    store:Literal['no','folder','database'] = setting('no', 'no (nothing is kept), folder, or database (the one in DATABASE_URL)')
    folder:Path|None = setting(None, 'folder of <category>/<sha1>.jpg; default: feedback/ in [data] path')
    max_side:int = setting(1024, 'pixels of the longer side; a larger picture is kept shrunk to it', ge=64)
    max_pictures:int = setting(10_000, 'pictures kept, at most', ge=1)


class Api(Section):
    "The REST API"
    workers:int = setting(0, 'simultaneous runs of the network, 0 for one a core', ge=0)
    batch:int = setting(4, 'waiting pictures in one run of the network, at most', ge=1, le=64)
    requests:int = setting(64, 'requests in progress, at most; more get 503', ge=1, le=10000)
    memory_mb:int = setting(100, 'megabytes of uploads in progress, at most; more get 503', ge=1)
    max_pictures:int = setting(16, 'pictures in one request', ge=1, le=1000)
    upload_seconds:float = setting(30, 'seconds for the body of a request', ge=1, le=3600)
    drain_seconds:float = setting(25, 'seconds for accepted requests after a stop; Heroku kills after 30', ge=0)
    rate:int = setting(0, 'requests a minute of one client, 0 for any number; more get 429', ge=0)
    token_variable:str = setting('CLOTHING_CLASSIFIER_TOKEN', 'environment variable with the bearer token; unset: no token needed')
    cors:str = setting('none', 'origins that may call: none, *, or https://shop.example, separated by commas')


class Settings(BaseModel):
    "The content of a settings file"
    model_config = ConfigDict(frozen=True)
    file:Path # the file that was read
    categories:dict[str, tuple] # category -> search phrases
    labels:dict[str, str] # label in a CSV -> category
    data:Data
    collect:Collect
    train:Train
    clean:Clean
    export:Export
    unknown:Unknown
    serve:Serve
    links:Links
    feedback:Feedback
    api:Api

    def changed(self,
        **changes # new values: `train_size=96`, section and key joined by `_`
    )->'Settings':
        "A copy with other values. Raises `SettingsError`"
        new = {}
        for name,value in changes.items():
            section, _, key = name.partition('_')
            new.setdefault(section, {})[key] = value
        checked = {s: _section(self.file, s, getattr(self, s).model_dump()|kv) for s,kv in new.items()}
        return self.model_copy(update=checked)


sections = {k: f.annotation for k,f in Settings.model_fields.items() if isinstance(f.annotation, type) and issubclass(f.annotation, Section)}


def _fail(file, section, key, why): raise SettingsError(f"{file}: [{section}] {key}: {why}" if key else f"{file}: [{section}]: {why}")


_kinds = {int: 'a whole number', float: 'a number', bool: 'yes or no', Path: 'a path'}


def _range(field):
    "The bounds of a setting in words"
    low = next((m.ge for m in field.metadata if hasattr(m, 'ge')), None)
    high = next((m.le for m in field.metadata if hasattr(m, 'le')), None)
    return f'from {low} to {high}' if high is not None else f'of at least {low}'


def _mistake(section, error):
    "Key and sentence for an error of pydantic"
    key, given, fields = str(error['loc'][0]), error.get('input'), sections[section].model_fields
    if error['type'] == 'extra_forbidden': return key, f"there is no such key; the keys here are {', '.join(fields)}"
    kind = _kinds.get(fields[key].annotation, 'some text')
    if given == '': return key, f"is empty; write {kind}"
    if error['type'] in ('greater_than_equal','less_than_equal'):
        return key, f"{given} is out of range; write a number {_range(fields[key])}"
    if error['type'] == 'literal_error':
        return key, f"{given!r} is none of {', '.join(fields[key].annotation.__args__)}; write one of these"
    return key, f"{given!r} is not {kind}; write {kind}"


def _section(file, section, values):
    "One section, checked"
    cls = sections[section]
    for key,value in values.items():
        if value == '': _fail(file, section, key, f"is empty; write {_kinds.get(cls.model_fields[key].annotation, 'some text')}" if key in cls.model_fields else "is empty")
    try: return cls.model_validate(values)
    except ValidationError as e: _fail(file, section, *_mistake(section, e.errors()[0]))


_reserved = {'con','prn','aux','nul',*(f'{o}{i}' for o in ('com','lpt') for i in range(1, 10))}


def _is_folder_name(category):
    name = category.lower()
    return re.fullmatch(r'\w([\w \-]*\w)?', category) and name not in _reserved and name != 'unknown' and len(category) <= 60


def _categories(file, items):
    "Category -> tuple of search phrases"
    if len(items) < 2:
        had = 'has one category' if items else 'is empty'
        _fail(file, 'categories', '', f"{had}; write at least two lines like: jeans = jeans, denim trousers")
    for name in items:
        if not _is_folder_name(name):
            _fail(file, 'categories', name, "cannot be a folder name here; use letters, digits, spaces, - and _, at most 60, "
                "and neither a reserved name nor 'unknown'")
    if len({o.lower() for o in items}) < len(items):
        _fail(file, 'categories', '', "two categories differ only in case; some file systems hold them in one folder, so rename one")
    phrases = {c: tuple(p.strip() for p in (v or '').split(',') if p.strip()) for c,v in items.items()}
    for name,v in phrases.items():
        if not v: _fail(file, 'categories', name, f"has no search phrase; write for example: {name} = {name} product photo")
    return phrases


def _labels(file, items, categories):
    "Label in a CSV -> category"
    for label,category in items.items():
        if category not in categories:
            _fail(file, 'labels', label, f"{category!r} is not among the categories; write one of {', '.join(categories)}, or delete this line")
    return items


def find_settings(
    start:str|Path='.' # folder where the search begins
)->Path: # nearest `settings.ini`, in `start` or a folder above it
    "Find `settings.ini`; `CLOTHING_CLASSIFIER_SETTINGS` in the environment names another. Raises `SettingsError`"
    if p := os.environ.get('CLOTHING_CLASSIFIER_SETTINGS'): return Path(p)
    start = Path(start).resolve()
    for d in (start, *start.parents):
        if (d/'settings.ini').is_file(): return d/'settings.ini'
    raise SettingsError(f"settings.ini: not found in {start} nor above it; go to the project's folder, or name the file")


def _read(file):
    "The sections of `file` as dicts"
    cp = configparser.ConfigParser(interpolation=None, delimiters=('=',), comment_prefixes=('#',';'), default_section='\0')
    cp.optionxform = str
    try: cp.read_string(file.read_text(encoding='utf-8-sig'), source=str(file))
    except OSError as e: raise SettingsError(f"{file}: cannot be read ({e.strerror}); name a settings.ini that exists") from None
    except UnicodeDecodeError: raise SettingsError(f"{file}: is not UTF-8 text; save it as UTF-8") from None
    except configparser.DuplicateOptionError as e: _fail(file, e.section, e.option, f"stands there twice (line {e.lineno}); keep one")
    except configparser.Error as e:
        raise SettingsError(f"{file}: is not a settings file: {' '.join(str(e).split())}; a line is 'key = value', below a [section]") from None
    return {s: dict(cp[s]) for s in cp.sections()}


def _with_defaults(o):
    "Paths that follow from others, where they are not written"
    data = o['data']['path']
    o['unknown'] = dict(pictures=data/'unknown', held=data/'unknown_held') | o['unknown']
    o['feedback'] = dict(folder=data/'feedback') | o['feedback']
    o['serve'] = dict(model=o['export']['network']) | o['serve']


def load_settings(
    file:str|Path|None=None, # settings file; None: the nearest `settings.ini`
    **changes # values that replace those of the file: `train_size=96`, section and key joined by `_`
)->Settings:
    "Read and check the settings. Raises `SettingsError` that names file, section and key"
    file = Path(file or find_settings()).resolve()
    read = _read(file)
    for name in read:
        if name not in ('categories','labels',*sections):
            _fail(file, 'the sections', name, f"there is no such section; the sections are categories, labels, {', '.join(sections)}")
    for name,value in changes.items():
        section, _, key = name.partition('_')
        if section not in sections or key not in sections[section].model_fields: _fail(file, section, key, "there is no such key to change")
        read.setdefault(section, {})[key] = value
    categories = _categories(file, read.get('categories', {}))
    given = {s: _located(file, _section(file, s, read.get(s, {}))) for s in sections}
    _with_defaults(given)
    if given['data']['valid_percent'] + given['data']['test_percent'] > 90:
        _fail(file, 'data', 'test_percent', "together with valid_percent leaves under 10 % to train on; make them smaller")
    labels = _labels(file, read.get('labels', {}), categories)
    return Settings(file=file, categories=categories, labels=labels, **{s: sections[s](**v) for s,v in given.items()})


def _located(file, section):
    "Values of a section, paths relative to the folder of `file` made absolute; None left out"
    def at(v): return (file.parent/v.expanduser()).resolve() if isinstance(v, Path) else v
    return {k: at(v) for k,v in section.model_dump().items() if v is not None}


def _written(value, folder):
    "A value as it is written in a settings file"
    if isinstance(value, bool): return 'yes' if value else 'no'
    return Path(os.path.relpath(value, folder)).as_posix() if isinstance(value, Path) else str(value)


def settings_text(
    settings:Settings, # to be written
    weights:str='' # replaces the path of the weights, so that no folder of one machine is recorded
)->str: # in the form of `settings.ini`
    "All settings as text that `load_settings` reads; paths are relative to the folder of the file they came from"
    values = {s: getattr(settings, s).model_dump() for s in sections}
    if weights: values['train']['weights'] = weights
    values = {'categories': {k: ', '.join(v) for k,v in settings.categories.items()}, 'labels': settings.labels} | values
    def lines(kv): return ''.join(f'{k} = {_written(v, settings.file.parent)}\n' for k,v in kv.items())
    return '\n'.join(f'[{s}]\n{lines(kv)}' for s,kv in values.items())
