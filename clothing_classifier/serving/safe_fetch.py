"""A picture from an address that a stranger typed, fetched so that it cannot reach what only our server can reach"""

import asyncio
import atexit
import socket
from functools import cached_property
from ipaddress import ip_address, ip_network

import anyio
import httpcore
import httpx
from anyio.from_thread import start_blocking_portal

from ..settings import Settings, load_settings
from ..texts import VisitorError


class LinkError(VisitorError):
    "A link that cannot be followed; its text is a sentence for the person who sent it"


_tunnels = [ip_network(o) for o in ('64:ff9b::/96','64:ff9b:1::/48','2001::/32','2002::/16')] # NAT64, its local form, Teredo, 6to4


def is_public(
    address:str # An IP address, as the resolver gives it
)->bool:
    "Is this address on the open internet?"
    ip = ip_address(address)
    ip = getattr(ip, 'ipv4_mapped', None) or ip
    return ip.is_global and not (getattr(ip, 'is_site_local', False) or ip.is_multicast or ip.is_reserved or any(ip in o for o in _tunnels if o.version == ip.version))


class Guard(httpcore.AsyncNetworkBackend):
    "Connects to addresses that are `allowed`, and to no others"
    def __init__(self,
        allowed=is_public, # Address -> bool
        resolve=anyio.getaddrinfo # `(host, port, type=...)` -> address infos
    ): self.allowed, self.resolve, self.inner = allowed, resolve, httpcore.AnyIOBackend()

    async def addresses(self, host, port):
        "Where `host` is. Raises `LinkError` if it is nowhere, or if one of its addresses is not allowed"
        try: found = await self.resolve(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError): raise LinkError('link_no_server', host=host) from None
        ips = list(dict.fromkeys(o[4][0] for o in found))
        if not ips or not all(self.allowed(o) for o in ips): raise LinkError('link_not_public')
        return sorted(ips, key=lambda o: ':' in o) # IPv4 first: many servers have no way out over IPv6

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        for ip in (ips := await self.addresses(host, port)):
            try: return await self.inner.connect_tcp(ip, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                if ip == ips[-1]: raise


_ports, _moved = (80, 443), (301, 302, 303, 307, 308)


def _target(url, ports):
    "A link that may be asked for. Raises `LinkError`"
    try: o = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError): raise LinkError('link_no_link') from None
    if o.scheme not in ('http','https') or not o.host: raise LinkError('link_unsupported')
    if o.userinfo: raise LinkError('link_with_password')
    port = o.port or (443 if o.scheme == 'https' else 80)
    if ports and port not in ports: raise LinkError('link_port', port=port, ports=' and '.join(map(str, ports)))
    return o


def _joined(url, to):
    "Where a redirect leads. Raises `LinkError`"
    try: return str(url.join(to.decode('latin1')))
    except (httpx.InvalidURL, ValueError): raise LinkError('link_broken') from None


_headers = {'User-Agent': 'clothing-classifier', 'Accept': 'image/*', 'Accept-Encoding': 'identity'}


class Links:
    "Fetches pictures from links, a few at a time: `await get(url)` in a coroutine, `fetch(url)` anywhere else"
    def __init__(self,
        max_mb:float=20, # Megabytes of a picture
        deadline:float=10, # Seconds, for everything
        at_once:int=4, # Fetched at the same time
        redirects:int=3, # Followed, at most
        guard:Guard|None=None, # None: public addresses only
        ports:tuple|None=_ports # That may be asked; None for any
    ):
        self.max_mb, self.deadline, self.at_once, self.redirects, self.guard, self.ports = max_mb, deadline, at_once, redirects, guard or Guard(), ports

    @cached_property
    def _portal(self):
        "A thread with an event loop, for as long as this process lives: every fetch runs there, so that `at_once` counts them all"
        self._places, cm = anyio.Semaphore(self.at_once), start_blocking_portal(name='links')
        atexit.register(cm.__exit__, None, None, None)
        return cm.__enter__()

    async def _body(self, r):
        "The content of an answer, up to the cap. Raises `LinkError`"
        kind, out = dict((k.lower(), v) for k,v in r.headers).get(b'content-type', b''), bytearray()
        if r.status != 200: raise LinkError('link_status', status=r.status)
        if kind.startswith(b'text/html'): raise LinkError('link_web_page')
        async for o in r.aiter_stream():
            out += o
            if len(out) > self.max_mb*1e6: raise LinkError('link_too_large', mb=f'{self.max_mb:g}')
        return bytes(out)

    async def _follow(self, url):
        "The content behind `url`, every redirect checked as the link itself was. Raises `LinkError`"
        async with httpcore.AsyncConnectionPool(network_backend=self.guard) as pool:
            for _ in range(self.redirects+1):
                o = _target(url, self.ports)
                parts = httpcore.URL(scheme=o.raw_scheme, host=o.raw_host, port=o.port, target=o.raw_path)
                async with pool.stream('GET', parts, headers=_headers) as r:
                    to = next((v for k,v in r.headers if k.lower() == b'location'), None) if r.status in _moved else None
                    if to is None: return await self._body(r)
                    url = _joined(o, to)
        raise LinkError('link_redirects', n=self.redirects)

    async def _get(self, url):
        "`_follow` in its place in the queue, within the deadline, with every failure as a sentence"
        try:
            with anyio.fail_after(self.deadline):
                async with self._places: return await self._follow(url)
        except TimeoutError: raise LinkError('link_timeout', s=f'{self.deadline:g}') from None
        except (OSError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, httpx.InvalidURL): raise LinkError('link_broken') from None

    async def get(self, url:str)->bytes: return await asyncio.wrap_future(self._portal.start_task_soon(self._get, url))

    def fetch(self,
        url:str # As somebody typed it
    )->bytes: # Unchecked content: give it to `open_image`
        "Fetch a picture. Raises `LinkError`"
        return self._portal.call(self._get, url)


def open_links(
    settings:Settings|None=None, # None: the nearest `settings.ini`
    **kw # Further arguments of `Links`
)->Links|None: # None if `[links] follow` is `no`
    "The only door through which the serving wing fetches"
    s = settings or load_settings()
    return Links(s.serve.max_upload_mb, s.links.deadline, s.links.at_once, s.links.redirects, **kw) if s.links.follow else None
