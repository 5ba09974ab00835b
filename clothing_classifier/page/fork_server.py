"""A process for each visitor, forked from one that has imported everything"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager


def _become_kernel(o):
    "Be the kernel that `o` asks for, to the end"
    from ipykernel.kernelapp import IPKernelApp
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.chdir(o['cwd'])
    os.environ.clear()
    os.environ.update(o['env'])
    IPKernelApp.launch_instance(['-f', o['file'], '--HistoryManager.enabled=False', '--IPKernelApp.log_level=40', f'--IPKernelApp.parent_handle={os.getppid()}'])


_imports = """ipykernel.ipkernel ipykernel.kernelapp ipykernel.zmqshell IPython.core.completerlib IPython.core.debugger IPython.core.oinspect
    IPython.extensions.storemagic psutil tornado.locks tornado.platform.asyncio tornado.queues clothing_classifier.page.dashboard""" # What a kernel of ours will need


def nursery(fd):
    "Fork a kernel for each line that comes in, until there are no more"
    sys.modules['debugpy'] = None # 15 MB that no visitor needs
    for o in _imports.split(): importlib.import_module(o)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN) # The dead are buried by the system
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze() # What is here stays shared: the collector doesn't write to it
    with socket.socket(fileno=fd) as s, s.makefile('rb') as lines:
        for line in lines:
            try: pid = os.fork()
            except OSError: pid = -1 # No memory, or too many processes
            if pid: s.sendall(b'%d\n' % pid)
            else:
                lines.close()
                s.close()
                try: _become_kernel(json.loads(line))
                finally: os._exit(0)


class Forked:
    "A process that somebody else forked, with the methods of `Popen` that Jupyter needs"
    stdin = stdout = stderr = None
    def __init__(self, pid): self.pid, self.fd = pid, os.pidfd_open(pid)
    def _ended(self, ms=None):
        "Has it ended, or does it within so many milliseconds?"
        p = select.poll()
        p.register(self.fd, select.POLLIN)
        return bool(p.poll(ms))

    def poll(self): return 0 if self.fd is None or self._ended(0) else None
    def send_signal(self, n): signal.pidfd_send_signal(self.fd, n)
    def kill(self): self.send_signal(signal.SIGKILL)
    def terminate(self): self.send_signal(signal.SIGTERM)

    def wait(self):
        if self.fd is None: return 0
        self._ended()
        os.close(self.fd)
        self.fd = None
        return 0


def _pidfd_works():
    "Old kernels, and some sandboxes, have no file descriptors of processes"
    try: return os.close(os.pidfd_open(os.getpid())) is None
    except (AttributeError, OSError): return False


class Nursery:
    "Starts kernels; `Nursery.here` is the one of this process"
    here = None
    possible = hasattr(signal, 'pidfd_send_signal') and _pidfd_works()

    def __init__(self): self._start()

    def _start(self):
        ours, theirs = socket.socketpair()
        code = f'from clothing_classifier.page.fork_server import nursery; nursery({theirs.fileno()})'
        env = os.environ | dict(MALLOC_ARENA_MAX='2', MPLBACKEND='agg')
        self.process = subprocess.Popen([sys.executable, '-c', code], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=env)
        theirs.close()
        ours.settimeout(120)
        self.socket, self.lines = ours, ours.makefile('rb')
        Nursery.here = self

    def fork(self, file, env, cwd)->Forked:
        "A kernel with this connection file; a nursery that has ended is started again. Raises `OSError` if there is no room for one more"
        ask = json.dumps(dict(file=str(file), env=env, cwd=str(cwd or os.getcwd()))).encode() + b'\n'
        if not (pid := self._answer(ask)):
            self.stop()
            self._start()
            pid = self._answer(ask)
        if pid < 1: raise OSError('no kernel could be started: too little memory, or too many processes')
        return Forked(pid)

    def _answer(self, ask):
        "The number that the nursery answers with, 0 if it has ended"
        try:
            self.socket.sendall(ask)
            return int(self.lines.readline() or 0)
        except OSError: return 0

    def stop(self):
        self.socket.close()
        self.lines.close()
        try: self.process.wait(10)
        except subprocess.TimeoutExpired: self.process.kill()
        Nursery.here = None


class ForkProvisioner(LocalProvisioner):
    "Kernels from the nursery"
    async def launch_kernel(self, cmd, **kw):
        self.process = Nursery.here.fork(cmd[cmd.index('-f')+1], kw.get('env') or dict(os.environ), kw.get('cwd'))
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class ForkManager(ServerKernelManager):
    "A kernel that comes from the nursery, if there is one"
    async def _async_pre_start_kernel(self, **kw):
        if Nursery.here and self.provisioner is None:
            self.provisioner = ForkProvisioner(kernel_id=self.kernel_id or kw.get('kernel_id'), kernel_spec=self.kernel_spec, parent=self)
        return await super()._async_pre_start_kernel(**kw)
