"""One process that looks at the pictures of all visitors, and the connection of a kernel to it"""

import ctypes
import json
import os
import secrets
import shutil
import socket
import subprocess
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

VARIABLE = 'CLOTHING_CLASSIFIER_INFERENCE' # environment variable with the address and the key, for the kernels

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
    finally: connection.close()


def _end_with_parent():
    "End this process when the one that started it has ended and so closed our stdin"
    sys.stdin.read()
    os._exit(0)


def _trim_memory():
    "Give what loading has left free back to the system, where the C library is glibc"
    try: ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError): pass


def run_inference_process():
    "Answer requests, each in a thread, until the server ends"
    from ..images import give_memory_back
    give_memory_back()
    address, key = json.loads(os.environ[VARIABLE])
    server = InferenceServer(load_settings())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    Path(address).unlink(missing_ok=True)
    with Listener(address, 'AF_UNIX', backlog=128, authkey=key.encode()) as listener:
        server.ask('describe') # loads the model
        _trim_memory()
        while True:
            try: connection = listener.accept()
            except (OSError, EOFError, AuthenticationError) as e:
                print(f'inference process: a connection failed: {e}', file=sys.stderr)
            else: threading.Thread(target=_answer, args=(server, connection), daemon=True).start()


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
    possible = hasattr(socket, 'AF_UNIX')

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='clothing-classifier-')
        self.stopped = threading.Event()
        os.environ[VARIABLE] = json.dumps([f'{self.folder}/inference', secrets.token_hex()])
        self._start()
        threading.Thread(target=self._restart, daemon=True).start()

    def _start(self):
        code = 'from clothing_classifier.page.inference_process import run_inference_process; run_inference_process()'
        env = os.environ | dict(MALLOC_ARENA_MAX='2')
        self.process = subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE, env=env)

    def _restart(self):
        while True:
            self.process.wait()
            if self.stopped.wait(.5): return
            self._start()

    def stop(self):
        self.stopped.set()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.environ.pop(VARIABLE, None)
