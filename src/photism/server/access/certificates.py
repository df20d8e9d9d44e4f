"""Certificates for https: check those that were given, and make a self-signed one."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from photism.files import atomic_path
from photism.server.access.hosts import host_name
from photism.server.settings import AccessSettings, AddressSettings
from photism.settings import SettingError

VALID_DAYS = 397
"""Validity of a self-signed certificate, the longest that all browsers accept."""
RENEWED_DAYS = 30
"""Days before the end of its validity from which a self-signed certificate is replaced at the next start."""


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key.

    Attributes:
        path: PEM file of the certificate, followed by those that certify it.
        key_path: PEM file of the private key.
        names: host names and addresses that it is valid for.
        fingerprint: SHA-256 of the certificate, written as browsers write it.
        expires: end of its validity.
    """

    path: Path
    key_path: Path
    names: tuple[str, ...]
    fingerprint: str
    expires: datetime


def certificate_of(address: AddressSettings, access: AccessSettings) -> Certificate | None:
    """Return the certificate of a server, which is made if that was requested; None for http.

    Raises:
        SettingError: a file cannot be read or written, or is not what it should be.
    """
    if address.tls_cert is not None and address.tls_key is not None:
        return read_certificate(address.tls_cert, address.tls_key)
    return self_signed_certificate(own_names(address, access)) if address.tls_self_signed else None


def read_certificate(path: Path, key_path: Path) -> Certificate:
    """Read a certificate and check it with its key.

    Raises:
        SettingError: a file cannot be read, is not PEM, is encrypted, or belongs to another one, or the certificate is
            not valid now.
    """
    pem, key_pem = _read("tls_cert", path), _read("tls_key", key_path)
    try:
        certificate = x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        raise SettingError("tls_cert", f"{path} has no certificate in PEM format") from None
    try:
        key: Any = serialization.load_pem_private_key(key_pem, None)
    except TypeError:
        raise SettingError("tls_key", f"{key_path} is encrypted: decrypt it, with `openssl pkey`") from None
    except ValueError:
        raise SettingError("tls_key", f"{key_path} has no private key in PEM format") from None
    if key.public_key() != certificate.public_key():
        raise SettingError("tls_key", "{} is not the key of {} {}", str(key_path), "tls_cert", str(path))
    for is_wrong, end in (
        (certificate.not_valid_after_utc < _now(), f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"),
        (certificate.not_valid_before_utc > _now(), f"is valid from {certificate.not_valid_before_utc:%Y-%m-%d}"),
    ):
        if is_wrong:
            raise SettingError("tls_cert", f"{path} {end}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, key_path)
    except ssl.SSLError as error:  # such as a key that is too short
        raise SettingError("tls_cert", f"{path} cannot be used: {error.reason}") from None
    return _describe(certificate, path, key_path)


def self_signed_certificate(names: Sequence[str], folder: Path | None = None) -> Certificate:
    """Return a self-signed certificate for names, which stays the same for a year.

    Browsers remember that a visitor has accepted it. Certificate and key are one file, which its owner alone can read.

    Args:
        names: host names and addresses.
        folder: where it is kept; by default in the cache folder of the user.

    Raises:
        SettingError: the folder cannot be written.
    """
    folder = folder or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "photism" / "tls"
    path = folder / "self-signed.pem"
    try:
        found = read_certificate(path, path) if path.is_file() else None
    except SettingError:  # expired, or damaged
        found = None
    if found and set(names) <= set(found.names) and found.expires - _now() > timedelta(days=RENEWED_DAYS):
        return found
    certificate, key = _sign(names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        with atomic_path(path) as unfinished:
            unfinished.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key)
        path.chmod(0o600)
    except OSError as error:
        problem = f"cannot write to {folder} ({error.strerror}); set XDG_CACHE_HOME, or give {{}}"
        raise SettingError("tls_self_signed", problem, "tls_cert") from None
    return _describe(certificate, path, path)


def own_names(address: AddressSettings, access: AccessSettings) -> list[str]:
    """Return the names and addresses under which visitors may reach the server, for its certificate."""
    names = ["localhost", "127.0.0.1", "::1", *map(host_name, access.allowed_host)]
    if address.is_local():
        names.append(address.host)
    else:
        machine = socket.gethostname()
        names += [machine, f"{machine}.local", *own_addresses()]
        names += [] if address.is_wildcard else [address.host]
    return list(dict.fromkeys(names))


def own_addresses() -> list[str]:
    """Return the IP addresses of this machine in its networks."""
    families = (socket.AF_INET, socket.AF_INET6)
    found = [each.address for every in psutil.net_if_addrs().values() for each in every if each.family in families]
    return [each for each in found if "%" not in each and not ip_address(each).is_loopback]  # % is link-local


def _sign(names: Sequence[str]) -> tuple[x509.Certificate, bytes]:
    """Return a self-signed certificate for names, and its private key in PEM format."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Photism, self-signed")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"), False
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - timedelta(hours=1))  # clocks differ
        .not_valid_after(_now() + timedelta(days=VALID_DAYS - 1))
        .add_extension(x509.SubjectAlternativeName([_general_name(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate, pem


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode())


def _describe(certificate: x509.Certificate, path: Path, key_path: Path) -> Certificate:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]
    except x509.ExtensionNotFound:
        names = []
    digits = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return Certificate(path, key_path, tuple(names), digits, certificate.not_valid_after_utc)


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingError(name, f"{path} cannot be read ({error.strerror})") from None


def _now() -> datetime:
    return datetime.now(timezone.utc)
