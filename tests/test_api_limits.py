"The parts of the API on their own: admission, rate, problems, and the workers' queue"

import json

import pytest
from tiny import by_color, metadata, picture, run_async

from clothing_classifier.api.limits import Admission, RateLimit
from clothing_classifier.api.problems import Problem
from clothing_classifier.api.workers import Workers
from clothing_classifier.predict import NetworkClassifier

BLUE, RED = picture('blue'), picture('red')


def test_a_problem_has_headers_and_a_body():
    response = Problem(413, 'The limit is 20 MB.', Retry_After=2).response()
    assert response.headers['retry-after'] == '2' and response.media_type == 'application/problem+json'
    assert json.loads(response.body) == dict(
        type='about:blank', title='Request Entity Too Large', status=413, detail='The limit is 20 MB.', request_id=''
    )


def test_admission_counts_requests_and_bytes():
    admission = Admission(2, 10)
    with admission.admit(6_000_000):
        with pytest.raises(Problem):
            with admission.admit(6_000_000):
                pass
        with admission.admit(1_000_000):
            assert admission.full
            with pytest.raises(Problem):
                with admission.admit(1):
                    pass
    assert (admission.requests, admission.bytes) == (0, 0)


def test_one_large_request_is_admitted_alone():
    with Admission(2, 10).admit(20_000_000):
        pass


def test_each_client_has_its_own_rate():
    rate = RateLimit(2)
    for client in ('a', 'a', 'b', 'b'):
        rate.check(client)
    with pytest.raises(Problem) as e:
        rate.check('a')
    assert e.value.status == 429 and 1 <= int(e.value.headers['Retry-After']) <= 61
    for _ in range(100):
        RateLimit(0).check('a')


def predict(workers, *pictures):
    return [p.answer for p in run_async(workers.predict, pictures)]


def test_a_bad_file_costs_only_its_own_answer():
    workers = Workers(NetworkClassifier(by_color, metadata()))
    assert predict(workers, BLUE, b'nonsense', RED) == ['jeans', 'unknown', 'socks']
    assert workers.pictures == 0 and workers.retry_after == 1


def test_waiting_pictures_share_a_run_of_the_network():
    sizes = []

    def counted(x):
        sizes.append(len(x))
        return by_color(x)

    workers = Workers(NetworkClassifier(counted, metadata()), workers=1, batch=8)
    assert predict(workers, BLUE) == ['jeans'] and sizes == [1]
    assert predict(workers, *[BLUE] * 30) == ['jeans'] * 30
    assert max(sizes) <= 8 and len(sizes) < 30


def test_after_a_failed_run_each_picture_is_tried_alone():
    def breaks_together(x):
        if len(x) > 1:
            raise RuntimeError('a picture that breaks the others')
        return by_color(x)

    workers = Workers(NetworkClassifier(breaks_together, metadata()), workers=1, batch=8)
    assert predict(workers, BLUE, RED, BLUE) == ['jeans', 'socks', 'jeans']
