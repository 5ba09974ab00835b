"What settings files may hold, and what a mistake in one says"
import re

import pytest
from conftest import ROOT

from clothing_classifier.settings import (
    SettingsError,
    find_settings,
    load_settings,
    sections,
    serving_settings,
    settings_text,
)

TWO = '[categories]\nhat = hat, sun hat\ndress = dress\n'


@pytest.fixture
def load(tmp_path):
    "The settings of a text"
    def f(text, **changes):
        file = tmp_path/'settings.ini'
        file.write_text(text, encoding='utf-8')
        return load_settings(file, **changes)
    return f


@pytest.fixture
def mistake(load, tmp_path):
    "The sentence for a text, without its folder"
    def f(text, **changes):
        with pytest.raises(SettingsError) as e: load(text, **changes)
        return str(e.value).replace(f'{tmp_path.resolve()}/', '')
    return f


def test_two_lines_do(load, tmp_path):
    s = load(TWO)
    assert s.categories == dict(hat=('hat', 'sun hat'), dress=('dress',)) and s.labels == {}
    assert (s.train.size, s.links.follow, s.train.weights) == (160, True, 'imagenet')
    assert s.data.path == tmp_path/'data' and s.serve.model == s.export.network == tmp_path/'export.onnx'
    assert (s.unknown.pictures, s.feedback.folder) == (tmp_path/'data/unknown', tmp_path/'data/feedback')


def test_paths_follow_where_they_are_not_written(load, tmp_path):
    s = load(TWO + '[data]\npath = pics\n[export]\nnetwork = a.onnx\n[unknown]\nheld = b')
    assert s.unknown.pictures == tmp_path/'pics/unknown' and s.unknown.held == tmp_path/'b'
    assert s.serve.model == tmp_path/'a.onnx'


@pytest.mark.parametrize('text, says', [
    ('[train]\nsize = large', "settings.ini: [train] size: 'large' is not a whole number; write a whole number"),
    ('[train]\naugment = much', "settings.ini: [train] augment: 'much' is not a number; write a number"),
    ('[train]\nmirror = maybe', "settings.ini: [train] mirror: 'maybe' is not yes or no; write yes or no"),
    ('[train]\nsise = 160', '[train] sise: there is no such key; the keys here are arch, weights, size'),
    ('[train]\nbatch_size = 0', '[train] batch_size: 0 is out of range; write a number from 2 to 4096'),
    ('[train]\nseed = -1', '[train] seed: -1 is out of range; write a number of at least 0'),
    ('[train]\naverage = nan', '[train] average: '),
    ('[export]\nprecision = int4', "[export] precision: 'int4' is none of int8, fp32; write one of these"),
    ('[export]\nlearner =', '[export] learner: is empty; write a path'),
    ('[unknown]\nheld =', '[unknown] held: is empty; write a path'),
    ('[train]\nsize =', '[train] size: is empty; write a whole number'),
    ('[train]\nseed = 42\nseed = 43', '[train] seed: stands there twice (line 6); keep one'),
    ('[training]\nsize = 1', '[the sections] training: there is no such section; the sections are categories, labels'),
    ('[labels]\nPolo = polos',
        "[labels] Polo: 'polos' is not among the categories; write one of hat, dress, unknown for something else, or"),
    ('[labels]\nTop + (a = hat', '[labels] Top + (a: what follows the + is no regular expression, or has a = in it, '
        'which ends it here; write for example: Tshirts + polo = polo-shirt'),
    ('[labels]\nTop + (?=a) = hat', '[labels] Top + (?: what follows the + is no regular expression'),
    ("[train]\nresize = crop", "[train] resize: 'crop' is none of pad, squish; write one of these"),
    ('[data]\nvalid_percent = 50\ntest_percent = 50', '[data] test_percent: together with valid_percent leaves'),
    ('size = 160\n[', "is not a settings file: "),
])
def test_mistakes(mistake, text, says): assert says in mistake(TWO + text)


@pytest.mark.parametrize('text, says', [
    ('', '[categories]: is empty; write at least two lines like: jeans = jeans, denim trousers'),
    ('[categories]\nhat = hat', '[categories]: has one category; write at least two lines'),
    ('[categories]\nsome/hat = hat\ndress = dress', '[categories] some/hat: cannot be a folder name here'),
    ('[categories]\nunknown = hat\ndress = dress', '[categories] unknown: cannot be a folder name here'),
    ('[categories]\nCON = hat\ndress = dress', '[categories] CON: cannot be a folder name here'),
    ('[categories]\nHat = hat\nhat = hat', '[categories]: two categories differ only in case'),
    ('[categories]\nhat = ,\ndress = dress', '[categories] hat: has no search phrase; write for example: hat ='),
])
def test_mistakes_in_categories(mistake, text, says): assert says in mistake(text)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SettingsError, match='name one that exists'): load_settings(tmp_path/'gone.ini')
    (tmp_path/'a.ini').write_bytes(b'\xff\xfe')
    with pytest.raises(SettingsError, match='is not UTF-8 text'): load_settings(tmp_path/'a.ini')


