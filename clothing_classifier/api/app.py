"""The classifier over HTTP: for a phone, a shop system, or a script in another language"""

import asyncio
import hashlib
import hmac
import logging
import math
import os
import re
import threading
import time
import uuid
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from http import HTTPStatus

import anyio
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.security import HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from pydantic import BaseModel, ConfigDict
from python_multipart.exceptions import FormParserError
from starlette.datastructures import Headers, MutableHeaders, UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from ..api import page as api_page
from ..images import ImageError, give_memory_back
from ..predict import Classifier, Prediction, cores
from ..serving.feedback import FeedbackError, open_feedback
from ..serving.safe_fetch import LinkError, open_links
from ..settings import Settings, load_settings

_request_id = ContextVar('request_id', default='')


class Problem(Exception):
    "An answer that is not the one asked for"
    def __init__(self,
        status:int, # HTTP status
        detail:str, # A sentence that says what to do
        **headers # `Retry_After=2`
    ): self.status, self.detail, self.headers = status, detail, {k.replace('_', '-'): str(v) for k,v in headers.items()}

    def response(self):
        body = dict(type='about:blank', title=HTTPStatus(self.status).phrase, status=self.status, detail=self.detail, request_id=_request_id.get())
        return JSONResponse(body, self.status, self.headers, media_type='application/problem+json')


class ProblemBody(BaseModel):
    "An error, as RFC 9457 describes it"
    type: str
    title: str
    status: int
    detail: str
    request_id: str


def _problems(*statuses):
    "The part of the OpenAPI document that lists errors"
    content = lambda o: {'application/problem+json': dict(schema={'$ref': '#/components/schemas/ProblemBody'},
        example=dict(type='about:blank', title=HTTPStatus(o).phrase, status=o, detail='A sentence that says what to do.', request_id='7f1c'))}
    wait = dict(headers={'Retry-After': dict(description='Seconds', schema=dict(type='integer'))})
    return {o: dict(description=HTTPStatus(o).phrase, content=content(o)) | (wait if o in (429, 503) else {}) for o in statuses}


class Door:
    "Lets in so many requests with so many megabytes"
    def __init__(self,
        requests:int, # In the house at the same time
        megabytes:float # Of their bodies
    ): self.most, self.room, self.inside, self.bytes = requests, megabytes*1e6, 0, 0

    @property
    def full(self): return self.inside >= self.most

    @contextmanager
    def place(self, size, retry=1):
        "A place for a request of `size` bytes. Raises `Problem`"
        if self.full or (self.inside and self.bytes+size > self.room): raise Problem(503, "Too many pictures are waiting. Try again a little later.", Retry_After=retry)
        self.inside, self.bytes = self.inside+1, self.bytes+size
        try: yield
        finally: self.inside, self.bytes = self.inside-1, self.bytes-size


class Desk:
    "Shares pictures out among workers"
    def __init__(self,
        classifier:Classifier, # Shared by all
        workers:int=0, # 0 for one a core
        batch:int=4 # Pictures in one run of the network, at most
    ):
        self.classifier, self.workers, self.batch, self.waiting, self.seconds = classifier, workers or cores(), batch, 0, .05
        self.jobs, self.pool = deque(), ThreadPoolExecutor(self.workers, 'desk')

    @property
    def retry(self)->int: return max(1, math.ceil(self.waiting*self.seconds/self.workers)) # Seconds until the queue will have gone

    def _take(self):
        "This worker's share of the (picture, future) that wait; without those whose client has left"
        got = []
        with suppress(IndexError):
            for _ in range(min(self.batch, math.ceil(len(self.jobs)/self.workers))): got.append(self.jobs.popleft())
        return [o for o in got if o[1].set_running_or_notify_cancel()]

    def _answer(self, got):
        try: ps = self.classifier.answers([o for o,_ in got])
        except Exception as e: return [self._answer([o]) for o in got] if len(got) > 1 else got[0][1].set_exception(e)
        for (_,f),p in zip(got, ps): f.set_result(p)

    def _work(self):
        start, got = time.perf_counter(), self._take()
        if not got: return
        self._answer(got)
        self.seconds += .1*((time.perf_counter()-start)/len(got)-self.seconds)

    async def ask(self, datas)->list:
        "The `Prediction` of each picture; a bad file is one with its `error`"
        fs = [Future() for _ in datas]
        self.waiting += len(datas)
        self.jobs.extend(zip(datas, fs))
        for _ in datas: self.pool.submit(self._work)
        try: return await asyncio.gather(*map(asyncio.wrap_future, fs))
        finally: self.waiting -= len(datas)

    async def run(self, f, *args): return await asyncio.get_running_loop().run_in_executor(self.pool, f, *args)


