"""ASGI middleware around every request: its id, the limits on its body, the log and the metrics"""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders

from .limits import LimitedBody
from .problems import Problem, request_id

log = logging.getLogger('clothing_classifier.api')


def _request_id(headers):
    "The id that the client sent, if it is safe to log, else a new one"
    given = headers.get('x-request-id', '')
    return given if re.fullmatch(r'[\w.:\-]{1,64}', given, re.ASCII) else uuid.uuid4().hex


class _Response:
    "The `send` of one request: adds headers, and takes the rest of an upload before the answer ends"
    def __init__(self, send, body, draining):
        self.send, self.body, self.draining, self.status = send, body, draining, 500

    async def __call__(self, message):
        if message['type'] == 'http.response.start': self._start(message)
        elif self._ends_early(message): return await self._end_after_upload(message)
        await self.send(message)

    def _ends_early(self, message):
        "Whether the answer ends while the client is still sending"
        return not message.get('more_body', False) and not self.body.complete

    def _start(self, message):
        self.status = message['status']
        headers = MutableHeaders(raw=message['headers'])
        headers['X-Request-ID'] = request_id.get()
        if self.draining() or not self.body.complete: headers['Connection'] = 'close'
        message['headers'] = headers.raw

    async def _end_after_upload(self, message):
        "Without this a client that is still sending sees a broken pipe instead of the answer"
        await self.send(message | dict(more_body=True))
        await self.body.discard()
        await self.send(dict(type='http.response.body'))


class RequestMiddleware:
    "Gives each request an id, limits its body, and logs and counts it"
    def __init__(self, app,
        metrics, # `Metrics` that count the request
        max_bytes:int, # bytes of a body, at most
        seconds:float, # seconds for a body to arrive
        draining # function that tells whether the server is stopping
    ):
        self.app, self.metrics, self.draining = app, metrics, draining
        self.max_bytes, self.seconds = max_bytes, seconds

    async def __call__(self, scope, receive, send):
        if scope['type'] != 'http': return await self.app(scope, receive, send)
        start, headers = time.perf_counter(), Headers(scope=scope)
        body = LimitedBody(headers, receive, self.max_bytes, self.seconds)
        response = _Response(send, body, self.draining)
        request_id.set(_request_id(headers))
        self._received(scope)
        try: await self.app(scope, body, response)
        finally: self._answered(scope, response.status, time.perf_counter()-start)

    def _received(self, scope):
        path = scope['raw_path'].decode('latin1')
        log.info('request=%s received %s %s', request_id.get(), scope['method'], path)

    def _answered(self, scope, status, seconds):
        route = getattr(scope.get('route'), 'path', 'other')
        self.metrics.request_done(scope['method'], route, status, seconds)
        log.info('request=%s answered %d in %.0f ms', request_id.get(), status, seconds*1000)


class UnexpectedErrors:
    "Answers any other exception with a 500 without details; the log has the traceback"
    def __init__(self, app): self.app = app

    async def __call__(self, scope, receive, send):
        started = False
        async def note_start(message):
            nonlocal started
            started = True
            await send(message)
        try: await self.app(scope, receive, note_start)
        except Exception:
            log.exception('request=%s failed', request_id.get())
            if started: return
            problem = Problem(500, "The server failed to answer this request. Try again later.")
            await problem.response()(scope, receive, send)
