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
from clothing_classifier.serving.safe_fetch import LinkError  # noqa: E402
from clothing_classifier.settings import load_settings  # noqa: E402


class StandIn:
    "Links without a network: some lead to a picture"

    async def get(self, url):
        if len(url) % 2:
            return picture()
        raise LinkError('There is no server of this name. Check the link.')


@pytest.fixture(scope='session')
def app(tmp_path_factory):
    s = load_settings(write_settings(tmp_path_factory.mktemp('schema'), feedback_store='folder'))
    return create_app(s, links=StandIn(), feedback=open_feedback(s))


def operations(app):
    return [o.ok() for o in schemathesis.openapi.from_asgi('/openapi.json', app).get_all_operations()]


@pytest.mark.parametrize('mode', list(schemathesis.GenerationMode), ids=lambda o: o.value)
@pytest.mark.parametrize(
    'label', ['POST /v1/predict', 'POST /v1/feedback', 'GET /v1/categories', 'GET /v1/model', 'GET /healthz', 'GET /readyz', 'GET /metrics']
)
def test_the_document_is_true(app, label, mode):
    (op,) = (o for o in operations(app) if o.label == label)

    @given(case=op.as_strategy(generation_mode=mode))
    @settings(max_examples=int(os.environ.get('EXAMPLES', 15)), deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def holds(case):
        r = case.call_and_validate(excluded_checks=[positive_data_acceptance])
        if mode is schemathesis.GenerationMode.POSITIVE:
            assert r.status_code in (200, 201, 422), r.status_code  # No schema can say "these bytes are a picture"

    try:
        holds()
    except Unsatisfiable:
        assert mode is schemathesis.GenerationMode.NEGATIVE and label.startswith('GET')  # A call without parameters cannot be made wrongly


def test_the_document_names_every_call_and_error(app):
    paths = app.openapi()['paths']
    assert set(paths) == {'/v1/predict', '/v1/categories', '/v1/model', '/v1/feedback', '/healthz', '/readyz', '/metrics', '/'}
    assert {'200', '400', '401', '413', '415', '422', '429', '503'} <= set(paths['/v1/predict']['post']['responses'])
    assert set(paths['/v1/predict']['post']['requestBody']['content']) == {'multipart/form-data', 'image/*', 'application/octet-stream', 'application/json'}
