"""What the cleaning page's browser runs is a file that a JavaScript engine accepts"""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[1]/'clothing_classifier/cleaning/static'


@pytest.mark.skipif(not shutil.which('node'), reason='needs node')
def test_the_script_parses(tmp_path):
    module = shutil.copy(STATIC/'cleaner.js', tmp_path/'cleaner.mjs')
    checked = subprocess.run(['node', '--check', module], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_one_statement_a_line():
    lines = [line for file in STATIC.iterdir() for line in file.read_text(encoding='utf-8').splitlines()]
    assert max(map(len, lines)) <= 120
    assert not [line for line in lines if line.count(';') > 1 and ' for (' not in f' {line}']


def test_every_class_of_the_script_has_a_style():
    script, style = ((STATIC/name).read_text(encoding='utf-8') for name in ('cleaner.js', 'cleaner.css'))
    assert set(re.findall(r'cl-[a-z]+', script)) <= set(re.findall(r'cl-[a-z]+', style))
