"""What the tests of collecting share: settings for a data folder, and what a run left in it"""
from pathlib import Path

from tiny import settings_text

from clothing_classifier.collecting.found import CollectWarning
from clothing_classifier.collecting.manifest import Failures, Manifest
from clothing_classifier.settings import load_settings

SIX = ['shirt', 't-shirt', 'polo-shirt', 'jeans', 'socks', 'shoes']
SCRAPED = Path(__file__).parents[2]/'shared/data/scraped'


def settings_for(path, **changes):
    "Settings of six categories for a data folder; the settings file lies beside it"
    file = path.with_name(f'{path.name}.ini')
    file.write_text(settings_text(SIX))
    return load_settings(file, **(dict(data_path=path, collect_at_once=8, collect_deadline=200) | changes))


def contents(path):
    "Everything under a folder, by relative path, except the tables and the lock"
    files = [p for p in path.rglob('*') if p.is_file() and p.suffix != '.csv' and p.name != '.lock']
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


def table(log):
    "The rows of a table in order, without what differs from run to run"
    return [{k: str(v) for k,v in vars(r).items() if k not in ('fetched_at','at')} for r in log.rows()]


def rows(path): return Manifest(path/'manifest.csv').rows()
def failures(path): return Failures(path/'unfetched.csv').rows()


def result(path):
    "Files, manifest and failures of a data folder"
    return contents(path), table(Manifest(path/'manifest.csv')), table(Failures(path/'unfetched.csv'))


def sentences(warned): return [str(o.message) for o in warned if o.category is CollectWarning]
