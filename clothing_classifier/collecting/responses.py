"""The meaning of an HTTP response: a status, an exception or a header becomes a reason, and whether to try again"""
import asyncio
import time
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError


class FetchError(Exception):
    "A picture that could not be downloaded"
    def __init__(self,
        reason:str, # one word for tables
        detail:str='', # what the server or the network said
        lasting:bool=False, # would another run end the same?
        retry:bool|float=False # is an attempt worth it now? A number: after so many seconds
    ):
        super().__init__(f'{reason}: {detail}' if detail else reason)
        self.reason, self.detail, self.lasting, self.retry = reason, detail, lasting, retry

    @property
    def pause(self)->float: return self.retry if isinstance(self.retry, float) else 0.


def retry_after(
    headers # response headers
)->bool|float: # seconds to wait, True if the server does not say
    "The header `Retry-After`, a number or a date (RFC 9110, 10.2.3)"
    value = headers.get('Retry-After', '').strip()
    if value.isdigit(): return float(value)
    try: return max(0., parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError: return True


def error_of_status(
    status:int, # HTTP status code
    headers # response headers
)->FetchError|None: # None for 200
    "The reason that a status code stands for"
    detail = f'HTTP {status}'
    if status == 200: return None
    if status in (404, 410): return FetchError('gone', detail, lasting=True)
    if status in (408, 425, 429, 503): return FetchError('busy', detail, retry=retry_after(headers))
    if status >= 500: return FetchError('server-error', detail, retry=True)
    return FetchError('refused', detail, lasting=True)


cases = [ # the first case that fits; else the connection was cut off
    ((ValueError, aiohttp.NonHttpUrlClientError), dict(reason='bad-address', lasting=True)),
    (aiohttp.TooManyRedirects, dict(reason='redirects', detail='more redirects than allowed', lasting=True)),
    (aiohttp.ClientSSLError, dict(reason='unreachable')),
    ((aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError), dict(reason='unreachable', retry=True)),
    (asyncio.TimeoutError, dict(reason='too-slow', detail='not there within the deadline')),
]


def error_of_exception(
    error:Exception # raised by the HTTP client
)->FetchError:
    "The reason that an exception stands for"
    detail = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
    for kinds,case in cases:
        if isinstance(error, kinds): return FetchError(**(dict(detail=detail) | case))
    is_wrong_encoding = isinstance(error.__cause__, ContentEncodingError)
    return FetchError('cut-off', detail, retry=not is_wrong_encoding)


def _rules(header):
    "The (robot, rule) pairs of one `X-Robots-Tag`; a robot's name holds for the rules that follow it"
    robot = ''
    for part in header.lower().split(','):
        name, colon, rule = part.rpartition(':')
        if colon: robot = name.strip()
        yield robot, rule.strip()


def says_noai(
    headers:list, # values of `X-Robots-Tag`
    agent:str # our user agent
)->bool:
    "Does the server ask that its picture be left out of training?"
    rules = [pair for header in headers for pair in _rules(header)]
    return any(rule in ('noai','noimageai') and robot in agent.lower() for robot,rule in rules)