def test_settings_do_not_change(load):
    s = load(TWO)
    with pytest.raises(ValueError, match='frozen'): s.train.size = 96
    with pytest.raises(ValueError, match='frozen'): s.train = s.train


def test_changed(load, tmp_path):
    s = load(TWO)
    new = s.changed(train_size='96', links_follow='no', data_path='pics')
    assert (new.train.size, new.links.follow, new.data.path) == (96, False, tmp_path/'pics')
    assert (s.train.size, new.train.seed) == (160, 42)
    assert load(TWO, train_size=96).train == s.changed(train_size=96).train


def test_mistakes_in_changes(load, mistake):
    assert '[train] sise: there is no such key to change' in mistake(TWO, train_sise=1)
    assert '[train] size: 5 is out of range' in mistake(TWO, train_size=5)
    for name in ('train_sise', 'size', 'training_size'):
        with pytest.raises(SettingsError, match='no such key'): load(TWO).changed(**{name: 1})
    with pytest.raises(SettingsError, match='out of range'): load(TWO).changed(train_size=5)


def test_every_setting_has_a_comment():
    for section in sections.values():
        for field in section.model_fields.values(): assert field.description and '\n' not in field.description


def test_text_and_back(load, tmp_path):
    s = load(TWO, train_size=96, train_mirror=True, links_follow=False)
    assert load(settings_text(s)) == s
    assert 'mirror = yes' in settings_text(s) and str(tmp_path) not in settings_text(s)
    assert load(settings_text(s, weights='body.safetensors')).train.weights == 'body.safetensors'


SHIPPED = ROOT/'runs'/'2026-11-22_080340'/'settings.ini'


@pytest.mark.parametrize('name, n', [('settings.ini', 6), ('examples/ten.ini', 10), ('examples/twenty.ini', 20),
    ('examples/shipped.ini', 6), ('examples/garments.ini', 39), (SHIPPED.relative_to(ROOT), 6)])
def test_files_of_the_project(name, n): assert len(load_settings(ROOT/name).categories) == n


def test_labels_may_have_patterns_and_mean_something_else(load):
    lines = {'Tee + polo\\b(?! assn)': 'hat', 'Tee': 'dress', 'A+B': 'hat', 'Tie': 'unknown'}
    s = load(TWO + '[labels]\n' + ''.join(f'{k} = {v}\n' for k,v in lines.items()))
    assert s.labels == lines and load(settings_text(s)).labels == lines


def test_the_shipped_run_squished(load):
    "It was trained before pictures were padded"
    assert (load_settings(SHIPPED).train.resize, load(TWO).train.resize) == ('squish', 'pad')


def test_the_shipped_run_loads_after_the_next_new_setting(load):
    "A key that the file does not know has its default"
    text = SHIPPED.read_text()
    for line in re.findall(r'^\w+ = .*$', text.split('[data]')[1], flags=re.M):
        load(text.replace(f'\n{line}\n', '\n', 1))


def test_the_nearest_file_is_found(load, tmp_path, monkeypatch):
    monkeypatch.delenv('CLOTHING_CLASSIFIER_SETTINGS', raising=False)
    load(TWO)
    (tmp_path/'nbs'/'deep').mkdir(parents=True)
    assert find_settings(tmp_path/'nbs'/'deep') == tmp_path/'settings.ini'
    with pytest.raises(SettingsError, match='not found in / nor above it; .* clothing-classifier new FOLDER'):
        find_settings('/')
    monkeypatch.setenv('CLOTHING_CLASSIFIER_SETTINGS', '/else/where.ini')
    assert str(find_settings(tmp_path)) == '/else/where.ini'


def test_what_answers_needs_no_project(tmp_path, monkeypatch):
    "It reads the shipped settings, and would keep pictures in the working directory, not beside them"
    monkeypatch.delenv('CLOTHING_CLASSIFIER_SETTINGS', raising=False)
    monkeypatch.chdir(tmp_path)
    settings = serving_settings(serve_port=9999)
    assert (settings.file, settings.serve.model) == (ROOT/'settings.ini', ROOT/'export.onnx')
    assert (settings.serve.port, settings.feedback.folder) == (9999, tmp_path/'data'/'feedback')
    with pytest.raises(SettingsError, match='not found in'): load_settings()


def test_what_answers_takes_a_project_if_there_is_one(load, tmp_path, monkeypatch):
    monkeypatch.delenv('CLOTHING_CLASSIFIER_SETTINGS', raising=False)
    monkeypatch.chdir(tmp_path)
    assert load(TWO) == serving_settings() == serving_settings(tmp_path/'settings.ini')
    monkeypatch.setenv('CLOTHING_CLASSIFIER_SETTINGS', str(tmp_path/'gone.ini'))
    with pytest.raises(SettingsError, match='gone.ini: cannot be read'): serving_settings()
