"""Uploads: bounded while they arrive, removed whatever happens, and unable to reach other files and servers."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from photism.audio import download
from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile
from photism.cancellation import Cancelled, check_cancelled
from photism.server.fields import form, upload
from photism.server.fields.reader import RequestReader
from photism.server.fields.upload import Upload
from photism.server.problems import Problem
from tests.server.fields.conftest import DRAW, Server, recording

BEGINNING = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
Receive = Callable[[], Awaitable[dict[str, Any]]]


def request_of(server: Server, receive: Receive, **headers: str) -> Request:
    """Return a form that arrives as `receive` says."""
    headers = {"content-type": "multipart/form-data; boundary=b"} | headers
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/draw", "headers": raw, "app": server.app}
    scope["state"] = {"client": "client", "is_local": False}
    return Request(scope, receive)


async def read(request: Request) -> None:
    async with DRAW.read(request):
        pass


def test_a_client_that_stops_sending_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_PAUSE_S", 0.05)
    sent = iter([BEGINNING])

    async def receive() -> dict[str, Any]:
        for body in sent:
            return {"type": "http.request", "body": body, "more_body": True}
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(Problem, match="did not arrive within") as caught:
        asyncio.run(read(request_of(server, receive)))
    assert caught.value.status == 408
    assert not list(server.folder.iterdir())


def test_a_client_that_sends_a_byte_at_a_time_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_BODY_S", 0.1)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"-", "more_body": True}

    with pytest.raises(Problem, match="did not arrive within"):
        asyncio.run(read(request_of(server, receive, **{"content-type": "application/json"})))
    assert not list(server.folder.iterdir())


def test_a_client_that_leaves_while_it_sends_leaves_no_file(server: Server) -> None:
    sent = iter([{"type": "http.request", "body": BEGINNING + bytes(5000), "more_body": True}])

    async def receive() -> dict[str, Any]:
        return next(sent, {"type": "http.disconnect"})

    with pytest.raises(ClientDisconnect):
        asyncio.run(read(request_of(server, receive)))
    assert not list(server.folder.iterdir())


def test_a_client_that_leaves_while_its_file_is_decoded_ends_that(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = Event(), Event()
    stopped: list[Path] = []

    def decode(*_: Any, **__: Any) -> None:
        begun.set()
        try:
            while not ended.wait(0.001):
                check_cancelled()
        finally:
            ended.set()

    monkeypatch.setattr(server.reader, "_decoding", SimpleNamespace(read=decode, stop=stopped.append))
    sent = iter([BEGINNING + recording() + b"\r\n--b--\r\n"])

    async def receive() -> dict[str, Any]:
        for body in sent:
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.to_thread(begun.wait, 10)
        return {"type": "http.disconnect"}

    with pytest.raises(Problem) as left:
        asyncio.run(read(request_of(server, receive)))
    assert left.value.status == 499
    assert ended.wait(10)
    assert len(stopped) == 1
    assert not list(server.folder.iterdir())


def test_short_recordings_do_not_wait_for_those_that_may_be_long(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = Event()

    def decode(*_: Any, **__: Any) -> SoundFile:
        assert may_end.wait(10)
        return SoundFile(b"")

    monkeypatch.setattr(server.reader, "_long_decoding", SimpleNamespace(read=decode))
    path = server.create()
    path.write_bytes(recording())
    read = partial(server.reader.read_sound, "file", Upload(path, None), ReadingSettings(), "client")

    async def read_all() -> SoundFile:
        long = [asyncio.create_task(read(is_long=True)) for _ in range(4)]
        try:
            return await asyncio.wait_for(read(), 10)
        finally:
            may_end.set()
            await asyncio.gather(*long)

    try:
        assert asyncio.run(read_all()).measured_s == 0.5
    finally:
        path.unlink()


def test_a_file_that_is_created_after_its_request_has_ended_is_removed(server: Server) -> None:
    uploads = server.reader.uploads()
    uploads.remove()
    with pytest.raises(Cancelled):
        uploads.open()
    assert not list(server.folder.iterdir())


def test_an_announced_length_is_refused_before_a_byte_is_read(server: Server) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError

    with pytest.raises(Problem) as caught:
        asyncio.run(read(request_of(server, receive, **{"content-length": "200000"})))
    assert caught.value.status == 413


def test_the_number_of_parts_and_the_size_of_texts_are_bounded(server: Server) -> None:
    problem = server.problem(data={"track": ["1"] * (form.MAX_PARTS + 1)}, files={"file": b""})
    assert (problem["status"], problem["detail"]) == (400, "the form has more than 1100 parts")


def test_a_file_with_only_an_extended_file_name_is_a_problem(server: Server) -> None:
    disposition = b"form-data; name=\"file\"; filename*=UTF-8''%C3%A9.wav"
    body = b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + recording() + b"\r\n--b--\r\n"
    answer = server.post("/draw", content=body, headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "file has a filename*, and no filename"
    assert 'filename="' in answer.json()["remedy"]


def test_a_reader_that_closes_ends_what_it_reads(tmp_path: Path) -> None:
    reader = RequestReader(
        lambda: tmp_path, max_upload_mb=1, max_seconds=1, max_long_seconds=1, max_queue=64, max_wait_s=60
    )

    async def close_while_reading() -> None:
        running, waiting = asyncio.Event(), Event()
        loop = asyncio.get_running_loop()

        def work() -> None:
            loop.call_soon_threadsafe(running.set)
            waiting.wait()

        works = [asyncio.create_task(reader.run(work, "client")) for _ in range(4)]
        await running.wait()
        reader.close()
        waiting.set()
        for each in works[2:]:  # those that wait for a thread
            with pytest.raises(Problem) as refused:
                await each
            assert refused.value.name == "shutting-down"
        with pytest.raises(Problem) as refused:
            await reader.run(work, "client")
        assert refused.value.name == "shutting-down"

    asyncio.run(close_while_reading())


def test_texts_of_a_form_are_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "MAX_TEXT_BYTES", 1000)
    problem = server.problem(data={"text": ["a" * 400] * 3}, files={"file": b""})
    assert (problem["status"], problem["allowed"]) == (413, "at most 0.001 MB")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        opened.setblocking(False)
        yield opened


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {}\n",
    "dash": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period>'
    '<AdaptationSet mimeType="audio/mp4"><Representation id="1"><BaseURL>{}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "pls": "[playlist]\nFile1={}\n",
    "xspf": '<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track><location>{}</location></track>'
    "</trackList></playlist>",
}


@pytest.mark.parametrize("playlist", PLAYLISTS)
def test_a_playlist_opens_no_other_file_and_no_address(
    server: Server, listener: socket.socket, playlist: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("secret") / "secret.wav"
    secret.write_bytes(recording())
    port = listener.getsockname()[1]
    targets = (f"http://127.0.0.1:{port}/a.wav", str(secret), f"file://{secret}", f"concat:{secret}")
    for target in (*targets, f"data:audio/wav,{recording(0.1)!r}"):
        problem = server.problem(files={"file": PLAYLISTS[playlist].format(target).encode()})
        assert (problem["status"], problem["type"]) == (422, "/problems/unreadable-file")
    with pytest.raises(BlockingIOError):
        listener.accept()


def png(width: int, height: int) -> bytes:
    """Return a PNG file of 100 bytes that declares a size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def test_an_image_bomb_is_refused(server: Server) -> None:
    problem = server.problem(files={"file": recording(), "image": png(30_000, 30_000)})
    assert (problem["field"], problem["allowed"]) == ("image", "at most 50 megapixels together")
    assert problem["title"] == "The images of the request have too many pixels."
    twice = [("file", recording()), ("style", png(6000, 5000)), ("style", png(6000, 5000))]
    assert server.problem(files=twice)["field"] == "style"


