"Who may import whom, who may write to the disk, who may ask the network"
import ast
import re
import subprocess
import sys
from functools import cache

import pytest
from conftest import ROOT

PACKAGE = ROOT/'clothing_classifier'
FLOOR = {'settings', 'files', 'texts', 'images', 'predict'}
CHAPTERS = {'collect', 'dataset', 'train', 'evaluate', 'clean', 'export'}
TRAINING = CHAPTERS | {'collecting', 'training', 'cleaning'}
SERVING = {'serving', 'page', 'api', 'cli', 'command', 'doctor'}
HEAVY = {'torch', 'torchvision', 'fastai', 'fastcore', 'nbdev', 'pandas', 'matplotlib', 'scipy', 'sklearn', 'onnx'}

FILES = sorted(o for o in PACKAGE.rglob('*.py') if o.name not in ('_modidx.py', '__init__.py'))
NAMES = ['.'.join(o.relative_to(PACKAGE).with_suffix('').parts) for o in FILES]


def top(module): return module.split('.')[0]


@cache
def tree(module): return ast.parse((PACKAGE/f'{module.replace(".", "/")}.py').read_text(encoding='utf-8'))


def absolute(module, node):
    "What `from ... import` names, as absolute modules"
    if not node.level: return [node.module]
    package = ['clothing_classifier', *module.split('.')[:-1]]
    base = package[:len(package)-node.level+1] + (node.module.split('.') if node.module else [])
    return ['.'.join(base)] if node.module else ['.'.join([*base, alias.name]) for alias in node.names]


def imported(module):
    "All that a module imports, also inside its functions"
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import): yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom): yield from absolute(module, node)


def ours(module):
    "The parts of the package that a module imports"
    inside = (name.split('.')[1:] for name in imported(module) if name.split('.')[0] == 'clothing_classifier')
    return {parts[0] for parts in inside if parts}


def test_every_module_has_a_place():
    assert {top(o) for o in NAMES} <= FLOOR | TRAINING | SERVING


@pytest.mark.parametrize('module', [o for o in NAMES if top(o) in FLOOR])
def test_the_floor_imports_only_the_floor(module): assert ours(module) <= FLOOR


@pytest.mark.parametrize('module', [o for o in NAMES if top(o) in TRAINING])
def test_the_training_wing_imports_nothing_of_the_serving_wing(module): assert ours(module) <= FLOOR | TRAINING


@pytest.mark.parametrize('module', [o for o in NAMES if top(o) in TRAINING - CHAPTERS])
def test_machinery_imports_no_chapter(module): assert not ours(module) & CHAPTERS


@pytest.mark.parametrize('module', [o for o in NAMES if top(o) in FLOOR | SERVING])
def test_the_serving_wing_imports_nothing_of_the_training_wing(module):
    assert ours(module) <= FLOOR | SERVING
    assert 'pickle' not in set(imported(module))
    if module == 'command.training': return # its verbs train; they import when they are called
    assert not {top(o) for o in imported(module)} & HEAVY
    texts = (str(node.value) for node in ast.walk(tree(module)) if isinstance(node, ast.Constant))
    named = [o.split('.')[1] for o in texts if re.fullmatch(r'clothing_classifier(\.\w+)+', o)] # for import_module
    assert not set(named) & TRAINING


def test_only_the_training_verbs_reach_the_training_wing():
    def uses(module): return any(getattr(node, 'id', '') == 'training_module' for node in ast.walk(tree(module)))
    assert list(filter(uses, NAMES)) == ['command.training']


# the disk

WRITERS = {
    'files': 'the atomic write',
    'collecting.store': 'pictures', 'collecting.manifest': 'tables of pictures',
    'collecting.search': 'stored search results', 'collecting.download': 'downloads before they are checked',
    'collecting.pipeline': 'downloads that have been taken in', 'collecting.examples': 'the example project',
    'cleaning.journal': 'moves of pictures',
    'dataset': 'small copies of pictures', 'training.features': 'stored features',
    'training.runs': 'runs', 'training.callbacks': 'checkpoints and charts of a run',
    'training.checkpoint': 'what a training needs to go on',
    'training.cross_validation': 'a run for each fold', 'training.learner_file': 'learners',
    'training.onnx_export': 'networks', 'training.network_outputs': 'networks', 'training.weights': 'bodies',
    'training.model_card': 'the model card', 'export': 'the export',
    'serving.feedback': 'corrected pictures', 'serving.batch': 'answers of --out',
    'page.inference_process': 'its socket', 'page.processes': 'the name of its process',
    'page.template': 'the template of the page',
    'page.server': 'the template of the page', 'command.project': 'a new project',
    'command.serving': 'settings for notebooks', 'command.training': 'the folder of --body'}
