"""Downloads, many at a time: an address becomes a whole file, or an error with a reason"""
import asyncio
import logging
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import stamina
from anyio.from_thread import start_blocking_portal

from ..files import sha1, write_atomically
from ..settings import Collect
from .responses import FetchError, error_of_exception, error_of_status, says_noai

logging.getLogger('stamina').setLevel(logging.ERROR) # else it prints a line for every retry


def _host_name(url):
    "Host and port of an address, '' for an address that makes no sense"
    try: return urlsplit(url).netloc
    except ValueError: return ''


def _proxy(url):
    "The proxy that the environment names for an address, None for none"
    parts = urlsplit(url)
    return None if not parts.hostname or proxy_bypass(parts.hostname) else getproxies().get(parts.scheme)


class _Host:
    "Limits and failures of one host"
    def __init__(self, options, proxy):
        self.slots, self.proxy = asyncio.Semaphore(options.at_once_per_host), proxy
        self.failures, self.most_failures = 0, options.host_failures
        self.paused_until = 0

    async def wait(self, seconds):
        "Wait for the end of the pause that the host asked for, at most `seconds`. Raises `FetchError`"
        if self.failures >= self.most_failures:
            raise FetchError('unreachable', 'its host did not answer for several pictures; left for another run')
        pause = self.paused_until - time.monotonic()
        if pause > seconds:
            raise FetchError('busy', f'its host asks for a pause of {pause:.0f} seconds; left for another run')
        await asyncio.sleep(max(0, pause))

    def pause(self, seconds): self.paused_until = max(self.paused_until, time.monotonic() + seconds)

    def count(self, result):
        "Count the failures in a row"
        unreachable = isinstance(result, FetchError) and result.reason == 'unreachable'
        self.failures = self.failures + 1 if unreachable else 0


@dataclass
class _Download:
    "One picture, and what is left of its time"
    url: str
    host: _Host
    seconds_left: float

    def retry(self, error):
        "Is another attempt worth it? stamina reads a float as the seconds to wait"
        if not isinstance(error, FetchError) or error.pause > self.seconds_left: return False
        return error.retry


class Downloader:
    "Downloads into a folder; an async context manager"
    def __init__(self,
        options:Collect, # `[collect]` of the settings
        path:Path, # folder of the files
        process=lambda path, data: path # called in a thread for each file that is there; its result is returned
    ):
        self.options, self.path, self.process = options, Path(path), process
        self.slots, self.hosts = asyncio.Semaphore(options.at_once), {}

    async def __aenter__(self):
        self.path.mkdir(parents=True, exist_ok=True)
        self.pool, self.loop = ThreadPoolExecutor(2), asyncio.get_running_loop()
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={'User-Agent': self.options.user_agent, 'Accept': 'image/*'})
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        self.pool.shutdown(wait=False, cancel_futures=True)

    def file(self, url): return self.path/sha1(url)

    def host(self, url):
        "Limits and failures of the host of an address"
        name = _host_name(url)
        if name not in self.hosts: self.hosts[name] = _Host(self.options, _proxy(url) if name else None)
        return self.hosts[name]

    async def _body(self, response):
        "The whole body, at most `max_mb`"
        body, limit, size = bytearray(), self.options.max_mb*2**20, response.content_length or 0
        if size > limit: raise FetchError('too-big', f'{size/2**20:.0f} MB', lasting=True)
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > limit: raise FetchError('too-big', f'more than {self.options.max_mb:g} MB', lasting=True)
        return body

    def _check(self, response):
        "Raise `FetchError` for a status other than 200, and for a picture that is not for training"
        error = error_of_status(response.status, response.headers)
        if error: raise error
        tags = response.headers.getall('X-Robots-Tag', [])
        if self.options.respect_noai and says_noai(tags, self.options.user_agent):
            raise FetchError('noai', 'X-Robots-Tag', lasting=True)

    async def _request(self, download):
        "The body of one response, after redirects"
        timeout = aiohttp.ClientTimeout(total=max(download.seconds_left, .001), sock_connect=10)
        async with self.session.get(download.url, timeout=timeout, proxy=download.host.proxy,
                max_redirects=self.options.redirects+1) as response:
            self._check(response)
            return await self._body(response)

    async def _body_or_error(self, download):
        "The body, or the `FetchError`"
        try: return await self._request(download)
        except FetchError as e: return e
        except (aiohttp.ClientError, ConnectionError, asyncio.TimeoutError, ValueError) as e: # noqa: UP041, Python 3.10
            return error_of_exception(e)

    def _save(self, url, data):
        "Write the file and process it"
        write_atomically(self.file(url), data)
        return self.process(self.file(url), data)

    def _load(self, url):
        "Process a file of an earlier run"
        return self.process(self.file(url), self.file(url).read_bytes())

    def _in_thread(self, function, *args): return self.loop.run_in_executor(self.pool, function, *args)

    async def _attempt(self, download):
        "One attempt; the wait for a free slot does not count. Raises `FetchError`"
        async with download.host.slots:
            await download.host.wait(download.seconds_left)
            async with self.slots:
                start = time.monotonic()
                result = await self._body_or_error(download)
                download.seconds_left -= time.monotonic() - start
                if not isinstance(result, FetchError): return await self._in_thread(self._save, download.url, result)
        if result.pause: download.host.pause(result.pause)
        raise result

    async def _with_retries(self, download):
        "The result of `process`, or the `FetchError` of the last attempt"
        retrying = stamina.AsyncRetryingCaller(attempts=self.options.tries, timeout=None,
            wait_initial=.1, wait_max=5, wait_jitter=.2)
        try: return await retrying(download.retry, self._attempt, download)
        except FetchError as e: return e

    async def fetch(self,
        url:str # address of a picture
    ): # the result of `process`, or a `FetchError`
        "Download one picture, with as many attempts as help; a file of an earlier run is not requested again"
        if self.file(url).exists(): return await self._in_thread(self._load, url)
        host = self.host(url)
        result = await self._with_retries(_Download(url, host, self.options.deadline))
        host.count(result)
        return result


def in_order(
    start, # function of an item that returns a future
    items, # iterable, may be slow
    ahead:int # items under way, at most
):
    "Yield `(item, result)` in the order of the items, while up to `ahead` of them are under way"
    started = deque()
    for item in items:
        started.append((item, start(item)))
        while started and (len(started) >= ahead or started[0][1].done()):
            first, future = started.popleft()
            yield first, future.result()
    for item,future in started: yield item, future.result()


def finished(result):
    "A future that has its result"
    future = Future()
    future.set_result(result)
    return future


@contextmanager
def downloads(
    options:Collect, # `[collect]` of the settings
    path:Path, # folder of the files
    process=lambda path, data: path # called in a thread for each file that is there; its result is returned
):
    "A function from an address to a future, while a `with` block runs; its own threads, so it works in notebooks"
    downloader = Downloader(options, path, process)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(downloader):
        loop = portal.call(asyncio.get_running_loop)
        yield lambda url: asyncio.run_coroutine_threadsafe(downloader.fetch(url), loop)
