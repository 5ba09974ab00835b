"""How Voila serves the page: at once, from little memory, and with nothing left behind"""

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

from ..page.fork_server import Nursery
from ..page.inference import EngineProcess
from ..page.template import full_page, write_template
from ..settings import Settings


class PatientKernelManager(AsyncMappingKernelManager):
    "Culls a kernel no sooner than one idle timeout after it has left the pool of kernels started ahead"
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._out = {} # Kernel -> when it was first seen outside the pool

    async def cull_kernel_if_idle(self, kernel_id):
        "Called every `cull_interval` seconds for each kernel that is not in the pool"
        now = datetime.now(timezone.utc)
        if now - self._out.setdefault(kernel_id, now) > timedelta(seconds=self.cull_idle_timeout): await super().cull_kernel_if_idle(kernel_id)
        self._out = {k: t for k,t in self._out.items() if k in self}


class Health(RequestHandler):
    "200 while the engine runs"
    def get(self):
        ok = self.settings['engine'] is None or self.settings['engine'].process.poll() is None
        self.set_status(200 if ok else 503)
        self.write(dict(status='ok' if ok else 'the engine is starting'))


def waiting(km)->int: return sum(o.done() for pool in getattr(km, '_pools', {}).values() for o in pool) # Kernels started ahead


def door(handler):
    "Voila's handler of the page, behind a door that lets so many in"
    class Door(handler):
        async def prepare(self):
            await super().prepare()
            self.xsrf_token # Reading it sets the cookie with which the tab ends its kernel
            km, entering = self.settings['kernel_manager'], self.settings['entering']
            if len(km) - waiting(km) + len(entering) < self.settings['visitors']: return entering.add(self)
            self.set_status(503)
            self.set_header('Retry-After', '5')
            self.finish(self.settings['full'])

        def on_finish(self):
            self.settings['entering'].discard(self)
            super().on_finish()
    return Door


def careful(handler):
    "Voila's handler of the websocket, which looks at the numbers in a message before it believes them"
    class Careful(handler):
        def on_message(self, m):
            if isinstance(m, bytes) and 8*(int.from_bytes(m[:8], 'little')+1) <= len(m): super().on_message(m)
            else: self.close(1003, 'not a message')
    return Careful


class Page(Voila):
    "Voila with a door, a health check, and answers that are compressed"
    engine = None # The `EngineProcess`, for the health check
    def init_settings(self):
        o = self.tornado_settings
        return super().init_settings() | dict(compress_response=True, visitors=o['visitors'], full=o['full'], entering=set(), engine=self.engine)

    def init_handlers(self):
        *rest, (path, handler, args) = super().init_handlers()
        rest = [(o[0], careful(o[1]), *o[2:]) if issubclass(o[1], VoilaKernelWebsocketHandler) else o for o in rest]
        return [(url_path_join(self.server_url, '/healthz'), Health), *rest, (path, door(handler), args)]


def voila_config(
    settings:Settings, # Whose `[serve]`
    preheat:bool=True, # Start a kernel ahead of each visitor
    idle:int=50, # Seconds until the kernel of a closed tab is culled; never seen again after twice that
    ours:bool=True # The page's own template, and its kernels by fork
)->Config: # For `Page.launch_instance`
    "Voila's configuration"
    c, s = Config(), settings.serve
    c.VoilaConfiguration.update(preheat_kernel=preheat, default_pool_size=1, strip_sources=True, show_tracebacks=False, template='clothing' if ours else 'lab',
        allow_template_override='NO', multi_kernel_manager_class=PatientKernelManager, file_allowlist=[r'.*\.(png|svg|ico)'], extension_denylist=['jupyterlab-jupytext'], theme='light')
    c.MappingKernelManager.update(cull_idle_timeout=idle, cull_interval=max(idle//5, 1), cull_connected=False)
    if ours: c.MappingKernelManager.kernel_manager_class = 'clothing_classifier.page.fork_server.ForkManager'
    c.Voila.port_retries = 0 # A proxy waits at this port and no other
    c.Voila.tornado_settings = dict(websocket_max_message_size=2**20, visitors=s.visitors, full=full_page(settings))
    c.HTMLExporter.language_code = s.language
    return c


def serve_page(
    settings:Settings, # Of the page; the environment already tells the other processes where to read them
    notebook:str|Path, # `app.ipynb`
    browser:bool=False, # Open the page in a browser
    preheat:bool=True # Start a kernel ahead of each visitor
):
    "Serve until asked to stop"
    s, engine, nursery = settings.serve, EngineProcess() if EngineProcess.possible else None, Nursery() if Nursery.possible else None
    with tempfile.TemporaryDirectory(prefix='clothing-classifier-') as d:
        os.environ['JUPYTER_PATH'] = os.pathsep.join([str(write_template(settings, d)), *filter(None, [os.environ.get('JUPYTER_PATH')])])
        Page.engine, args = engine, [str(notebook), f'--port={s.port}', f'--Voila.ip={s.ip}', *([] if browser else ['--no-browser'])]
        try: Page.launch_instance(args, config=voila_config(settings, preheat))
        finally:
            for o in filter(None, (nursery, engine)): o.stop()
