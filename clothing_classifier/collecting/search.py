"""Pictures that web search engines find, with answers stored on disk and other engines to fall back on"""
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice, product

import stamina
from ddgs import DDGS
from ddgs.engines import ENGINES
from ddgs.exceptions import DDGSException

from ..files import sha1, write_atomically
from ..settings import Settings, load_settings
from .found import CollectError, Found

logging.getLogger('stamina').setLevel(logging.ERROR) # else it prints a line for every retry


class AnswerCache:
    "Answers of search engines on disk"
    def __init__(self, path, days): self.path, self.seconds = path, days*86400

    def file(self, question): return self.path/f'{sha1(json.dumps(question))}.json'

    def get(self, question):
        "The stored answer, None if there is none or it is too old"
        file = self.file(question)
        try:
            is_fresh = time.time() - file.stat().st_mtime < self.seconds
            return json.loads(file.read_text(encoding='utf-8')) if is_fresh else None
        except (OSError, ValueError): return None

    def put(self, question, answer): write_atomically(self.file(question), json.dumps(answer).encode())


def _backends(settings):
    "The search engines of the settings; ddgs would silently replace one that it does not have"
    names = [o.strip() for o in settings.collect.backends.split(',') if o.strip()]
    for name in names:
        if name not in ENGINES['images']:
            raise CollectError(f"{settings.file}: [collect] backends: this ddgs searches no pictures with {name!r}; "
                f"write some of {', '.join(sorted(ENGINES['images']))}")
    return names


class Search:
    "Search engines that are asked one after another until one answers"
    def __init__(self, settings:Settings):
        self.options, self.backends = settings.collect, _backends(settings)
        self.cache = AnswerCache(settings.data.path/'searches', self.options.cache_days)
        self.last_request = 0
        self.failures = Counter() # failures in a row of each engine
        self.errors = {} # last error of each engine
        self.unanswered = [] # phrases that no engine answered

    def _request(self, backend, phrase, page):
        "One request to an engine, at least `pause` seconds after the last"
        time.sleep(max(0, self.last_request + self.options.pause - time.monotonic()))
        self.last_request = time.monotonic()
        return DDGS(timeout=15).images(phrase, backend=backend, page=page, region=self.options.region,
            safesearch=self.options.safe_search, max_results=None)

    def _is_skipped(self, backend): return self.failures[backend] >= 2

    def answer(self, backend, phrase, page):
        "The pictures of one page of results, from disk or from the engine. Raises `DDGSException`"
        question = [backend, phrase, page, self.options.region, self.options.safe_search]
        stored = self.cache.get(question)
        if stored is not None: return stored
        if self._is_skipped(backend): raise DDGSException('left out after two failures')
        attempts = 3 if page == 1 else 1 # a later page may simply not exist
        retrying = stamina.RetryingCaller(attempts=attempts, timeout=90, wait_initial=2, wait_max=30)
        answer = retrying(DDGSException, self._request, backend, phrase, page)
        self.cache.put(question, answer)
        self.failures[backend] = 0
        return answer

    def _record_failure(self, backend, error):
        if not self._is_skipped(backend): self.errors[backend] = f"{backend}: {' '.join(str(error).split())}"
        self.failures[backend] += 1

    def page(self, phrase, page):
        "The answer of the first engine that has one; an empty first page counts as a failure"
        for backend in self.backends:
            try: return self.answer(backend, phrase, page)
            except DDGSException as e:
                if page == 1: self._record_failure(backend, e)
        if page == 1: self.unanswered.append(phrase)
        return []

    def category(self, category, phrases):
        "Pictures of one category: the first page of every phrase, then the second; each address once"
        seen = {None, ''}
        for page,phrase in product(range(1, self.options.pages+1), phrases):
            for result in self.page(phrase, page):
                url = result.get('image')
                if url not in seen: yield Found(category, url, result.get('url') or '', phrase)
                seen.add(url)


def _no_answer(search):
    "The error for phrases that no engine answered"
    phrases = ', '.join(map(repr, search.unanswered[:5])) + (' ...' if len(search.unanswered) > 5 else '')
    return CollectError(f"no search engine answered {phrases} ({'; '.join(search.errors.values())}). "
        "What was found is kept. Run it again in an hour, change the phrases, or update the library: "
        "pip install -U ddgs")


def web_search(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Iterator[Found]:
    "Pictures for the search phrases of each category. Raises `CollectError` at its end if a phrase got no answer"
    settings = settings or load_settings()
    search = Search(settings)
    for category,phrases in settings.categories.items():
        yield from islice(search.category(category, phrases), settings.collect.addresses)
    if search.unanswered: raise _no_answer(search)
