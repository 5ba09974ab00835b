"""What README and model card say about the model is what its run has measured"""
import json
import re

import pytest
from conftest import ROOT

from clothing_classifier.training.model_card import model_card, percent

RUN = sorted(ROOT.glob('runs/*/metrics.json'))[-1].parent
M = json.loads((RUN/'metrics.json').read_text())
TEN = json.loads((ROOT/'bench'/'ten.json').read_text())
README = (ROOT/'README.md').read_text()


def test_the_card_is_the_one_of_the_run():
    assert (ROOT/'MODEL_CARD.md').read_text() == model_card(RUN, (ROOT/'card.md').read_text())


@pytest.mark.parametrize('row, figures', [
    ('accuracy', [M['test']['accuracy'], *M['test']['interval']]),
    ('photos / scraped pictures', [M['sources'][k]['accuracy'] for k in ('clothing-dataset', 'scraped')]),
    ('stay *known*', [M['test']['known']]),
    ('fp32 network', [M['export']['precisions']['fp32']['accuracy']]),
    ('int8 network', [M['export']['precisions']['int8']['accuracy']])])
def test_the_readme_says_what_was_measured(row, figures):
    line = next(o for o in README.splitlines() if o.startswith(f'| {row}')).replace(' %', '%')
    assert all(percent(f).replace(' %', '%') in line for f in figures), line


def test_the_readme_says_the_calibration_error():
    line = next(o for o in README.splitlines() if o.startswith('| expected calibration error'))
    assert re.findall(r'0\.\d+', line) == [f"{M['test'][k]:.3f}" for k in ('ece', 'ece_raw')]


def row(starts):
    "The cells of a row of a table in the README"
    return [o.strip() for o in next(o for o in README.splitlines() if o.startswith(f'| {starts}')).strip('|').split('|')]


@pytest.mark.parametrize('o', TEN['rows'], ids=lambda o: f"{o['pixels']} px, mirror {o['mirror']}")
def test_the_readme_says_what_ten_categories_give(o):
    name = f"{o['pixels']} px{', mirror' if o['mirror'] == 'yes' else ''}"
    assert row(f'{name} |')[1:3] == [f"**{o['test']:.3f}**", f"{o['lowest']:.3f} to {o['highest']:.3f}"]


@pytest.mark.parametrize('kind', sorted(M['unknown']))
def test_the_readme_says_how_well_something_else_is_told(kind):
    o = M['unknown'][kind]
    assert row(f'`{kind}`')[2:] == [f"{o['auroc']['score']:.3f}", f"{o['auroc']['max_probability']:.3f}", percent(o['unknown']).replace(' %', '%')]


def test_the_bars():
    "What issue and card promise: accuracy, calibration, pictures that stay known, and pictures of something else that are told"
    assert M['test']['accuracy'] >= .93 and M['test']['ece'] <= .03 and M['test']['known'] >= .95
    assert M['unknown']['far']['auroc']['score'] >= .97 and M['unknown']['near']['auroc']['score'] >= .85
    assert max(o['test'] for o in TEN['rows'] if o['mirror'] == 'no') >= .86


def test_the_readme_names_the_run():
    assert f'runs/{RUN.name}' in README


def test_the_api_shows_the_card():
    from clothing_classifier.api.service import Service
    from clothing_classifier.settings import load_settings
    assert Service(load_settings(ROOT/'settings.ini')).model_card.card == (ROOT/'MODEL_CARD.md').read_text(encoding='utf-8')
