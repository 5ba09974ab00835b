"""One process that looks at the pictures of all visitors, and the connection of a kernel to it"""

import json
import multiprocessing
import os
import secrets
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import nullcontext
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
from pathlib import Path

from ..settings import Settings, load_settings
from .inference import InferenceServer
from .processes import begin_process, start_process, start_thread, trim_memory

VARIABLE = 'CLOTHING_CLASSIFIER_INFERENCE' # environment variable with the address and the key, for the kernels
NO_MODEL = 2 # exit code


def api_address(
    address:str # path of the inference process's socket
)->str: # path of another
    "Where the inference process answers the REST API"
    return str(Path(address).with_name('api'))


_uploads_in_memory = threading.Semaphore(2)


def _answer(server, connection):
    "Answer the one request of a connection"
    try:
        request = json.loads(connection.recv_bytes(100_000))
        has_data = request.pop('has_data')
        with _uploads_in_memory if has_data else nullcontext():
            most = int(server.settings.serve.max_upload_mb*1e6)
            data = connection.recv_bytes(most) if has_data else b''
            answer, jpegs = server.ask(data=data, **request)
        connection.send_bytes(json.dumps(answer | dict(jpegs=len(jpegs))).encode())
        for jpeg in jpegs: connection.send_bytes(jpeg)
    except (OSError, EOFError): pass # the kernel has ended
    finally:
        connection.close()
        trim_memory()


def _serve_api(server, address):
    "Answer the REST API; its libraries are loaded when the first request is there"
    Path(address).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(128)
        select.select([listener], [], [])
        from ..api.app import serve_api_behind_page
        serve_api_behind_page(server, listener)


def _load(server):
    "Load the network; one that cannot be used ends the server"
    from ..predict import ModelError
    try: server.describe(b'')
    except ModelError as e:
        print(f'clothing-classifier: {e}', file=sys.stderr, flush=True)
        os._exit(NO_MODEL)


def run_inference_process():
    "Answer requests, each in a thread, until the server ends"
    begin_process('inference')
    from ..images import give_memory_back
    give_memory_back()
    address, key = json.loads(os.environ[VARIABLE])
    server = InferenceServer(load_settings())
    start_thread(_serve_api, server, api_address(address))
    Path(address).unlink(missing_ok=True)
    with Listener(address, 'AF_UNIX', backlog=128, authkey=key.encode()) as listener:
        _load(server)
        trim_memory()
        while True:
            try: connection = listener.accept()
            except (OSError, EOFError, AuthenticationError) as e:
                print(f'inference process: a connection failed: {e}', file=sys.stderr)
            else: start_thread(_answer, server, connection)


class InferenceConnection:
    "Asks the inference process, as `InferenceServer` is asked"
    def __init__(self,
        address:str, # path of its socket
        key:str # shared secret
    ): self.address, self.key = address, key.encode()

    def _connect(self, seconds=20):
        "A connection, also to a process that is being started again"
        for _ in range(seconds*10):
            try: return Client(self.address, 'AF_UNIX', authkey=self.key)
            except (FileNotFoundError, ConnectionError, EOFError): time.sleep(.1)
        raise ConnectionError('no inference process')

    def ask(self, what:str, data:bytes=b'', **values)->tuple:
        "The answer to a request, as `InferenceServer.ask` returns it"
        request = json.dumps(values | dict(what=what, has_data=bool(data))).encode()
        try:
            with self._connect() as connection:
                connection.send_bytes(request)
                if data: connection.send_bytes(data)
                answer = json.loads(connection.recv_bytes())
                return answer, [connection.recv_bytes() for _ in range(answer.pop('jpegs'))]
        except (OSError, EOFError) as e:
            print(f'the inference process did not answer: {type(e).__name__} {e}', file=sys.stderr)
            return dict(error='ours', values={}), []


def open_inference(
    settings:Settings # model, limits
): # `InferenceConnection` where the server has started a process, else an `InferenceServer` in this one
    "The place where requests about pictures are answered"
    place = os.environ.get(VARIABLE)
    if not place: return InferenceServer(settings)
    return InferenceConnection(*json.loads(place))


class InferenceProcess:
    "Runs the inference process, and starts it again when it ends"
    possible = 'fork' in multiprocessing.get_all_start_methods()

    def __init__(self):
        self.failed = False # whether there is no network that can be used
        self.folder = tempfile.mkdtemp(prefix='clothing-classifier-')
        self.stopped = threading.Event()
        address = f'{self.folder}/inference'
        self.api_address = api_address(address)
        os.environ[VARIABLE] = json.dumps([address, secrets.token_hex()])
        self.process = start_process(run_inference_process, fork=True)

    def watch(self):
        "From now on start the process again when it ends"
        start_thread(self._restart)

    def _restart(self):
        while True:
            self.process.join()
            if self.stopped.wait(.5): return
            if self.process.exitcode == NO_MODEL: return self._end_server()
            self.process = start_process(run_inference_process, fork=False)

    def _end_server(self):
        self.failed = True
        os.kill(os.getpid(), signal.SIGTERM)

    def stop(self):
        self.stopped.set()
        self.process.kill()
        self.process.join()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.environ.pop(VARIABLE, None)
