"""Recordings are downloaded within limits of size and time, from public addresses, and without showing passwords."""

import contextlib
import io
import socket
import threading
import time
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from photism import InputError, load_waveform
from photism.audio import download
from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile

TONE = (np.sin(np.arange(16_000) / 10) * 20_000).astype("<i2")
REDIRECTS = {
    "/moved.wav": "/tone.wav",
    "/ftp.wav": "ftp://127.0.0.1/tone.wav",
    "/file.wav": "file:///etc/passwd",
    "/round.wav": "/round.wav",
    "/far.wav": "http://localhost:{port}/tone.wav",
    "/private.wav": "http://127.0.0.2:{port}/tone.wav",
}


def wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes(TONE.tobytes())
    return file.getvalue()


WAV = wav()


def load(url, **settings):
    return load_waveform(url, allow_private_urls=True, **settings)


@pytest.fixture(scope="module")
def serving():
    """A server on the loopback device, and what was requested: paths and passwords."""
    requested = []
    done = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requested.append((self.path, self.headers["Authorization"]))
            path = self.path.partition("?")[0]
            if path == "/missing.wav":
                return self.send_error(404)
            if path == "/silent.wav":
                return done.wait(10)
            if path in REDIRECTS:
                self.send_response(302)
                self.send_header("Location", REDIRECTS[path].format(port=self.server.server_port))
                return self.end_headers()
            if path == "/slow-header.wav":
                return self.drip(b"HTTP/1.0 200 OK\r\n" + b"X: " + b"x" * 10_000)
            self.send_response(200)
            if path == "/short.wav":
                self.send_header("Content-Length", str(2 * len(WAV)))
            if path == "/short-chunks.wav":
                self.protocol_version = "HTTP/1.1"
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if path == "/slow.wav":
                return self.drip(WAV)
            if path == "/short-chunks.wav":
                return self.wfile.write(b"%x\r\n" % (2 * len(WAV)) + WAV)
            self.wfile.write(WAV)
            while path == "/endless.wav" and not done.is_set():
                self.wfile.write(bytes(2**16))
            return None

        def drip(self, data):
            for byte in data:
                self.wfile.write(bytes([byte]))
                if done.wait(0.02):
                    return

        def handle(self):
            with contextlib.suppress(OSError):  # the client closed the connection
                super().handle()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, requested
        done.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def server(serving, monkeypatch):
    """The address of the server, and what this test has requested from it."""
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    port, requested = serving
    requested.clear()
    return f"http://127.0.0.1:{port}", requested


@pytest.mark.parametrize("path", ["/tone.wav", "/moved.wav", "/ein Ton é.wav", "/tone.wav?a=ü b#t=1"])
def test_download(server, path):
    address, requested = server
    assert load(address + path).duration_s == 1
    expected = path.partition("#")[0].replace(" ", "%20").replace("é", "%C3%A9").replace("ü", "%C3%BC")
    assert requested[0] == (expected, None)


def test_an_endless_download_is_stopped(server):
    with pytest.raises(InputError, match=r"^http://.*/endless.wav: larger than max_download_bytes=100000"):
        load(server[0] + "/endless.wav", max_download_bytes=100_000)


def test_not_found(server):
    with pytest.raises(InputError, match=r"cannot be downloaded \(HTTP Error 404: Not Found\); check the address"):
        load(server[0] + "/missing.wav")


def test_silent_server(server):
    with pytest.raises(InputError, match=r"cannot be downloaded \(timed out\)"):
        load(server[0] + "/silent.wav", timeout_s=0.2)


@pytest.mark.parametrize("path", ["/slow.wav", "/slow-header.wav", "/silent.wav", "/endless.wav"])
def test_a_download_has_a_total_time_limit(server, path):
    start_s = time.monotonic()
    with pytest.raises(InputError, match=rf"{path}: the download took longer than max_download_s=0.3; download"):
        load(server[0] + path, max_download_s=0.3, max_download_bytes=2**40)
    assert time.monotonic() - start_s < 2


def test_unreachable():
    with pytest.raises(InputError, match=r"cannot be downloaded .*; check the address and the network"):
        load("http://127.0.0.1:9/tone.wav")


