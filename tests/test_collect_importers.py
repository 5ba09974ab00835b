"""Folders, tables of labels and lists of addresses as sources; errors say what to do"""
import pytest
from collected import SIX, settings_for
from drawings import draw_folder, draw_picture

from clothing_classifier.collecting.found import CollectError
from clothing_classifier.collecting.importers import folder, labelled, url_lists


@pytest.fixture
def settings(tmp_path):
    return settings_for(tmp_path/'data').model_copy(update=dict(labels={'Polo': 'polo-shirt'}))


def test_a_folder_of_folders(tmp_path, settings):
    draw_folder(tmp_path/'drawn', [*SIX, 'hats'], n=2)
    found = list(folder(tmp_path/'drawn', settings))
    assert [o.category for o in found] == [c for c in SIX for _ in range(2)]
    assert found[0].url == 'drawn/shirt/0000.jpg' and found[0].path == tmp_path/'drawn/shirt/0000.jpg'


def test_pictures_of_something_else_come_from_the_folder_unknown(tmp_path, settings):
    draw_folder(tmp_path/'drawn', ['shirt', 'unknown'], n=2)
    assert [o.category for o in folder(tmp_path/'drawn', settings)] == ['shirt', 'shirt', 'unknown', 'unknown']


def test_a_folder_without_pictures(tmp_path, settings):
    with pytest.raises(CollectError, match='there is no such folder; name one'): folder(tmp_path/'nowhere', settings)
    with pytest.raises(CollectError, match='holds no pictures .*; rename its folders'): folder(tmp_path, settings)


def test_a_table_of_labels(tmp_path, settings):
    (tmp_path/'images').mkdir()
    draw_picture('polo-shirt').save(tmp_path/'images/p0.jpg')
    (tmp_path/'labels.csv').write_text('image,label\np0,Polo\np9,Polo\np0,Hat\n')
    found, = labelled(tmp_path/'labels.csv', settings=settings)
    assert (found.category, found.path) == ('polo-shirt', tmp_path/'images/p0.jpg')


@pytest.mark.parametrize('text, message', [
    ('image,label\np0,Hat\n', r"none of its labels \(Hat \.\.\.\).* add lines like: Hat = shirt"),
    ('image,kind\np0,Hat\n', 'has no column label, only image, kind; rename its columns'),
    ('', 'cannot be read as a CSV .*; name a CSV file with the columns image and label')])
def test_a_table_that_does_not_fit(tmp_path, settings, text, message):
    (tmp_path/'labels.csv').write_text(text)
    with pytest.raises(CollectError, match=message): labelled(tmp_path/'labels.csv', settings=settings)


def test_lists_of_addresses(tmp_path, settings):
    "A heading and an empty line are skipped; page and licence may be missing"
    lines = 'address', 'https://a.example/1.jpg', '', 'https://a.example/2.jpg, https://a.example/shop, CC0'
    (tmp_path/'urls_socks.csv').write_text('\n'.join(lines))
    found = list(url_lists(tmp_path, settings))
    assert [(o.category, o.url, o.page, o.licence) for o in found] == [
        ('socks', 'https://a.example/1.jpg', '', ''),
        ('socks', 'https://a.example/2.jpg', 'https://a.example/shop', 'CC0')]


def test_no_list_of_addresses(tmp_path, settings):
    with pytest.raises(CollectError, match='put an address a line into such files'): url_lists(tmp_path, settings)
