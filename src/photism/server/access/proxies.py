"""Proxies in front of the server, and what they say about the clients that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers that a proxy adds."""
SCHEMES = {"http": {"http": "http", "https": "https"}, "websocket": {"http": "ws", "https": "wss"}}
"""Scheme of a connection by its type, for the scheme that a proxy names."""


class Proxies:
    """Proxies whose headers are believed: those on this machine, and given ones.

    Args:
        networks: addresses and networks of the latter, such as 10.0.0.0/8.
    """

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks = [ip_network(each, strict=False) for each in networks]

    def include(self, address: str) -> bool:
        """Return whether an address is one of a proxy."""
        parsed = parse_address(address)
        return parsed is not None and (parsed.is_loopback or any(parsed in each for each in self._networks))

    def apply(self, scope: Scope) -> None:
        """Set client and scheme of a request to those that a proxy names; remove such headers of anybody else's."""
        peer = str((scope.get("client") or ("",))[0])
        if not self.include(peer):
            scope["headers"] = [each for each in scope["headers"] if each[0].decode("latin-1") not in HEADERS]
            return
        headers = Headers(scope=scope)
        # Each proxy appends the address that it was called from, so that what comes before may be invented.
        chain = [each.strip() for value in headers.getlist("x-forwarded-for") for each in value.split(",")]
        client = next((each for each in reversed(chain) if not self.include(each)), "")
        if parse_address(client) is not None:
            scope["client"] = (client, 0)
        scheme = SCHEMES[scope["type"]].get(headers.get("x-forwarded-proto", "").strip())
        if scheme is not None:
            scope["scheme"] = scheme


def parse_address(address: str) -> IPv4Address | IPv6Address | None:
    """Return an IP address, one of IPv4 that is written as IPv6 as the former; None for another text."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