def test_a_damaged_image_is_a_problem(server: Server) -> None:
    problem = server.problem(files={"file": recording(), "image": png(100, 100)[:60]})
    assert (problem["type"], problem["field"]) == ("/problems/unreadable-file", "image")


def test_formats_that_call_programs_are_no_images(server: Server) -> None:
    problem = server.problem(files={"file": recording(), "image": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"})
    assert problem["detail"] == "image is not an image"


def test_urls_need_permission_and_a_public_address(server: Server, listener: socket.socket) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.wav"
    assert "does not download any" in server.problem(json={"file": url})["detail"]
    server.reader.allow_urls = True
    try:
        for address in (url, url.replace("127.0.0.1", "localhost"), "http://169.254.169.254/latest", "http://[::1]/"):
            problem = server.problem(json={"file": address})
            assert problem["detail"] == "file is a URL of an address that is not public"
        assert server.problem(files={"file": (None, url)})["field"] == "file"
        assert server.problem(json={"file": "ftp://example.org/a.wav"})["detail"] == "file is not valid base64"
        assert server.problem(json={"file": "file:///etc/passwd"})["detail"] == "file is not valid base64"
    finally:
        server.reader.allow_urls = False
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_url_is_downloaded_where_it_is_allowed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def answer(url: str, name: str, **limits: Any) -> BytesIO:
        asked.append({"url": url, "name": name, **limits})
        return BytesIO(recording())

    monkeypatch.setattr(download, "download", answer)
    monkeypatch.setattr(server.reader, "allow_urls", True)
    assert server.post("/draw", json={"file": "https://example.org/a.wav"}).status_code == 200
    assert server.post("/draw", files={"file": (None, "https://example.org/a.wav")}).status_code == 200
    assert asked[0] == asked[1]
    assert (asked[0]["max_bytes"], asked[0]["allow_private_urls"]) == (100_000, False)
