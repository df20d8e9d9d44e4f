"""Settings of the server: addresses, secrets, and who may connect."""

import socket
from contextlib import contextmanager

import pytest

from photism.server.settings import AccessSettings, AddressSettings
from photism.settings import SettingError


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def bound(host: str):
    """Yield the addresses of the sockets that are bound to a host."""
    sockets = AddressSettings(host=host, port=free_port()).bind()
    try:
        yield [each.getsockname()[0] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
        ("0", False),
    ],
)
def test_hosts_of_other_machines_need_a_secret_or_a_purpose(host, is_local):
    address = AddressSettings(host=host)
    assert address.is_local() is is_local
    for given in ({"token": "t0ken"}, {"password": "p"}, {"public": True}):
        AccessSettings(**given).check_exposure(address)
    if is_local:
        AccessSettings().check_exposure(address)
        return
    with pytest.raises(SettingError) as error:
        AccessSettings().check_exposure(address)
    assert str(error.value) == (
        f"host {host} lets other machines connect: give token or password (or set PHOTISM_TOKEN or "
        "PHOTISM_PASSWORD), or public if everyone may use the server"
    )


def test_a_name_with_addresses_in_a_network_needs_a_secret(monkeypatch):
    def resolve(host, port, **_):
        return [(socket.AF_INET, 1, 6, "", (each, port)) for each in ("127.0.0.1", "192.0.2.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert AddressSettings(host="both.example").is_local() is False


def test_a_name_without_an_address_is_a_mistake():
    with pytest.raises(SettingError, match=r"^host nowhere\.invalid port 7860 cannot be used \("):
        AccessSettings().check_exposure(AddressSettings(host="nowhere.invalid"))


@pytest.mark.parametrize("name", ["token", "password"])
def test_a_public_server_has_no_secret(name):
    with pytest.raises(SettingError, match=rf"^public cannot be combined with {name}"):
        AccessSettings(public=True, **{name: "secret"}).check_exposure(AddressSettings())


def test_secrets_come_from_the_environment_if_they_are_not_given():
    environment = {"PHOTISM_TOKEN": "from-environment", "PHOTISM_PASSWORD": "p", "HOME": "/"}
    found = AccessSettings(token="given").with_environment(environment)
    assert (found.token, found.password) == ("given", "p")
    assert environment == {"HOME": "/"}
    assert AccessSettings().with_environment({}).is_open
    with pytest.raises(SettingError, match=r"^token must not be empty"):
        AccessSettings().with_environment({"PHOTISM_TOKEN": ""})


@pytest.mark.parametrize("token", ["", "two words", "schlüssel", "line\nbreak"])
def test_a_token_must_fit_into_a_header(token):
    with pytest.raises(SettingError, match=r"^token must ") as error:
        AccessSettings(token=token)
    assert not token or token not in str(error.value)


def test_secrets_are_not_shown():
    shown = repr(AccessSettings(token="t0ken", password="passw0rd"))
    assert shown.startswith("AccessSettings(token=…, password=…, public=False")
    assert "token=None" in repr(AccessSettings())


@pytest.mark.parametrize("host", ["https://a.example", "a.example/", "a b", "*", "a.*", "", "user@a.example"])
def test_an_allowed_host_is_a_name(host):
    with pytest.raises(SettingError, match=r"^allowed_host must be a host name such as photism\.example\.org; got"):
        AccessSettings(allowed_host=(host,))


@pytest.mark.parametrize("host", ["a.example", "a.example:8443", "*.a.example", "192.0.2.1", "[2001:db8::1]:80"])
def test_allowed_hosts(host):
    assert AccessSettings(allowed_host=(host,)).allowed_host == (host,)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"host": ""}, "host must not be empty"),
        ({"tls_cert": "c.pem"}, "tls_cert must be given together with tls_key"),
        ({"tls_key": "k.pem"}, "tls_key must be given together with tls_cert"),
        (
            {"tls_cert": "c.pem", "tls_key": "k.pem", "tls_self_signed": True},
            "tls_self_signed cannot be combined with tls_cert",
        ),
        ({"root_path": "photism"}, "root_path must be /NAME or /NAME/NAME; got photism"),
        ({"root_path": "/photism/"}, "root_path must be /NAME or /NAME/NAME; got /photism/"),
        ({"root_path": "/"}, "root_path must be /NAME or /NAME/NAME; got /"),
        ({"root_path": "//evil.example"}, "root_path must be /NAME or /NAME/NAME; got //evil.example"),
    ],
)
def test_addresses_that_make_no_sense(given, problem):
    with pytest.raises(SettingError) as error:
        AddressSettings(**given)
    assert str(error.value) == problem


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:7860/"),
        ({"host": "0.0.0.0", "port": 80}, "http://127.0.0.1:80/"),
        ({"host": "::"}, "http://[::1]:7860/"),
        ({"host": "photism.example.org", "tls_self_signed": True}, "https://photism.example.org:7860/"),
    ],
)
def test_the_address_for_a_browser_on_this_machine(given, url):
    assert AddressSettings(**given).url == url


def test_all_addresses_of_a_host_are_bound():
    with bound("127.0.0.1") as addresses:
        assert addresses == ["127.0.0.1"]
    with bound("localhost") as addresses:
        assert "127.0.0.1" in addresses


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 on this machine")
def test_ipv6_is_bound_by_itself():
    try:
        with bound("::1") as addresses:
            assert addresses == ["::1"]
    except SettingError:
        pytest.skip("there is no IPv6 on this machine")


def test_an_address_that_localhost_has_without_ipv6_is_skipped(monkeypatch):
    addresses = [(socket.AF_INET, 1, 6, "", (each, free_port())) for each in ("192.0.2.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    with bound("localhost") as found:
        assert found == ["127.0.0.1"]


def test_a_port_in_use_is_a_mistake():
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        with pytest.raises(SettingError, match=rf"^host 127\.0\.0\.1 port {port} cannot be used \(Address already"):
            AddressSettings(port=port).bind()
