"""Pictures from links that strangers send, fetched so that no link reaches a server of the private network."""
# This prevents server-side request forgery (https://owasp.org/www-community/attacks/Server_Side_Request_Forgery). The
# check sits where the connection is made: a name is resolved once, every address is checked, and one of these very
# addresses is connected to. So neither a redirect, nor a second DNS answer, nor an odd spelling like `http://0x7f.1/`
# gets around it. Errors never tell whether a private address exists.

import asyncio
import atexit
import socket
import sys
import threading
from ipaddress import ip_address, ip_network

import anyio
import httpcore
from anyio.from_thread import start_blocking_portal

from ..settings import Settings, load_settings
from ..texts import VisitorError
from .opened_once import opened_once

sys.modules.setdefault('httpx._main', None) # the command of httpx, which would load 5 MB of other libraries
import httpx  # noqa: E402, I001


class LinkError(VisitorError):
    "A link that cannot be followed"


# Prefixes that carry an IPv4 address to a translator or a tunnel: NAT64, its local form, Teredo, 6to4
_tunnels = [ip_network(prefix) for prefix in ('64:ff9b::/96', '64:ff9b:1::/48', '2001::/32', '2002::/16')]


def _is_tunnel(ip): return ip.version == 6 and any(ip in network for network in _tunnels)


def _is_ipv6(address): return ':' in address


def is_public(
    address:str # IP address, as the resolver gives it
)->bool:
    "Whether an address is on the public internet"
    ip = ip_address(address)
    ip = getattr(ip, 'ipv4_mapped', None) or ip
    if ip.is_multicast or ip.is_reserved or getattr(ip, 'is_site_local', False): return False
    return ip.is_global and not _is_tunnel(ip)


class Guard(httpcore.AsyncNetworkBackend):
    "A network backend that connects to allowed addresses only"
    def __init__(self,
        allowed=is_public, # function from an IP address to a bool
        resolve=anyio.getaddrinfo # function from `(host, port, type=...)` to address infos
    ):
        self.allowed, self.resolve = allowed, resolve
        self.backend = httpcore.AnyIOBackend()

    async def addresses(self,
        host:str, # name or address
        port:int # TCP port
    )->list: # IP addresses, IPv4 first
        "The addresses of a host. Raises `LinkError` if there is none, or if one of them is not allowed"
        try: infos = await self.resolve(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError): raise LinkError('link_no_server', host=host) from None
        addresses = dict.fromkeys(sockaddr[0] for *_, sockaddr in infos)
        if not addresses or not all(map(self.allowed, addresses)): raise LinkError('link_not_public')
        return sorted(addresses, key=_is_ipv6) # many servers have no route over IPv6

    async def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        "A connection to the first address that takes one"
        *others, last = await self.addresses(host, port)
        for address in others:
            try: return await self.backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError: pass
        return await self.backend.connect_tcp(last, port, timeout, local_address, socket_options)


_default_ports = dict(http=80, https=443)
_redirects = (301, 302, 303, 307, 308)
_headers = {'User-Agent': 'clothing-classifier', 'Accept': 'image/*', 'Accept-Encoding': 'identity'}


def _checked_url(url, ports):
    "A URL that may be requested. Raises `LinkError`"
    try: url = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError): raise LinkError('link_no_link') from None
    if url.scheme not in _default_ports or not url.host: raise LinkError('link_unsupported')
    if url.userinfo: raise LinkError('link_with_password')
    port = url.port or _default_ports[url.scheme]
    if ports and port not in ports:
        raise LinkError('link_port', port=port, ports=' and '.join(map(str, ports)))
    return url


def _header(response, name):
    "A header of a response; None if it has none of this name"
    return next((value for key,value in response.headers if key.lower() == name), None)


def _redirect(url, response):
    "Where a redirect leads; None if the response is none. Raises `LinkError`"
    location = _header(response, b'location')
    if response.status not in _redirects or location is None: return None
    try: return str(url.join(location.decode('latin1')))
    except (httpx.InvalidURL, ValueError): raise LinkError('link_broken') from None


_network_errors = (
    OSError,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpx.InvalidURL,
)


class SafeFetcher:
    "Fetches pictures from public servers: `fetch` in a thread, `await fetch_async` in a coroutine"
    def __init__(self,
        max_mb:float=20, # largest picture in megabytes
        deadline:float=10, # seconds for everything: queue, names, redirects, content
        at_once:int=4, # simultaneous fetches
        redirects:int=3, # redirects that are followed, at most
        guard:Guard|None=None, # None: public addresses only
        ports:tuple|None=tuple(_default_ports.values()) # ports that may be requested; None for any
    ):
        self.max_mb, self.deadline, self.at_once = max_mb, deadline, at_once
        self.redirects, self.guard, self.ports = redirects, guard or Guard(), ports
        self.opening = threading.RLock()

    @opened_once
    def _portal(self):
        "A thread with an event loop in which every fetch runs, so that `at_once` counts them all"
        self._slots = anyio.Semaphore(self.at_once)
        portal = start_blocking_portal(name='safe_fetch')
        atexit.register(portal.__exit__, None, None, None)
        return portal.__enter__()

    def fetch(self,
        url:str # link as somebody typed it
    )->bytes: # unchecked content, for `open_image`
        "The content behind a link. Raises `LinkError`"
        return self._portal.call(self._fetch, url)

    async def fetch_async(self,
        url:str # link as somebody typed it
    )->bytes: # unchecked content, for `open_image`
        "The content behind a link. Raises `LinkError`"
        return await asyncio.wrap_future(self._portal.start_task_soon(self._fetch, url))

    async def _fetch(self, url):
        try:
            with anyio.fail_after(self.deadline):
                async with self._slots: return await self._follow(url)
        except TimeoutError: raise LinkError('link_timeout', s=f'{self.deadline:g}') from None
        except _network_errors: raise LinkError('link_broken') from None

    async def _follow(self, url):
        "The content behind a link and its redirects, each of which is checked"
        async with httpcore.AsyncConnectionPool(network_backend=self.guard) as pool:
            for _ in range(self.redirects+1):
                checked = _checked_url(url, self.ports)
                async with pool.stream('GET', _for_httpcore(checked), headers=_headers) as response:
                    url = _redirect(checked, response)
                    if url is None: return await self._content(response)
        raise LinkError('link_redirects', n=self.redirects)

    async def _content(self, response):
        "The body of a response; bytes are counted as they arrive, since a header may lie"
        if response.status != 200: raise LinkError('link_status', status=response.status)
        content_type, content = _header(response, b'content-type') or b'', bytearray()
        if content_type.startswith(b'text/html'): raise LinkError('link_web_page')
        async for chunk in response.aiter_stream():
            content += chunk
            if len(content) > self.max_mb*1e6: raise LinkError('link_too_large', mb=f'{self.max_mb:g}')
        return bytes(content)


def _for_httpcore(url):
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def open_links(
    settings:Settings|None=None, # None: the nearest `settings.ini`
    **options # further arguments of `SafeFetcher`
)->SafeFetcher|None: # None if `[links] follow` is `no`
    "The fetcher that the settings ask for"
    settings = settings or load_settings()
    links = settings.links
    if not links.follow: return None
    return SafeFetcher(settings.serve.max_upload_mb, links.deadline, links.at_once, links.redirects, **options)
