"""Folders, tables of labels, pictures with masks and lists of addresses as sources; errors say what to do"""
import numpy as np
import pytest
from collected import SIX, contents, result, rows, sentences, settings_for
from conftest import SHARED, needs_photos
from drawings import draw_folder, draw_picture
from PIL import Image

from clothing_classifier.collect import collect, import_csv, import_dropped
from clothing_classifier.collecting.check import cut_out
from clothing_classifier.collecting.found import CollectError, CollectWarning
from clothing_classifier.collecting.importers import folder, labelled, masked, url_lists
from clothing_classifier.collecting.store import Store

quiet = pytest.mark.filterwarnings('ignore::clothing_classifier.collecting.found.CollectWarning')


@pytest.fixture
def labels(tmp_path):
    "Settings with these lines in `[labels]`"
    return lambda **lines: settings_for(tmp_path/'data').model_copy(update=dict(labels=lines))


@pytest.fixture
def settings(labels): return labels(Polo='polo-shirt')


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
    ('image,label\np0,Hat\n', r"none of its labels \(Hat \.\.\.\) stands in .* add lines like: Hat = shirt"),
    ('image,kind\np0,Hat\n', 'has no column label, only image, kind; rename its columns'),
    ('', 'cannot be read as a CSV .*; name a CSV file with the columns image and label')])
def test_a_table_that_does_not_fit(tmp_path, settings, text, message):
    (tmp_path/'labels.csv').write_text(text)
    with pytest.raises(CollectError, match=message): labelled(tmp_path/'labels.csv', settings=settings)


@pytest.fixture
def table(tmp_path):
    "A CSV of these lines, beside four pictures"
    (tmp_path/'shop/images').mkdir(parents=True)
    for i in range(4): draw_picture('shirt', i).save(tmp_path/f'shop/images/p{i}.jpg')
    def f(*lines):
        (tmp_path/'shop/table.csv').write_text('\n'.join(lines))
        return tmp_path/'shop/table.csv'
    return f


NAMES = 'id', 'type', 'name'
PRODUCTS = 'name,id,type', 'Green POLO Tee,p0,Tshirts', 'U.S. Polo Assn Tee,p1,Tshirts', 'Plain,p2,Tshirts', 'T,p3,Ties'


@pytest.mark.parametrize('order', [1, -1])
def test_a_pattern_tells_rows_of_one_label_apart(table, labels, order):
    "Wherever its line stands, in capitals or not"
    lines = [('Tshirts', 't-shirt'), (r'Tshirts + polo\b(?! assn)', 'polo-shirt'), ('Ties', 'unknown')][::order]
    found = labelled(table(*PRODUCTS), settings=labels(**dict(lines)), columns=NAMES)
    assert [(o.category, o.url, o.query) for o in found] == [('polo-shirt', 'shop/p0.jpg', 'Tshirts'),
        ('t-shirt', 'shop/p1.jpg', 'Tshirts'), ('t-shirt', 'shop/p2.jpg', 'Tshirts'),
        ('unknown', 'shop/p3.jpg', 'Ties')]


def test_a_label_with_a_pattern_only(table, labels):
    "Its other rows are left out"
    found, = labelled(table(*PRODUCTS), settings=labels(**{'Tshirts + plain': 't-shirt'}), columns=NAMES)
    assert found.url == 'shop/p2.jpg'


def test_a_plus_inside_a_label_is_no_pattern(table, labels):
    found, = labelled(table('image,label', 'p0,A+B'), settings=labels(**{'A+B': 'shirt'}))
    assert found.category == 'shirt'


@pytest.mark.parametrize('lines, columns, message', [
    (PRODUCTS, NAMES[:2], r'by a pattern, but no column of descriptions is named; .* id,type,DESCRIPTION'),
    (PRODUCTS, NAMES[:1], r'two of its columns are needed.* there is only id; name both, for example: image,label'),
    (PRODUCTS, ('id', 'kind'), 'has no column kind, only name, id, type; rename its columns, or name others'),
    (['id,type,name', 'p8,Tshirts,x', 'p9,Tshirts,x'], NAMES,
        r'holds none of the 2 pictures that table.csv names, p8 or p8.jpg for example; name the folder that does'),
    (['id,type,name', 'p0,Tshirts,x', 'p1,Tshirts,"x'], NAMES,
        'cannot be read as a CSV .*; name a CSV file with the columns id and'),
    (['id,type,name'], NAMES, r'none of its labels \( \.\.\.\) stands in .* Their label = shirt')])
