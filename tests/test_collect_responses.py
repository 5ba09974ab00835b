"""What a status, a header or an exception of an HTTP client means"""
import pytest

from clothing_classifier.collecting.responses import error_of_exception, error_of_status, retry_after, says_noai


@pytest.mark.parametrize('status, headers, reason, lasting, retry', [
    (404, {}, 'gone', True, False),
    (403, {}, 'refused', True, False),
    (429, {'Retry-After': '7'}, 'busy', False, 7.),
    (503, {}, 'busy', False, True),
    (500, {}, 'server-error', False, True)])
def test_status(status, headers, reason, lasting, retry):
    error = error_of_status(status, headers)
    assert (error.reason, error.lasting, error.retry, error.detail) == (reason, lasting, retry, f'HTTP {status}')


def test_a_picture_is_no_error(): assert error_of_status(200, {}) is None


def test_retry_after():
    assert retry_after({'Retry-After': '7'}) == 7.
    assert retry_after({'Retry-After': 'Fri, 31 Dec 1999 23:59:59 GMT'}) == 0.
    assert retry_after({}) is True and retry_after({'Retry-After': 'soon'}) is True


@pytest.mark.parametrize('error, reason, lasting, retry', [
    (ValueError('no such address'), 'bad-address', True, False),
    (TimeoutError(), 'too-slow', False, False),
    (ConnectionResetError('reset'), 'cut-off', False, True)])
def test_exceptions(error, reason, lasting, retry):
    got = error_of_exception(error)
    assert (got.reason, got.lasting, got.retry) == (reason, lasting, retry)


@pytest.mark.parametrize('headers, says', [
    (['noai'], True), (['noindex, NoImageAI'], True), (['clothing_classifier: noai'], True), (['all', 'noai'], True),
    (['otherbot: noai'], False), (['otherbot: noindex, noai'], False), (['all'], False), ([], False)])
def test_noai(headers, says): assert says_noai(headers, 'clothing_classifier/0.1') is says
