"""The server of the page: Voila with a limit of visitors, a health check, and kernels that are forked"""

import os
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.utils import url_path_join
from tornado.web import RequestHandler
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from ..settings import Settings
from .fork_server import ForkServer
from .inference_process import InferenceProcess
from .template import full_page, template_values, write_template


class PatientKernelManager(AsyncMappingKernelManager):
    "Culls an idle kernel no sooner than one idle timeout after it has left the pool of kernels started ahead"
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._left_pool = {} # kernel id -> when it was first seen outside the pool

    async def cull_kernel_if_idle(self, kernel_id):
        "Called every `cull_interval` seconds for each kernel that is not in the pool"
        now = datetime.now(timezone.utc)
        left_pool = self._left_pool.setdefault(kernel_id, now)
        if now - left_pool > timedelta(seconds=self.cull_idle_timeout):
            await super().cull_kernel_if_idle(kernel_id)
        self._left_pool = {id: since for id,since in self._left_pool.items() if id in self}


def preheated(
    kernel_manager # Voila's
)->int: # kernels
    "The number of kernels that were started ahead and have no visitor"
    pools = getattr(kernel_manager, '_pools', {}).values()
    return sum(kernel.done() for pool in pools for kernel in pool)


class HealthCheck(RequestHandler):
    "200 while the inference process runs"
    def get(self):
        inference = self.settings['inference']
        ok = inference is None or inference.process.poll() is None
        self.set_status(200 if ok else 503)
        self.write(dict(status='ok' if ok else 'the inference process is starting'))


def limit_visitors(handler):
    "Voila's handler of the page, with 503 for one visitor too many"
    class LimitedHandler(handler):
        async def prepare(self):
            await super().prepare()
            str(self.xsrf_token) # reading it sets the cookie with which the browser ends its kernel
            if self._visitors() < self.settings['max_visitors']: self.settings['entering'].add(self)
            else: self._refuse()

        def _visitors(self):
            kernels = self.settings['kernel_manager']
            return len(kernels) - preheated(kernels) + len(self.settings['entering'])

        def _refuse(self):
            self.set_status(503)
            self.set_header('Retry-After', '5')
            self.finish(self.settings['full_page'])

        def on_finish(self):
            self.settings['entering'].discard(self)
            super().on_finish()
    return LimitedHandler


def check_messages(handler):
    "Voila's handler of the websocket, which closes it on a message whose head cannot be true"
    class CheckedHandler(handler):
        def on_message(self, message):
            if isinstance(message, bytes) and _head_size(message) <= len(message): super().on_message(message)
            else: self.close(1003, 'not a message')
    return CheckedHandler


def _head_size(message):
    "Bytes of the offsets that a message says it begins with"
    parts = int.from_bytes(message[:8], 'little')
    return 8*(parts+1)


class PageServer(Voila):
    "Voila with a limit of visitors, a health check and compressed answers"
    inference = None # the `InferenceProcess`, for the health check

    def init_settings(self):
        ours = {key: self.tornado_settings[key] for key in ('max_visitors', 'full_page')}
        return super().init_settings() | ours | dict(compress_response=True, entering=set(), inference=self.inference)

    def init_handlers(self):
        *others, (path, page_handler, options) = super().init_handlers()
        def checked(path, handler, *rest):
            is_websocket = issubclass(handler, VoilaKernelWebsocketHandler)
            return path, check_messages(handler) if is_websocket else handler, *rest
        health = url_path_join(self.server_url, '/healthz'), HealthCheck
        return [health, *(checked(*o) for o in others), (path, limit_visitors(page_handler), options)]


def voila_config(
    settings:Settings, # section `[serve]`
    preheat:bool=True, # start a kernel ahead of each visitor
    idle:int=50, # seconds until the kernel of a closed tab is culled; twice that if no browser ever connected
    ours:bool=True # the page's own template and forked kernels
)->Config: # argument of `PageServer.launch_instance`
    "Voila's configuration"
    c = Config()
    c.VoilaConfiguration.update(
        preheat_kernel=preheat,
        default_pool_size=1,
        strip_sources=True,
        show_tracebacks=False,
        template='clothing' if ours else 'lab',
        theme='light',
        allow_template_override='NO',
        multi_kernel_manager_class=PatientKernelManager,
        file_allowlist=[r'.*\.(png|svg|ico)'],
        extension_denylist=['jupyterlab-jupytext'],
        resources=dict(page=template_values(settings)))
    c.MappingKernelManager.update(cull_idle_timeout=idle, cull_interval=max(idle//5, 1), cull_connected=False)
    if ours: c.MappingKernelManager.kernel_manager_class = 'clothing_classifier.page.fork_server.ForkKernelManager'
    c.Voila.port_retries = 0 # a proxy waits at this port and no other
    c.Voila.tornado_settings = dict(
        websocket_max_message_size=2**20,
        max_visitors=settings.serve.visitors,
        full_page=full_page(settings))
    c.HTMLExporter.language_code = settings.serve.language
    return c


def serve_page(
    settings:Settings, # the file that the environment names to the other processes
    notebook:str|Path, # `app.ipynb`
    browser:bool=False, # open the page in a browser
    preheat:bool=True # start a kernel ahead of each visitor
):
    "Serve the page until the process is told to stop"
    inference = InferenceProcess() if InferenceProcess.possible else None
    fork_server = ForkServer() if ForkServer.possible else None
    PageServer.inference = inference
    options = [f'--port={settings.serve.port}', f'--Voila.ip={settings.serve.ip}']
    if not browser: options.append('--no-browser')
    with tempfile.TemporaryDirectory(prefix='clothing-classifier-') as folder:
        paths = [str(write_template(folder)), os.environ.get('JUPYTER_PATH')]
        os.environ['JUPYTER_PATH'] = os.pathsep.join(filter(None, paths))
        try: PageServer.launch_instance([str(notebook), *options], config=voila_config(settings, preheat))
        finally:
            for process in (fork_server, inference):
                if process: process.stop()