def test_a_table_that_names_nothing(table, labels, lines, columns, message):
    patterns = {'Tshirts + polo': 'polo-shirt', 'Tshirts': 't-shirt'}
    with pytest.raises(CollectError, match=message):
        labelled(table(*lines), settings=labels(**patterns), columns=columns)


def test_rows_that_are_too_short_and_names_that_cannot_be(table, labels):
    lines = 'id,type,name', 'p0,Tshirts', 'p1', f'{"p"*5000},Tshirts,x', ',Tshirts,x', 'p3,Tshirts,x'
    found = labelled(table(*lines), settings=labels(**{'Tshirts + polo': 'polo-shirt', 'Tshirts': 't-shirt'}),
        columns=NAMES)
    assert [o.url for o in found] == ['shop/p0.jpg', 'shop/p3.jpg']


@pytest.mark.filterwarnings('ignore::pandas.errors.ParserWarning')
def test_rows_that_are_too_long(table, labels):
    "A comma too many moves no column"
    found = labelled(table('image,label', 'p0,Shirt,', 'p1,Shirt,'), settings=labels(Shirt='shirt'))
    assert [o.url for o in found] == ['shop/p0.jpg', 'shop/p1.jpg']


def test_pictures_of_one_name_in_two_folders(tmp_path, table, labels):
    for o in 'ab':
        (tmp_path/'shop/images'/o).mkdir()
        draw_picture('jeans', ord(o)).save(tmp_path/f'shop/images/{o}/1.jpg')
    found = labelled(table('image,label', 'a/1.jpg,J', 'b/1.jpg,J'), settings=labels(J='jeans'))
    assert [o.url for o in found] == ['shop/a/1.jpg', 'shop/b/1.jpg']


@quiet
def test_other_things_of_a_table(table, labels):
    "They lie where training reads them, count as their own row, and are not taken for dropped files"
    settings, file = labels(Tshirts='t-shirt', Ties='unknown'), table(*PRODUCTS)
    summary = import_csv(file, settings=settings, columns=NAMES[:2])
    assert summary.kept.to_dict() == dict.fromkeys(SIX, 0) | {'t-shirt': 3, 'unknown': 1, 'all': 4}
    assert len(list(settings.unknown.pictures.glob('*.jpg'))) == 1
    before = contents(settings.data.path)
    assert import_dropped(settings).equals(summary)
    assert import_csv(file, settings=settings, columns=NAMES[:2]).equals(summary)
    assert contents(settings.data.path) == before and len(rows(settings.data.path)) == 4


@quiet
def test_something_else_that_a_person_sorts_under_a_category(table, labels):
    settings = labels(Ties='unknown')
    import_csv(table(*PRODUCTS), settings=settings, columns=NAMES[:2])
    file, = settings.unknown.pictures.glob('*.jpg')
    (settings.data.path/'images/shirt').mkdir(parents=True)
    file.rename(settings.data.path/'images/shirt'/file.name)
    import_dropped(settings)
    store = Store(settings)
    assert [store.category(r) for r in store.rows.values()] == ['shirt'] and store.dropped() == []


@quiet
def test_one_picture_under_a_category_and_under_something_else(table, labels):
    "It is neither"
    file = table('image,label', 'p0,Shirt', 'p0,Tie')
    summary = import_csv(file, settings=(settings := labels(Shirt='shirt', Tie='unknown')))
    assert summary.loc['all', 'two-categories'] == 2 and not list(settings.unknown.pictures.glob('*'))


# pictures with masks

GARMENTS = dict(jeans='jeans', shoes='shoes', sneakers='shoes', hat='unknown')


