"""What README shows is what the commands print today."""
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from conftest import COMMAND, ROOT

BLOCK = re.search(r'<!-- checked by tests/test_readme.py -->\n```sh\n(.*?)```', (ROOT/'README.md').read_text(), re.S)[1]
SHOWN = [(o.split('\n', 1)[0], o.split('\n', 1)[1].splitlines()) for o in BLOCK.split('$ ')[1:]]
NUMBER = re.compile(r'\d\.\d+')


def is_shown(line, shown):
    "Are the two lines the same? Probabilities may differ by processor in the second digit; `...` stands for anything"
    start, dots, _ = shown.partition(' ...')
    if dots: line = line[:len(start)]
    numbers = zip(NUMBER.findall(line), NUMBER.findall(start), strict=False)
    return NUMBER.sub('#', line) == NUMBER.sub('#', start) and all(abs(float(a)-float(b)) < .03 for a, b in numbers)


@pytest.mark.parametrize('command, lines', SHOWN, ids=[o[:60] for o, _ in SHOWN])
def test_examples(command, lines):
    args = shlex.split(command)
    assert args[0] == Path(COMMAND).name
    out = subprocess.run([COMMAND, *args[1:]], cwd=ROOT, capture_output=True, text=True, timeout=120)
    printed = [o.removeprefix('\r') for o in (out.stdout + out.stderr).splitlines()]
    for shown in lines:
        if shown != '...': assert any(is_shown(o, shown) for o in printed), f'{shown!r} is not in {printed}'


DOCS = ['README.md', 'CONTRIBUTING.md', *(f'docs/{o.name}' for o in (ROOT/'docs').glob('*.md'))]


@pytest.mark.parametrize('file', DOCS)
def test_links_lead_somewhere(file):
    for link in re.findall(r'\]\(([^)#]+)', (ROOT/file).read_text()):
        if not link.startswith('http'): assert ((ROOT/file).parent/link).exists(), link


def test_what_the_table_of_changes_names_exists():
    names = re.findall(r'`((?:nbs|clothing_classifier)/[\w./]+)`', (ROOT/'CONTRIBUTING.md').read_text())
    assert names and all((ROOT/o).exists() for o in names)