WRITING = {'write_atomically', 'write_bytes', 'write_text', 'unlink', 'rmtree', 'mkdir', 'makedirs', 'copyfile',
    'copy2', 'move', 'rename', 'link', 'symlink_to', 'truncate', 'savefig', 'save_file', 'to_csv', 'mkdtemp'}


def writes(node):
    "Whether a call writes to the disk"
    if not isinstance(node, ast.Call): return False
    name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
    if name == 'open': return any(set(ast.unparse(mode)) & set('wax') for mode in node.args[1:2])
    if name == 'replace': return ast.unparse(node.func) == 'os.replace' or len(node.args) == 1 and not node.keywords
    return name in WRITING


def test_who_writes_to_the_disk():
    "Whoever else reads only; a new writer is listed above with what it writes"
    assert {o for o in NAMES if any(map(writes, ast.walk(tree(o))))} <= set(WRITERS)


# the network

FETCHING = re.compile(r'\b(urllib\.request|urlopen|http\.client|HTTPConnection|HTTPSConnection|import requests'
    r'|aiohttp|httpx|httpcore|AsyncHTTPClient|create_connection|open_connection|XMLHttpRequest|importScripts)\b'
    r'|\bsocket\.connect|fetch\(|(?<![.\w])requests\.\w+\(')
ALLOWED = {
    'serving/batch.py': ['fetcher.fetch(name)'], 'page/inference.py': ['links.fetch(url)'], # they ask `safe_fetch`
    'page/static/visit.js': ['await fetch(src)'], # the browser opens a picture that is in the page
    'page/static/snippets.js': ['httpx.post(', 'import httpx', 'await fetch('], # programs that visitors copy
    'page/static/page_model.js': ["fetch('kernel')"]} # the browser asks us for a kernel


def asking():
    "Files that must not ask the network, beside the few words in them that look like it"
    for file in sorted(PACKAGE.rglob('*')):
        name = file.relative_to(PACKAGE).as_posix()
        if file.suffix not in ('.py', '.js', '.html', '.j2') or name == 'serving/safe_fetch.py': continue
        if not name.startswith('collecting/'): yield name, file


@pytest.mark.parametrize('name, file', [pytest.param(*o, id=o[0]) for o in asking()])
def test_who_asks_the_network(name, file):
    "Only `collecting` and `safe_fetch`"
    for line in file.read_text(encoding='utf-8').splitlines():
        for word in ALLOWED.get(name, ()): line = line.replace(word, '')
        assert not FETCHING.search(line), line.strip()


# what a process imports

def loaded(modules, names):
    "Which modules of `names` a new process has after importing `modules`"
    imports = ', '.join(f'clothing_classifier.{o}' for o in modules)
    code = f'import sys, {imports}; print(*[o for o in {names} if o in sys.modules])'
    run = [sys.executable, '-c', code]
    return subprocess.run(run, capture_output=True, text=True, check=True, timeout=120, cwd=ROOT).stdout.split()


def test_the_serving_wing_loads_nothing_heavy():
    assert loaded([o for o in NAMES if top(o) in FLOOR | SERVING], sorted(HEAVY)) == []


@pytest.mark.parametrize('module', ['settings', 'texts', 'page.dashboard', 'page.shared_classifier'])
def test_a_visitor_costs_little(module):
    "A visitor's process has neither numpy nor Pillow nor onnxruntime: one process has them for all"
    assert loaded([module], ['numpy', 'PIL', 'onnxruntime', 'httpx', 'sqlalchemy']) == []


def test_the_command_starts_without_numpy_and_rich():
    "The libraries of answers are imported by their verbs, and rich by --help"
    assert loaded(['cli'], ['numpy', 'PIL', 'onnxruntime', 'voila', 'fastapi', 'rich']) == []


def test_the_api_loads_only_what_it_uses():
    "Links, limits on rates and its own server are loaded where they are needed, the commands of libraries nowhere"
    assert loaded(['api.app'], ['httpx', 'limits', 'uvicorn', 'sqlalchemy', 'rich', 'pygments']) == []
    assert loaded(['api.app', 'api.server', 'serving.safe_fetch'], ['rich', 'pygments']) == []


def test_answers_without_torch():
    "With torch and fastai made impossible to import"
    photo = sorted((ROOT/'examples'/'photos'/'jeans').glob('*.jpg'))[0]
    code = f"""
import sys
for name in {sorted(HEAVY)}: sys.modules[name] = None
from clothing_classifier.predict import Classifier
print(Classifier().predict({str(photo)!r}).category)
"""
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert out.stdout.strip() == 'jeans', out.stderr
