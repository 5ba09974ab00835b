"""axe-core, the usual judge of what a screen reader, a keyboard or weak eyes meet: no serious violation in any state of the page."""
import io
import json
import shutil
import subprocess
import tarfile

import pytest
from conftest import ROOT, dyno, idle, open_page, serving

from drawings import draw_picture as draw_goods

pytestmark = pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx')


@pytest.fixture(scope='module')
def axe(tmp_path_factory):
    "The script, from the npm registry; nothing of it stays"
    if not shutil.which('npm'): pytest.skip('needs npm, to fetch axe-core')
    d = tmp_path_factory.mktemp('axe')
    try: subprocess.run(['npm', 'pack', 'axe-core@4.14.1', '--silent'], cwd=d, check=True, capture_output=True, timeout=120)
    except (subprocess.SubprocessError, OSError): pytest.skip('axe-core cannot be fetched from the npm registry')
    with tarfile.open(next(d.glob('*.tgz'))) as t: return t.extractfile('package/axe.min.js').read().decode()


@pytest.fixture(scope='module')
def url(tmp_path_factory):
    with serving(dyno(tmp_path_factory.mktemp('axe-page'), feedback_store='folder', feedback_folder='kept')) as (_, url): yield url


def judged(page, axe):
    "What axe-core finds serious or critical"
    page.wait_for_timeout(400) # Cards have come in; a half transparent text has little contrast
    found = page.evaluate(f'{axe}; axe.run(document, {{ resultTypes: ["violations"] }}).then(r => JSON.stringify(r.violations))')
    return [(o['id'], o['impact'], [n['html'][:150] for n in o['nodes']][:3]) for o in json.loads(found) if o['impact'] in ('serious', 'critical')]


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [390, 1280])
def test_no_serious_violation(browser, url, axe, width, scheme):
    p, wrong = open_page(browser, url, viewport=dict(width=width, height=844), color_scheme=scheme, has_touch=width < 500, bypass_csp=True)
    assert judged(p, axe) == []
    b = io.BytesIO()
    draw_goods('socks').save(b, 'PNG')
    p.set_input_files('.cc-upload input', [dict(name='socks.png', mimeType='image/png', buffer=b.getvalue()), dict(name='more.png', mimeType='image/png', buffer=b.getvalue()), dict(name='notes.jpg', mimeType='image/jpeg', buffer=b'text')])
    idle(p, 3)
    for i, act in enumerate(('why', 'wrong')):
        if (o := p.locator(f'.cc-done:nth-child({i+1}) [data-act={act}]')).count(): o.click()
    p.wait_for_selector('.cc-wrong')
    assert judged(p, axe) == []
    p.click('[data-view=table]')
    assert judged(p, axe) == []
    p.close()
    assert wrong == []
