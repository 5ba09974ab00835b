"What the command says of itself: short help, one name for one thing, an example for each verb"

import re
from collections import defaultdict

import pytest
import typer
from typer.testing import CliRunner

import clothing_classifier
from clothing_classifier.cli import app
from clothing_classifier.settings import sections

VERBS = typer.main.get_command(app).commands


@pytest.fixture
def shown():
    "What the command prints on a terminal of 100 columns"
    def f(*args): return CliRunner(env=dict(COLUMNS='100')).invoke(app, args).stdout

    return f


def options(verb): return [o for o in VERBS[verb].params if o.param_type_name == 'option']


@pytest.mark.parametrize('verb', VERBS)
def test_ten_options_come_first_and_the_others_are_advanced(verb, shown):
    first = [o for o in options(verb) if o.rich_help_panel is None]
    assert len(first) <= 10
    panels = re.findall(r'╭─ (\w+) ─', shown(verb, '--help'))
    assert panels[-2:] == ['Options', 'Advanced']


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_has_an_example_that_its_options_allow(verb, shown):
    example = re.search(rf'Example: clothing-classifier {verb}(.*)', shown(verb, '-h'))[1]
    known = {name for o in options(verb) for name in o.opts}
    assert {o for o in example.split() if o.startswith('--')} <= known


@pytest.mark.parametrize('verb', VERBS)
def test_help_names_no_type_of_python(verb, shown):
    assert not re.search(r'<(list|str|int|float|bool|path)', shown(verb, '--help'))


def test_an_option_has_its_default_its_unit_and_its_short_form(shown):
    out = re.sub(r'[\s│]+', ' ', shown('serve', '--help'))
    assert '--port -p N port to listen on [default: 8866]' in out
    assert '--links-deadline N seconds for one picture, redirects included [default: 10]' in out
    assert '--links-follow yes|no' in out and 'default: [export] network' in out


def name_of(section, key):
    "The option of a setting: its key, after the section unless that is a verb"
    prefix = '' if section in ('serve', 'collect', 'clean', 'train') else f'{section}-'
    return f'--{prefix}{key}'.replace('_', '-')


def test_every_setting_of_a_verb_is_an_option():
    for verb, names in dict(serve='serve api links feedback', train='train data', export='export unknown').items():
        here = {o.opts[0] for o in options(verb)}
        for section in names.split(): assert {name_of(section, key) for key in sections[section].model_fields} <= here


OWN = """--json --csv --images --columns --masks --unknown --elsewhere --fine-tune --conditions
    --out --resume --settings --debug --api --browser --folder --urls --dropped
    --feedback --sheet --most --undo --page --apart-from --also --also-columns --body --run --replace""".split()


@pytest.mark.parametrize('verb', VERBS)
def test_a_setting_has_one_name_in_all_verbs(verb):
    settings = {name_of(section, key) for section, model in sections.items() for key in model.model_fields}
    assert {o.opts[0] for o in options(verb)} <= settings | set(OWN)


def test_a_short_form_means_one_thing():
    meant = defaultdict(set)
    for verb in VERBS:
        for o in options(verb):
            for name in o.opts:
                if not name.startswith('--'): meant[name].add(o.opts[0])
    assert all(len(found) == 1 for found in meant.values()), meant


@pytest.mark.parametrize('option', ['--version', '-V'])
def test_version(option, shown): assert shown(option) == f'clothing-classifier {clothing_classifier.__version__}\n'


@pytest.mark.parametrize('args', [[], ['predict'], ['train']])
def test_h_is_help(args, shown):
    assert shown(*args, '-h') == shown(*args, '--help')
    assert 'Exit codes: 0 all done' in shown(*args, '-h')
