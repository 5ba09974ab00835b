"Corrected pictures: what is kept, where, and what is refused"

from io import BytesIO

import pytest
from conftest import example
from PIL import Image
from tiny import encoded, picture, write_settings

from clothing_classifier.images import ImageError
from clothing_classifier.serving.feedback import (
    Database,
    FeedbackError,
    Folder,
    gathered,
    open_feedback,
    without_metadata,
)
from clothing_classifier.settings import load_settings


def photo_with_metadata():
    "A JPEG that is turned by its EXIF, with a description and a comment"
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = 'in my garden', 6
    return encoded(Image.new('RGB', (200, 100), 'red'), exif=exif, comment=b'at home')


def feedback(folder, **changes):
    return open_feedback(load_settings(write_settings(folder, feedback_folder=folder / 'kept', **changes)))


def kept(folder):
    return sorted((f.parent.name, f.stem) for f in (folder / 'kept').glob('*/*.jpg'))


@pytest.fixture(params=['folder', 'database'])
def store(request):
    if request.param == 'database':
        pytest.importorskip('sqlalchemy')
    return request.param


def test_only_the_picture_is_kept():
    data = photo_with_metadata()
    jpeg = without_metadata(data)
    im = Image.open(BytesIO(jpeg))
    assert (im.size, dict(im.getexif()), im.info.get('comment')) == ((100, 200), {}, None)
    assert b'garden' in data and b'garden' not in jpeg and b'at home' not in jpeg


def test_large_pictures_are_shrunk():
    jpeg = without_metadata(picture(size=(3000, 1000)), max_side=300)
    assert Image.open(BytesIO(jpeg)).size == (300, 100)


def test_nothing_is_kept_unless_the_settings_say_so(tmp_path):
    assert feedback(tmp_path) is None and not (tmp_path / 'kept').exists()


def test_the_last_category_counts(tmp_path, store):
    f = feedback(tmp_path, feedback_store=store)
    first = f.add(picture('red'), 'jeans', 'socks')
    assert f.add(picture('red'), 'socks', 'jeans') == first and len(f.store) == 1
    settings = load_settings(tmp_path / 'settings.ini')
    assert gathered(settings) == tmp_path / 'kept'
    assert kept(tmp_path) == [('socks', first)]


def test_a_database_can_be_copied_twice(tmp_path):
    pytest.importorskip('sqlalchemy')
    f = feedback(tmp_path, feedback_store='database')
    name = f.add(picture('red'), 'jeans')
    settings = load_settings(tmp_path / 'settings.ini')
    gathered(settings)
    f.add(picture('red'), 'socks')
    gathered(settings)
    assert kept(tmp_path) == [('socks', name)]


def test_none_of_the_categories_teaches_unknown(tmp_path, store):
    "Such a picture comes to the folder that training reads, from the folder of feedback and from a database"
    pytest.importorskip('fastai')
    from clothing_classifier.collect import collect
    from clothing_classifier.collecting.importers import folder
    from clothing_classifier.training.unknown import other_pictures

    name = feedback(tmp_path, feedback_store=store).add(example('shoes'), 'unknown', 'jeans')
    settings = load_settings(tmp_path / 'settings.ini')
    with pytest.warns(UserWarning, match='fewer than'):
        summary = collect(folder(gathered(settings), settings), settings=settings)
    assert summary.kept['unknown'] == 1
    assert list(other_pictures(settings.unknown.pictures).path) == [tmp_path / f'data/unknown/{name}.jpg']


@pytest.mark.parametrize('category', ['hats', '../../etc', '', 'Jeans'])
def test_other_categories_are_refused(tmp_path, store, category):
    f = feedback(tmp_path, feedback_store=store)
    with pytest.raises(FeedbackError) as e:
        f.add(picture(), category)
    assert e.value.key == 'feedback_no_category' and 'jeans, socks, unknown' in str(e.value)
    assert len(f.store) == 0


def test_what_is_no_picture_is_refused(tmp_path, store):
    f = feedback(tmp_path, feedback_store=store)
    with pytest.raises(ImageError):
        f.add(b'no picture', 'jeans')
    assert len(f.store) == 0


def test_there_is_a_limit(tmp_path, store):
    f = feedback(tmp_path, feedback_store=store, feedback_max_pictures=1)
    f.add(picture('red'), 'jeans')
    with pytest.raises(FeedbackError) as e:
        f.add(picture('blue'), 'jeans')
    assert e.value.key == 'feedback_full' and len(f.store) == 1


def test_no_half_written_files_remain(tmp_path):
    folder = Folder(tmp_path / 'kept')
    folder.put('jeans', 'abc', b'content', '')
    assert [p.name for p in (tmp_path / 'kept/jeans').iterdir()] == ['abc.jpg']


def test_the_urls_that_hosts_give():
    pytest.importorskip('sqlalchemy')
    pytest.importorskip('psycopg')
    from clothing_classifier.serving.feedback import _with_driver

    for url in ('postgres://u:p@host/db', 'postgresql://u:p@host/db'):
        assert _with_driver(url) == 'postgresql+psycopg://u:p@host/db'
    assert _with_driver('sqlite:///a.db') == 'sqlite:///a.db'
    assert len(Database('sqlite://')) == 0
