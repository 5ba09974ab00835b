"""Where pictures come from: a web search, lists of addresses, a folder, a table; all say the same five things"""
import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice, product

import stamina
from ddgs import DDGS
from ddgs.exceptions import DDGSException

from ..collecting.importers import CollectError, Found
from ..files import write_atomically
from ..settings import Settings, load_settings

logging.getLogger('stamina').setLevel(logging.ERROR) # It would print a line a retry


class Search:
    "Asks the engines of `[collect]`, one after another; remembers their answers on disk, and their failures"
    def __init__(self, settings:Settings):
        self.c, self.path, self.last = settings.collect, settings.data.path/'searches', 0
        self.said, self.misses, self.silent = {}, Counter(), [] # Last failure of an engine; how many in a row; phrases that none answered
        self.backends = [o.strip() for o in self.c.backends.split(',') if o.strip()]
        from ddgs.engines import ENGINES  # DDGS would silently ask any engine in place of one that it does not have
        for o in self.backends:
            if o not in ENGINES['images']: raise CollectError(f"{settings.file}: [collect] backends: this ddgs searches no pictures with {o!r}; write some of {', '.join(sorted(ENGINES['images']))}")

    def _ask(self, backend, phrase, page):
        "One question to one engine, not sooner than `pause` after the last"
        time.sleep(max(0, self.last + self.c.pause - time.monotonic()))
        self.last = time.monotonic()
        return DDGS(timeout=15).images(phrase, backend=backend, page=page, region=self.c.region, safesearch=self.c.safe_search, max_results=None)

    def _file(self, *question):
        "Where an answer is kept"
        key = json.dumps([*question, self.c.region, self.c.safe_search])
        return self.path/f'{hashlib.sha1(key.encode()).hexdigest()}.json'

    def _kept(self, file):
        "An answer from disk, None if there is none or it is too old"
        try: return json.loads(file.read_text(encoding='utf-8')) if time.time() - file.stat().st_mtime < self.c.cache_days*86400 else None
        except (OSError, ValueError): return None

    def answer(self, backend, phrase, page):
        "The pictures on a page of answers, from disk or from the engine. Raises `DDGSException`"
        file = self._file(backend, phrase, page)
        if (rs := self._kept(file)) is not None: return rs
        if self.out(backend): raise DDGSException('left out after two failures')
        tries = 3 if page == 1 else 1 # Behind the last page there is nothing
        rs = stamina.RetryingCaller(attempts=tries, timeout=90, wait_initial=2, wait_max=30)(DDGSException, self._ask, backend, phrase, page)
        write_atomically(file, json.dumps(rs).encode())
        self.misses[backend] = 0
        return rs

    def out(self, backend): return self.misses[backend] > 1

    def _missed(self, backend, e):
        "Remember how an engine failed"
        if not self.out(backend): self.said[backend] = f"{backend}: {' '.join(str(e).split())}"
        self.misses[backend] += 1

    def page(self, phrase, page):
        "The answer of the first engine that has one"
        for o in self.backends:
            try: return self.answer(o, phrase, page)
            except DDGSException as e:
                if page == 1: self._missed(o, e)
        if page == 1: self.silent.append(phrase)
        return []

    def category(self, category, phrases):
        "Found for one category: the first page of every phrase, then the second; each address once"
        seen = set()
        for page,phrase in product(range(1, self.c.pages+1), phrases):
            for r in self.page(phrase, page):
                if (u := r.get('image')) and u not in seen: yield Found(category, u, r.get('url') or '', phrase)
                seen.add(u)


def web_search(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Iterator[Found]:
    "Pictures that search engines find for the phrases of each category. Raises `CollectError` at its end if phrases got no answer"
    settings = settings or load_settings()
    s = Search(settings)
    for c,phrases in settings.categories.items(): yield from islice(s.category(c, phrases), settings.collect.addresses)
    if s.silent: raise CollectError(f"no search engine answered {', '.join(map(repr, s.silent[:5]))}{' ...' if s.silent[5:] else ''} ({'; '.join(s.said.values())}). "
        "What was found is kept. Run it again in an hour, change the phrases, or update the library: pip install -U ddgs")
