"""The part of the page's server that answers at once: the page itself, the health check, and the way to the others"""

import asyncio

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.routing import Router
from tornado.web import Application, RequestHandler

from ..settings import Settings
from .api_proxy import ApiProxy
from .model_page import ModelPage
from .static_files import static_text
from .template import page_html

API = r'/(?:v1/.*|docs.*|openapi\.json|metrics|readyz)'


def frame_ancestors(
    settings:Settings # `[serve] embed`
)->str:
    "A directive that says which pages may show this one in a frame"
    others = settings.serve.embed.replace(',', ' ').split()
    if others == ['none']: others = []
    return ' '.join(['frame-ancestors', "'self'", *others])


def page_headers(settings):
    "Headers of the page: it loads nothing from elsewhere"
    policy = ("default-src 'self' 'unsafe-inline' data: blob:", "object-src 'none'", "base-uri 'none'",
        "form-action 'none'", frame_ancestors(settings))
    return {
        'Content-Security-Policy': '; '.join(policy),
        'X-Content-Type-Options': 'nosniff',
        'Referrer-Policy': 'no-referrer',
        'Cache-Control': 'no-cache'}


def _handlers(settings):
    headers = page_headers(settings)
    return [
        (r'/', Text, dict(text=page_html(settings), kind='text/html', headers=headers)),
        (r'/model', ModelPage, dict(settings=settings, headers=headers)),
        (r'/favicon\.ico', Text, dict(text=static_text('icon.svg'), kind='image/svg+xml')),
        (r'/embed\.js', Text, dict(text=static_text('embed.js'), kind='text/javascript')),
        (r'/robots\.txt', Text, dict(text='User-agent: *\nAllow: /$\nDisallow: /\n', kind='text/plain')),
        (r'/healthz', HealthCheck),
        (API, ApiProxy)]


class Text(RequestHandler):
    "A text that is the same for everybody"
    def initialize(self, text, kind, headers=()): self.text, self.kind, self.headers = text, kind, dict(headers)

    def get(self):
        for name, value in self.headers.items(): self.set_header(name, value)
        self.set_header('Content-Type', f'{self.kind}; charset=utf-8')
        self.write(self.text)

    head = get


class HealthCheck(RequestHandler):
    "200 while the inference process runs"
    def get(self):
        inference = self.settings['inference']
        ok = inference is None or inference.process.is_alive()
        self.set_status(200 if ok else 503)
        self.write(dict(status='ok' if ok else 'the inference process is starting'))

    head = get


class Starting(RequestHandler):
    "Whatever needs Voila, until it is loaded"
    def prepare(self):
        self.set_status(503)
        self.set_header('Retry-After', '1')
        self.finish('starting')


class KernelLater(RequestHandler):
    "No kernel yet: the page asks again"
    def get(self): wait_for_kernel(self, 'starting')


def wait_for_kernel(
    handler:RequestHandler,
    why:str # 'starting' or 'full'
):
    "Let a page ask again. The status is a success, since browsers report every other one as a mistake of the page"
    handler.set_status(202)
    handler.finish(dict(wait=why))


def _not_logged(handler): "Requests are not logged"


class Front(Router):
    "Listens before Voila is loaded; what is not its own goes to the application of Voila"
    def __init__(self,
        settings:Settings, # title, language, `embed`
        inference # `InferenceProcess` or None
    ):
        self.settings = settings
        self.app = Application(_handlers(settings),
            compress_response=True,
            log_function=_not_logged,
            in_progress=set(),
            inference=inference,
            api_address=inference and inference.api_address)
        self.voila = Application([(r'/kernel', KernelLater), (r'.*', Starting)], log_function=_not_logged)
        self.server = HTTPServer(self)

    def find_handler(self, request, **kwargs):
        return self.app.default_router.find_handler(request) or self.voila.find_handler(request)

    def listen(self)->str: # address
        "Listen at the address and port of the settings"
        ip, port = self.settings.serve.ip, self.settings.serve.port
        sockets = bind_sockets(port, ip)
        self.server.add_sockets(sockets)
        return f'http://{ip}:{sockets[0].getsockname()[1]}/'

    async def drain(self):
        "Accept nothing new, and wait for the API's answers in progress"
        self.server.stop()
        while self.app.settings['in_progress']: await asyncio.sleep(.05)
