"""The server of the page: it listens at once, and starts what the page needs side by side"""

import asyncio
import importlib
import signal
import sys
import webbrowser
from contextlib import ExitStack
from pathlib import Path

from tornado.ioloop import IOLoop

from ..settings import Settings
from .fork_server import ForkServer
from .front import Front
from .inference_process import NO_MODEL, InferenceProcess
from .processes import limit_arenas
from .template import offered_template

SHARED = 'zmq.eventloop.zmqstream', 'jupyter_client.asynchronous' # needed by the kernels and by Voila


async def _import_voila():
    "Import Voila in a thread, while the page is served"
    return await asyncio.to_thread(importlib.import_module, 'clothing_classifier.page.voila_server')


def _exit(*_): sys.exit(0)


def _started(process, stack):
    "A process that ends with the server; None where the system does not have what it needs"
    if not process.possible: return None
    running = process()
    stack.callback(running.stop)
    return running


def serve_page(
    settings:Settings, # the file that the environment names to the other processes
    notebook:str|Path, # `app.ipynb`
    browser:bool=False # open the page in a browser
):
    "Serve the page and the API until the process is told to stop"
    signal.signal(signal.SIGTERM, _exit) # until Voila has a handler of its own
    limit_arenas()
    with ExitStack() as stack:
        inference = _started(InferenceProcess, stack)
        for module in SHARED: importlib.import_module(module)
        _started(ForkServer, stack)
        stack.enter_context(offered_template())
        front = Front(settings, inference)
        address = front.listen()
        if inference: inference.watch()
        print(f'The page is at {address}, the API at {address}docs', file=sys.stderr, flush=True)
        if browser: webbrowser.open(address)
        try: IOLoop.current().run_sync(_import_voila).serve(settings, notebook, front)
        except SystemExit: pass # told to stop before Voila was there
    if inference and inference.failed: sys.exit(NO_MODEL)
