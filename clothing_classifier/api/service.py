"""What all requests share, and the checks that a request passes before it is answered"""

import hashlib
import hmac
import os
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request

from ..predict import Classifier, model_file
from ..serving.feedback import open_feedback
from ..settings import Settings
from .limits import Admission, RateLimit, declared_size, too_large
from .metrics import Metrics
from .problems import Problem
from .schemas import ModelCard
from .uploads import content_type
from .workers import Workers


class Service:
    "The classifier with its workers, limits and metrics"
    def __init__(self,
        settings:Settings, # settings of the application
        classifier:Classifier|None=None, # None: the network that the settings name
        fetcher=None, # `SafeFetcher`; None: as the settings say
        feedback=None # `Feedback`; None: as the settings say
    ):
        serve, api = settings.serve, settings.api
        self.settings, self.draining = settings, False
        self.classifier = classifier or Classifier(settings=settings)
        if fetcher: self.fetcher = fetcher
        self.feedback = feedback or open_feedback(settings)
        self.workers = Workers(self.classifier, api.workers, api.batch)
        self.token = os.environ.get(api.token_variable, '')
        self.rate = RateLimit(api.rate)
        self.admission = Admission(api.requests, api.memory_mb)
        self.max_bytes = serve.max_upload_mb*10**6
        self.metrics = self._measured()

    def _measured(self):
        "Metrics that look at the queue and at the requests in progress"
        metrics = Metrics()
        metrics.queued.set_function(lambda: self.workers.pictures)
        metrics.in_progress.set_function(lambda: self.admission.requests)
        return metrics

    @cached_property
    def fetcher(self):
        "The `SafeFetcher` of the settings, made for the first link; None if links are not followed"
        from ..serving.safe_fetch import open_links
        return open_links(self.settings)

    @cached_property
    def model_card(self)->ModelCard:
        "The metadata of the network, its hash, and the model card beside it"
        file = model_file(self.settings)
        data = file.read_bytes() if file.is_file() else b'' # no file where a classifier was given
        card = file.with_name('MODEL_CARD.md')
        markdown = card.read_text(encoding='utf-8') if card.is_file() else None
        return ModelCard(file=file.name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), card=markdown,
            **self.classifier.meta)

    def check_token(self, request:Request):
        "Raises `Problem` unless the request carries the token, if there is one"
        if not self.token: return
        given = request.headers.get('authorization', '').encode()
        if hmac.compare_digest(given, f'Bearer {self.token}'.encode()): return
        detail = "This call needs a token. Send the header Authorization: Bearer <token>."
        raise Problem(401, detail, WWW_Authenticate='Bearer')

    def check_rate(self, request:Request):
        "Raises `Problem` if this client asks too often"
        self.rate.check(request.client.host if request.client else '')

    def admit(self, request:Request):
        "A context manager that counts the request as in progress. Raises `Problem`"
        size = declared_size(request.headers)
        if size is not None and size > self.max_bytes: raise too_large(self.max_bytes)
        # a body without a length, or the picture behind a link, may be as large as an upload
        if size is None or content_type(request) == 'application/json': size = self.max_bytes
        return self.admission.admit(size, self.workers.retry_after)


def service_of(request:Request)->Service:
    "The service of the application that answers a request"
    return request.app.state.service


def check_client(request:Request):
    "The dependency of calls that need the token and count towards the rate"
    service = service_of(request)
    service.check_token(request)
    service.check_rate(request)


async def admit_upload(request:Request, _:Annotated[None, Depends(check_client)]):
    "The dependency of calls that upload pictures; runs before the body is read"
    with service_of(request).admit(request): yield