@pytest.mark.parametrize("url", ["http://", "http://[::1/tone.wav", "http://host:port/tone.wav", "http:///a.wav"])
def test_malformed(url):
    with pytest.raises(InputError, match="cannot be downloaded"):
        load(url)


def test_other_schemes():
    with pytest.raises(
        InputError, match=r"^nowhere://bucket/tone.wav: cannot be opened \(Protocol not known: nowhere\)"
    ):
        load("nowhere://bucket/tone.wav")


@pytest.mark.parametrize("path", ["/ftp.wav", "/file.wav"])
def test_a_redirect_to_another_scheme_is_refused(server, path):
    with pytest.raises(InputError, match=rf"{path}: not an http, https or file URL, but {path[1:-4]}"):
        load(server[0] + path)


def test_redirects_without_end(server):
    with pytest.raises(InputError, match="more than 10 redirects"):
        load(server[0] + "/round.wav")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"),
        *("10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "[fe80::1]", "[fc00::1]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1"),
    ],
)
def test_private_addresses_are_refused_without_connecting(monkeypatch, host):
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    with pytest.raises(InputError, match="is a loopback, private or link-local address; allow it by --allow-private"):
        load_waveform(f"http://{host}/tone.wav")


def test_a_name_is_looked_up_once_and_its_checked_address_is_connected_to(server, monkeypatch):
    """A name server that answers otherwise the second time gains nothing."""
    lookups, lookup = [], socket.getaddrinfo

    def changing(host, *arguments, **settings):
        if host == "rebinding.test":
            lookups.append(host)
            host = "93.184.216.34" if len(lookups) == 1 else "127.0.0.1"
        return lookup(host, *arguments, **settings)

    connected = []

    def create_connection(address, timeout):
        connected.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(InputError, match="no network"):
        load_waveform("http://rebinding.test/tone.wav")
    assert connected == [("93.184.216.34", 80)]
    with pytest.raises(InputError, match=r"rebinding\.test is a loopback, private or link-local address"):
        load_waveform("http://rebinding.test/tone.wav")


def test_a_redirect_to_a_private_address_is_refused(server, monkeypatch):
    address, requested = server
    monkeypatch.setattr(download, "_is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(InputError, match=r"/private.wav: 127.0.0.2 is a loopback, private"):
        load_waveform(address + "/private.wav")
    assert [path for path, _ in requested] == ["/private.wav"]


def test_a_password_is_sent_but_never_shown(server):
    address, requested = server
    with_password = address.replace("://", "://me:s%40cret@")
    assert load(with_password + "/moved.wav").duration_s == 1
    assert requested == [(path, "Basic bWU6c0BjcmV0") for path in ("/moved.wav", "/tone.wav")]
    requested.clear()
    assert load(with_password + "/far.wav").duration_s == 1
    assert [password for _, password in requested] == ["Basic bWU6c0BjcmV0", None]
    for url in (
        with_password + "/missing.wav?token=s%40cret",
        "http://me:s%40cret@",
        "http://me:s%40cret@[::1/x",
        "http://me:s%40cret/@host/x",
    ):
        with pytest.raises(InputError) as raised:
            load(url)
        assert "cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "missing"), [("short.wav", f"{len(WAV)} of {2 * len(WAV)} bytes"), ("short-chunks.wav", "the end")]
)
def test_a_body_that_is_too_short_is_reported(server, path, missing):
    sound = SoundFile(f"{server[0]}/{path}", reading=ReadingSettings(allow_private_urls=True))
    assert load_waveform(sound).duration_s == 1
    assert sound.warnings == (f"the server closed the connection too early: {missing} of the file are missing",)


def test_a_proxy_is_used(server, monkeypatch):
    address, requested = server
    monkeypatch.setenv("http_proxy", address)
    assert load_waveform("http://93.184.216.34/tone.wav?a=1").duration_s == 1
    assert requested == [("http://93.184.216.34:80/tone.wav?a=1", None)]
    with pytest.raises(InputError, match="private"):
        load_waveform("http://192.168.0.1/tone.wav")
