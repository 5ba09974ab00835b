"""The commands in docs/api.md give what the page shows; `python tests/test_docs_api.py` writes the outputs anew

Lines of a `console` block that begin with `$` are run by bash, `python` and `js` blocks by their interpreters; what
they print is the rest of the block, or the `text` block below.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from tiny import ROOT, served

from clothing_classifier.settings import Api, sections

DOC = ROOT / 'docs' / 'api.md'
BLOCK = re.compile(r'```(console|python|js)\n(.*?)```\n(?:\n```text\n.*?```\n)?', re.S)
COMMAND = re.compile(r'^\$ ((?:.*\\\n)*.*)\n?', re.M)
NUMBER = re.compile(r'\d+\.\d+')
TOKEN = dict(CLOTHING_CLASSIFIER_TOKEN='secret')
PROGRAMS = dict(python=[sys.executable, '-'], js=['node', '--input-type=module', '-'], console=['bash', '-s'])


def start(stack, folder, *options, env=()):
    "A server of the shipped network: its port"
    folder.mkdir()
    (folder / 'settings.ini').write_text((ROOT / 'settings.ini').read_text())
    options = ('--model', ROOT / 'export.onnx', '--feedback-folder', folder / 'feedback', *options)
    return stack.enter_context(served(folder, *options, env=env))[0]


def start_servers(stack, folder):
    "The ports of the two servers of the page, by the port that the page shows"
    return {
        '8866': start(stack, folder / 'open', '--feedback-store', 'folder'),
        '8867': start(stack, folder / 'token', '--api-cors', 'https://shop.example', env=TOKEN),
    }


def run(kind, code, ports):
    "What a block prints"
    for shown, real in ports.items():
        code = code.replace(f':{shown}/', f':{real}/')
    done = subprocess.run(PROGRAMS[kind], input=code, text=True, capture_output=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    return readable(done.stdout.strip())


def readable(text):
    "JSON over several lines; other text as it is"
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if 'results' not in value:
        return folded(value)
    results = ',\n'.join(f'  {folded(result, 4)}' for result in value['results'])
    return f'{{"results": [\n{results}\n]}}'


def folded(value, indent=1, width=110):
    "JSON with line breaks between keys where it is too wide"
    lines = ['']
    for part in re.split(r'(?<=,) (?=")', json.dumps(value, ensure_ascii=False)):
        if len(lines[-1]) + len(part) > width - indent:
            lines.append('')
        lines[-1] += f' {part}' if lines[-1] else part
    return f'\n{" " * indent}'.join(lines)


def filled(match, ports):
    "A block with what its code prints"
    kind, code = match.groups()
    if kind != 'console':
        return f'```{kind}\n{code}```\n\n```text\n{run(kind, code, ports)}\n```\n'
    commands = COMMAND.findall(code)
    return '```console\n' + ''.join(f'$ {c}\n{run(kind, c, ports)}\n' for c in commands) + '```\n'


def words(text):
    "The words of a block without what differs between machines: ids, numbers, the order of small probabilities"
    text = re.sub(r'"(request_id|id)": "\w+"', r'"\1"', text)
    return sorted(re.findall(r'[^\s{},]+', NUMBER.sub('', text)))


def numbers(text):
    return sorted(float(number) for number in NUMBER.findall(text))


@pytest.fixture(scope='module')
def ports(tmp_path_factory):
    if not shutil.which('curl') or not shutil.which('node'):
        pytest.skip('needs curl and node')
    with ExitStack() as stack:
        yield start_servers(stack, tmp_path_factory.mktemp('docs'))


def test_the_page_shows_what_its_commands_print(ports):
    for match in BLOCK.finditer(DOC.read_text()):
        shown, real = match[0], filled(match, ports)
        assert words(real) == words(shown)
        assert numbers(real) == pytest.approx(numbers(shown), abs=0.02)  # processors round differently


def test_the_page_names_every_setting_of_the_api():
    rows = dict(re.findall(r'^\| `\[api\] (\w+)` \| `?(\w+)`? \|', DOC.read_text(), re.M))
    assert rows == {key: str(field.default) for key, field in Api.model_fields.items()}


@pytest.mark.parametrize('name', ['api.md', 'deploy.md'])
def test_settings_on_the_pages_exist(name):
    named = re.findall(r'\[(\w+)\] (\w+)', (DOC.parent / name).read_text())
    assert named and all(key in sections[section].model_fields for section, key in named)


def write():
    "Fill the outputs into the page"
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        ports = start_servers(stack, Path(folder))
        DOC.write_text(BLOCK.sub(lambda match: filled(match, ports), DOC.read_text()))


if __name__ == '__main__':
    os.chdir(ROOT)
    write()
