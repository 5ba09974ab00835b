"""Metrics for Prometheus"""

import prometheus_client as prometheus
from prometheus_client import Counter, Gauge, Histogram

content_type = prometheus.CONTENT_TYPE_LATEST
_methods = ('GET', 'POST', 'HEAD', 'OPTIONS')
_buckets = (.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)


class Metrics:
    "What is counted and measured while requests are answered"
    def __init__(self):
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        self.requests = self._metric(Counter, 'requests', 'Requests by route and status',
            'method', 'route', 'status')
        self.seconds = self._metric(Histogram, 'request_seconds', 'Seconds from first to last byte',
            'route', buckets=_buckets)
        self.answers = self._metric(Counter, 'answers', 'Pictures by answer', 'answer')
        self.queued = self._metric(Gauge, 'queued_pictures', 'Pictures that wait or are in a run')
        self.in_progress = self._metric(Gauge, 'requests_in_progress', 'Uploads that were admitted')

    def _metric(self, kind, name, description, *labels, **options):
        return kind(f'clothing_classifier_{name}', description, labels, registry=self.registry, **options)

    def request_done(self,
        method:str, # HTTP method
        route:str, # path of the route, not of the request: `/v1/predict`
        status:int, # HTTP status of the answer
        seconds:float # time it took
    ):
        "Count an answered request"
        self.requests.labels(method if method in _methods else 'other', route, status).inc()
        self.seconds.labels(route).observe(seconds)

    def pictures_done(self,
        predictions # one `Prediction` for each picture
    ):
        "Count the answers of a request"
        for p in predictions: self.answers.labels('error' if p.error else p.answer).inc()

    def text(self)->bytes:
        "All metrics in the text format of Prometheus"
        return prometheus.generate_latest(self.registry)
