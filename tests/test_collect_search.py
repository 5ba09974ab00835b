"""The real ddgs library asks a stand-in of its search engines: what we ask, what we do when they fail, what stays on disk"""
import json
import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import ddgs.http_client
import primp
import pytest
import stamina
from loopback import Server

from clothing_classifier.collecting.pipeline import CollectWarning
from clothing_classifier.collecting.store import Manifest
from clothing_classifier.collect import collect
from clothing_classifier.settings import load_settings
from clothing_classifier.collecting.importers import CollectError
from clothing_classifier.collecting.search import web_search

ini = Path(__file__).parents[1]/'settings.ini'


class Engines(BaseHTTPRequestHandler):
    "duckduckgo.com and www.bing.com under one roof; their hosts are the first part of the path"
    def log_message(self, *_): pass

    def pictures(self, host, q, first, n):
        return [f'{self.server.pictures}/ok/{1000*(host == "www.bing.com") + hash_of(q) + i}.jpg' for i in range(first, first+n)]

    def do_GET(self):
        url = urlsplit(self.path)
        host, path = url.path.strip('/').split('/', 1) if '/' in url.path.strip('/') else (url.path.strip('/'), '')
        q = {k: v[0] for k,v in parse_qs(url.query).items()}
        self.server.asked.append((host, path, q))
        status, body = self.server.faults.get((host, path), lambda q: None)(q) or (200, getattr(self, path.replace('/', '_').replace('.', '_') or 'start')(host, q))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def start(self, host, q): return f'<html><script>x={{"q":"{q["q"]}"}};vqd="4-123";</script></html>'

    def i_js(self, host, q):
        first = int(q.get('s', 0))
        items = self.pictures(host, q['q'], first, 100) if first < 200 else []
        return json.dumps({'results': [{'title': q['q'], 'image': u, 'thumbnail': u, 'url': f'https://shop.example/{i}', 'height': 9, 'width': 9, 'source': 'Bing'} for i,u in enumerate(items)]})

    def images_async(self, host, q):
        item = lambda u: f'<div><div class="imgpt"><a class="iusc" m="{escape(json.dumps({"t": q["q"], "murl": u, "turl": u, "purl": "https://b.example/"}))}"></a></div><div class="infopt"></div></div>'
        return f'<html><body>{"".join(map(item, self.pictures(host, q["q"], int(q["first"]), 35)))}</body></html>'


def hash_of(q): return 10_000*sum(map(ord, q))


@pytest.fixture
def engines(monkeypatch):
    "The stand-in; the HTTP client of ddgs goes there with whatever ddgs asks of it"
    server = ThreadingHTTPServer(('127.0.0.1', 0), Engines)
    server.asked, server.faults, server.pictures = [], {}, 'http://pictures.example'
    threading.Thread(target=server.serve_forever, daemon=True).start()

    real = primp.Client

    class Client:
        def __init__(self, **kw): self.client = real(**kw)
        def headers_update(self, h): self.client.headers_update(h)
        def request(self, method, url, **kw): return self.client.request(method, f'http://127.0.0.1:{server.server_port}/{url.split("://")[1]}', **kw)

    monkeypatch.setattr(ddgs.http_client.primp, 'Client', Client)
    monkeypatch.setenv('no_proxy', '*')
    stamina.set_testing(True, attempts=3, cap=True)
    yield server
    stamina.set_testing(False)
    server.shutdown()
    server.server_close()


def at(path, **kw):
    "Settings with two categories of two phrases and one"
    text = ini.read_text().split('[labels]')[1]
    path.mkdir(exist_ok=True)
    (path/'settings.ini').write_text('[categories]\njeans = jeans, denim trousers\nsocks = wool socks\n[labels]\n[data]' + text.split('[data]')[1])
    return load_settings(path/'settings.ini', **{'collect_pause': 0} | kw)


def asked(server, path, *keys): return [tuple(q.get(k) for k in keys) for _,p,q in server.asked if p == path]


def test_what_is_asked(engines, tmp_path):
    found = list(web_search(at(tmp_path, collect_region='de-de', collect_safe_search='off', collect_addresses=250, collect_pages=2)))
    assert asked(engines, 'i.js', 'q', 's', 'l', 'p', 'vqd') == [('jeans', None, 'de-de', '-1', '4-123'), ('denim trousers', None, 'de-de', '-1', '4-123'),
        ('jeans', '100', 'de-de', '-1', '4-123'), ('wool socks', None, 'de-de', '-1', '4-123'), ('wool socks', '100', 'de-de', '-1', '4-123')]
    assert [sum(o.category == c for o in found) for c in ('jeans', 'socks')] == [250, 200]
    assert len({o.url for o in found}) == 450 and found[0].query == 'jeans' and found[0].page == 'https://shop.example/0'


