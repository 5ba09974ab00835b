"""Splits that never change, and the table of pictures."""
import numpy as np
import pytest
from conftest import small_settings
from drawings import draw_folder, draw_picture
from fastai.vision.all import imagenet_stats

from clothing_classifier.collect import import_folder
from clothing_classifier.dataset import augmentations, dataloaders, pictures, resized
from clothing_classifier.images import open_image
from clothing_classifier.predict import preprocess
from clothing_classifier.training.splits import DataError, apart, given_splits, group_splits

PERCENT = dict(valid_percent=15, test_percent=15)


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp('drawn')
    settings = small_settings(folder)
    import_folder(draw_folder(folder/'drawn', settings.categories, n=30), settings)
    return settings


def test_later_pictures_move_nobody():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 200, dtype=np.uint64)
    hashes[100:150] = hashes[:50] ^ np.uint64(5) # near duplicates
    names = [f'{o:040x}' for o in rng.integers(0, 2**62, 200)]
    leaders, splits = group_splits(names, hashes, 6, **PERCENT)
    assert leaders[100:150] == list(range(50)) and splits[100:150] == splits[:50]
    assert group_splits(names[:120], hashes[:120], 6, **PERCENT)[1] == splits[:120]


def test_splits_that_come_with_a_benchmark(tmp_path):
    file = tmp_path/'splits.csv'
    file.write_text('image,split\na.jpg,train\nb.jpg,validation\nc.jpg,test')
    assert given_splits(['set/b.jpg', 'set/a.jpg', 'set/d.jpg'], file) == ['valid', 'train', '']
    with pytest.raises(DataError, match='cannot be read as splits'): given_splits([], tmp_path/'none.csv')
    file.write_text('image,split\na.jpg,dev')
    with pytest.raises(DataError, match='train, validation or test'): given_splits([], file)


def test_reading_changes_nothing_on_disk(drawn):
    "A file that somebody dropped into a folder stays as it is, and is not in the table, until it is collected"
    dropped = drawn.data.path/'images'/'jeans'/'mine.png'
    draw_picture('jeans', 77).save(dropped)
    before = sorted(drawn.data.path.rglob('*'))
    df = pictures(drawn)
    assert sorted(drawn.data.path.rglob('*')) == before and 'mine' not in df.sha1.to_list()
    dropped.unlink()


def test_what_the_table_says(drawn):
    df = pictures(drawn)
    assert len(df) == 60 and set(df.category) == {'jeans', 'socks'} and set(df.split) <= {'train', 'valid', 'test'}
    assert (df.width > 0).all() and (df.source == 'drawn').all()
    assert not set(df.group[df.split == 'train']) & set(df.group[df.split == 'test'])


def test_too_few_pictures_say_what_to_do(tmp_path):
    settings = small_settings(tmp_path)
    import_folder(draw_folder(tmp_path/'drawn', ['jeans'], n=3), settings)
    with pytest.raises(DataError, match='fewer than 10 pictures of jeans, socks; collect'): pictures(settings)


def test_items_are_paths_with_labels(drawn):
    "What fastai's own tools expect; a picture that is not in the table gets its folder's name"
    df = pictures(drawn)
    dls = dataloaders(df, drawn, device='cpu')
    assert dls.train_ds.items[0] in set(df.path)
    labels = [int(y) for batch in dls.test_dl(list(df.path[:4]), with_labels=True) for y in batch[1]]
    assert [dls.vocab[i] for i in labels] == df.category[:4].to_list()


def test_copies_are_made_once(drawn):
    df = pictures(drawn)
    copies = resized(df, drawn, 64)
    made = copies[df.path[0]].stat().st_mtime_ns
    assert resized(df, drawn, 64)[df.path[0]].stat().st_mtime_ns == made


def test_apart_keeps_other_test_pictures_out(drawn):
    df = pictures(drawn)
    split = apart(df, df).split
    assert (split[df.split == 'test'] == '').all() and (split[df.split == 'valid'] == 'valid').all()
    with pytest.raises(DataError, match='validate on'): apart(df, df.assign(split='train'))


@pytest.fixture(scope='module')
def odd(tmp_path_factory):
    "Pictures of sixty shapes"
    folder, rng = tmp_path_factory.mktemp('odd'), np.random.default_rng(0)
    settings = small_settings(folder)
    for file in sorted(draw_folder(folder/'drawn', settings.categories, n=30).glob('*/*.jpg')):
        size = rng.integers(50, 400, 2).tolist()
        draw_picture(file.parent.name, int(file.stem)).resize(size).save(file, quality=90)
    import_folder(folder/'drawn', settings)
    return settings


@pytest.mark.parametrize('resize', ['pad', 'squish'])
@pytest.mark.parametrize('ahead', [True, False])
def test_training_and_serving_see_the_same_numbers(odd, resize, ahead):
    "Validation pictures of all shapes, from small copies or not, and at another size"
    df, settings = pictures(odd), odd.changed(train_resize=resize, train_resize_ahead=ahead)
    assert len(set(zip(df.width, df.height, strict=True))) > 50
    for size in (64, 97):
        dl = dataloaders(df, settings, device='cpu', size=size).test_dl(list(df.path))
        trained = np.concatenate([x.numpy() for x, in dl])
        served = [preprocess(open_image(o), size, *imagenet_stats, resize) for o in df.path]
        assert np.abs(trained - served).max() < 1e-4 # one step of a pixel is .017


def test_copies_of_both_kinds_lie_apart(odd):
    df = pictures(odd)
    folders = {resized(df, odd.changed(train_resize=o), 64)[df.path[0]].parent.name for o in ('pad', 'squish')}
    assert folders == {'64-pad', '64-squish'}


@pytest.mark.parametrize('augment', [0, 1, 3])
def test_only_training_pictures_change(drawn, augment):
    "Twice the same validation batch; training batches differ if they are changed at all, and stay pictures"
    settings = drawn.changed(train_augment=augment)
    assert bool(augmentations(settings)) == bool(augment)
    dls = dataloaders(pictures(drawn), settings, device='cpu')
    valid = [dls.valid.one_batch()[0] for _ in range(2)]
    assert (valid[0] == valid[1]).all()
    item = dls.train.do_item(0)
    train = [dls.train.after_batch(dls.train.create_batch([item]*8))[0] for _ in range(2)]
    assert bool((train[0] != train[1]).any()) == bool(augment)
    mean, std = (np.array(o)[:, None, None] for o in imagenet_stats)
    pixels = train[0].numpy()*std + mean
    assert -1e-3 < pixels.min() and pixels.max() < 1.001
