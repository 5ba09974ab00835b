"""Voila behind the page: a kernel for each visitor, with a limit of memory"""

import asyncio
import json
import logging
import re
import socket
import sys

# 15 MB and half a second, to check addresses in JSON schemas and to parse XML, which the page does not need
for name in ('rfc3987_syntax', 'lxml'): sys.modules.setdefault(name, None)

from tornado.ioloop import IOLoop  # noqa: E402
from traitlets.config import Config  # noqa: E402
from voila.app import Voila  # noqa: E402
from voila.tornado.handler import TornadoVoilaHandler  # noqa: E402
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler  # noqa: E402

from ..settings import Settings  # noqa: E402
from ..texts import Texts  # noqa: E402
from .bounded import QUEUED, BoundedSocket  # noqa: E402
from .front import Front, wait_for_kernel  # noqa: E402
from .memory import has_room  # noqa: E402
from .processes import trim_memory  # noqa: E402
from .template import template_values  # noqa: E402

SECONDS_WITHOUT_PAGE = 10 # after which a kernel ends that no page is connected to


def end_if_left(
    kernels, # Voila's manager of kernels
    id:str # kernel
):
    "End a kernel in ten seconds unless a page is connected to it then"
    async def end():
        if id in kernels and not kernels._kernel_connections.get(id): await kernels.shutdown_kernel(id, now=True)
    IOLoop.current().call_later(SECONDS_WITHOUT_PAGE, end)


VIEW = re.compile(r'<script type="application/vnd.voila.cell-output\+json">(.*?)</script>', re.S)
MIME = 'application/vnd.jupyter.widget-view+json'


def kernel_of(
    html:str # Voila's page
)->str:
    "The kernel of a page"
    return re.search(r'"kernelId": ?"([^"]+)"', html)[1]


def widget_of(
    html:str # Voila's page
)->str|None: # None if the page shows anything else
    "The widget that is all that a page shows"
    outputs = [json.loads(o).get('data', {}).get(MIME, {}).get('model_id') for o in VIEW.findall(html)]
    return outputs[0] if len(outputs) == 1 else None


class KernelPage(TornadoVoilaHandler):
    "The names of a new kernel and its widget, for the page that `Front` serves; no kernel if memory is short"
    async def get(self):
        if await self._enters(): self.answer(await self._rendered())
        else: self.refuse()

    async def _enters(self):
        entering = self.settings['entering']
        entering.add(self)
        return await asyncio.to_thread(has_room, self.settings['settings'], len(entering))

    async def _rendered(self):
        "Voila's page; its kernel ends unless the page connects to it"
        html = ''.join([part async for part in self.get_generator()])
        end_if_left(self.kernel_manager, kernel_of(html))
        trim_memory()
        return html

    def answer(self, html): self.finish(dict(kernel=kernel_of(html), widget=widget_of(html)))

    def refuse(self): wait_for_kernel(self, 'full')

    def on_finish(self):
        self.settings['entering'].discard(self)
        super().on_finish()


class VoilaPage(KernelPage):
    "Voila's own page, for a notebook that shows more than the one widget"
    def answer(self, html): self.finish(html)

    def refuse(self):
        self.set_status(503)
        self.set_header('Retry-After', '5')
        self.finish(self.settings['full'])


class KernelSocket(BoundedSocket):
    "The line between a page and its kernel: it answers the page's heartbeat, and ends the kernel after the visit"
    def on_message(self, message):
        if message == 'ping': return self._answer_ping()
        if isinstance(message, bytes) and _head_size(message) <= len(message): return self.pass_on(message)
        self.close(1003, 'not a message')

    async def _answer_ping(self):
        if await self.kernel_manager.get_kernel(self.kernel_id).is_alive(): self.write_message('pong')
        else: self.close(1011, 'the kernel has ended')

    def on_close(self):
        super().on_close()
        end_if_left(self.kernel_manager, self.kernel_id)


def _head_size(message):
    "Bytes of the offsets that a message says it begins with"
    parts = int.from_bytes(message[:8], 'little')
    return 8*(parts+1)


def _is_for_operator(record):
    "Whether somebody can do something about a line of the log"
    known = 'is not trusted', 'websocket_ping_timeout', 'invalid/expired login cookie'
    return not any(words in record.getMessage() for words in known)


class PageServer(Voila):
    "Voila behind the front that listens already"
    front:Front = None
    settings:Settings = None

    def init_settings(self):
        ours = dict(compress_response=True, entering=set(), settings=self.settings,
            full=Texts(self.settings.serve.language)('full'))
        settings = super().init_settings()
        self.kernel_manager.context.sndhwm = QUEUED
        return settings | ours

    def init_handlers(self):
        *others, (_, _, options) = super().init_handlers()
        def ours(path, handler, *rest):
            return path, KernelSocket if issubclass(handler, VoilaKernelWebsocketHandler) else handler, *rest
        pages = [(r'/kernel', KernelPage, options), (r'/voila', VoilaPage, options)]
        return [*(ours(*o) for o in others), *pages]

    def listen(self):
        for log in (self.log, logging.getLogger('tornado.general')): log.addFilter(_is_for_operator)
        self.front.voila = self.app
        self.ioloop = IOLoop.current()
        try: self.ioloop.start()
        finally: self.stop()

    def _handle_signal_stop(self, sig, frame):
        async def stop():
            try: await asyncio.wait_for(self.front.drain(), self.settings.api.drain_seconds)
            finally: self.ioloop.stop()
        self.ioloop.add_callback_from_signal(stop)


def voila_config(
    settings:Settings, # section `[serve]`
    ours:bool=True # kernels of the page, which asks for another one itself when it has lost its own
)->Config: # argument of `PageServer.launch_instance`
    "Voila's configuration"
    c = Config()
    c.VoilaConfiguration.update(
        strip_sources=True,
        show_tracebacks=False,
        template='clothing',
        theme='light',
        allow_template_override='NO',
        file_allowlist=[r'.*\.(png|svg|ico)'],
        extension_denylist=['jupyterlab-jupytext'],
        resources=dict(page=template_values(settings)))
    if ours: c.KernelManager.autorestart = False
    if hasattr(socket, 'AF_UNIX'): c.KernelManager.transport = 'ipc'
    if ours: c.MappingKernelManager.kernel_manager_class = 'clothing_classifier.page.kernels.ForkKernelManager'
    c.Voila.port_retries = 0 # a proxy waits at this port and no other
    c.Voila.tornado_settings = dict(websocket_max_message_size=2**20)
    c.Voila.log_level = 'WARN'
    c.HTMLExporter.language_code = settings.serve.language
    return c


def serve(
    settings:Settings,
    notebook, # path of `app.ipynb`
    front:Front, # listens already
):
    "Serve a notebook behind the front until a signal to stop"
    PageServer.front, PageServer.settings = front, settings
    PageServer.launch_instance([str(notebook), '--no-browser'], config=voila_config(settings))
