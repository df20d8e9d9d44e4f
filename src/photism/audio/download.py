"""Download a recording by HTTP: within limits of size and time, and from public addresses only."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from base64 import b64encode
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from io import BytesIO
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from photism.errors import InputError

READ_BYTES = 2**20
"""Bytes read at a time, so that the size limit stops a download within a megabyte."""
MAX_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)
SAFE = "%/:=&?~+!$,;'@()*[]"
"""Characters of a path and query that are sent as they are; spaces and letters outside ASCII are sent as %XX."""
NAT64 = ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 addresses, RFC 6052."""
CHECK = "check the address and the network"


class TooLargeError(InputError):
    """A download is larger than allowed."""


class PrivateAddressError(InputError):
    """A URL names an address that is not public."""


def download(
    url: str,
    name: str,
    *,
    max_bytes: int,
    timeout_s: float,
    max_download_s: float,
    allow_private_urls: bool,
    warnings: list[str],
) -> BytesIO:
    """Download a file into memory.

    A name is looked up once, and what is connected to are the addresses that were checked, also after a redirect. A
    user and password in the URL are sent as HTTP's basic authentication.

    Args:
        url: URL with the scheme http or https.
        name: name of the URL in error messages, without its password.
        max_bytes: most bytes that are read.
        timeout_s: longest time in seconds without an answer from the server.
        max_download_s: longest time in seconds of the whole download.
        allow_private_urls: accept loopback, private and link-local addresses.
        warnings: what is missing is appended, if the server sends less than it announced.

    Raises:
        InputError: the server cannot be reached, answers with an error, or redirects to another scheme; its address is
            not public; or a limit is exceeded.
    """
    with _TimeLimit(max_download_s) as limit:
        try:
            with _open(_parse(url), limit, timeout_s, allow_private_urls=allow_private_urls) as response:
                return _read(response, max_bytes, limit, warnings)
        except InputError as error:
            raise type(error)(f"{name}: {error}") from None
        except (OSError, HTTPException, ValueError) as error:
            if limit.is_over:
                raise InputError(f"{name}: {limit.message}") from None
            raise InputError(f"{name}: cannot be downloaded ({error}); {CHECK}") from None


class _Url(NamedTuple):
    """The parts of a URL that a request needs."""

    scheme: str
    host: str  # without the brackets of IPv6
    port: int
    path: str  # with the query, quoted
    authorization: str  # value of the header; empty without a user

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class _TimeLimit:
    """A time limit, at which a socket is shut down, so that no call waits for it any longer."""

    def __init__(self, seconds: float) -> None:
        self._end_s = time.monotonic() + seconds
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._shut_down)
        self._timer.daemon = True
        self.message = f"the download took longer than max_download_s={seconds:g}; download the file first"

    def __enter__(self) -> _TimeLimit:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()

    @property
    def is_over(self) -> bool:
        """True if the time is over."""
        return time.monotonic() >= self._end_s

    def watch(self, opened: socket.socket) -> None:
        """Shut this socket down at the end of the time, in place of the one before."""
        self._socket = opened
        if self.is_over:
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _parse(url: str) -> _Url:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError:  # whose words may contain a part of a password
        raise InputError("cannot be downloaded (the URL is malformed); check the address") from None
    if parts.scheme not in ("http", "https"):
        raise InputError(f"not an http, https or file URL, but {parts.scheme or 'none'}; download it first")
    if not host:
        raise InputError("cannot be downloaded (the URL has no host); check the address")
    path = quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")
    return _Url(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path, _authorization(parts))


def _authorization(parts: SplitResult) -> str:
    """Return the header for the user and password in a URL; empty without a user."""
    if parts.username is None:
        return ""
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {b64encode(user.encode()).decode()}"


