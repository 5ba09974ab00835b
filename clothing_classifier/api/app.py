"""The classifier over HTTP: the calls, and the application that answers them"""

import logging

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from starlette.datastructures import UploadFile
from starlette.middleware.cors import CORSMiddleware

from ..images import give_memory_back
from ..settings import Settings, load_settings
from . import docs_page
from . import metrics as prometheus
from .middleware import RequestMiddleware, UnexpectedErrors
from .problems import Problem, add_problem_handlers, documented_problems
from .schemas import Answer, Answers, Categories, Health, KeptPicture, ModelCard, feedback_body, predict_body
from .service import Service, admit_upload, check_client, service_of
from .uploads import content_type, read_form, uploaded_pictures

_checked = dict(dependencies=[Depends(check_client)], responses=documented_problems(401, 429))
_v1 = APIRouter(prefix='/v1', tags=['Classifier'], **_checked)
_monitoring = APIRouter(tags=['Server'], **_checked)
_public = APIRouter(tags=['Server'])
_upload_problems = documented_problems(400, 403, 408, 413, 415, 422, 503)
_upload = dict(dependencies=[Depends(admit_upload)], responses=_upload_problems)


@_v1.post('/predict', **_upload, summary='Classify pictures', openapi_extra=predict_body)
async def predict(request:Request)->Answers:
    """Files in a form, the bytes of one picture, or a link.
    A picture that cannot be used has an `error`; if that is true for all, the status is 422."""
    service = service_of(request)
    pictures = await uploaded_pictures(request, service.fetcher, service.settings.api.max_pictures)
    predictions = await service.workers.predict([content for _, content in pictures])
    service.metrics.pictures_done(predictions)
    if all(p.error for p in predictions): raise Problem(422, predictions[0].error)
    names = [name for name, _ in pictures]
    return Answers(results=list(map(Answer.of, names, predictions)))


@_v1.get('/categories', summary='List the possible answers')
async def categories(request:Request)->Categories:
    return Categories(categories=service_of(request).classifier.labels)


@_v1.get('/model', summary='Describe the network')
def model(request:Request)->ModelCard: # not async, so it reads the file in a thread
    return service_of(request).model_card


async def _correction(request):
    "The picture, its right category, and the answer that was given. Raises `Problem`"
    if content_type(request) != 'multipart/form-data':
        raise Problem(415, "Send multipart/form-data with the fields file and category.")
    form = await read_form(request, 1)
    file, category, answer = form.get('file'), form.get('category'), form.get('answer')
    if not isinstance(file, UploadFile) or not isinstance(category, str):
        raise Problem(422, "Send one picture as the field file, its right category as the field category.")
    return await file.read(), category, answer if isinstance(answer, str) else ''


@_v1.post('/feedback', **_upload, status_code=201, summary='Correct an answer', openapi_extra=feedback_body)
async def feedback(request:Request)->KeptPicture:
    """One picture as `file`, its right `category`, and the `answer` that was given.
    The picture is kept without the metadata of its file."""
    service = service_of(request)
    if service.feedback is None:
        raise Problem(403, "Feedback is not turned on. The operator of this server can set [feedback] store.")
    picture, category, answer = await _correction(request)
    sha1 = await service.workers.run(service.feedback.add, picture, category, answer)
    return KeptPicture(id=sha1, category=category)


@_public.get('/healthz', summary='Whether the process is alive')
async def healthz()->Health: return Health(status='alive')


@_public.get('/readyz', responses=documented_problems(503), summary='Whether requests may be sent')
async def readyz(request:Request)->Health:
    service = service_of(request)
    seconds = service.workers.retry_after
    if service.draining: raise Problem(503, "This server is stopping. Ask another one.", Retry_After=seconds)
    if service.admission.full: raise Problem(503, "This server is busy. Try again later.", Retry_After=seconds)
    return Health(status='ready')


_plain_text = {200: dict(content={'text/plain': {}})}


@_monitoring.get('/metrics', responses=_plain_text, response_class=Response, summary='Metrics for Prometheus')
async def metrics(request:Request):
    return Response(service_of(request).metrics.text(), media_type=prometheus.content_type)


def _add_routes(app):
    # for the OpenAPI document only; `check_client` checks the token
    documented = [Depends(HTTPBearer(auto_error=False))] if app.state.service.token else []
    app.include_router(_v1, dependencies=documented)
    app.include_router(_monitoring, dependencies=documented)
    app.include_router(_public)
    app.include_router(docs_page.router)
    app.mount('/docs/files', docs_page.files)


def _add_cors(app, origins):
    app.add_middleware(CORSMiddleware,
        allow_origins=[origin.strip() for origin in origins.split(',')],
        allow_methods=['GET', 'POST'],
        allow_headers=['Authorization', 'Content-Type', 'X-Request-ID'],
        expose_headers=['X-Request-ID', 'Retry-After'])


def create_app(
    settings:Settings|None=None, # None: the nearest `settings.ini`
    **parts # replacements of what the settings name: `classifier`, `fetcher`, `feedback`
)->FastAPI:
    "The API as an ASGI application. Raises `ModelError`"
    settings = settings or load_settings()
    service = Service(settings, **parts)
    description = f"Tells apart {', '.join(service.classifier.labels)}."
    app = FastAPI(title='clothing_classifier', version='1', description=description, docs_url=None, redoc_url=None,
        servers=[dict(url='.')], root_path_in_servers=False) # beside the OpenAPI document, whatever the prefix
    app.state.service = service
    _add_routes(app)
    add_problem_handlers(app)
    app.add_middleware(UnexpectedErrors)
    if settings.api.cors != 'none': _add_cors(app, settings.api.cors)
    app.add_middleware(RequestMiddleware, metrics=service.metrics, max_bytes=service.max_bytes,
        seconds=settings.api.upload_seconds, draining=lambda: service.draining)
    return app


def serve_api(
    settings:Settings|None=None # None: the nearest `settings.ini`
):
    "Answer over HTTP until a signal to stop. Raises `ModelError`"
    from . import server
    give_memory_back()
    settings = settings or load_settings()
    logging.basicConfig(format='%(asctime)s %(levelname)s %(message)s', level=logging.INFO)
    server.run(create_app(settings), settings)


def serve_api_behind_page(
    inference, # `InferenceServer`, whose network, links and feedback the API shares
    listener # socket on which the page's server asks
):
    "Answer the requests that the page's server passes on"
    from . import server
    app = create_app(inference.settings,
        classifier=inference.classifier,
        fetcher=inference.links,
        feedback=inference.feedback)
    server.run_on(app, listener)
