"""Certificates: mistakes in given files, and the self-signed one."""

import ssl
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from photism.server.access.certificates import own_names, read_certificate, self_signed_certificate
from photism.server.access.hosts import own_hosts
from photism.server.settings import AccessSettings, AddressSettings
from photism.settings import SettingError

NAMES = ["localhost", "127.0.0.1", "::1", "photism.example.org"]


def write_certificate(folder: Path, *, first_day: int = -1, last_day: int = 1, password: bytes | None = None) -> None:
    """Write a certificate, which is valid in a range of days from now, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(now + timedelta(first_day)).not_valid_after(now + timedelta(last_day))
    certificate = builder.sign(key, hashes.SHA256())
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    )


def read(folder: Path) -> str:
    """Return the error of reading the certificate and key of a folder, without the folder."""
    with pytest.raises(SettingError) as error:
        read_certificate(folder / "cert.pem", folder / "key.pem")
    return str(error.value).replace(f"{folder}/", "")


def test_a_certificate_is_read_with_its_key(tmp_path):
    write_certificate(tmp_path)
    found = read_certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    assert (found.path, found.key_path, found.names) == (tmp_path / "cert.pem", tmp_path / "key.pem", ())
    assert len(found.fingerprint.split(":")) == 32


def test_mistakes_are_named(tmp_path):
    assert read(tmp_path) == "tls_cert cert.pem cannot be read (No such file or directory)"
    write_certificate(tmp_path)
    (tmp_path / "key.pem").rename(tmp_path / "other.pem")
    assert read(tmp_path) == "tls_key key.pem cannot be read (No such file or directory)"
    (tmp_path / "key.pem").write_text("no key")
    assert read(tmp_path) == "tls_key key.pem has no private key in PEM format"
    (tmp_path / "cert.pem").write_bytes(b"\0")
    assert read(tmp_path) == "tls_cert cert.pem has no certificate in PEM format"
    write_certificate(tmp_path)
    (tmp_path / "other.pem").replace(tmp_path / "key.pem")
    assert read(tmp_path) == "tls_key key.pem is not the key of tls_cert cert.pem"
    write_certificate(tmp_path, password=b"secret")
    assert read(tmp_path) == "tls_key key.pem is encrypted: decrypt it, with `openssl pkey`"


@pytest.mark.parametrize(("first_day", "last_day", "problem"), [(-9, -2, "expired on"), (2, 9, "is valid from")])
def test_a_certificate_that_is_not_valid_now_is_refused(tmp_path, first_day, last_day, problem):
    write_certificate(tmp_path, first_day=first_day, last_day=last_day)
    assert read(tmp_path).startswith(f"tls_cert cert.pem {problem} 2")


def test_a_self_signed_certificate_is_kept_and_its_owners_alone(tmp_path):
    folder = tmp_path / "cache" / "tls"
    made = self_signed_certificate(NAMES, folder)
    assert set(made.names) == set(NAMES)
    assert made.path == made.key_path
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == [made.path]
    assert self_signed_certificate(NAMES[:2], folder) == made
    other = self_signed_certificate(["other.example.org"], folder)
    assert other.fingerprint != made.fingerprint
    assert other.names == ("other.example.org",)


def test_a_self_signed_certificate_is_renewed_before_its_end(tmp_path, monkeypatch):
    made = self_signed_certificate(NAMES, tmp_path)
    monkeypatch.setattr("photism.server.access.certificates.RENEWED_DAYS", 400)
    assert self_signed_certificate(NAMES, tmp_path).fingerprint != made.fingerprint
    made.path.write_text("damaged")
    assert self_signed_certificate(NAMES, tmp_path).path == made.path


def test_a_client_that_has_the_certificate_trusts_it(tmp_path):
    made = self_signed_certificate(NAMES, tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.path, made.key_path)
    client = ssl.create_default_context(cafile=str(made.path))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    pair = (
        client.wrap_bio(to_client, to_server, server_hostname="photism.example.org"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for each in pair:
            with suppress(ssl.SSLWantReadError):
                each.do_handshake()
    assert pair[0].getpeercert()["subjectAltName"]


def test_a_folder_that_cannot_be_written_is_a_mistake(tmp_path):
    (tmp_path / "tls").touch()
    with pytest.raises(
        SettingError, match=r"^tls_self_signed cannot write to .*; set XDG_CACHE_HOME, or give tls_cert"
    ):
        self_signed_certificate(NAMES, tmp_path / "tls")


def test_the_names_of_a_certificate_are_those_of_the_server():
    access = AccessSettings(public=True, allowed_host=("photism.example.org:8443", "[2001:db8::1]", "*.inner.example"))
    local, open_ = (own_names(AddressSettings(host=host), access) for host in ("127.0.0.1", "0.0.0.0"))
    given = ["localhost", "127.0.0.1", "::1", "photism.example.org", "2001:db8::1", "*.inner.example"]
    assert local == given
    assert open_[: len(given)] == given
    assert "0.0.0.0" not in open_
    hosts = own_hosts(AddressSettings(), AccessSettings(), certificate_names=("*.example.org",))
    assert hosts.include("photism.example.org")
    assert not hosts.include("example.com")
