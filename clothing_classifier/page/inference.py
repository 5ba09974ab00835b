"""What the page asks about a picture, answered by the network of the settings"""

import os
import threading
import traceback
from contextlib import contextmanager, nullcontext

from ..serving.opened_once import opened_once
from ..settings import Settings
from ..texts import VisitorError
from .about import described, page_examples

THUMBNAIL_SIDE = 480 # pixels


class Refusal(VisitorError):
    "A request that the settings do not allow"


class InferenceServer:
    "Answers requests about pictures; libraries and model are loaded when they are first needed"
    requests = 'describe', 'predict', 'open', 'explain', 'keep' # methods that a request may name

    def __init__(self,
        settings:Settings # model, limits
    ):
        cores = os.cpu_count() or 1
        threads = settings.serve.threads or cores
        self.settings = settings
        self.computing = threading.Semaphore(max(cores//threads, 1))
        self.fetching = threading.Semaphore(settings.links.at_once)
        self.opening = threading.RLock()

    @opened_once
    def classifier(self):
        from ..predict import Classifier
        return Classifier(settings=self.settings)

    @opened_once
    def links(self):
        from ..serving.safe_fetch import open_links
        return open_links(self.settings)

    @opened_once
    def feedback(self):
        from ..serving.feedback import open_feedback
        return open_feedback(self.settings)

    def ask(self,
        what:str, # one of `requests`
        data:bytes=b'', # content of a picture file
        **values # further arguments of that method
    )->tuple: # dict, list of JPEGs; without an answer the dict has `error`, the key of a text, and its `values`
        "The answer to a request"
        try:
            if what not in self.requests: raise ValueError(f'no such request: {what}')
            return getattr(self, what)(data, **values)
        except VisitorError as e: return dict(error=e.key, values=e.values), []
        except Exception as e:
            traceback.print_exception(e)
            return dict(error='ours', values={}), []

    @contextmanager
    def content(self, data, url=None, sha1=''):
        "The bytes of a file, or those behind a link; `sha1` says what was there before. Raises `VisitorError`"
        from ..files import sha1 as sha1_of
        if url and self.links is None: raise Refusal('no_links')
        with self.fetching if url else nullcontext():
            content = self.links.fetch(url) if url else data
            if sha1 and sha1 != sha1_of(content): raise Refusal('link_changed')
            yield content

    @contextmanager
    def opened(self, content):
        "The picture in some bytes, while not too many others are computed. Raises `ImageError`"
        with self.computing: yield self.classifier.open(content)

    def describe(self, data):
        "What the page shows before the first picture"
        from ..serving.heat_map import has_map
        labels = self.classifier.labels
        examples = page_examples(labels)
        about = described(self.settings, labels, examples, has_map(self.classifier))
        return about, [jpeg for _,jpeg in examples]

    def open(self, data, url=None, predict=False):
        "A thumbnail of a picture, and its prediction if asked for: it is decoded once"
        from ..files import sha1
        from ..images import thumbnail
        with self.content(data, url) as content, self.opened(content) as image:
            prediction = self.classifier.predict(image) if predict else None
            names = 'category', 'probabilities', 'known'
            answer = {name: getattr(prediction, name) for name in names} if predict else {}
            return answer | dict(sha1=sha1(content) if url else ''), [thumbnail(image, THUMBNAIL_SIDE)]

    def predict(self, data, url=None):
        "The prediction for a picture, and its thumbnail"
        return self.open(data, url, predict=True)

    def explain(self, data, category='', url=None, sha1=''):
        "Where the network looked: places and a heat map"
        from ..serving.heat_map import explain, has_map
        if not has_map(self.classifier): raise Refusal('no_why')
        with self.content(data, url, sha1) as content, self.opened(content) as image:
            places, jpeg = explain(self.classifier, image, category)
            return dict(places=places), [jpeg]

    def keep(self, data, category='', answer='', url=None, sha1=''):
        "Keep a picture with its right category"
        if self.feedback is None: raise Refusal('no_feedback')
        with self.content(data, url, sha1) as content, self.computing:
            return dict(kept=self.feedback.add(content, category, answer)), []
