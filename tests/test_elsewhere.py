"""Each source left out once: what trains, what is asked, what is read again"""
import json

import pandas as pd
import pytest

pytest.importorskip('fastai')

from conftest import ROOT, small_settings
from drawings import draw_picture

from clothing_classifier.collect import import_folder
from clothing_classifier.command.training import print_figures
from clothing_classifier.dataset import pictures
from clothing_classifier.evaluate import evaluate_elsewhere
from clothing_classifier.settings import load_settings
from clothing_classifier.training.answers import LearnerAnswers
from clothing_classifier.training.elsewhere import SMALL, elsewhere_table, left_out, source_groups, without
from clothing_classifier.training.model_card import model_card
from clothing_classifier.training.runs import Run
from clothing_classifier.training.weights import TrainError

SHIPPED = Run(sorted(ROOT.glob('runs/*/metrics.json'))[-1].parent)


def table(**sources):
    "Pictures as `pictures` lists them: as many as each source is said to have, half of them jeans"
    rows = [(f'{source}{i}', source, ['jeans','socks'][i%2], ['train','valid','test'][i//2%3])
        for source,n in sources.items() for i in range(n)]
    df = pd.DataFrame(rows, columns=['sha1','source','category','split'])
    return df.assign(group=range(len(df)))


def counts(df, split): return df.source[df.split == split].value_counts().to_dict()


def test_small_sources_count_as_one():
    groups = source_groups(table(shop=120, a=30, b=99))
    assert groups.value_counts().to_dict() == {'shop': 120, SMALL: 129}


def test_the_others_train_and_all_pictures_of_the_source_are_asked():
    df = table(shop=60, street=30)
    rest = without(df, df.source == 'street')
    assert counts(rest, 'test') == dict(street=30)
    assert counts(rest, 'train') == dict(shop=20) and counts(rest, 'valid') == dict(shop=20)


def test_near_duplicates_of_the_source_do_not_train():
    df = table(shop=60, street=30)
    df.loc[0, 'group'] = df.group[df.source == 'street'].iloc[0]
    assert df.split[0] == 'train'
    assert df.sha1[0] not in set(without(df, df.source == 'street').sha1)


def test_a_category_of_one_source_alone_is_not_asked():
    df = table(shop=60, street=30)
    df.loc[df.source == 'street', 'category'] = ['shoes', 'jeans']*15
    assert counts(without(df, df.source == 'street'), 'test') == dict(street=15)


def test_nothing_is_left_out_of_one_source(): assert left_out(table(shop=900)) == {}


def test_a_source_stays_where_the_others_are_too_few():
    assert list(left_out(table(shop=900, street=30))) == [SMALL]
    assert list(left_out(table(shop=900, street=330))) == ['shop', 'street']


def draw_source(folder, categories, numbers):
    "A folder of drawings, others than those of other numbers"
    for category in categories:
        (folder/category).mkdir(parents=True)
        for i in numbers: draw_picture(category, i, 96).save(folder/category/f'{i}.jpg')
    return folder


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    "Drawings from three sources"
    d = tmp_path_factory.mktemp('sources')
    settings = small_settings(d, train_unfrozen_epochs=1, train_final_epochs=0, train_frozen_rate=.01,
        train_unfrozen_rate=.003)
    for source,numbers in dict(shop=range(60), street=range(60, 110), blog=range(110, 120)).items():
        import_folder(draw_source(d/source, settings.categories, numbers), settings)
    return settings


@pytest.fixture(scope='module')
def run(project): return Run.new(project)


@pytest.fixture(scope='module')
def by_heads(project, run): return evaluate_elsewhere(project, run.path, at_least=40)


def test_a_head_for_each_source(project, run, by_heads):
    df = pictures(project)
    asked = {source: o['pictures'] for source,o in by_heads['sources'].items()}
    assert asked == dict(shop=(df.source == 'shop').sum(), street=(df.source == 'street').sum()) | {SMALL: asked[SMALL]}
    assert by_heads['how'] == 'head' and by_heads['all']['pictures'] == sum(asked.values())
    right = sum(o['accuracy']*o['pictures'] for o in by_heads['sources'].values())
    assert by_heads['all']['accuracy'] == pytest.approx(right/len(df), abs=1e-3)
    assert run.metrics['elsewhere'] == json.loads(json.dumps(by_heads)) and (run.path/'elsewhere.png').is_file()


def test_the_table_ends_with_all(by_heads):
    rows = elsewhere_table(by_heads)
    assert list(rows.index) == ['shop', SMALL, 'street', 'all'] and rows.pictures['all'] == rows.pictures[:-1].sum()
    assert ((rows.low <= rows.right) & (rows.right <= rows.high)).all()


def test_the_command_prints_it(by_heads, capsys):
    print_figures(SHIPPED.metrics | dict(elsewhere=by_heads))
    out = capsys.readouterr().out
    assert 'Each source left out of training once (head):' in out and out.split().count('street') == 1


def test_the_card_begins_with_it(by_heads):
    metrics = SHIPPED.metrics | dict(elsewhere=by_heads, conditions=dict(unchanged=by_heads['all']))
    class Measured(Run): metrics = property(lambda self: metrics)
    card = model_card(Measured(SHIPPED.path))
    heads = [line for line in card.splitlines() if line.startswith('## ')]
    assert heads[:3] == ['## Sources left out of training', '## Accuracy', '## Other conditions']
    assert '| street | ' in card and 'a linear head on frozen features' in card


@pytest.fixture(scope='module')
def by_fine_tuning(project, run): return evaluate_elsewhere(project, run.path, fine_tune=True, at_least=40)


@pytest.mark.slow
def test_a_network_for_each_source(project, run, by_fine_tuning):
    assert by_fine_tuning['how'] == 'fine-tuned' and len(by_fine_tuning['sources']) == 3
    folders = {o.name: Run(o) for o in (run.path/'elsewhere').iterdir()}
    assert folders.keys() == {'shop', 'street', 'small_sources'}
    assert folders['shop'].metrics['left_out'] == ['shop']
    with pytest.raises(TrainError): Run.latest(project) # none of them is a training of the project


@pytest.mark.slow
def test_what_was_measured_is_read(project, run, by_fine_tuning, monkeypatch):
    "Not trained again, also for conditions that were not measured the first time"
    import clothing_classifier.evaluate as chapter
    monkeypatch.setattr(chapter, 'train', None)
    assert evaluate_elsewhere(project, run.path, fine_tune=True, at_least=40) == by_fine_tuning
    found = evaluate_elsewhere(project, run.path, fine_tune=True, conditions=True, at_least=40)
    asked = sum(o['conditions']['unchanged']['pictures'] for o in found['sources'].values())
    assert found['conditions']['unchanged']['pictures'] == asked and found['all'] == by_fine_tuning['all']
    monkeypatch.setattr(LearnerAnswers, 'table', None)
    assert evaluate_elsewhere(project, run.path, fine_tune=True, conditions=True, at_least=40) == found


def test_the_recipe_of_a_run(project, tmp_path):
    "Epochs of the training, weights and threads of today"
    run = Run.new(project.changed(train_unfrozen_epochs=7, train_threads=2, train_runs=tmp_path))
    recipe = run.recipe(project).train
    assert recipe.unfrozen_epochs == 7 and recipe.threads == 1 and recipe.weights == 'none'
    assert run.recipe(load_settings(project.file)).data.path == project.data.path