def draw_masked(src, n=3, size=(200, 300)):
    "Pictures of two garments on noise, jeans above shoes, with their masks"
    for name in ('images', 'masks'): (src/name).mkdir(parents=True)
    (src/'labels.csv').write_text('value,name\n0,null\n5,jeans\n9,shoes\n11,hat\n')
    for i in range(n):
        picture, mask = Image.effect_noise(size, 50).convert('RGB'), Image.new('L', size)
        for category,value,top in (('jeans', 5, 20), ('shoes', 9, 180)):
            picture.paste(draw_picture(category, i, 100), (40, top))
            mask.paste(value, (40, top, 140, top+100))
        picture.save(src/f'images/{i}.jpg', quality=95)
        mask.save(src/f'masks/{i}.png')
    return src


@pytest.fixture
def street(tmp_path): return draw_masked(tmp_path/'street')


def test_each_garment_becomes_a_picture(street, labels):
    found = list(masked(street, labels(**GARMENTS)))
    assert len(found) == 6 and len({o.key for o in found}) == 6
    jeans, shoes = found[:2]
    assert (jeans.category, jeans.url, jeans.query, jeans.path) == (
        'jeans', 'street/0-jeans.jpg', 'jeans', street/'images/0.jpg')
    assert jeans.box == (28, 8, 152, 132) and shoes.box == (28, 168, 152, 292) # 12 % more on each side


def test_the_margin_ends_at_the_edge(street, labels):
    Image.new('L', (200, 300), 5).save(street/'masks/0.png')
    assert next(masked(street, labels(**GARMENTS))).box == (0, 0, 200, 300)


@pytest.mark.parametrize('size, box', [((400, 600), (20, 30, 120, 90)), ((3000, 2400), (20, 30, 320, 400))])
def test_the_part_is_that_of_the_whole_picture(tmp_path, size, box):
    "Also of a picture that the decoder could shrink to the size of the part"
    im = Image.linear_gradient('L').resize(size).convert('RGB')
    im.paste('red', box)
    im.save(tmp_path/'a.jpg', quality=95)
    (tmp_path/'part.jpg').write_bytes(cut_out((tmp_path/'a.jpg').read_bytes(), box))
    with Image.open(tmp_path/'part.jpg') as part:
        assert part.size == (box[2]-box[0], box[3]-box[1])
        inner = np.asarray(part.crop((8, 8, part.width-8, part.height-8))).astype(int)
    assert np.abs(inner - (254, 0, 0)).max() < 12


@quiet
def test_garments_are_stored_once(street, labels):
    settings = labels(**GARMENTS)
    summary = collect(masked(street, settings), settings=settings)
    assert summary.kept[['jeans', 'shoes', 'all']].tolist() == [3, 3, 6]
    assert {(r.width, r.height) for r in rows(settings.data.path)} == {('124', '124')}
    before = result(settings.data.path)
    assert collect(masked(street, settings), settings=settings).equals(summary)
    assert import_dropped(settings).equals(summary) and result(settings.data.path) == before


@quiet
def test_killed_between_file_and_row(street, labels, tmp_path, monkeypatch):
    "The next run ends in the same folder as a calm one"
    settings, calm = labels(**GARMENTS), settings_for(tmp_path/'calm').model_copy(update=dict(labels=GARMENTS))
    collect(masked(street, calm), settings=calm)
    writes, write = iter(range(9)), Store._write
    def killed(*args):
        write(*args)
        if next(writes) == 3: raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(Store, '_write', killed)
        with pytest.raises(KeyboardInterrupt): collect(masked(street, settings), settings=settings)
    assert len(rows(settings.data.path)) == 3
    collect(masked(street, settings), settings=settings)
    assert result(settings.data.path) == result(calm.data.path)


@quiet
def test_garments_that_are_something_else_or_too_small(street, labels):
    settings = labels(jeans='unknown', shoes='shoes')
    mask = Image.open(street/'masks/0.png')
    mask.paste(0, (40, 180, 140, 280))
    mask.putpixel((150, 290), 9)
    mask.save(street/'masks/0.png')
    summary = collect(masked(street, settings), settings=settings)
    assert summary.loc['shoes', ['kept', 'too-small']].tolist() == [2, 1] and summary.loc['unknown', 'kept'] == 3
    assert len(list(settings.unknown.pictures.glob('*.jpg'))) == 3