class Answer(BaseModel):
    "The answer for one picture"
    file: str
    answer: str|None
    category: str|None
    probability: float
    known: bool
    probabilities: dict[str, float]
    error: str|None

    @classmethod
    def of(cls, file, p:Prediction):
        return cls(file=file, answer=None if p.error else p.answer, category=p.category, probability=p.probability,
            known=p.known, probabilities=p.probabilities, error=p.error or None)


_jeans = dict(file='photo.jpg', answer='jeans', category='jeans', probability=.998, known=True, probabilities=dict(jeans=.998, socks=.002), error=None)


class Answers(BaseModel):
    "The answer for every picture, in the order they were sent"
    model_config = ConfigDict(json_schema_extra=dict(example=dict(results=[_jeans])))
    results: list[Answer]


class Categories(BaseModel):
    "What can be answered; `unknown` stands for none of these"
    model_config = ConfigDict(json_schema_extra=dict(example=dict(categories=['jeans','socks'], unknown='unknown')))
    categories: list[str]
    unknown: str = 'unknown'


class Card(BaseModel):
    "The model card, as Markdown where there is one; what the network file says of itself, and the hashes of the files"
    model_config = ConfigDict(extra='allow')
    file: str
    bytes: int
    sha256: str
    labels: list[str]
    temperature: float
    thresholds: dict
    preprocessing: dict
    card: str|None = None


class Kept(BaseModel):
    "A picture that was kept for the next training"
    model_config = ConfigDict(json_schema_extra=dict(example=dict(id='da39a3ee5e6b4b0d3255bfef95601890afd80709', category='socks')))
    id: str
    category: str


class State(BaseModel):
    "Health"
    model_config = ConfigDict(json_schema_extra=dict(example=dict(status='ready')))
    status: str


def _kind(request): return request.headers.get('content-type', '').split(';')[0].strip().lower()


async def _form(request, most):
    "The form of a request with at most `most` files. Raises `Problem`"
    try: return await request.form(max_files=most, max_fields=20, max_part_size=10_000)
    except (HTTPException, FormParserError) as e:
        raise Problem(400, f"This is not a form that can be read: {str(getattr(e, 'detail', e)).rstrip('.')}. Send up to {most} files as multipart/form-data.") from None


async def _files(request, most):
    "(name, content) of every file of a form. Raises `Problem`"
    fs = [o for _,o in (await _form(request, most)).multi_items() if isinstance(o, UploadFile)]
    if not fs: raise Problem(422, "There is no file in this form. Send pictures as files, in fields of any name.")
    return [(o.filename or '', await o.read()) for o in fs]


async def _link(request, links):
    "(link, content) of `{\"url\": ...}`. Raises `Problem` and `LinkError`"
    try: o = await request.json()
    except (ValueError, RecursionError): raise Problem(400, 'This is not JSON. Send {"url": "https://…"}.') from None
    if not isinstance(o, dict) or set(o) != {'url'} or not isinstance(o['url'], str): raise Problem(422, 'Send an object with the one key "url" and a text: {"url": "https://…"}.')
    if links is None: raise Problem(403, "Links are not followed here. Send the picture itself.")
    return [(o['url'], await links.get(o['url']))]


async def pictures(
    request:Request, # To `/v1/predict`
    links, # `Links` or None
    most:int # Files in a form
)->list: # (name, content)
    "What a request brings. Raises `Problem` and `LinkError`"
    kind = _kind(request)
    if kind == 'multipart/form-data': return await _files(request, most)
    if kind == 'application/json': return await _link(request, links)
    if kind.startswith('image/') or kind == 'application/octet-stream': return [('', await request.body())]
    raise Problem(415, "Send multipart/form-data with files, the bytes of a picture as image/*, or application/json with a url.")


log = logging.getLogger('clothing_classifier.api')