def test_answers_are_kept(engines, tmp_path):
    s = at(tmp_path, collect_pages=1)
    first = list(web_search(s))
    n = len(engines.asked)
    assert list(web_search(s)) == first and len(engines.asked) == n
    assert len(list(web_search(at(tmp_path, collect_pages=1, collect_cache_days=0)))) == 300 and len(engines.asked) == 2*n
    list(web_search(at(tmp_path, collect_pages=1, collect_region='fr-fr')))
    assert len(engines.asked) == 3*n, 'another region is another question'


@pytest.mark.parametrize('fault', [(429, ''), (403, ''), (202, ''), (500, ''), (200, '{"results": []}')])
def test_the_next_engine_is_asked(engines, tmp_path, fault):
    engines.faults['duckduckgo.com', 'i.js'] = lambda q: fault
    found = list(web_search(at(tmp_path, collect_pages=1)))
    assert len(found) == 3*35 and all('wool' in o.query or o.category == 'jeans' for o in found)
    assert asked(engines, 'i.js', 'q') == [('jeans',)]*3 + [('denim trousers',)]*3, 'three tries for each of two phrases, then it is left out'
    assert asked(engines, 'images/async', 'q') == [('jeans',), ('denim trousers',), ('wool socks',)]


def test_a_rate_limit_that_passes(engines, tmp_path):
    engines.faults['duckduckgo.com', 'i.js'] = lambda q: (429, '') if len(asked(engines, 'i.js')) < 3 else None
    assert len(list(web_search(at(tmp_path, collect_pages=1)))) == 300
    assert not asked(engines, 'images/async')


def test_when_all_fail_what_was_found_is_kept(engines, tmp_path):
    "The first phrase is answered, then both engines break: one with its page changed, one with an error"
    engines.faults['duckduckgo.com', ''] = lambda q: None if q['q'] == 'jeans' else (200, '<html>redesigned</html>')
    engines.faults['www.bing.com', 'images/async'] = lambda q: (500, 'no')
    with Server() as web:
        engines.pictures = web.url
        with pytest.warns(CollectWarning) as said: df = collect(settings=at(tmp_path, collect_pages=1))
    text = '\n'.join(str(o.message) for o in said)
    assert df.loc['jeans', 'kept'] == 100
    assert "no search engine answered 'denim trousers', 'wool socks'" in text
    assert 'duckduckgo: _extract_vqd()' in text and 'bing: No results found.' in text and 'pip install -U ddgs' in text


def test_nothing_at_all(engines, tmp_path):
    engines.faults['duckduckgo.com', ''] = engines.faults['www.bing.com', 'images/async'] = lambda q: (500, 'no')
    with pytest.raises(CollectError, match="no search engine answered 'jeans'"): collect(settings=at(tmp_path))


def test_engines_that_cannot_be_reached(tmp_path, monkeypatch):
    monkeypatch.setenv('DDGS_PROXY', 'http://127.0.0.1:9')
    stamina.set_testing(True, attempts=1)
    try:
        with pytest.raises(CollectError, match='duckduckgo: .*Error.*bing: .*Error'): list(web_search(at(tmp_path)))
    finally: stamina.set_testing(False)


def test_an_engine_that_does_not_exist(tmp_path):
    with pytest.raises(CollectError, match="'altavista'; write some of bing, duckduckgo"): list(web_search(at(tmp_path, collect_backends='duckduckgo, altavista')))


def test_from_words_to_pictures(engines, tmp_path):
    "The whole road; a second run asks nothing and fetches nothing"
    s = at(tmp_path, collect_addresses=20)
    with Server() as web:
        engines.pictures = web.url
        with pytest.warns(CollectWarning): df = collect(settings=s)
        n, m = len(engines.asked), web.counts().total()
        with pytest.warns(CollectWarning): assert collect(settings=s).equals(df)
        assert (n, m) == (len(engines.asked), web.counts().total())
    assert df.loc['all', 'kept'] == 40
    row = Manifest(tmp_path/'data/manifest.csv').rows()[0]
    assert (row.query, row.page) == ('jeans', 'https://shop.example/0')
