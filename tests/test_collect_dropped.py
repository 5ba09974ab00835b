"""Files that a person put into `images/<category>/` are taken in by `collect`, and only by it"""
import shutil
from pathlib import Path

import pytest
from collected import rows, sentences, settings_for
from drawings import draw_folder, draw_picture
from loopback import picture

from clothing_classifier.collect import collect, import_dropped, import_folder
from clothing_classifier.collecting.examples import example_photos, example_settings, yours_or_examples
from clothing_classifier.collecting.found import CollectWarning
from clothing_classifier.collecting.store import adopt
from clothing_classifier.dataset import pictures

pytestmark = pytest.mark.filterwarnings('ignore::clothing_classifier.collecting.found.CollectWarning')


@pytest.fixture
def settings(tmp_path): return settings_for(tmp_path/'data')


def drop(settings, name, data=None):
    "Put a file into `images/`"
    file = settings.data.path/'images'/name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data or picture(1))
    return file


def kept(settings): return {p.parent.name: p.stem for p in settings.data.path.glob('images/*/*')}


def test_a_dropped_file_is_renamed_and_has_a_row(settings):
    file = drop(settings, 'jeans/My jeans.jpg')
    (path, reason), = adopt(settings)
    row, = rows(settings.data.path)
    assert (path, reason) == (file, '') and kept(settings) == {'jeans': row.sha1}
    assert row.url == f'by-hand/jeans/{row.sha1[:8]}/My jeans.jpg'
    assert adopt(settings) == []


def test_collect_takes_them_in_first_and_says_so(settings, tmp_path):
    drop(settings, 'jeans/a.jpg')
    drop(settings, 'jeans/a copy.jpg')
    draw_folder(tmp_path/'drawn', ['socks'], n=2)
    with pytest.warns(CollectWarning) as warned: df = import_folder(tmp_path/'drawn', settings)
    assert sentences(warned)[0] == 'new files in images/ were taken in: kept 1, duplicate 1'
    assert df.loc[['jeans', 'socks'], 'kept'].tolist() == [1, 2] and df.loc['jeans', 'duplicate'] == 1


def test_nothing_else_to_collect(settings):
    drop(settings, 'shoes/a.png')
    assert import_dropped(settings).loc['shoes', 'kept'] == 1
    assert import_dropped(settings).loc['all', 'found'] == 1


def test_who_reads_does_not_write(tmp_path):
    settings = example_settings(tmp_path/'examples')
    file = drop(settings, 'jeans/new.jpg')
    assert len(pictures(settings)) == 120 and file.exists()
    collect([], settings=settings)
    assert len(pictures(settings)) == 121 and not file.exists()


def test_a_broken_file_goes_to_rejected(settings):
    drop(settings, 'jeans/a.jpg', b'no picture')
    assert [reason for _,reason in adopt(settings)] == ['broken']
    assert kept(settings) == {} and len(list(settings.data.path.glob('rejected/broken/*'))) == 1


def test_hidden_files_are_left_alone(settings):
    drop(settings, 'jeans/.DS_Store', b'x')
    assert adopt(settings) == []


def test_two_files_of_one_name(settings):
    "Cameras begin again at IMG_1: the first picture keeps its row"
    for i in (1, 2):
        drop(settings, 'jeans/IMG_1.jpg', picture(i))
        adopt(settings)
    assert [r.rejected for r in rows(settings.data.path)] == ['', '']
    assert adopt(settings) == []


def test_a_person_decides_between_two_categories(settings, tmp_path):
    "Rejected as found for two categories, moved back into one of them: it stays there"
    draw_folder(tmp_path/'drawn', ['jeans'], n=1)
    shutil.copytree(tmp_path/'drawn/jeans', tmp_path/'drawn/socks')
    import_folder(tmp_path/'drawn', settings)
    rejected, = settings.data.path.glob('rejected/two-categories/*')
    drop(settings, f'socks/{rejected.name}', rejected.read_bytes())
    rejected.unlink()
    assert import_dropped(settings).loc['socks', 'kept'] == 1
    assert list(kept(settings)) == ['socks']


@pytest.mark.parametrize('name', ['photo.jpg', 'photo.png'])
def test_killed_before_the_file_is_removed(settings, monkeypatch, name):
    "The picture has its row already; the next run only removes what is left"
    file = drop(settings, f'jeans/{name}')
    if name.endswith('png'): draw_picture('jeans').save(file)
    def killed(*_, **__): raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(Path, 'unlink', killed)
        with pytest.raises(KeyboardInterrupt): adopt(settings)
    assert file.exists() and len(kept(settings)) == 1
    assert adopt(settings) == [(file, '')]
    row, = rows(settings.data.path)
    assert not row.rejected and kept(settings) == {'jeans': row.sha1} and not file.exists()


def test_a_chapter_sees_dropped_files(settings, capsys):
    drop(settings, 'jeans/a.jpg')
    assert yours_or_examples(settings) is settings
    assert 'Took in 1 files' in capsys.readouterr().out and len(rows(settings.data.path)) == 1


def test_example_photos_stay_in_their_project(settings, tmp_path):
    example = example_settings(tmp_path/'examples')
    assert len(pictures(example)) == 120 and {r.licence for r in rows(example.data.path)} == {'CC0'}
    assert len(list(example_photos(example))) == 120 and list(example_photos(settings)) == []
    assert collect(example_photos(settings), settings=settings).loc['all', 'found'] == 0
