"""Settings of `photism serve`: the address, who has access, limits, and further models. Nothing here is heavy."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import socket
from collections.abc import MutableMapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from typing_extensions import Self

TOKEN_VARIABLE, PASSWORD_VARIABLE = "PHOTISM_TOKEN", "PHOTISM_PASSWORD"
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Hosts that stand for all addresses of this machine, and the loopback address among them."""
HOST = re.compile(r"(\*\.)?([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", re.IGNORECASE)
"""Name or address as the header Host has it, or the end of such names."""


@settings(group="address")
class AddressSettings:
    """Addresses of the server: where it listens, and where visitors reach it."""

    host: str = setting(
        "127.0.0.1",
        "Address to listen on; 0.0.0.0 accepts connections from every network, which requires --token, --password or "
        "--public. Without https, browsers allow the microphone on this machine only.",
        metavar="ADDRESS",
    )
    port: int = setting(7860, "TCP port to listen on.", minimum=1, maximum=65535, metavar="PORT")
    root_path: str = setting(
        "",
        "Path under which a proxy in front of the server publishes it, such as /photism.",
        metavar="/PATH",
    )
    tls_cert: Path | None = setting(
        None, "Certificate chain for https, a PEM file, given together with --tls-key.", metavar="FILE"
    )
    tls_key: Path | None = setting(None, "Private key of the certificate, a PEM file.", metavar="FILE")
    tls_self_signed: bool = setting(
        False, "Serve https with a certificate that is made for this machine, and which browsers warn of once."
    )

    def check(self) -> None:
        """Check the settings that depend on one another.

        Raises:
            SettingError: the host is empty, a certificate or its key is missing, there are two certificates, or the
                root path is no path.
        """
        if not self.host:
            raise SettingError("host", "must not be empty")
        for name, value, other, other_value in (
            ("tls_cert", self.tls_cert, "tls_key", self.tls_key),
            ("tls_key", self.tls_key, "tls_cert", self.tls_cert),
        ):
            if value is not None and other_value is None:
                raise SettingError(name, "must be given together with {}", other)
        if self.tls_self_signed and self.tls_cert is not None:
            raise SettingError("tls_self_signed", "cannot be combined with {}", "tls_cert")
        if not re.fullmatch(r"(/[\w.~-]+)*", self.root_path, re.ASCII):
            raise SettingError("root_path", f"must be /NAME or /NAME/NAME; got {self.root_path}")

    @property
    def is_https(self) -> bool:
        """Whether the server itself encrypts."""
        return self.tls_self_signed or self.tls_cert is not None

    @property
    def is_wildcard(self) -> bool:
        """Whether the server listens on every address of the machine."""
        return self.host in WILDCARDS

    @property
    def url(self) -> str:
        """Address of the page for a browser on this machine."""
        return self.url_of(WILDCARDS.get(self.host, self.host))

    def url_of(self, host: str) -> str:
        """Return the address of the page under a host name or IP address of this machine."""
        host = f"[{host}]" if ":" in host else host
        return f"http{'s' if self.is_https else ''}://{host}:{self.port}/"

    def bind(self) -> list[socket.socket]:
        """Bind a TCP socket to each address of the host; they are not listening yet.

        Raises:
            SettingError: an address does not exist on this machine, or the port is in use.
        """
        bound: list[socket.socket] = []
        missing: OSError | None = None
        try:
            for family, address in self._addresses():
                try:
                    bound.append(_bind(family, address))
                except OSError as error:
                    if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                        raise
                    missing = error  # such as ::1, an address of localhost on machines without IPv6 too
            if missing is not None and not bound:
                raise missing
        except OSError as error:
            for each in bound:
                each.close()
            raise self._unusable(error) from None
        return bound

    def is_local(self) -> bool:
        """Return whether programs on this machine alone can connect.

        Raises:
            SettingError: the host name has no address.
        """
        return all(is_loopback(str(address[0])) for _, address in self._addresses())

    def _addresses(self) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
        """Return the distinct addresses of the host, each with its family."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as error:
            raise self._unusable(error) from None
        return list(dict.fromkeys((family, address) for family, _, _, _, address in found))

    def _unusable(self, error: OSError) -> SettingError:
        problem = f"{self.host} {{}} {self.port} cannot be used ({error.strerror}); give another port or host"
        return SettingError("host", problem, "port")


def _bind(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    """Return a TCP socket that is bound to an address."""
    found = socket.socket(family)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as after a server that has just stopped
        if family == socket.AF_INET6:  # or :: would take the port of 0.0.0.0 too
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind(address)
    except OSError:
        found.close()
        raise
    return found


def is_loopback(address: str) -> bool:
    """Return whether an IP address belongs to the loopback device; a text that is no address does not."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback


DEFAULT_RATE = 120
"""Requests per minute of a client on another machine, if `rate` is not given."""


