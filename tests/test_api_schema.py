"schemathesis reads the OpenAPI document and tries what it allows and what it doesn't"

import os

import pytest

schemathesis = pytest.importorskip('schemathesis')

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis.errors import Unsatisfiable  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402
from tiny import picture, write_settings  # noqa: E402

from clothing_classifier.api.app import create_app  # noqa: E402
from clothing_classifier.serving.feedback import open_feedback  # noqa: E402
from clothing_classifier.serving.safe_fetch import LinkError, _checked_url  # noqa: E402
from clothing_classifier.settings import load_settings  # noqa: E402


class FakeFetcher:
    "A fetcher without a network: what is no link is refused as ever, and some links lead to a picture"

    async def fetch_async(self, url):
        _checked_url(url, None)
        if len(url) % 2:
            return picture()
        raise LinkError('link_no_server', host='shop.example')


@pytest.fixture(scope='session')
def app(tmp_path_factory):
    s = load_settings(write_settings(tmp_path_factory.mktemp('schema'), feedback_store='folder'))
    return create_app(s, fetcher=FakeFetcher(), feedback=open_feedback(s))


CALLS = [
    'POST /v1/predict',
    'POST /v1/feedback',
    'GET /v1/categories',
    'GET /v1/model',
    'GET /healthz',
    'GET /readyz',
    'GET /metrics',
]
EXAMPLES = int(os.environ.get('EXAMPLES', 15))


def operation(app, label):
    operations = (o.ok() for o in schemathesis.openapi.from_asgi('/openapi.json', app).get_all_operations())
    return next(o for o in operations if o.label == label)


@pytest.mark.parametrize('mode', list(schemathesis.GenerationMode), ids=lambda o: o.value)
@pytest.mark.parametrize('label', CALLS)
def test_the_document_is_true(app, label, mode):
    options = dict(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))

    @given(case=operation(app, label).as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, **options)
    def holds(case):
        r = case.call_and_validate(excluded_checks=[positive_data_acceptance])
        if mode is schemathesis.GenerationMode.POSITIVE:
            assert r.status_code in (200, 201, 422)  # no schema can say "these bytes are a picture"

    try:
        holds()
    except Unsatisfiable:
        # a call without parameters cannot be made wrongly
        assert mode is schemathesis.GenerationMode.NEGATIVE and label.startswith('GET')


def test_the_document_names_every_call_and_error(app):
    paths = app.openapi()['paths']
    assert set(paths) == {call.split()[1] for call in CALLS}
    predict = paths['/v1/predict']['post']
    assert {'200', '400', '401', '413', '415', '422', '429', '503'} <= set(predict['responses'])
    kinds = {'multipart/form-data', 'image/*', 'application/octet-stream', 'application/json'}
    assert set(predict['requestBody']['content']) == kinds
