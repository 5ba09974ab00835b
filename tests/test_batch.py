"Many pictures: which names are meant, how an answer is written, and a file that can be continued"

import json

import pytest
from tiny import by_color, metadata, picture

from clothing_classifier.predict import NetworkClassifier, Prediction
from clothing_classifier.serving.batch import (
    BatchError,
    Sheet,
    as_csv,
    as_json,
    as_row,
    as_text,
    classify,
    csv_head,
    names,
    reader,
)

LABELS = ['jeans', 'socks']
JEANS = Prediction('jeans', 0.998, {'jeans': 0.998, 'socks': 0.002}, True)


@pytest.fixture
def folder(tmp_path):
    for category, color in dict(jeans='blue', socks='red').items():
        (tmp_path / category).mkdir()
        for i in range(3):
            (tmp_path / category / f'{i}.jpg').write_bytes(picture(color))
    (tmp_path / 'jeans/notes.txt').touch()
    (tmp_path / 'jeans/.hidden.jpg').touch()
    (tmp_path / '.thumbs').mkdir()
    (tmp_path / '.thumbs/0.jpg').touch()
    return tmp_path


def test_names_of_files_folders_patterns_and_links(folder):
    got = names([folder, f'{folder}/*/1.jpg', '-', 'https://shop.example/a.jpg', 'not there.jpg', 'no*match.jpg'])
    below = [f'/{c}/{i}.jpg' for c in LABELS for i in range(3)]
    matched = ['/jeans/1.jpg', '/socks/1.jpg']
    others = ['-', 'https://shop.example/a.jpg', 'not there.jpg', 'no*match.jpg']
    assert [name.replace(str(folder), '') for name in got] == below + matched + others


def test_a_file_whose_name_looks_like_a_pattern(folder):
    file = folder / 'a[1].jpg'
    file.touch()
    assert list(names([file])) == [str(file)]


def test_a_line_for_an_answer():
    assert as_text(as_row('photo.jpg', JEANS)) == 'jeans 0.9980 photo.jpg'
    assert as_csv(as_row('a, b.jpg', JEANS), LABELS) == '"a, b.jpg",jeans,jeans,0.998,True,,0.998,0.002'
    assert csv_head(LABELS) == 'file,answer,category,probability,known,error,jeans,socks'
    assert json.loads(as_json(as_row('ž.jpg', JEANS)))['file'] == 'ž.jpg'


def test_an_error_does_not_repeat_the_name():
    row = as_row('gone.jpg', Prediction(None, 0.0, error='gone.jpg: cannot be read.'))
    assert row['error'] == 'cannot be read.' and row['answer'] == row['category'] == ''


@pytest.mark.parametrize('ending', ['csv', 'jsonl'])
def test_a_sheet_continues_after_its_last_whole_line(tmp_path, ending):
    out = tmp_path / f'out.{ending}'
    with Sheet(out, LABELS) as sheet:
        for name in ('a.jpg', 'b.jpg'):
            sheet.add(as_row(name, JEANS))
    whole = out.read_text()
    out.write_text(whole + 'c.jpg,jea')
    with Sheet(out, LABELS, resume=True) as sheet:
        assert sheet.done == {'a.jpg', 'b.jpg'} and out.read_text() == whole
        sheet.add(as_row('c.jpg', JEANS))
    assert Sheet(out, LABELS, resume=True).done == {'a.jpg', 'b.jpg', 'c.jpg'}
    assert out.read_text().startswith(whole)


@pytest.mark.parametrize(
    'name,content,resume,says',
    [
        ('out.txt', '', False, 'ends in .csv'),
        ('out.csv', 'something', False, '--resume'),
        ('out.csv', 'file,answer\na.jpg,jeans\n', True, 'columns'),
        ('out.jsonl', '{"name": 1}\n', True, 'not a file of answers'),
        ('out.jsonl', 'no json\n', True, 'not a file of answers'),
    ],
)
def test_files_that_are_no_sheet(tmp_path, name, content, resume, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(BatchError, match=says):
        Sheet(tmp_path / name, LABELS, resume)
    assert (tmp_path / name).read_text() == content


def test_classify_answers_in_order(folder):
    classifier = NetworkClassifier(by_color, metadata())
    todo = names([folder / 'jeans/0.jpg', 'not there.jpg', 'https://shop.example/a.jpg', folder / 'socks'])
    rows = list(classify(classifier, todo, reader(None)))
    assert [row['answer'] for row in rows] == ['jeans', '', '', 'socks', 'socks', 'socks']
    assert 'no such file' in rows[1]['error'] and 'not followed' in rows[2]['error']
