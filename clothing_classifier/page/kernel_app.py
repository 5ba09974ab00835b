"""Jupyter's kernel, with a short queue of messages and no port"""

from ipykernel import kernelapp
from ipykernel.iostream import IOPubThread

QUEUED = 4 # messages, the same number as in the server


def _without_pipe(zmq_socket, pipe, session): return IOPubThread(zmq_socket, session=session)


kernelapp.IOPubThread = _without_pipe # the pipe would listen on a port


class KernelApp(kernelapp.IPKernelApp):
    "A kernel before which only a few messages wait"
    def _bind_socket(self, s, port):
        s.rcvhwm = QUEUED
        return super()._bind_socket(s, port)
