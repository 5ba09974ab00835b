"""What cleaning moved stays where it was moved, and what people move themselves is respected"""
import json

import pytest

pytest.importorskip('fastai')

import numpy as np
import pandas as pd
from conftest import small_settings
from drawings import draw_folder

from clothing_classifier.cleaning import CleanError
from clothing_classifier.cleaning.journal import Journal, Marks, apply, undo
from clothing_classifier.cleaning.planted import detection_scores, plant_errors
from clothing_classifier.cleaning.ranking import accepted, out_of_scope
from clothing_classifier.cleaning.widget import Cleaner
from clothing_classifier.collect import import_folder
from clothing_classifier.collecting.store import adopt
from clothing_classifier.dataset import pictures

CATEGORIES = ['jeans', 'shoes', 'socks']


@pytest.fixture(scope='module')
def drawn(tmp_path_factory): return draw_folder(tmp_path_factory.mktemp('drawn')/'drawn', CATEGORIES, n=16, size=96)


@pytest.fixture
def settings(tmp_path, drawn):
    settings = small_settings(tmp_path, CATEGORIES)
    import_folder(drawn, settings)
    return settings


def of(settings, category): return pictures(settings).query('category == @category and split == "train"').sha1.tolist()


def test_moved_and_rejected_pictures_do_not_come_back(settings, drawn):
    a, b, *_ = of(settings, 'socks')
    n, splits = len(pictures(settings)), pictures(settings).set_index('sha1').split
    apply({a: 'jeans', b: 'rejected/by-hand'}, settings)
    import_folder(drawn, settings)
    assert adopt(settings) == []
    df = pictures(settings).set_index('sha1')
    assert df.category[a] == 'jeans' and b not in df.index and len(df) == n-1
    assert (df.split == splits[df.index]).all()


def test_undo_restores_step_by_step(settings):
    before = pictures(settings)
    a, b, c, *_ = of(settings, 'shoes')
    apply({a: 'jeans'}, settings)
    apply({a: 'socks', b: 'rejected/out-of-scope'}, settings)
    apply({c: 'rejected/by-hand'}, settings)
    assert [m.sha1 for m in undo(settings)] == [c]
    assert pictures(settings).set_index('sha1').category[a] == 'socks'
    assert len(undo(settings, everything=True)) == 3
    assert undo(settings) == []
    pd.testing.assert_frame_equal(pictures(settings), before)


def test_no_decisions_no_moves(settings):
    assert apply({}, settings) == []
    assert not (settings.data.path/'journal.csv').exists()


def test_a_picture_that_a_person_moved_since_is_left_there(settings):
    a = of(settings, 'socks')[0]
    apply({a: 'jeans'}, settings)
    images = settings.data.path/'images'
    (images/'jeans'/f'{a}.jpg').rename(images/'shoes'/f'{a}.jpg')
    Journal(settings.data.path).finish()
    undo(settings)
    assert (images/'shoes'/f'{a}.jpg').exists() and not (images/'socks'/f'{a}.jpg').exists()
    assert undo(settings) == []


def test_another_file_is_never_overwritten(settings):
    a = of(settings, 'socks')[0]
    to = settings.data.path/'images/jeans'/f'{a}.jpg'
    to.write_bytes(b'something else')
    with pytest.raises(CleanError, match='is there already'): apply({a: 'jeans'}, settings)
    assert to.read_bytes() == b'something else' and (settings.data.path/'images/socks'/f'{a}.jpg').exists()


@pytest.mark.parametrize('to', ['../x', 'rejected/../../x', 'rejected/', 'hats', '/tmp'])
def test_only_known_places(settings, to):
    a = of(settings, 'socks')[0]
    with pytest.raises(CleanError, match='neither a category'): apply({a: to}, settings)
    with pytest.raises(CleanError, match='neither a category'): Marks(settings).change({a: to})


def table(settings):
    "All pictures, suspected to be jeans"
    df = pictures(settings)[['path', 'category', 'split', 'sha1']]
    return df.assign(suggestion='jeans', score=.95, sure=.95, kind='category', reason='drawn so')


@pytest.fixture
def page(settings): return Cleaner(settings, lambda bar: table(settings))


def test_marks_survive_another_window(settings, page):
    "Two pages over one folder: neither loses the other's marks"
    a, b, *_ = of(settings, 'socks')
    other = Cleaner(settings, lambda bar: table(settings))
    page.do('mark', sha1=a, to='jeans')
    other.do('mark', sha1=b, to='rejected/by-hand')
    assert page.decisions() == other.decisions() == {a: 'jeans', b: 'rejected/by-hand'}


