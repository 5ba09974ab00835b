"""Processes beside the server: they share the memory of what it had imported, and end with it"""

import ctypes
import gc
import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from multiprocessing import connection
from pathlib import Path

AT_MOST_TWO_ARENAS = -8, 2 # M_ARENA_MAX of glibc: each arena keeps memory for itself


def start_thread(function, *args): threading.Thread(target=function, args=args, daemon=True).start()


def _end_with_server():
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(0)


def name_process(
    name:str # at most 15 characters
):
    "Name this process for `ps -e` and `top`"
    with suppress(OSError): Path('/proc/self/comm').write_text(name)


def begin_process(name):
    "What a new process does first: it leaves Ctrl-C and TERM, which hosts send to all, to the server; it ends with it"
    name_process(name)
    for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)
    start_thread(_end_with_server)
    limit_arenas()


def start_process(
    function, # of a module
    *args, # its arguments
    fork:bool # fork this process, which has no threads yet; else a new interpreter
)->multiprocessing.Process:
    "Run a function in a process of its own"
    if fork:
        gc.collect()
        gc.freeze() # the collector would write to these objects, and so copy memory that the processes share
    process = multiprocessing.get_context('fork' if fork else 'spawn').Process(target=function, args=args)
    process.start()
    return process


def _of_glibc(name, *args):
    "Call a function of the C library; nothing happens where it has none of this name"
    try: getattr(ctypes.CDLL(None), name)(*args)
    except (AttributeError, OSError, TypeError): pass


def limit_arenas(): _of_glibc('mallopt', *AT_MOST_TWO_ARENAS)


def trim_memory():
    "Give free memory back to the system"
    _of_glibc('malloc_trim', 0)
