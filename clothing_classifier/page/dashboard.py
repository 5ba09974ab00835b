"""The page of `app.ipynb`: pictures come in from the browser, and a function answers each"""

import base64
import sys
import traceback

import anywidget
import traitlets

from ..texts import Texts
from .shared_classifier import PageAnswer, RequestRefused, SharedClassifier, UploadedPicture, shared_classifier
from .static_files import join_modules, static_text

__all__ = ['Page', 'shared_classifier']

MODULES = ('dom', 'requests', 'store', 'correction', 'card', 'dialog', 'table', 'csv', 'filter', 'picture', 'intake',
    'results', 'visit', 'page')


class Upload:
    "A request of the browser, and what has arrived of its file"
    values_of = dict(
        answer=('name', 'url'),
        explain=('category', 'url', 'sha1'),
        correct=('category', 'answer', 'url', 'sha1'))

    def __init__(self,
        message:dict # content of a message of the browser, unchecked
    ):
        self.id = str(message['id'])[:40]
        self.what = message['what']
        self.size = int(message.get('size') or 0)
        self.values = {name: str(message[name])[:4000] for name in self.values_of[self.what] if message.get(name)}
        self.data = bytearray()
        if self.what != 'answer' and 'category' not in self.values: raise ValueError('the request names no category')

    @property
    def is_complete(self)->bool: return len(self.data) >= self.size

    @property
    def picture(self)->UploadedPicture:
        kept = {name: self.values[name] for name in ('name', 'url', 'sha1') if name in self.values}
        return UploadedPicture(data=bytes(self.data), **kept)

    def add(self,
        part:bytes # next part of the file
    ):
        "Raises `ValueError` if more comes than was announced"
        if len(self.data) + len(part) > self.size: raise ValueError('more bytes than the request announced')
        self.data += part


def _data_url(jpeg): return f'data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}'


class Page(anywidget.AnyWidget):
    "The page; display it"
    _esm, _css = join_modules(*MODULES), static_text('page.css')
    about = traitlets.Dict().tag(sync=True) # what the browser shows before the first picture

    def __init__(self,
        answer, # function of an `UploadedPicture`; returns a prediction, a category, or category -> probability
        classifier:SharedClassifier, # opens pictures, explains answers, keeps corrections
        title:str|None=None, # heading; None: the one in the settings
        sentence:str|None=None # text below the heading; None: the categories that it tells apart
    ):
        serve = classifier.settings.serve
        self.answer, self.classifier = answer, classifier
        self.texts = Texts(serve.language)
        self.most = int(serve.max_upload_mb*1e6) # bytes of an upload
        self.upload = None # the one that is arriving
        categories = self.texts.list(classifier.categories)
        examples = zip(classifier.about['examples'], map(_data_url, classifier.examples), strict=True)
        super().__init__(about=classifier.about | dict(
            title=title or serve.title,
            sentence=sentence or self.texts('tells', labels=categories),
            examples=list(examples),
            max_mb=serve.max_upload_mb,
            texts=self.texts.texts,
            language=serve.language))
        self.on_msg(self._receive)

    def _receive(self, widget, message, buffers):
        "Handle a message of the browser; whatever is wrong with it, the kernel goes on"
        try:
            if message['do'] == 'start': self._start(message)
            else: self._add(message, buffers)
        except Exception as e:
            traceback.print_exception(e, file=sys.__stderr__)
            self.upload = None
            self._reply(str(message.get('id')) if isinstance(message, dict) else '', error=self.texts('ours'))

    def _reply(self, id, jpegs=(), **content): self.send(dict(id=id, **content), buffers=list(jpegs))

    def _start(self, message):
        self.upload = upload = Upload(message)
        if upload.size > self.most: self._refuse_size()
        elif upload.is_complete: self._finish()
        else: self._reply(upload.id, received=0)

    def _refuse_size(self):
        upload, self.upload = self.upload, None
        sizes = dict(mb=f'{upload.size/1e6:.0f}', most=f'{self.most/1e6:.0f}')
        self._reply(upload.id, error=self.texts('too_big', **sizes))

    def _add(self, message, buffers):
        if not self.upload or message['id'] != self.upload.id: return # a file that was refused or cut off
        for part in buffers: self.upload.add(part)
        if self.upload.is_complete: self._finish()
        else: self._reply(self.upload.id, received=len(self.upload.data))

    def _finish(self):
        "Answer an upload that is complete, and forget it"
        upload, self.upload = self.upload, None
        self._reply(upload.id, received=upload.size)
        handle = dict(answer=self._answer, explain=self._explain, correct=self._correct)[upload.what]
        try: content, jpegs = handle(upload.picture, upload.values)
        except RequestRefused as e: self._reply(upload.id, error=str(e))
        else: self._reply(upload.id, jpegs, done=True, **content)

    def _answer(self, picture, values):
        answer = PageAnswer.of(self.answer(picture))
        self.classifier.open(picture)
        probabilities = {category: round(value, 4) for category,value in answer.probabilities.items()}
        content = dict(answer=answer.answer, category=answer.category, probability=round(answer.probability, 4),
            probabilities=probabilities, known=answer.known, sha1=picture.sha1)
        return content, [picture.thumbnail]

    def _explain(self, picture, values):
        if values['category'] not in self.classifier.categories: raise ValueError('no such category')
        places, jpeg = self.classifier.explain(picture, values['category'])
        return dict(places=places), [jpeg]

    def _correct(self, picture, values):
        self.classifier.keep(picture, values['category'], values.get('answer', ''))
        return {}, []
