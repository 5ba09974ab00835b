"""The command `clothing-classifier`"""
import sys

from .command import answering, project, serving, training  # noqa: F401 - each adds its sub-commands
from .command.base import app


def main():
    "Run the command; a file name that no encoding knows is printed as it is"
    for stream in (sys.stdout, sys.stderr): stream.reconfigure(errors='surrogateescape')
    app(prog_name='clothing-classifier')