def test_accept_spares_what_has_a_mark_and_the_test_split(settings, page):
    a = next(o for o in page.listed if o in of(settings, 'shoes'))
    page.do('mark', sha1=a, to='rejected/by-hand')
    page.do('accept', above=96)
    assert page.decisions() == {a: 'rejected/by-hand'}
    page.do('accept', above=90)
    use = page.table[page.table.sha1.isin(page.listed) & (page.table.split != 'test')]
    assert page.decisions() == dict.fromkeys(use.sha1, 'jeans') | {a: 'rejected/by-hand'}
    assert page.message.endswith('Test pictures are left to you.')


def test_suspects_of_the_test_split_are_listed_and_marked_as_such(settings, page):
    assert {card['split'] for card in page.cards} >= {'train', 'test'}
    page.do('show', split='test')
    assert page.listed and {card['split'] for card in page.cards} == {'test'}


def test_what_cannot_be_shown_is_said(page):
    page.do('show', split='tests')
    assert "split='tests' cannot be shown" in page.message
    page.do('mark', sha1='0'*40, to='jeans')
    assert 'rank again' in page.message
    page.do('nothing of the kind')


def test_a_mark_is_applied_and_taken_back(settings, page):
    "Without a browser: what the buttons do"
    a, before = of(settings, 'socks')[0], pictures(settings)
    page.do('mark', sha1=a, to='jeans')
    page.do('ask')
    assert page.state['plan'] == ['1 picture from images/socks to images/jeans']
    page.do('cancel')
    assert page.state['plan'] is None
    page.do('apply')
    assert pictures(settings).set_index('sha1').category[a] == 'jeans' and page.decisions() == {}
    page.do('undo')
    assert page.decisions() == {a: 'jeans'}
    pd.testing.assert_frame_equal(pictures(settings), before)


def test_five_thousand_pictures_stay_light(settings, page):
    "One page of thumbnails is sent, however long the list is"
    rows = pd.concat([table(settings)]*200, ignore_index=True).head(5000)
    page.table = rows.assign(sha1=[f'{i:040x}' for i in range(len(rows))])
    page.relist()
    page.draw_cards()
    page.draw_state()
    assert len(page.listed) > 3000 and len(page.cards) == 24 and page.state['pages'] == -(-len(page.listed)//24)
    sent = len(json.dumps(page.get_state(['cards', 'state'])))
    print(f'{sent} bytes for a page of {len(page.listed)} pictures')
    assert sent < 500_000
    page.do('mark', sha1=page.visible[0], to='rejected/by-hand')
    assert len(json.dumps(page.get_state('state'))) < 10_000, 'a mark sends no picture'


def test_strangers_are_told_from_wrong_labels():
    "What is far from every category is out of scope; what lies in the wrong category is only in the wrong category"
    labels, random = CATEGORIES, np.random.default_rng(0)
    df = pd.DataFrame(dict(category=np.repeat(labels, 22)))
    y = df.category.map(labels.index).to_numpy()
    centre = np.eye(len(labels), 64, dtype=np.float32)*3
    X = centre[y] + random.normal(0, .2, (len(df), 64)).astype(np.float32)
    X[:3] = random.normal(0, .2, (3, 64)) + np.eye(64)[40]*3
    X[3:6] = centre[(y[3:6]+1) % len(labels)] + random.normal(0, .2, (3, 64))
    found = out_of_scope(df, X, labels, far=3)
    assert {0, 1, 2} <= set(found.index) and not {3, 4, 5} & set(found.index)
    assert (found.suggestion == 'rejected/out-of-scope').all() and found.score.between(0, 1).all()


def test_a_doubt_is_never_accepted_by_itself(settings):
    "Neither is what is as given, nor what is less sure than asked for, nor a test picture"
    rows = table(settings).head(4).assign(category='socks', split='train', kind=['category', 'doubt', '', 'quality'],
        suggestion=['jeans', 'jeans', 'jeans', 'rejected/poor-quality'], sure=[.85, .99, .99, .5])
    assert accepted(rows, 80) == {rows.sha1[0]: 'jeans'}
    assert accepted(rows) == {rows.sha1[0]: 'jeans', rows.sha1[3]: 'rejected/poor-quality'}
    assert accepted(rows.assign(category='jeans'), 80) == {}
    assert accepted(rows.assign(split='test')) == {}


def test_planted_errors_are_counted():
    df = pd.DataFrame(dict(category=['a', 'b', 'c', 'd']*10))
    planted = plant_errors(df, share=.2, seed=1)
    assert planted.planted.sum() == 8
    assert ((planted.category != df.category) == planted.planted).all()
    assert detection_scores([1, 1, 0, 0, 0, 0]) == dict(precision=1, recall=1, average_precision=1)
    assert detection_scores([0, 0, 0, 0, 1, 1])['recall'] == 0