def _open(url: _Url, limit: _TimeLimit, timeout_s: float, *, allow_private_urls: bool) -> HTTPResponse:
    """Request a URL, follow redirects, and return the response that has the file."""
    for _ in range(1 + MAX_REDIRECTS):
        connection = _connect(url, limit, timeout_s, allow_private_urls=allow_private_urls)
        headers = {"User-Agent": "photism", "Connection": "close"}
        if url.authorization:
            headers["Authorization"] = url.authorization
        is_proxied = connection.host != url.host and url.scheme == "http"
        if is_proxied:
            headers |= _proxy_headers(_proxy(url))
        connection.request("GET", url.origin + url.path if is_proxied else url.path, headers=headers)
        response = connection.getresponse()
        if 200 <= response.status < 300:
            return response
        response.close()
        location = response.getheader("Location")
        if response.status not in REDIRECTS or location is None:
            raise OSError(f"HTTP Error {response.status}: {response.reason}")
        location = location.encode("latin1").decode("utf8", "replace")  # http.client reads headers as Latin-1
        target = _parse(urljoin(url.origin + url.path, location))
        # The server of another origin must not learn the password.
        keeps_user = target.origin == url.origin and not target.authorization
        url = target._replace(authorization=url.authorization) if keeps_user else target
    raise OSError(f"more than {MAX_REDIRECTS} redirects")


def _proxy(url: _Url) -> SplitResult | None:
    """Return the proxy that the environment names for a URL."""
    proxy = getproxies().get(url.scheme)
    if not proxy or proxy_bypass(url.host):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def _proxy_headers(proxy: SplitResult | None) -> dict[str, str]:
    return {"Proxy-Authorization": _authorization(proxy)} if proxy and proxy.username else {}


def _connect(url: _Url, limit: _TimeLimit, timeout_s: float, *, allow_private_urls: bool) -> HTTPConnection:
    """Connect to the host of a URL, or to the proxy that the environment names for it."""
    connection_type = HTTPSConnection if url.scheme == "https" else HTTPConnection
    through = _proxy(url)
    if through is not None:
        if not allow_private_urls:
            with suppress(socket.gaierror):  # a name that only the proxy knows
                _public_addresses(url)
        connection = connection_type(through.hostname or "", through.port or 80, timeout=timeout_s)
        if url.scheme == "https":
            connection.set_tunnel(url.host, url.port, headers=_proxy_headers(through))
        connection.connect()
        limit.watch(connection.sock)
        return connection
    addresses = _addresses(url) if allow_private_urls else _public_addresses(url)
    opened = _open_socket(addresses, url.port, timeout_s)
    limit.watch(opened)
    if url.scheme == "https":
        context = ssl.create_default_context()
        opened = context.wrap_socket(opened, server_hostname=url.host, do_handshake_on_connect=False)
        limit.watch(opened)
        opened.do_handshake()
    connection = connection_type(url.host, url.port, timeout=timeout_s)
    connection.sock = opened
    return connection


def _open_socket(addresses: list[str], port: int, timeout_s: float) -> socket.socket:
    """Connect to the first of several addresses of a host that answers."""
    failure: OSError | None = None
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout_s)
        except OSError as error:
            failure = error
    raise failure or OSError("the host has no address")


def _addresses(url: _Url) -> list[str]:
    found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _public_addresses(url: _Url) -> list[str]:
    public = [address for address in _addresses(url) if _is_public(address)]
    if not public:
        raise PrivateAddressError(
            f"{url.host} is a loopback, private or link-local address; allow it by --allow-private-urls or "
            "allow_private_urls=True if you trust the URL"
        )
    return public


def _is_public(address: str) -> bool:
    parsed = ip_address(address.partition("%")[0])  # without the interface of a link-local address
    if isinstance(parsed, IPv6Address):
        nat64 = ip_address(int(parsed) & 0xFFFFFFFF) if parsed in NAT64 else None
        parsed = parsed.ipv4_mapped or parsed.sixtofour or nat64 or parsed
    return parsed.is_global and not parsed.is_multicast


def _read(response: HTTPResponse, max_bytes: int, limit: _TimeLimit, warnings: list[str]) -> BytesIO:
    """Read the body of a response, as much of it as arrives."""
    held = BytesIO()
    missing = "the end"
    try:
        # read1 returns what has arrived, so that the limits also stop a server that sends a byte at a time.
        while data := response.read1(READ_BYTES):
            held.write(data)
            if held.tell() > max_bytes:
                raise TooLargeError(
                    f"larger than max_download_bytes={max_bytes}; save it to a file first, or raise the limit"
                )
            if limit.is_over:
                raise InputError(limit.message)
        if limit.is_over:
            raise InputError(limit.message)
        if not response.length:
            return held
        missing = f"{response.length} of {response.length + held.tell()} bytes"
    except IncompleteRead:
        pass
    warnings.append(f"the server closed the connection too early: {missing} of the file are missing")
    return held
