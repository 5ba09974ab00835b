"""The model card is made of the figures of a run, and leaves out what was not measured"""
import json
import shutil

import pandas as pd
import pytest

pytest.importorskip('fastai')

from conftest import ROOT

from clothing_classifier.settings import load_settings
from clothing_classifier.training.model_card import markdown_table, model_card, recipe, write_card
from clothing_classifier.training.runs import Run

SHIPPED = sorted(ROOT.glob('runs/*/metrics.json'))[-1].parent


@pytest.fixture
def run(tmp_path):
    "A copy of the shipped run"
    shutil.copytree(SHIPPED, tmp_path/'run')
    return Run(tmp_path/'run')


def without(run, *keys):
    kept = {k: v for k, v in run.metrics.items() if k not in keys}
    (run.path/'metrics.json').write_text(json.dumps(kept))
    return model_card(run)


def test_a_table(): assert markdown_table(pd.DataFrame(dict(a=[1], b=['x']))) == '| a | b |\n| --- | --- |\n| 1 | x |'


def test_an_empty_table_is_no_text(): assert markdown_table(pd.DataFrame()) == ''


def test_all_sections(run):
    card = model_card(run, 'Words of our own.')
    heads = [line for line in card.splitlines() if line.startswith('#')]
    assert heads[1:] == ['## Accuracy', '## Unknown', '## Networks', '## Recipe']
    assert card.endswith('Words of our own.\n') and '\n\n\n' not in card


def test_what_was_not_measured_is_left_out(run):
    card = without(run, 'unknown', 'learning_curve', 'confused', 'sources')
    assert not [o for o in ('AUROC', 'fewer pictures', 'Most often', 'of it:') if o in card]


def test_the_settings_of_the_shipped_run_load():
    "Also after the next new setting: what a run does not say has its default"
    train = Run(SHIPPED).settings.train
    assert recipe(train).startswith('resnet34, weights `body.safetensors`, 160 px, 1 epoch with')


def test_rates_that_were_given_are_in_the_recipe():
    train = load_settings(ROOT/'settings.ini', train_frozen_rate=.01).train
    assert 'rates 0.01 and 0 (0: by the learning-rate finder)' in recipe(train)


def test_the_card_lies_beside_the_export(run, tmp_path):
    (tmp_path/'settings.ini').write_text('[categories]\na = a\nb = b\n\n[export]\nlearner = out/export.pkl\n')
    (tmp_path/'out').mkdir()
    (tmp_path/'out'/'model_card_words.md').write_text('## Limits\n\nMany.\n')
    path = write_card(load_settings(tmp_path/'settings.ini'), run)
    assert path == tmp_path/'out'/'MODEL_CARD.md' and path.read_text().endswith('## Limits\n\nMany.\n')
