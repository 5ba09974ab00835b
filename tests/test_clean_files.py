"""What cleaning moved stays where it was moved, and what people move themselves is respected"""
import json

import pytest

pytest.importorskip('fastai')

import numpy as np
import pandas as pd

from clothing_classifier.cleaning.widget import Cleaner
from clothing_classifier.cleaning.ranking import CleanError, _out_of_scope, accepted
from clothing_classifier.cleaning.journal import Journal, Marks, apply, undo
from clothing_classifier.collect import import_folder
from clothing_classifier.collecting.store import adopt
from clothing_classifier.dataset import pictures
from drawings import draw_folder
from clothing_classifier.settings import load_settings


@pytest.fixture(scope='module')
def drawn(tmp_path_factory): return draw_folder(tmp_path_factory.mktemp('drawn')/'drawn', load_settings().categories, n=22, size=96)


@pytest.fixture
def settings(tmp_path, drawn):
    s = load_settings(data_path=tmp_path/'data')
    import_folder(drawn, s)
    return s


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
    df = pictures(settings)
    return df[['path', 'category', 'split', 'sha1']].assign(suggestion='jeans', score=.95, sure=.95, kind='category', reason='drawn so')


def test_marks_survive_another_window(settings):
    "Two cleaners over one folder: neither loses the other's marks"
    a, b, *_ = of(settings, 'socks')
    one, two = Cleaner(settings, table(settings)), Cleaner(settings, table(settings))
    one.do('mark', sha1=a, to='jeans')
    two.do('mark', sha1=b, to='rejected/by-hand')
    assert one.decisions() == two.decisions() == {a: 'jeans', b: 'rejected/by-hand'}


def test_accept_spares_what_has_a_mark(settings):
    c = Cleaner(settings, table(settings))
    a = c.listed[0]
    c.do('mark', sha1=a, to='rejected/by-hand')
    c.do('accept', above=96)
    assert c.decisions() == {a: 'rejected/by-hand'}
    c.do('accept', above=90)
    assert len(c.decisions()) == len(c.listed) and c.decisions()[a] == 'rejected/by-hand'


def test_five_thousand_pictures_stay_light(settings):
    "One page of thumbnails is sent, however long the list is"
    o = pd.concat([table(settings)]*60, ignore_index=True)
    o['sha1'] = [f'{i:040x}' for i in range(len(o))]
    c = Cleaner(settings, table(settings))
    c.table = o[:5000]
    c.relist()
    c.send_page()
    c.draw()
    assert len(c.listed) > 4000 and len(c.page.cards) == 24 and c.page.state['pages'] == -(-len(c.listed)//24)
    sent = len(json.dumps(c.page.get_state(['cards', 'state'])))
    print(f'{sent} bytes for a page of {len(c.listed)} pictures')
    assert sent < 500_000
    c.do('mark', sha1=c.here[0], to='rejected/by-hand')
    assert len(json.dumps(c.page.get_state('state'))) < 10_000, 'a mark sends no picture'


def test_strangers_are_told_from_wrong_labels(settings):
    "What is far from every category is out of scope; what lies in the wrong category is only in the wrong category"
    df = pictures(settings)
    labels, r = sorted(settings.categories), np.random.default_rng(0)
    y = df.category.map(labels.index).to_numpy()
    centre = np.eye(len(labels), 64, dtype=np.float32)*3
    X = centre[y] + r.normal(0, .2, (len(df), 64)).astype(np.float32)
    X[:3], X[3:6] = r.normal(0, .2, (3, 64))+np.eye(64)[40]*3, centre[(y[3:6]+1) % len(labels)] + r.normal(0, .2, (3, 64))
    o = _out_of_scope(df, X, labels, settings)
    assert {0, 1, 2} <= set(o.index) and not {3, 4, 5} & set(o.index)
    assert (o.suggestion == 'rejected/out-of-scope').all() and o.score.between(0, 1).all()


def test_a_doubt_is_never_accepted_by_itself(settings):
    "Neither is what is as given, nor what is less sure than asked for"
    o = table(settings).head(4).assign(kind=['category', 'doubt', '', 'quality'], sure=[.85, .99, .99, .5], suggestion=['jeans', 'jeans', 'jeans', 'rejected/poor-quality'], category='socks')
    assert accepted(o, 80) == {o.sha1[0]: 'jeans'}
    assert accepted(o) == {o.sha1[0]: 'jeans', o.sha1[3]: 'rejected/poor-quality'}
    assert accepted(o.assign(category='jeans'), 80) == {}
