"""A category and further labels learned at once: what is not known does not count, and the body can be kept"""
import pickle

import pytest
import torch
import torch.nn.functional as F
from conftest import small_settings
from drawings import draw_folder
from safetensors.torch import load_file

from clothing_classifier.collect import import_folder
from clothing_classifier.dataset import dataloaders, pictures
from clothing_classifier.train import train
from clothing_classifier.training.runs import Run
from clothing_classifier.training.several_labels import SeveralLabels, category_accuracy, label_sizes, with_labels
from clothing_classifier.training.splits import DataError
from clothing_classifier.training.weights import pretrained, save_body

ALONE = dict(train_mixup=0, train_cache_features=False, train_final_epochs=0, train_unfrozen_epochs=1)


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    "Settings of a project with forty jeans and forty socks, named `0000.jpg` and so on"
    folder = tmp_path_factory.mktemp('drawn')
    settings = small_settings(folder, **ALONE)
    import_folder(draw_folder(folder/'drawn', settings.categories, n=40), settings)
    return settings


@pytest.fixture
def table(tmp_path):
    "A CSV of these lines"
    def f(*lines):
        (tmp_path/'more.csv').write_text('\n'.join(lines))
        return tmp_path/'more.csv'
    return f


def colors(ending=''):
    "Pictures 0 to 14 are red, to 29 blue, 30 is green, and the others have no colour"
    color = ['red']*15 + ['blue']*15 + ['green'] + ['']*4
    return 'image,colour,season', *(f'{i:04}{ending},{o},summer' for i,o in enumerate(color))


@pytest.mark.parametrize('ending', ['', '.jpg'])
def test_labels_by_file_name(drawn, table, ending):
    "Rare ones are not learned; pictures that the table lacks have none"
    df = with_labels(pictures(drawn), table(*colors(ending)), ['image', 'colour', 'season'])
    assert df.colour.value_counts().to_dict() == {'red': 30, 'blue': 30, '': 20}
    assert df.season.value_counts().to_dict() == {'summer': 70, '': 10}
    assert df.colour[df.url.str.endswith('/0000.jpg')].tolist() == ['red']*2


@pytest.mark.parametrize('lines, columns, message', [
    (colors(), ['image', 'size'], 'cannot be read as labels .*; name a CSV with the columns image, size'),
    (colors(), ['image'], 'none of its columns is named as a label; name one after the file name'),
    (['image,category', '0000,x'], ['image', 'category'], 'category has a meaning of its own here; give'),
    (['image,colour', 'p1,red'], ['image', 'colour'], 'no colour has 20 pictures; look whether its file names'),
    ([''], ['image', 'colour'], 'cannot be read as labels')])
def test_a_table_that_does_not_fit(drawn, table, lines, columns, message):
    with pytest.raises(DataError, match=message): with_labels(pictures(drawn), table(*lines), columns)


def test_a_table_that_is_not_there(drawn, tmp_path):
    with pytest.raises(DataError, match='gone.csv: cannot be read as labels'):
        with_labels(pictures(drawn), tmp_path/'gone.csv', ['image', 'colour'])


def test_a_picture_without_a_label_does_not_count():
    torch.manual_seed(0)
    output, category, label = torch.randn(6, 5), torch.tensor([0, 1, 0, 1, 0, 1]), torch.tensor([0, 1, 2, 0, 0, 2])
    known, loss = label > 0, SeveralLabels([2, 3])
    want = F.cross_entropy(output[:, :2], category) + F.cross_entropy(output[known, 2:], label[known])
    assert torch.allclose(loss(output, category, label), want)
    moved = output.clone()
    moved[~known, 2:] += torch.randn(3, 3)
    assert torch.allclose(loss(moved, category, label), want)


def test_nothing_is_known_of_a_batch():
    "The category alone counts, and the gradient is finite"
    output, category = torch.randn(4, 5, requires_grad=True), torch.tensor([0, 1, 0, 1])
    loss = SeveralLabels([2, 3], smoothing=.1)(output, category, torch.zeros(4, dtype=torch.long))
    assert torch.allclose(loss, F.cross_entropy(output[:, :2], category, label_smoothing=.1))
    loss.backward()
    assert output.grad.isfinite().all() and not output.grad[:, 2:].any()


def test_the_accuracy_is_that_of_the_category():
    "However large the outputs of another label are; and it can be pickled with its learner"
    metric = pickle.loads(pickle.dumps(category_accuracy(2)))
    output = torch.tensor([[1., 0, 9, 9], [1, 0, 9, 9]])
    assert float(metric(output, torch.tensor([0, 1]), torch.tensor([1, 1]))) == .5


def test_batches_have_a_number_for_each_label(drawn, table):
    df = with_labels(pictures(drawn), table(*colors()), ['image', 'colour'])
    dls = dataloaders(df, drawn, device='cpu', also=['colour'])
    assert label_sizes(dls) == [2, 3] and label_sizes(dataloaders(df, drawn, device='cpu')) == [2]
    categories, labels = dls.vocab
    valid = df[df.split == 'valid']
    found = [(categories[c], labels[n]) for _,*ys in dls.valid for c,n in zip(*ys, strict=True)]
    assert found == [(r.category, r.colour or '#na#') for r in valid.itertuples()]


@pytest.mark.parametrize('change', [dict(train_mixup=.2), dict(train_cache_features=True), dict(train_folds=3),
    dict(train_final_epochs=1), dict(train_cutmix=1), dict(train_balance='weights')])
def test_what_a_training_of_several_labels_cannot_do(drawn, table, change):
    df, (name, _) = with_labels(pictures(drawn), table(*colors()), ['image', 'colour']), *change.items()
    with pytest.raises(DataError, match=rf"\[train\] {name[6:]}: cannot be used when several labels are learned; set"):
        dataloaders(df, drawn.changed(**change), also=['colour'])


def test_a_training_of_two_labels(drawn, table, tmp_path):
    "It ends with a history, a learner that opens, and a body that another training starts from"
    df = with_labels(pictures(drawn), table(*colors()), ['image', 'colour'])
    learn = train(drawn, pics=df, also=['colour'])
    run = Run.of(learn)
    assert run.history.accuracy.between(0, 1).all() and len(run.history) == 2
    assert learn.model[1][-1].out_features == 5
    assert run.load().model(torch.zeros(1, 3, 64, 64)).shape == (1, 5)
    save_body(learn, 'resnet18', tmp_path/'body.safetensors')
    assert not any(o.startswith('fc.') for o in load_file(tmp_path/'body.safetensors'))
    pretrained('resnet18', 'body.safetensors', tmp_path)
