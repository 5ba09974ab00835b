"""axe-core, which checks what a screen reader, a keyboard or weak eyes meet: no serious violation on the page."""
import json
import shutil
import subprocess
import tarfile

import pytest
from conftest import ROOT, dyno, idle, open_page, serving, upload_of

pytestmark = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')


@pytest.fixture(scope='module')
def axe(tmp_path_factory):
    "The script, from the npm registry; nothing of it stays"
    if not shutil.which('npm'): pytest.skip('needs npm, to fetch axe-core')
    d = tmp_path_factory.mktemp('axe')
    command = ['npm', 'pack', 'axe-core@4.14.1', '--silent']
    try: subprocess.run(command, cwd=d, check=True, capture_output=True, timeout=120)
    except (subprocess.SubprocessError, OSError): pytest.skip('axe-core cannot be fetched from the npm registry')
    with tarfile.open(next(d.glob('*.tgz'))) as t: return t.extractfile('package/axe.min.js').read().decode()


@pytest.fixture(scope='module')
def url(tmp_path_factory):
    folder = dyno(tmp_path_factory.mktemp('axe-page'), feedback_store='folder', feedback_folder='kept')
    shutil.copy(ROOT/'MODEL_CARD.md', folder)
    with serving(folder) as (_, url): yield url


_animations_have_ended = "() => document.getAnimations().every(animation => animation.playState !== 'running')"


def judged(page, axe):
    "What axe-core finds serious or critical"
    page.wait_for_function(_animations_have_ended) # a half transparent text has little contrast
    run = 'axe.run(document, { resultTypes: ["violations"] }).then(r => JSON.stringify(r.violations))'
    found = json.loads(page.evaluate(f'{axe}; {run}'))
    serious = [violation for violation in found if violation['impact'] in ('serious', 'critical')]
    return [(o['id'], [node['html'][:150] for node in o['nodes']][:3]) for o in serious]


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [390, 1280])
def test_no_serious_violation(browser, url, axe, width, scheme):
    options = dict(viewport=dict(width=width, height=844), color_scheme=scheme, has_touch=width < 500)
    p, wrong = open_page(browser, url, bypass_csp=True, **options)
    assert judged(p, axe) == []
    text = dict(name='notes.jpg', mimeType='image/jpeg', buffer=b'text')
    p.set_input_files('.cc-upload input', [upload_of('socks'), upload_of('jeans'), text])
    idle(p, 3)
    for i, act in enumerate(('why', 'wrong')):
        p.locator(f'.cc-done:nth-child({i+1}) [data-act={act}]').click()
    p.wait_for_selector('.cc-wrong')
    p.locator('.cc-api').evaluate_all('all => all.forEach(details => { details.open = true; })')
    assert judged(p, axe) == []
    p.click('[data-view=table]')
    assert judged(p, axe) == []
    p.close()
    assert wrong == []


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_no_serious_violation_in_the_page_about_the_model(browser, url, axe, scheme):
    page = browser.new_page(viewport=dict(width=390, height=844), color_scheme=scheme, bypass_csp=True)
    page.goto(f'{url}model')
    assert page.locator('table').count() > 2 and judged(page, axe) == []
    page.close()
