"""Limits on what a client may send, how often it may ask, and how much may be in progress"""

import math
import time
from contextlib import contextmanager

import anyio

from .problems import Problem


class Admission:
    "The requests in progress and the bytes of their bodies, both limited"
    def __init__(self,
        max_requests:int, # requests in progress, at most
        max_megabytes:float # megabytes of their bodies, at most; one request alone may exceed it
    ):
        self.max_requests, self.max_bytes = max_requests, max_megabytes*1e6
        self.requests, self.bytes = 0, 0

    @property
    def full(self)->bool: return self.requests >= self.max_requests

    def has_room(self,
        size:int # bytes of a body
    )->bool:
        "Whether a further request may begin"
        if self.full: return False
        return self.requests == 0 or self.bytes+size <= self.max_bytes

    @contextmanager
    def admit(self,
        size:int, # bytes of the body, or the most they can be
        retry_after:int=1 # seconds after which a refused client should try again
    ):
        "Count a request as in progress for the `with` block. Raises `Problem`"
        if not self.has_room(size):
            raise Problem(503, "The server is busy. Try again later.", Retry_After=retry_after)
        self.requests += 1
        self.bytes += size
        try: yield
        finally:
            self.requests -= 1
            self.bytes -= size


class RateLimit:
    "A limit on the requests of each client within a minute"
    def __init__(self,
        per_minute:int # requests; 0 for any number
    ):
        self.per_minute = per_minute
        if not per_minute: return
        import limits  # takes 3 MB
        self.item = limits.RateLimitItemPerMinute(per_minute)
        self.limiter = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())

    def check(self,
        client:str # address of the client
    ):
        "Count a request. Raises `Problem` if there were too many"
        if not self.per_minute or self.limiter.hit(self.item, client): return
        reset = self.limiter.get_window_stats(self.item, client).reset_time
        detail = f"You sent more than {self.per_minute} requests within a minute. Wait, then go on more slowly."
        raise Problem(429, detail, Retry_After=max(1, math.ceil(reset-time.time())))


def declared_size(
    headers # headers of a request
)->int|None: # bytes; None if the client does not say
    "The Content-Length of a request"
    size = headers.get('content-length', '')
    return int(size) if size.isdecimal() else None


def too_large(
    max_bytes:int # limit that was exceeded
)->Problem:
    "The error for a body that is too large"
    detail = f"This upload is too large; the limit is {max_bytes/1e6:g} MB. Send a smaller copy."
    return Problem(413, detail, Connection='close')


class LimitedBody:
    "The `receive` of one request, limited in bytes and in time"
    def __init__(self,
        headers, # headers of the request
        receive, # ASGI `receive` of the request
        max_bytes:int, # bytes of the body, at most
        seconds:float # seconds until the whole body must have arrived
    ):
        self.receive, self.max_bytes = receive, max_bytes
        self.deadline, self.received = time.monotonic()+seconds, 0
        self.complete = not (declared_size(headers) or 'transfer-encoding' in headers)

    async def __call__(self):
        "The next ASGI message. Raises `Problem`"
        message = await self._in_time()
        self.received += len(message.get('body', b''))
        if not message.get('more_body', False): self.complete = True
        if self.received > self.max_bytes: raise too_large(self.max_bytes)
        return message

    async def _in_time(self):
        left = None if self.complete else max(self.deadline-time.monotonic(), 0)
        try:
            with anyio.fail_after(left): return await self.receive()
        except TimeoutError:
            raise Problem(408, "The upload did not arrive in time. Send it again, or a smaller copy.") from None

    async def discard(self,
        seconds:float=2 # time for the rest, at most
    ):
        "Receive and drop the rest of the body"
        with anyio.move_on_after(seconds):
            while not self.complete:
                message = await self.receive()
                self.complete = not message.get('more_body', False)
