"""An address becomes a whole file, or a reason why not; many at a time, in order, and never twice"""

import asyncio
import hashlib
import logging
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import stamina
from aiohttp.http_exceptions import ContentEncodingError
from anyio.from_thread import start_blocking_portal

from ..files import write_atomically
from ..settings import Collect


class Unfetched(Exception):
    "An address that did not become a file, and why"
    def __init__(self,
        reason:str, # A word for tables
        detail:str='', # What the server or the network said
        lasting:bool=False, # Would another run end the same?
        again:bool|float=False # Is another try worth it now? After how many seconds, if the server said so
    ):
        super().__init__(f'{reason}: {detail}' if detail else reason)
        self.reason, self.detail, self.lasting, self.again = reason, detail, lasting, again


def _retry_after(headers):
    "Seconds that a server asks us to wait, True if it does not say. RFC 9110, 10.2.3"
    s = headers.get('Retry-After', '').strip()
    if s.isdigit(): return float(s)
    try: return max(0., parsedate_to_datetime(s).timestamp() - time.time())
    except ValueError: return True


def _of_status(r):
    "The reason that a status code stands for, None for 200"
    s = f'HTTP {r.status}'
    if r.status == 200: return None
    if r.status in (404, 410): return Unfetched('gone', s, lasting=True)
    if r.status in (408, 425, 429, 503): return Unfetched('busy', s, again=_retry_after(r.headers))
    if r.status >= 500: return Unfetched('server-error', s, again=True)
    return Unfetched('refused', s, lasting=True)


def _of_error(e):
    "The reason that an exception stands for"
    s = ' '.join(f'{type(e).__name__}: {e}'.split())[:200]
    if isinstance(e, (ValueError, aiohttp.NonHttpUrlClientError)): return Unfetched('bad-address', s, lasting=True)
    if isinstance(e, aiohttp.TooManyRedirects): return Unfetched('redirects', 'more redirects than allowed', lasting=True)
    if isinstance(e, aiohttp.ClientSSLError): return Unfetched('unreachable', s)
    if isinstance(e, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)): return Unfetched('unreachable', s, again=True)
    if isinstance(e, asyncio.TimeoutError): return Unfetched('too-slow', 'not there within the deadline')
    return Unfetched('cut-off', s, again=not isinstance(e.__cause__, ContentEncodingError))


def says_noai(
    values:list, # Of the header `X-Robots-Tag`, as often as it was sent
    agent:str # Our user agent
)->bool:
    "Does the server ask that its picture be left out of training?"
    for v in values:
        who = ''
        for part in v.lower().split(','):
            name, colon, rule = part.rpartition(':')
            who = name.strip() if colon else who
            if rule.strip() in ('noai','noimageai') and who in agent.lower(): return True
    return False


class _Host:
    "What is known of one host"
    def __init__(self, c, proxy):
        self.turn, self.limit, self.proxy = asyncio.Semaphore(c.at_once_per_host), c.host_failures, proxy
        self.until, self.misses = 0, 0

    async def ready(self, left):
        "Wait until the host wants to be asked"
        if self.misses >= self.limit: raise Unfetched('unreachable', 'its host did not answer for several pictures in a row; left for another run')
        if (wait := self.until - time.monotonic()) > left: raise Unfetched('busy', f'its host asks for a pause of {wait:.0f} seconds; left for another run')
        await asyncio.sleep(max(0, wait))

    def pause(self, seconds): self.until = max(self.until, time.monotonic() + seconds)


def _proxy_of(url):
    "The proxy that the environment names for an address, None for none"
    u = urlsplit(url)
    return None if not u.hostname or proxy_bypass(u.hostname) else getproxies().get(u.scheme)


def _host_of(url):
    "What one set of limits is for, '' for an address that makes no sense"
    try: return urlsplit(url).netloc
    except ValueError: return ''


@dataclass
class _Job:
    "A picture that is being fetched"
    url: str
    host: _Host
    left: float # Seconds

    def again(self, e):
        "Is another try worth it? stamina reads a float as the seconds to wait"
        if not isinstance(e, Unfetched) or type(e.again) is float and e.again > self.left: return False
        return e.again


async def _timed(o):
    "Seconds that something took, and its result"
    start = time.monotonic()
    r = await o
    return time.monotonic() - start, r


logging.getLogger('stamina').setLevel(logging.ERROR) # It would print a line a retry


