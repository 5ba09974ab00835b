"""The page: pictures in, for each what it shows and how sure that is"""

import base64
import sys
import traceback

import ipywidgets as widgets

from ..page.inference import open_engine
from ..page.widget import Browser
from ..settings import Settings, load_settings
from ..texts import Texts

_kinds = dict(look=('url',), why=('category',), wrong=('category','answer','url'))


class Upload:
    "A request of the browser, with the file that belongs to it"
    def __init__(self, m):
        self.id, self.what, self.size, self.data = str(m['id'])[:40], m['what'], int(m.get('size') or 0), bytearray()
        self.kw = {k: str(m[k])[:4000] for k in _kinds[self.what] if m.get(k)}

    @property
    def whole(self): return len(self.data) >= self.size

    def add(self, part):
        "Raises `ValueError` if more comes than was announced"
        if len(self.data) + len(part) > self.size: raise ValueError('the browser sent more than it said')
        self.data += part


class Dashboard:
    "Passes files to the engine, and answers to the browser. Show `browser`"
    def __init__(self,
        engine, # `Engine` or `Remote`
        settings:Settings # Title, language, limits
    ):
        s, self.engine, self.words, self.now = settings.serve, engine, Texts(settings.serve.language), None
        self.most = int(s.max_upload_mb*1e6)
        self.about, jpegs = engine.ask('about')
        if 'error' in self.about: raise RuntimeError(self.about['error'])
        drawn = [(c, f'data:image/jpeg;base64,{base64.b64encode(o).decode()}') for c,o in zip(self.about['drawn'], jpegs)]
        shown = dict(title=s.title, list=self.words.list(self.about['labels']), max_mb=s.max_upload_mb, texts=self.words.texts, language=s.language)
        self.browser = Browser(about=self.about | shown | dict(drawn=drawn))
        self.browser.on_msg(lambda widget, m, buffers: self.hear(m, buffers))

    def say(self, id, jpegs=(), **kw): self.browser.send(dict(id=id, **kw), buffers=list(jpegs))

    def hear(self, m, buffers):
        "A message of the browser. Whatever is wrong with it, this process goes on"
        try: self._start(m) if m['do'] == 'start' else self._part(m, buffers)
        except Exception as e:
            traceback.print_exception(e, file=sys.__stderr__)
            self.now = None
            self.say(str(m.get('id')) if isinstance(m, dict) else '', error=self.words('ours'))

    def _start(self, m):
        self.now = o = Upload(m)
        if o.size > self.most: return self._refuse('too_big', mb=f'{o.size/1e6:.0f}', most=f'{self.most/1e6:.0f}')
        if o.what != 'look' and 'category' not in o.kw: raise ValueError('no category')
        if o.whole: self._finish()
        else: self.say(o.id, got=0) # Heard

    def _part(self, m, buffers):
        if not self.now or m['id'] != self.now.id: return # Of a file that was refused or cut off
        for o in buffers: self.now.add(o)
        if self.now.whole: self._finish()
        else: self.say(self.now.id, got=len(self.now.data))

    def _refuse(self, key, **kw):
        o, self.now = self.now, None
        self.say(o.id, error=self.words(key, **kw))

    def _finish(self):
        "Everything is here: ask, answer, forget"
        o, self.now = self.now, None
        if o.what == 'why' and o.kw['category'] not in self.about['labels']: raise ValueError('no such category')
        self.say(o.id, got=o.size)
        answer, jpegs = self.engine.ask(o.what, bytes(o.data), **o.kw)
        self.say(o.id, jpegs, **answer, **({} if 'error' in answer else dict(done=True)))


def dashboard(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->widgets.Widget: # Display it
    "The page, with the model that the settings name"
    settings = settings or load_settings()
    return Dashboard(open_engine(settings), settings).browser
