"""The command `clothing-classifier`"""
import os
import signal
import sys
from contextlib import suppress

signal.signal(signal.SIGINT, lambda *_: os._exit(130)) # until `main` runs, so that no import ends in a traceback

from .command import answering, serving, project, training  # noqa: E402, F401, I001 - each adds its sub-commands
from .command.base import app, stop, stopped  # noqa: E402


def main():
    "Run the command; Ctrl-C ends it with 130, also where a library catches it or a thread waits for a file"
    for stream in (sys.stdout, sys.stderr): stream.reconfigure(errors='surrogateescape')
    signal.signal(signal.SIGINT, stop)
    try: app(prog_name='clothing-classifier')
    finally:
        if stopped:
            with suppress(OSError): sys.stdout.flush()
            os._exit(130)
