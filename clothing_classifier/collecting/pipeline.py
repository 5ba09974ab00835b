"""Pictures from anywhere, checked as they arrive, each with a row that says where it came from"""
import os
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from operator import length_hint

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from ..collecting.check import Checked, check
from ..collecting.download import Unfetched, done, downloads, in_order
from ..collecting.importers import CollectError
from ..collecting.store import Miss, Store
from ..files import sha1


def _clear(path, urls):
    "Remove what a killed program left"
    for p in path.rglob('.*.tmp'): p.unlink(missing_ok=True)
    for u in urls: (path/'incoming'/sha1(u)).unlink(missing_ok=True)


@contextmanager
def _alone(path):
    "Fail if another program collects into `path`"
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path/'.lock', timeout=0)
    try: lock.acquire()
    except Timeout: raise CollectError(f"{path}: another program is collecting into this folder; wait until it has ended, or stop it") from None
    try: yield
    finally: lock.release()


class CollectWarning(UserWarning):
    "Something about the pictures that the user should know"


warnings.simplefilter('always', CollectWarning, append=True) # Also when a cell is run again


def _counts(n):
    "`{'socks': 2, 'shoes': 1}` in words, the most frequent first"
    return ', '.join(f'{k} {v}' for k,v in Counter(n).most_common() if v)


def _advice(store):
    "Sentences for the user"
    df, c, file = store.summary(), store.settings.collect, store.settings.file.name
    for name,n in df.kept.drop('all').items():
        if n < c.enough: yield f"{name}: {n} pictures are kept, fewer than {c.enough}; add search phrases for it in {file}, or more addresses"
    if n := df.loc['all'].get('two-categories', 0): yield f"{n} pictures were found for two categories ({_counts(df['two-categories'].drop('all').to_dict())}) and are in neither; look into {store.path.name}/rejected/two-categories and move those that you are sure of to {store.path.name}/images/<category>"
    if n := Counter(r.reason for r in store.misses.values() if not r.lasting):
        yield f"{n.total()} addresses did not answer this time ({_counts(n)}; details in {store.unfetched.path.name}); run it again to ask only them"


class _Road:
    "From a source to the store"
    def __init__(self, settings):
        self.settings, self.store, self.incoming, self.said = settings, Store(settings), settings.data.path/'incoming', []
        lasting = {k: r for k,r in self.store.misses.items() if r.lasting}
        self.known = {u: r for (_,u),r in (self.store.rows|lasting).items()} # Address -> its row or miss
        self.seen = {*self.store.rows, *lasting}
        _clear(self.store.path, (u for _,u in self.store.rows))

    def look(self, path, data):
        "The file and what `check` says; its bytes stay on disk"
        c = check(data, self.settings.data.min_side, self.settings.data.max_side)
        c.data = b''
        return path, c

    def read(self, path):
        "`look` at a file that is on this disk"
        try: return self.look(path, path.read_bytes())
        except OSError as e: return Unfetched('unreadable', e.strerror)

    def new(self, sources):
        "What is not known yet; a source that fails has its say at the end"
        for source in sources:
            try:
                for o in source:
                    if (k := (o.category, o.url)) not in self.seen: yield o
                    self.seen.add(k)
            except CollectError as e: self.said.append(str(e))

    def start(self, o, fetch, pool):
        "The future of a look; of None if another category has the same address"
        if o.path: return pool.submit(self.read, o.path)
        if o.url in self.known: return done(None)
        self.known[o.url] = None
        return fetch(o.url)

    def again(self, o):
        "An address that another category has too"
        r = self.known[o.url]
        if isinstance(r, Miss): return self.store.miss(o, Unfetched(r.reason, r.detail, bool(r.lasting)))
        p, reason, h = self.store.file(r), '' if r.phash else r.rejected, int(r.phash, 16) if r.phash else None
        if p.exists(): self.store.add(Checked(p.read_bytes(), r.sha1, reason, (int(r.width), int(r.height)), h), o)

    def arrive(self, o, got):
        "What has come for `o` goes into the store"
        if got is None: return self.again(o)
        if isinstance(got, Unfetched): self.store.miss(o, got)
        else: self.store.add(got[1], o, src=got[0])
        self.known[o.url] = self.store.rows.get((o.category, o.url)) or self.store.misses[o.category, o.url]
        if not o.path and not isinstance(got, Unfetched): os.unlink(got[0])

    def run(self, sources):
        "Take in all that is new"
        total = sum(length_hint(s) for s in sources)
        with downloads(self.settings.collect, self.incoming, self.look) as fetch, ThreadPoolExecutor(2) as pool, closing(self.store):
            came = in_order(lambda o: self.start(o, fetch, pool), self.new(sources), ahead=8*self.settings.collect.at_once)
            for o,got in tqdm(came, total=total or None, desc='collect'): self.arrive(o, got)
        if not any(self.incoming.iterdir()): self.incoming.rmdir()


def take_in(sources, settings):
    "Run the road, say what the user should know, and sum up. Raises `CollectError` if there is nothing at all"
    with _alone(settings.data.path):
        road = _Road(settings)
        road.run(sources)
    if road.said and not (road.store.rows or road.store.misses): raise CollectError(' '.join(road.said))
    for o in (*road.said, *_advice(road.store)): warnings.warn(o, CollectWarning, stacklevel=3)
    return road.store.summary()
