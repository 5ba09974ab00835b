"""One process that looks at pictures, and every page asks it"""

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
import traceback
from contextlib import contextmanager, nullcontext
from functools import cached_property
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
from pathlib import Path

from ..settings import Settings, load_settings
from ..texts import Texts, VisitorError


def about(engine, data):
    "What the page shows before the first picture"
    from clothing_classifier.serving.heat_map import has_map
    s, w, clf = engine.settings, engine.words, engine.classifier
    return dict(labels={o: w.category(o) for o in clf.labels}, why=has_map(clf), links=s.links.follow,
        choices=list(s.categories) if s.feedback.store != 'no' else [], drawn=list(engine.drawings)), list(engine.drawings.values())


def look(engine, data, url=None):
    "The answer for a picture, or for the one behind a link, and a small copy"
    from clothing_classifier.images import thumbnail
    with engine.picture(data, url) as im:
        p = engine.classifier.predict(im)
        return dict(answer=p.answer, category=p.category, probability=p.probability, known=p.known, probabilities=p.probabilities), [thumbnail(im, 480)]


def why(engine, data, category=''):
    "Where the network looked: a place, and a heat map"
    from clothing_classifier.serving.heat_map import why
    with engine.picture(data) as im: o = why(engine.classifier, im, category)
    return (dict(where=o[0]), [o[1]]) if o else (dict(error=engine.words('no_why')), [])


def wrong(engine, data, category='', answer='', url=None):
    "Keep a picture with its right category"
    if engine.feedback is None: return dict(error=engine.words('no_feedback')), []
    with engine.content(data, url) as data, engine.turns: return dict(kept=engine.feedback.add(data, category, answer)), []


_answers = dict(about=about, look=look, why=why, wrong=wrong)


_theirs = ('ImageError','LinkError','FeedbackError','Refusal') # Errors whose text is for the visitor


class Refusal(ValueError):
    "Something that the settings don't allow"


class Engine:
    "Looks at pictures"
    def __init__(self,
        settings:Settings # Model, limits, language
    ):
        n = max((os.cpu_count() or 1)//(settings.serve.threads or os.cpu_count() or 1), 1)
        self.settings, self.words = settings, Texts(settings.serve.language)
        self.turns, self.fetching, self.opening = threading.Semaphore(n), threading.Semaphore(settings.links.at_once), threading.Lock()

    @cached_property
    def classifier(self):
        from clothing_classifier.predict import Classifier
        s = self.settings.serve
        return Classifier.load(s.model, s.threads, s.max_megapixels)

    @cached_property
    def links(self):
        from clothing_classifier.serving.safe_fetch import open_links
        return open_links(self.settings)

    @cached_property
    def feedback(self):
        from clothing_classifier.serving.feedback import open_feedback
        with self.opening: return open_feedback(self.settings)

    @cached_property
    def drawings(self): return {}

    @contextmanager
    def content(self, data, url=None):
        "The bytes of a file, or those behind a link while not too many others are being fetched. Raises `LinkError`"
        if url and self.links is None: raise Refusal(self.words('no_links'))
        with self.fetching if url else nullcontext(): yield self.links.fetch(url) if url else data

    @contextmanager
    def picture(self, data, url=None):
        "The picture in it, when it is its turn. Raises `ImageError` and `LinkError`"
        with self.content(data, url) as o, self.turns: yield self.classifier.open(o)

    def _sentence(self, e):
        if isinstance(e, VisitorError): return self.words.error(e)
        traceback.print_exception(e)
        return self.words('ours')

    def ask(self,
        what:str, # `about`, `look`, `why` or `wrong`
        data:bytes=b'', # Content of a file
        **kw # Further arguments
    )->tuple: # Dict, list of JPEGs
        "The answer"
        try: return _answers[what](self, data, **kw)
        except Exception as e: return dict(error=self._sentence(e)), []


_variable = 'CLOTHING_CLASSIFIER_ENGINE' # Address and key, for the pages


_room = threading.Semaphore(2) # Files that have been read and not been answered


def _request(engine, conn):
    "Answer one request"
    try:
        o = json.loads(conn.recv_bytes(100_000))
        with _room if (sent := o.pop('bytes')) else nullcontext():
            answer, jpegs = engine.ask(data=conn.recv_bytes(int(engine.settings.serve.max_upload_mb*1e6)) if sent else b'', **o)
        conn.send_bytes(json.dumps(answer | dict(jpegs=len(jpegs))).encode())
        for o in jpegs: conn.send_bytes(o)
    except (OSError, EOFError): pass # Whoever asked has left
    finally: conn.close()


def serve_engine():
    "Answer for ever, each request in a thread; end when whoever started this process has ended"
    from clothing_classifier.images import give_memory_back
    give_memory_back()
    (address, key), engine = json.loads(os.environ[_variable]), Engine(load_settings())
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    Path(address).unlink(missing_ok=True)
    with Listener(address, 'AF_UNIX', backlog=128, authkey=key.encode()) as listener:
        engine.ask('about')
        while True:
            try: threading.Thread(target=_request, args=(engine, listener.accept()), daemon=True).start()
            except (OSError, EOFError, AuthenticationError) as e: print(f'engine: somebody could not be listened to: {e}', file=sys.stderr)


class Remote:
    "Asks the engine of another process"
    def __init__(self,
        address:str, # Of its socket
        key:str, # That it wants to hear
        words:Texts # For a sentence should it not answer
    ): self.address, self.key, self.words = address, key.encode(), words

    def _connected(self, seconds=20):
        for _ in range(seconds*10):
            try: return Client(self.address, 'AF_UNIX', authkey=self.key)
            except (FileNotFoundError, ConnectionError, EOFError): time.sleep(.1)
        raise ConnectionError('no engine')

    def ask(self, what:str, data:bytes=b'', **kw)->tuple:
        "As `Engine.ask`"
        try:
            with self._connected() as c:
                c.send_bytes(json.dumps(kw | dict(what=what, bytes=bool(data))).encode())
                if data: c.send_bytes(data)
                o = json.loads(c.recv_bytes())
                return o, [c.recv_bytes() for _ in range(o.pop('jpegs'))]
        except (OSError, EOFError) as e:
            print(f'the engine did not answer: {type(e).__name__} {e}', file=sys.stderr)
            return dict(error=self.words('ours')), []


def open_engine(
    settings:Settings # Of the page
): # `Remote` where the server has started an engine, else an `Engine` in this process
    "Somebody to ask"
    o = os.environ.get(_variable)
    return Remote(*json.loads(o), Texts(settings.serve.language)) if o else Engine(settings)


class EngineProcess:
    "An engine in a process of its own; `open_engine` finds it through the environment"
    possible = hasattr(socket, 'AF_UNIX')
    def __init__(self):
        self.folder, self.stopped = tempfile.mkdtemp(prefix='clothing-classifier-'), threading.Event()
        os.environ[_variable] = json.dumps([f'{self.folder}/engine', secrets.token_hex()])
        self._start()
        threading.Thread(target=self._keep, daemon=True).start()

    def _start(self):
        code = 'from clothing_classifier.page.inference import serve_engine; serve_engine()'
        self.process = subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE, env=os.environ | dict(MALLOC_ARENA_MAX='2'))

    def _keep(self):
        while self.process.wait() is not None and not self.stopped.wait(.5): self._start()

    def stop(self):
        self.stopped.set()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.environ.pop(_variable, None)