@quiet
def test_a_broken_picture_with_a_mask(street, labels):
    settings = labels(**GARMENTS)
    (street/'images/1.jpg').write_bytes(b'no picture')
    assert collect(masked(street, settings), settings=settings).loc['all', ['kept', 'broken']].tolist() == [4, 2]


def test_a_turned_picture_is_cut_as_it_is_shown(street, labels):
    "The mask is of the picture as it is shown"
    settings, exif = labels(**GARMENTS), Image.Exif()
    exif[0x0112] = 6
    with Image.open(street/'images/0.jpg') as im: im.rotate(90, expand=True).save(street/'images/0.jpg', exif=exif)
    jeans = next(masked(street, settings))
    (street/'part.jpg').write_bytes(cut_out(jeans.path.read_bytes(), jeans.box))
    with Image.open(street/'part.jpg') as part: middle = part.convert('RGB').crop((12, 12, 112, 112))
    assert np.abs(np.asarray(middle).astype(int) - np.asarray(draw_picture('jeans', 0, 100))).mean() < 12


@pytest.mark.parametrize('mask, message', [
    (Image.new('L', (300, 200), 5), r'0.png is 300 x 200 pixels, but 0.jpg is 200 x 300 as it is shown; save the two'),
    (Image.new('RGB', (200, 300)), r'0.png has several values a pixel; save it with one, as grey'),
    (None, r'0.png cannot be read as a picture')])
def test_a_mask_that_cannot_be_used(street, labels, mask, message):
    "The others are taken in, and the warning names it"
    (street/'masks/0.png').write_bytes(b'no mask')
    if mask: mask.save(street/'masks/0.png')
    settings = labels(**GARMENTS)
    with pytest.warns(CollectWarning) as warned: summary = collect(masked(street, settings), settings=settings)
    assert summary.loc['all', 'kept'] == 4
    told, = [o for o in sentences(warned) if 'masks cannot be used' in o]
    with pytest.raises(AssertionError, match=message): raise AssertionError(told)
    assert told.startswith('1 of 3 masks') and told.endswith('import the folder again; the others are in')


def test_masks_with_a_palette(street, labels):
    mask = Image.fromarray(np.asarray(Image.open(street/'masks/0.png')), 'L')
    mask.putpalette([0]*768)
    mask.save(street/'masks/0.png')
    assert next(masked(street, labels(**GARMENTS))).box == (28, 8, 152, 132)


def test_pictures_without_a_mask_are_left_out(street, labels):
    (street/'masks/1.png').unlink()
    assert {o.path.name for o in masked(street, labels(**GARMENTS))} == {'0.jpg', '2.jpg'}


@pytest.mark.parametrize('text, message', [
    ('value,name\nfive,jeans\n', "the value 'five' is not a whole number; write the one that the masks have"),
    ('value,name\n5,Hose\n', r'none of its labels \(Hose \.\.\.\) stands in \[labels\] .* Hose = shirt'),
    ('number,name\n5,jeans\n', 'has no column value, only number, name'),
    (None, 'labels.csv: cannot be read as a CSV')])
def test_names_of_masks_that_do_not_fit(street, labels, text, message):
    (street/'labels.csv').unlink()
    if text: (street/'labels.csv').write_text(text)
    with pytest.raises(CollectError, match=message): masked(street, labels(**GARMENTS))


def test_no_masks_at_all(street, labels):
    for o in (street/'masks').iterdir(): o.unlink()
    with pytest.raises(CollectError, match='no picture in images/ has a mask of the same name in masks/; add them'):
        masked(street, labels(**GARMENTS))


@needs_photos
def test_garments_of_street_photos(labels):
    "The first hundred: their box is inside the picture, and holds every pixel of its garment"
    found = masked(SHARED/'street', labels(jeans='jeans', shoes='shoes', bag='unknown'))
    for o in [o for o,_ in zip(found, range(100), strict=False)]:
        mask = np.asarray(Image.open(SHARED/'street/masks'/f'{o.path.stem}.png'))
        left, top, right, bottom = o.box
        assert 0 <= left < right <= mask.shape[1] and 0 <= top < bottom <= mask.shape[0]
        assert o.url == f'street/{o.path.stem}-{o.query}.jpg'


# lists of addresses

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
