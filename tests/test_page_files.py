"""The files that the browser runs: the tools of their kind can read them."""
import re
import shutil
import subprocess

import pytest

from clothing_classifier.page.dashboard import Page
from clothing_classifier.page.static_files import STATIC, join_modules
from clothing_classifier.page.template import SCRIPTS as PAGE
from clothing_classifier.texts import Texts

SCRIPTS = sorted(STATIC.glob('*.js'))
needs_node = pytest.mark.skipif(not shutil.which('node'), reason='needs node')


def check(path):
    "What node says about the syntax of a module"
    return subprocess.run(['node', '--check', str(path)], capture_output=True, text=True, timeout=60).stderr


@needs_node
@pytest.mark.parametrize('name', [path.name for path in SCRIPTS])
def test_node_reads_every_module(tmp_path, name):
    copy = shutil.copy(STATIC/name, tmp_path/f'{name}.mjs') # as a module for every version of node
    assert check(copy) == ''


@needs_node
@pytest.mark.parametrize('text', [Page._esm, join_modules(*PAGE)])
def test_joined_modules_are_one_module(tmp_path, text):
    (tmp_path/'joined.mjs').write_text(str(text))
    assert check(tmp_path/'joined.mjs') == '' and 'import {' not in str(text)


def test_every_module_is_joined():
    assert {*PAGE, 'embed'} == {path.stem for path in SCRIPTS}


def test_imported_names_are_exported():
    for path in SCRIPTS:
        for names, module in re.findall(r"^import \{ (.*) \} from '\./(\w+)\.js';$", path.read_text(), re.M):
            text = (STATIC/f'{module}.js').read_text()
            exported = re.findall(r'^export (?:async )?(?:function|class|const) (\w+)', text, re.M)
            assert set(names.split(', ')) <= set(exported), f'{path.name}: {module}'


def test_every_text_of_the_page_exists_in_both_languages():
    used = {key for path in SCRIPTS for key in re.findall(r"\b(?:say|VisitorError)\('(\w+)'", path.read_text())}
    for language in ('en', 'lt'): assert len(used) > 30 and used <= set(Texts(language).texts)


def test_an_error_is_named_by_its_key():
    "So that it is said in the language that the visitor reads at the moment"
    for path in SCRIPTS: assert not re.search(r'VisitorError\([\w.]*\bsay\b', path.read_text()), path.name


def test_lines_are_short():
    for path in STATIC.iterdir():
        assert all(len(line) <= 120 for line in path.read_text().splitlines()), path.name