class Metrics:
    "What Prometheus may ask"
    def __init__(self):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        make = lambda cls, name, doc, *labels, **kw: cls(f'clothing_classifier_{name}', doc, labels, registry=self.registry, **kw)
        self.count = make(Counter, 'requests', 'Requests by route and status', 'method', 'route', 'status')
        self.seconds = make(Histogram, 'request_seconds', 'Seconds from the first byte to the last', 'route', buckets=(.01,.025,.05,.1,.25,.5,1,2.5,5,10,30))
        self.answers = make(Counter, 'answers', 'Pictures by answer', 'answer')
        self.waiting = make(Gauge, 'waiting_pictures', 'Pictures that wait or are looked at')
        self.inside = make(Gauge, 'requests_inside', 'Requests that were let in')


class _Body:
    "The receiving end of one request: counts, and keeps the time"
    def __init__(self, scope, receive, cap, seconds):
        head = Headers(scope=scope)
        self.receive, self.cap, self.until, self.got = receive, cap, time.monotonic()+seconds, 0
        size = head.get('content-length', '')
        self.size = int(size) if size.isdigit() else None
        self.done = not (self.size or 'transfer-encoding' in head)

    async def __call__(self):
        try:
            with anyio.fail_after(None if self.done else max(self.until-time.monotonic(), 0)): m = await self.receive()
        except TimeoutError: raise Problem(408, "The rest of this upload did not arrive in time. Send it again, or a smaller copy.") from None
        self.got, self.done = self.got+len(m.get('body', b'')), self.done or not m.get('more_body', False)
        if self.got > self.cap: raise too_large(self.cap)
        return m

    async def linger(self, seconds=2):
        "Take and forget what is still being sent"
        with anyio.move_on_after(seconds):
            while not self.done: self.done = not (await self.receive()).get('more_body', False)


def too_large(cap): return Problem(413, f"This upload is too large; the most is {cap/1e6:g} MB. Send a smaller copy.", Connection='close')