class Fetcher:
    "Downloads into a folder; for an `async with` statement"
    def __init__(self,
        c:Collect, # Settings
        path:Path, # Folder of the files
        look=lambda path, data: path # What becomes of a file that is there; runs in a thread
    ):
        self.c, self.path, self.look, self.turn, self.hosts = c, Path(path), look, asyncio.Semaphore(c.at_once), {}

    async def __aenter__(self):
        self.path.mkdir(parents=True, exist_ok=True)
        self.pool, self.loop = ThreadPoolExecutor(2), asyncio.get_running_loop()
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(),
            headers={'User-Agent': self.c.user_agent, 'Accept': 'image/*'})
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        self.pool.shutdown(wait=False, cancel_futures=True)

    def file(self, url): return self.path/hashlib.sha1(url.encode()).hexdigest()

    def host(self, url):
        "What is known of the host of an address"
        name = _host_of(url)
        if name not in self.hosts: self.hosts[name] = _Host(self.c, _proxy_of(url) if name else None)
        return self.hosts[name]

    async def _body(self, r):
        "All of it, at most `max_mb`"
        o, most = bytearray(), self.c.max_mb*2**20
        if (r.content_length or 0) > most: raise Unfetched('too-big', f'{r.content_length/2**20:.0f} MB', lasting=True)
        async for data in r.content.iter_any():
            o += data
            if len(o) > most: raise Unfetched('too-big', f'more than {self.c.max_mb:g} MB', lasting=True)
        return o

    async def _get(self, job):
        "One request, and the redirects it leads to"
        timeout = aiohttp.ClientTimeout(total=max(job.left, .001), sock_connect=10)
        async with self.session.get(job.url, timeout=timeout, proxy=job.host.proxy, max_redirects=self.c.redirects+1) as r:
            if e := _of_status(r): raise e
            if self.c.respect_noai and says_noai(r.headers.getall('X-Robots-Tag', []), self.c.user_agent): raise Unfetched('noai', 'X-Robots-Tag', lasting=True)
            return await self._body(r)

    async def _ask(self, job):
        "The body, or `Unfetched`"
        try: return await self._get(job)
        except Unfetched as e: return e
        except (aiohttp.ClientError, ConnectionError, asyncio.TimeoutError, ValueError) as e: return _of_error(e)

    def _keep(self, url, data):
        "Write the file and look at it"
        write_atomically(self.file(url), data)
        return self.look(self.file(url), data)

    async def _try(self, job):
        "One try, when it is its turn; the time of waiting for it does not count. Raises `Unfetched`"
        async with job.host.turn:
            await job.host.ready(job.left)
            async with self.turn:
                seconds, o = await _timed(self._ask(job))
                if not isinstance(o, Unfetched): return await self.loop.run_in_executor(self.pool, self._keep, job.url, o)
        job.left -= seconds
        if type(o.again) is float: job.host.pause(o.again)
        raise o

    async def fetch(self,
        url:str # Its address
    ): # What `look` made of it, or `Unfetched`
        "Download one picture, with as many tries as help; what is there already is not asked for"
        if (file := self.file(url)).exists(): return await self.loop.run_in_executor(self.pool, lambda: self.look(file, file.read_bytes()))
        job = _Job(url, self.host(url), self.c.deadline)
        try: o = await stamina.AsyncRetryingCaller(attempts=self.c.tries, timeout=None, wait_initial=.1, wait_max=5, wait_jitter=.2)(job.again, self._try, job)
        except Unfetched as e: o = e
        job.host.misses = job.host.misses + 1 if isinstance(o, Unfetched) and o.reason == 'unreachable' else 0
        return o


def in_order(
    start, # A function of an item that returns a future
    items, # May be slow
    ahead:int # Items in front, at most
):
    "Yield `(item, result)` in the order of the items, with up to `ahead` of them under way"
    todo = deque()
    for o in items:
        todo.append((o, start(o)))
        while todo and (len(todo) >= ahead or todo[0][1].done()):
            o, r = todo.popleft()
            yield o, r.result()
    for o,r in todo: yield o, r.result()


def done(o):
    "A future that has its result"
    r = Future()
    r.set_result(o)
    return r


@contextmanager
def downloads(
    c:Collect, # Settings
    path:Path, # Folder of the files
    look=lambda path, data: path # What becomes of a file that is there; runs in a thread
):
    "For a `with` statement: a function from an address to the future of what `look` makes of it, or of `Unfetched`. Runs in threads of its own, so it works in a notebook"
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Fetcher(c, path, look)) as f:
        loop = portal.call(asyncio.get_running_loop)
        yield lambda url: asyncio.run_coroutine_threadsafe(f.fetch(url), loop)
