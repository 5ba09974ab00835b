"""Every chart can be drawn, and shows what it is given."""
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import EXAMPLES

from clothing_classifier.cleaning.quality import audit
from clothing_classifier.training import charts


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close('all')


@pytest.fixture(scope='module')
def photos():
    paths = [*sorted(EXAMPLES.glob('jeans/*.jpg'))[:4], *sorted(EXAMPLES.glob('shoes/*.jpg'))[:4]]
    names = [p.parent.name for p in paths]
    return pd.DataFrame(dict(path=paths, category=names, source='photos', split='train', width=160, height=213))


def test_pictures(photos):
    assert charts.contact_sheet(photos, n=4, cols=2, side=50).size == (100, 128)
    assert [t.get_text() for t in charts.plot_counts(photos).get_yticklabels()] == ['jeans', 'shoes']
    assert charts.plot_sources(photos).get_legend_handles_labels()[1] == ['photos']
    assert len(charts.plot_sizes(photos)) == 2


def test_labels(tmp_path):
    (tmp_path/'labels.csv').write_text('image,label,kids\na,Hat,True\nb,Hat,False\nc,Skirt,False\n')
    assert charts.plot_labels(tmp_path/'labels.csv').get_xlabel() == '% of 3 pictures'


def test_audit(photos):
    issues = audit(photos, issues=('dark', 'blurry'))
    assert issues.shape == (8, 2)
    assert len(charts.plot_audit(photos, issues).texts) == 4


def test_answers(photos):
    assert charts.plot_confusion(['a', 'b'], [[3, 1], [0, 2]]).texts[0].get_text() == '3'
    pairs = pd.DataFrame(dict(category=['jeans'], answer=['shoes'], paths=[list(photos.path[:2])]))
    assert charts.show_confused(pairs, pairs=1, n=2)[0][0].get_title(loc='left') == 'jeans, answered shoes'
    table = pd.DataFrame(dict(confidence=[.5, .9], accuracy=[.4, .95], pictures=[3, 20]))
    assert charts.plot_reliability(dict(before=table))[0].get_title() == 'before'


def test_learning_curve():
    table = pd.DataFrame(dict(pictures=[5, 10], mean=[.5, .6], low=[.4, .5], high=[.6, .7]))
    assert np.allclose(charts.plot_learning_curve(table).lines[0].get_ydata(), [.5, .6])