class Frame:
    "ASGI middleware: request id, limits on the body, log, metrics"
    def __init__(self, app, metrics, cap, seconds, draining):
        self.app, self.metrics, self.cap, self.seconds, self.draining = app, metrics, cap, seconds, draining

    async def __call__(self, scope, receive, send):
        if scope['type'] != 'http': return await self.app(scope, receive, send)
        rid = Headers(scope=scope).get('x-request-id', '')
        rid = rid if re.fullmatch(r'[\w.:\-]{1,64}', rid, re.ASCII) else uuid.uuid4().hex
        _request_id.set(rid)
        body, start, status = _Body(scope, receive, self.cap, self.seconds), time.perf_counter(), 500
        log.info('request=%s received %s %s', rid, scope['method'], scope['raw_path'].decode('latin1'))

        async def out(m):
            nonlocal status
            if m['type'] == 'http.response.start':
                status, h = m['status'], MutableHeaders(raw=m['headers'])
                h['X-Request-ID'] = rid
                if self.draining() or not body.done: h['Connection'] = 'close'
                m = m | dict(headers=h.raw)
            elif not (more := m.get('more_body', False)) and not body.done:
                await send(m | dict(more_body=True))
                await body.linger()
                m = dict(type='http.response.body')
            await send(m)

        try: await self.app(scope, body, out)
        finally: self._note(scope, rid, status, time.perf_counter()-start)

    def _note(self, scope, rid, status, seconds):
        route = getattr(scope.get('route'), 'path', 'other')
        self.metrics.count.labels(scope['method'] if scope['method'] in ('GET','POST','HEAD','OPTIONS') else 'other', route, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        log.info('request=%s answered %d in %.0f ms', rid, status, seconds*1000)


class House:
    "What all requests share"
    def __init__(self, settings:Settings, classifier=None, links=None, feedback=None):
        s, a = settings.serve, settings.api
        self.settings, self.draining, self.metrics = settings, False, Metrics()
        self.classifier = classifier or Classifier.load(s.model, s.threads, s.max_megapixels)
        self.links, self.feedback = links or open_links(settings), feedback or open_feedback(settings)
        self.desk, self.door, self.token = Desk(self.classifier, a.workers, a.batch), Door(a.requests, a.memory_mb), os.environ.get(a.token_variable, '')
        self.cap, self.limiter = s.max_upload_mb*10**6, MovingWindowRateLimiter(MemoryStorage()) if a.rate else None
        self.metrics.waiting.set_function(lambda: self.desk.waiting)
        self.metrics.inside.set_function(lambda: self.door.inside)

    def card(self):
        "The network's own metadata, and its hash"
        data = self.settings.serve.model.read_bytes() if self.settings.serve.model.is_file() else b''
        words = self.settings.serve.model.with_name('MODEL_CARD.md')
        return Card(card=words.read_text(encoding='utf-8') if words.is_file() else None, file=self.settings.serve.model.name, bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(), **self.classifier.meta)

    def authorized(self, request):
        "Raises `Problem` if there is a token and this is another"
        if self.token and not hmac.compare_digest(request.headers.get('authorization', '').encode(), f'Bearer {self.token}'.encode()):
            raise Problem(401, "This call needs a token. Send the header Authorization: Bearer <token>.", WWW_Authenticate='Bearer')

    def in_time(self, request):
        "Raises `Problem` if this client has asked too often"
        if not self.limiter: return
        item, who = RateLimitItemPerMinute(self.settings.api.rate), request.client.host if request.client else ''
        if not self.limiter.hit(item, who):
            wait = max(1, math.ceil(self.limiter.get_window_stats(item, who).reset_time-time.time()))
            raise Problem(429, f"That was more than {self.settings.api.rate} requests in a minute. Wait, then go on more slowly.", Retry_After=wait)

    def place(self, request):
        "A place behind the door, given before the body is read. Raises `Problem`"
        size = request.headers.get('content-length')
        size = int(size) if size and size.isdigit() else self.cap
        if size > self.cap: raise too_large(self.cap)
        return self.door.place(self.cap if _kind(request) == 'application/json' else size, self.desk.retry)


def house(request:Request)->House: return request.app.state.house


def checked(request:Request):
    house(request).authorized(request)
    house(request).in_time(request)


async def admitted(request:Request, _=Depends(checked)):
    with house(request).place(request): yield


_v1, _watch = (APIRouter(prefix=o, dependencies=[Depends(checked)], responses=_problems(401, 429)) for o in ('/v1',''))


_open = APIRouter()


_binary = dict(type='string', format='binary')


_takes_pictures = dict(dependencies=[Depends(admitted)], responses=_problems(400, 403, 408, 413, 415, 422, 503))


@_v1.post('/predict', **_takes_pictures, summary='What is on these pictures?', openapi_extra=dict(requestBody=dict(required=True, content={
    'multipart/form-data': dict(schema=dict(type='object', properties=dict(files=dict(type='array', items=_binary, minItems=1)), required=['files'])),
    'image/*': dict(schema=_binary), 'application/octet-stream': dict(schema=_binary),
    'application/json': dict(schema=dict(type='object', properties=dict(url=dict(type='string', format='uri')), required=['url'], additionalProperties=False), example=dict(url='https://shop.example/jeans.jpg'))})))
async def predict(request:Request)->Answers:
    "Files in a form, the bytes of one picture, or a link. A picture that cannot be used has an `error`; if that is so for all, the status is 422."
    h = house(request)
    items = await pictures(request, h.links, h.settings.api.max_pictures)
    ps = await h.desk.ask([o for _,o in items])
    for p in ps: h.metrics.answers.labels('error' if p.error else p.answer).inc()
    if all(p.error for p in ps): raise Problem(422, ps[0].error)
    return Answers(results=[Answer.of(name, p) for (name, _), p in zip(items, ps)])


@_v1.get('/categories', summary='What can be answered?')
async def categories(request:Request)->Categories: return Categories(categories=house(request).classifier.labels)


@_v1.get('/model', summary='Which network answers?')
async def model(request:Request)->Card: return request.app.state.card


@_v1.post('/feedback', **_takes_pictures, status_code=201, summary='The answer was wrong', openapi_extra=dict(requestBody=dict(required=True, content={
    'multipart/form-data': dict(schema=dict(type='object', properties=dict(file=_binary, category=dict(type='string'), answer=dict(type='string')), required=['file','category']))})))
async def feedback(request:Request)->Kept:
    "One picture as `file`, its right `category`, and the `answer` that was given. The picture alone is kept, without the file's metadata."
    h = house(request)
    if h.feedback is None: raise Problem(403, "Nothing is kept here: the operator has not turned feedback on.")
    if _kind(request) != 'multipart/form-data': raise Problem(415, "Send multipart/form-data with file and category.")
    form = await _form(request, 1)
    file, category, answer = (form.get(o) for o in ('file','category','answer'))
    if not isinstance(file, UploadFile) or not isinstance(category, str): raise Problem(422, "Send one picture as the field file, and its right category as the field category.")
    sha1 = await h.desk.run(h.feedback.add, await file.read(), category, answer if isinstance(answer, str) else '')
    return Kept(id=sha1, category=category)


@_open.get('/healthz', summary='Is the process alive?')
async def healthz()->State: return State(status='alive')


@_open.get('/readyz', responses=_problems(503), summary='May requests be sent here?')
async def readyz(request:Request)->State:
    h = house(request)
    if h.draining: raise Problem(503, "This server is stopping.", Retry_After=h.desk.retry)
    if h.door.full: raise Problem(503, "This server is busy.", Retry_After=h.desk.retry)
    return State(status='ready')


@_watch.get('/metrics', responses={200: dict(content={'text/plain': {}})}, response_class=Response, summary='For Prometheus')
async def metrics(request:Request): return Response(generate_latest(house(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)


@_open.get('/', response_class=HTMLResponse, summary='Try it without a client')
async def index(): return HTMLResponse(api_page.page, headers={'Content-Security-Policy': api_page.policy, 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer'})


_said = {404: "There is nothing at this address. /openapi.json lists what there is.", 405: "This address does not take this method. /openapi.json says which one it takes."}


def _handlers(app):
    "Errors -> problems"
    as_problem = {Problem: lambda e: e, ImageError: lambda e: Problem(422, str(e)), LinkError: lambda e: Problem(422, str(e)),
        FeedbackError: lambda e: Problem(422, str(e)), ClientDisconnect: lambda e: Problem(400, "The upload broke off."),
        HTTPException: lambda e: Problem(e.status_code, _said.get(e.status_code, str(e.detail)), **(e.headers or {}))}
    for cls,f in as_problem.items(): app.add_exception_handler(cls, lambda request, e, f=f: f(e).response())


class _Last:
    "The outermost layer inside the frame: what nobody foresaw becomes a 500 without details, and a traceback in the log"
    def __init__(self, app): self.app = app
    async def __call__(self, scope, receive, send):
        started = False
        async def out(m):
            nonlocal started
            started = True
            await send(m)
        try: await self.app(scope, receive, out)
        except Exception:
            log.exception('request=%s failed', _request_id.get())
            if not started: await Problem(500, "Something went wrong on our side. Try again later.").response()(scope, receive, out)


def create_app(
    settings:Settings|None=None, # None: the nearest `settings.ini`
    **parts # `classifier`, `links`, `feedback`, if not as in the settings
)->FastAPI:
    "The API as an ASGI application. Raises `ModelError`"
    settings = settings or load_settings()
    h, a = House(settings, **parts), settings.api
    app = FastAPI(title='clothing_classifier', version='1', description=f"Tells apart {', '.join(h.classifier.labels)}.", docs_url=None, redoc_url=None)
    app.state.house, app.state.card = h, h.card()
    for o in (_v1, _watch): app.include_router(o, dependencies=[Depends(HTTPBearer(auto_error=False))] if h.token else []) # For the document; `checked` looks
    app.include_router(_open)
    _handlers(app)
    app.add_middleware(_Last)
    if a.cors != 'none':
        app.add_middleware(CORSMiddleware, allow_origins=[o.strip() for o in a.cors.split(',')], allow_methods=['GET','POST'],
            allow_headers=['Authorization','Content-Type','X-Request-ID'], expose_headers=['X-Request-ID','Retry-After'])
    app.add_middleware(Frame, metrics=h.metrics, cap=h.cap, seconds=a.upload_seconds, draining=lambda: h.draining)
    return app


class Server(uvicorn.Server):
    "uvicorn, with a second of grace before it stops to listen"
    grace = 1
    def handle_exit(self, sig, frame):
        h = self.config.app.state.house
        if h.draining: return super().handle_exit(sig, frame)
        h.draining = True
        t = threading.Timer(self.grace, super().handle_exit, (sig, frame))
        t.daemon = True
        t.start()


def serve_api(
    settings:Settings|None=None # None: the nearest `settings.ini`
):
    "Answer over HTTP until told to stop. Raises `ModelError`"
    give_memory_back()
    settings = settings or load_settings()
    s, a = settings.serve, settings.api
    logging.basicConfig(format='%(asctime)s %(levelname)s %(message)s', level=logging.INFO)
    Server(uvicorn.Config(create_app(settings), s.ip, s.port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=math.ceil(a.drain_seconds))).run()
