"""uvicorn that stops without losing a request"""

import math
import socket
import threading

import uvicorn
from fastapi import FastAPI

from ..settings import Settings


class DrainingServer(uvicorn.Server):
    """uvicorn that still accepts requests for a second after the signal to stop.
    Meanwhile `/readyz` answers 503, and every answer closes its connection. A second signal stops it at once."""
    grace = 1 # seconds between the signal and closing the port

    def handle_exit(self, sig, frame):
        service = self.config.app.state.service
        if service.draining: return super().handle_exit(sig, frame)
        service.draining = True
        timer = threading.Timer(self.grace, super().handle_exit, (sig, frame))
        timer.daemon = True
        timer.start()


def run(
    app:FastAPI, # application of `create_app`
    settings:Settings # address, port and `drain_seconds`
):
    "Serve an application until a signal to stop"
    config = uvicorn.Config(app, settings.serve.ip, settings.serve.port,
        log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.api.drain_seconds))
    DrainingServer(config).run()


def run_on(
    app:FastAPI, # application of `create_app`
    listener:socket.socket # behind another server, which says who asks in X-Forwarded-For
):
    "Serve an application in a thread until the process ends"
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, forwarded_allow_ips='*')
    uvicorn.Server(config).run(sockets=[listener])
