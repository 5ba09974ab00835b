"""A kernel for each visitor, forked from a process that has imported everything it needs"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress

from .processes import begin_process, name_process, start_process

PRELOADED = """ipykernel.ipkernel ipykernel.kernelapp ipykernel.zmqshell IPython.core.completerlib
    IPython.core.debugger IPython.core.oinspect IPython.extensions.storemagic psutil tornado.locks
    tornado.platform.asyncio tornado.queues clothing_classifier.page.dashboard
    clothing_classifier.page.kernel_app""".split()


def _run_kernel(request):
    "Become the kernel of a request; returns when it ends"
    from .kernel_app import KernelApp
    name_process('kernel')
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.chdir(request['cwd'])
    os.environ.clear()
    os.environ.update(request['env'])
    parent = f'--IPKernelApp.parent_handle={os.getppid()}'
    options = ['--HistoryManager.enabled=False', '--IPKernelApp.log_level=40', parent]
    KernelApp.launch_instance(['-f', request['file'], *options])


def _fork():
    "`os.fork`; -1 where memory or the number of processes does not allow one more"
    try: return os.fork()
    except OSError: return -1


def run_fork_server(
    connection:socket.socket
):
    "Fork a kernel for each line that comes in, and answer with its process id"
    begin_process('kernels')
    sys.modules['debugpy'] = None # 15 MB that no visitor needs
    for module in PRELOADED: importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN) # the system removes ended kernels
    gc.collect()
    gc.freeze() # the collector would write to these objects, and so copy memory that all kernels share
    with connection, connection.makefile('rb') as lines:
        for line in lines:
            pid = _fork()
            if pid: connection.sendall(b'%d\n' % pid)
            else:
                lines.close()
                connection.close()
                try: _run_kernel(json.loads(line))
                finally: os._exit(0)


class ForkedProcess:
    "A process that the fork server started, with the methods of `Popen` that Jupyter calls"
    stdin = stdout = stderr = None

    def __init__(self, pid):
        self.pid = pid
        self.fd = os.pidfd_open(pid)

    def _has_ended(self, timeout=None):
        "Wait for its end, at most so many milliseconds"
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return bool(poll.poll(timeout))

    def poll(self): return 0 if self.fd is None or self._has_ended(0) else None
    def send_signal(self, signal_number):
        "A process that has ended already gets none"
        with suppress(ProcessLookupError): signal.pidfd_send_signal(self.fd, signal_number)

    def kill(self): self.send_signal(signal.SIGKILL)
    def terminate(self): self.send_signal(signal.SIGTERM)

    def wait(self):
        if self.fd is None: return 0
        self._has_ended()
        os.close(self.fd)
        self.fd = None
        return 0


def _has_pidfd():
    "Old Linux kernels, and some sandboxes, have no file descriptors of processes"
    if not hasattr(signal, 'pidfd_send_signal'): return False
    try: os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError): return False
    return True


class ForkServer:
    "Starts the fork server and asks it for kernels; `ForkServer.running` is the one of this process"
    running = None
    possible = _has_pidfd()

    def __init__(self): self._start(fork=True)

    def _start(self, fork):
        ours, theirs = socket.socketpair()
        with theirs: self.process = start_process(run_fork_server, theirs, fork=fork)
        ours.settimeout(120)
        self.socket, self.lines = ours, ours.makefile('rb')
        ForkServer.running = self

    def fork(self,
        file:str, # connection file of the kernel
        env:dict, # its environment
        cwd:str|None # its working directory
    )->ForkedProcess:
        "A new kernel; a fork server that has ended is started again. Raises `OSError` if there is no room for one more"
        request = json.dumps(dict(file=str(file), env=env, cwd=str(cwd or os.getcwd()))).encode() + b'\n'
        pid = self._ask(request)
        if not pid:
            self.stop()
            self._start(fork=False)
            pid = self._ask(request)
        if pid < 1: raise OSError('no kernel could be started: too little memory, or too many processes')
        return ForkedProcess(pid)

    def _ask(self, request):
        "The process id of a new kernel: -1 if there is no room, 0 if the fork server has ended"
        try:
            self.socket.sendall(request)
            return int(self.lines.readline() or 0)
        except OSError: return 0

    def stop(self):
        self.socket.close()
        self.lines.close()
        self.process.kill() # it has both ends of the socket, so it does not see that ours is closed
        self.process.join()
        ForkServer.running = None