@settings(group="access")
class AccessSettings:
    """Who may use the server, and for what."""

    token: str | None = setting(
        None,
        "Token that programs send as `Authorization: Bearer TOKEN`. The environment variable PHOTISM_TOKEN does the "
        "same and is not visible in the list of processes.",
        metavar="TOKEN",
    )
    password: str | None = setting(
        None,
        "Password that browsers ask for; the user name does not matter. The environment variable PHOTISM_PASSWORD does "
        "the same and is not visible in the list of processes.",
        metavar="PASSWORD",
    )
    public: bool = setting(False, "Let everyone who can connect use the server without a token or password.")
    allow_urls: bool = setting(False, "Let requests name recordings by URL, which the server downloads.")
    allowed_host: tuple[str, ...] = setting(
        (),
        "Further name under which visitors reach the server, such as that of a proxy; *.example.org stands for all "
        "names that end so. May be given several times.",
        metavar="NAME[:PORT]",
    )
    proxy: tuple[str, ...] = setting(
        (),
        "Address or network of a proxy, such as 172.17.0.0/16, whose X-Forwarded-For and X-Forwarded-Proto are "
        "believed, as are those of proxies on this machine. May be given several times.",
        metavar="ADDRESS",
    )
    rate: int | None = setting(
        None,
        f"Requests per minute that a client may send. Default: {DEFAULT_RATE} for clients on other machines, and no "
        "limit for those on this one.",
        minimum=1,
    )

    def check(self) -> None:
        """Check that the secrets can be sent in a header, that hosts are names and proxies addresses.

        Raises:
            SettingError: a secret cannot be sent, a host is no name, or a proxy is no address.
        """
        for name, value in (("token", self.token), ("password", self.password)):
            if value is not None and (not value or not value.isprintable()):
                raise SettingError(name, "must not be empty, and must have printable characters only")
        for name in self.allowed_host:
            if not HOST.fullmatch(name):
                raise SettingError("allowed_host", f"must be a host name such as photism.example.org; got {name}")
        for address in self.proxy:
            try:
                ip_network(address, strict=False)
            except ValueError:
                raise SettingError("proxy", f"must be an IP address or a network; got {address}") from None
        if self.token is not None and (not self.token.isascii() or " " in self.token):
            raise SettingError("token", "must have ASCII characters only, and no spaces")

    def __repr__(self) -> str:
        """Return the settings without the secrets."""
        shown = (f"{name}={'…' if name in SECRETS and value else repr(value)}" for name, value in vars(self).items())
        return f"{type(self).__name__}({', '.join(shown)})"

    def with_environment(self, environment: MutableMapping[str, str] = os.environ) -> Self:
        """Return the settings with secrets that were not given taken from environment variables.

        The variables are removed, so that processes which read the recordings of visitors do not have them.

        Raises:
            SettingError: a secret cannot be sent in a header.
        """
        found = {name: environment.pop(variable, None) for name, variable in SECRETS.items()}
        missing = {name: value for name, value in found.items() if value is not None and getattr(self, name) is None}
        return dataclasses.replace(self, **missing)

    @property
    def is_open(self) -> bool:
        """Whether no secret is required."""
        return self.token is None and self.password is None

    def check_exposure(self, address: AddressSettings) -> None:
        """Check that a server which other machines can connect to demands a secret, or is public on purpose.

        Raises:
            SettingError: the server demands no secret and is not public, or it has a secret and is public.
        """
        if self.public and not self.is_open:
            name = "token" if self.token is not None else "password"
            raise SettingError("public", "cannot be combined with {}", name)
        if self.is_open and not self.public and not address.is_local():
            problem = (
                f"{address.host} lets other machines connect: give {{}} or {{}} (or set {TOKEN_VARIABLE} or "
                f"{PASSWORD_VARIABLE}), or {{}} if everyone may use the server"
            )
            raise SettingError("host", problem, "token", "password", "public")


SECRETS = {"token": TOKEN_VARIABLE, "password": PASSWORD_VARIABLE}
"""Environment variable of each secret."""


@settings(group="limits")
class LimitSettings:
    """Limits of requests and of what the server keeps."""

    max_queue: int = setting(
        64,
        "Requests that may wait for one model, and, counted by themselves, films and transcripts of more than "
        "--max-seconds; further ones are answered 503.",
        minimum=1,
    )
    max_wait_s: float = setting(
        60,
        "Time that a request may wait for its model; then it is answered 503. Films and transcripts of more than "
        "--max-seconds wait as long as necessary.",
        above=0,
        unit="seconds",
        flag="--max-wait",
    )
    max_upload_mb: float = setting(
        64, "Size of the body of a request, with all its files.", above=0, unit="MB", flag="--max-upload"
    )
    max_live: int = setting(16, "Live connections at once.", minimum=1)
    max_live_per_client: int = setting(4, "Live connections of one client at once.", minimum=1)
    max_seconds: float = setting(
        60, "Duration of a recording, other than for films, transcripts and timelines.", above=0, unit="seconds"
    )
    max_long_seconds: float = setting(
        3600, "Duration of a recording for a film, transcript or timeline.", above=0, unit="seconds"
    )
    max_images: int = setting(16, "Images that one request may have drawn.", minimum=1)
    max_megapixels: float = setting(4, "Size of a drawn image.", above=0, unit="megapixels")
    max_frames: int = setting(100_000, "Frames of a film.", minimum=1)
    max_films: int = setting(4, "Films of one client that wait, are drawn or are kept.", minimum=1)
    keep: float = setting(60, "Time after which results such as films are deleted.", above=0, unit="minutes")
    idle: float = setting(30, "Time without a request after which a model leaves memory.", above=0, unit="minutes")


@settings(group="input")
class CollectionSettings:
    """The collection that visitors may search."""

    collection: str | None = setting(
        None,
        "Index of photism index whose recordings visitors may search and listen to. Rows that are added while the "
        "server runs are found as well.",
        metavar="TABLE",
    )


@settings(group="model")
class ModelsSettings:
    """Further models, which requests name in `model`."""

    models: Path | None = setting(
        None,
        "YAML file of further models: a mapping from their names to `kind`, `model` and other settings of that kind.",
        metavar="FILE",
    )
    add: tuple[str, ...] = setting(
        (),
        "Further model, under a name; its kind is read from its files. May be given several times.",
        metavar="NAME=FOLDER|ID",
    )
