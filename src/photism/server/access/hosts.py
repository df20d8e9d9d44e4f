"""Names in the headers Host and Origin, and which of them are the server's own."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from photism.server.settings import AccessSettings, AddressSettings, is_loopback

PORTS = {"http": 80, "https": 443}
"""Port of a scheme where an address has none."""


def host_name(host: str) -> str:
    """Return the name or address in a Host header, without its port; empty if it has none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:  # brackets without an IPv6 address
        return ""


def is_loopback_name(name: str) -> bool:
    """Return whether a name always means this machine."""
    return name == "localhost" or name.endswith(".localhost") or is_loopback(name)


@dataclass(frozen=True)
class OwnHosts:
    """Names under which visitors reach a server.

    The owner of another site can let one of its names point to this machine (DNS rebinding). A browser then takes the
    server for a part of that site, but still sends the name as Host.

    Attributes:
        served: names and addresses of the server.
        allowed: further names, such as that of a proxy, some with a port. Pages under these names may send requests.
        has_addresses: whether every IP address is one of the names. Nobody can let an address point to another machine,
            so that this is safe where the own addresses are not known, as behind a router.
    """

    served: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    has_addresses: bool = False

    def include(self, host: str) -> bool:
        """Return whether a Host header names the server; its port may be one that is forwarded to the server's."""
        name = host_name(host)
        if is_loopback_name(name) or (self.has_addresses and _is_address(name)):
            return True
        return any(_matches(name, each) for each in (*self.served, *map(host_name, self.allowed)))

    def include_origin(self, origin: str, host: str) -> bool:
        """Return whether an Origin header names the Host of the same request, or an allowed name."""
        scheme = origin.partition("://")[0]
        place = _place(origin, scheme)
        if scheme not in PORTS or place is None:
            return False
        name, port = place
        allowed = [_place(f"{scheme}://{each}", scheme) for each in self.allowed]
        return place == _place(f"{scheme}://{host}", scheme) or any(
            each is not None and _matches(name, each[0]) and port == each[1] for each in allowed
        )


def own_hosts(address: AddressSettings, access: AccessSettings, *, certificate_names: Iterable[str] = ()) -> OwnHosts:
    """Return the names under which a server with these settings is reached.

    Args:
        address: where it listens.
        access: with the names of `--allowed-host`.
        certificate_names: names in its certificate.
    """
    served = [address.host.lower(), *certificate_names]
    if address.is_local():
        return OwnHosts(tuple(served), access.allowed_host)
    machine = socket.gethostname().lower()
    return OwnHosts((*served, machine, f"{machine}.local"), access.allowed_host, has_addresses=True)


def _place(address: str, scheme: str) -> tuple[str, int] | None:
    """Return the host name and the port of an address."""
    try:
        parts = urlsplit(address)
        return ((parts.hostname or "").rstrip("."), parts.port or PORTS.get(scheme, 0)) if parts.hostname else None
    except ValueError:
        return None


def _matches(name: str, listed: str) -> bool:
    """Return whether a name is a listed one, where `*.example.org` is all names that end so."""
    return bool(name) and (name == listed or (listed.startswith("*.") and name.endswith(listed[1:])))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
