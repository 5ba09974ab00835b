"""The classifier that a kernel uses: it asks the inference process, and imports neither numpy nor Pillow"""

from dataclasses import dataclass, field

from ..settings import Settings, load_settings
from ..texts import VisitorError
from .inference_process import open_inference


@dataclass
class UploadedPicture:
    "A picture that a visitor sent"
    name: str = '' # file name or link
    data: bytes = b'' # content of the file; empty for a link
    url: str|None = None # link
    thumbnail: bytes = b'' # JPEG, once the classifier has opened it
    sha1: str = '' # SHA-1 of what is behind the link, once the classifier has opened it


@dataclass
class PageAnswer:
    "What the page shows for a picture"
    category: str|None # likeliest category
    probabilities: dict = field(default_factory=dict) # category -> probability, likeliest first
    known: bool = True # False: probably none of the categories

    @property
    def probability(self)->float: return self.probabilities.get(self.category, 0.)
    @property
    def answer(self)->str: return self.category if self.known else 'unknown'

    @classmethod
    def of(cls,
        value # `PageAnswer`, `Prediction`, category, 'unknown', or dict of category -> probability
    )->'PageAnswer':
        "What a function for the page returned, as a `PageAnswer`"
        if value == 'unknown': return cls(None, known=False)
        if isinstance(value, str): return cls(value, {value: 1.})
        if isinstance(value, dict): return cls._likeliest(value)
        if hasattr(value, 'probabilities'): return cls(value.category, value.probabilities, value.known)
        raise TypeError(f"answer() returned {value!r}; return what classifier.predict returns, a category, "
            "or a dict of category -> probability")

    @classmethod
    def _likeliest(cls, probabilities):
        ordered = dict(sorted(probabilities.items(), key=lambda o: o[1], reverse=True))
        return cls(next(iter(ordered), None), ordered, bool(ordered))


class SharedClassifier:
    "The network of the settings, as a kernel sees it"
    def __init__(self,
        settings:Settings, # model, limits
        inference # result of `open_inference`
    ):
        self.settings, self.inference = settings, inference
        self.about, self.examples = inference.ask('describe')
        if 'error' in self.about: raise VisitorError(self.about['error'], **self.about['values'])

    @property
    def categories(self)->list: return self.about['categories']

    def _ask(self, what, picture, **values):
        answer, jpegs = self.inference.ask(what, picture.data, url=picture.url, **values)
        if 'error' in answer: raise VisitorError(answer['error'], **answer['values'])
        return answer, jpegs

    def _open(self, what, picture):
        answer, (picture.thumbnail,) = self._ask(what, picture)
        picture.sha1 = answer.pop('sha1')
        return answer

    def predict(self, picture:UploadedPicture)->PageAnswer:
        "The answer for a picture. Raises `VisitorError`"
        return PageAnswer(**self._open('predict', picture))

    def open(self, picture:UploadedPicture)->UploadedPicture:
        "The picture with its thumbnail. Raises `VisitorError`"
        if not picture.thumbnail: self._open('open', picture)
        return picture

    def explain(self, picture:UploadedPicture, category:str)->tuple: # places, JPEG
        "Where the network looked for a category. Raises `VisitorError`"
        answer, (jpeg,) = self._ask('explain', picture, category=category, sha1=picture.sha1)
        return answer['places'], jpeg

    def keep(self, picture:UploadedPicture, category:str, answer:str):
        "Keep a picture with its right category, for the next training. Raises `VisitorError`"
        self._ask('keep', picture, category=category, answer=answer, sha1=picture.sha1)


def shared_classifier(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->SharedClassifier:
    "The network that all visitors share: in the server's inference process, or in this process if there is none"
    settings = settings or load_settings()
    return SharedClassifier(settings, open_inference(settings))
