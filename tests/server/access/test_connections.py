"""Connections to a real server: how many, how long they may take, and how much their headers may hold."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import pytest
import uvicorn

from photism.server.access import connections
from photism.server.access.certificates import Certificate, self_signed_certificate
from photism.server.access.proxies import Proxies
from photism.server.run import server_config

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def app(scope, receive, send):
    """Answer every request."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"[]"})


def serve(
    check: Callable[[int], Awaitable[None]],
    served: Callable[..., Awaitable[None]] = app,
    certificate: Certificate | None = None,
) -> None:
    """Run a check with the port of a server."""

    async def run() -> None:
        server = uvicorn.Server(server_config(served, certificate))
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        server.config.host, server.config.port = "127.0.0.1", 0
        await server.startup()
        try:
            await check(server.servers[0].sockets[0].getsockname()[1])
        finally:
            await server.shutdown()

    asyncio.run(asyncio.wait_for(run(), 20))


async def exchange(port: int, request: bytes = REQUEST) -> str:
    """Send a request, and return all that comes until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer.decode()


CLOSING = REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Return whether the connection ends within some seconds."""
    try:
        while await asyncio.wait_for(reader.read(1000), 3):
            pass
    except ConnectionResetError:
        return True
    except asyncio.TimeoutError:
        return False
    return True


@pytest.mark.parametrize("sent", [b"", b"GET / HT", REQUEST[:-2]])
def test_a_request_that_does_not_come_ends_its_connection(monkeypatch, sent):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.1)

    async def check(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert await is_closed(reader)
        writer.close()

    serve(check)


def test_a_second_request_that_does_not_come_ends_its_connection(monkeypatch):
    async def check(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await reader.readuntil(b"]")
        monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.1)
        writer.write(b"GET ")
        assert await is_closed(reader)
        writer.close()

    serve(check)


def test_a_request_byte_by_byte_has_no_more_time(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.1)

    async def check(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        closed = asyncio.create_task(is_closed(reader))
        for byte in b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 40:
            if closed.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        assert closed.done()
        assert await closed
        writer.close()

    serve(check)


def test_a_request_has_as_much_time_as_it_needs(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_S", 0.1)

    async def slow(scope, receive, send):
        await asyncio.sleep(0.2)
        await app(scope, receive, send)

    async def check(port: int) -> None:
        assert (await exchange(port, CLOSING)).startswith("HTTP/1.1 200")

    serve(check, slow)


def test_headers_without_end_are_refused():
    async def check(port: int) -> None:
        answer = await exchange(port, REQUEST[:-2] + b"X-Long: " + b"a" * 20_000)
        assert answer.startswith("HTTP/1.1 400")

    serve(check)


def test_https_with_a_self_signed_certificate(tmp_path):
    certificate = self_signed_certificate(["localhost", "127.0.0.1"], tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate.path))

    async def check(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.write(CLOSING)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CLOSING)
        assert await is_closed(reader)  # http on the port of https
        writer.close()

    serve(check, certificate=certificate)


def test_connections_beyond_the_limit_are_refused_politely(monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)

    async def check(port: int) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        answer = await exchange(port)
        assert answer.startswith("HTTP/1.1 503")
        assert "retry-after: 5" in answer.lower()
        assert '"type":"/problems/too-many-connections"' in answer
        more = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await is_closed(more[-1][0])
        for _, writer in (*held, *more):
            writer.close()
        await asyncio.sleep(0.05)
        assert (await exchange(port, CLOSING)).startswith("HTTP/1.1 200")

    serve(check)


def test_one_client_cannot_hold_all_connections(monkeypatch):
    monkeypatch.setattr(connections, "MAX_CLIENT_CONNECTIONS", 2)

    async def check(port: int) -> None:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert (await exchange(port, CLOSING)).startswith("HTTP/1.1 200")  # through a proxy on this machine, say
        monkeypatch.setattr(Proxies, "include", lambda self, address: False)
        answer = await exchange(port)
        assert answer.startswith("HTTP/1.1 429")
        assert "retry-after: 5" in answer.lower()
        assert "The client has as many connections" in answer
        for _, writer in held:
            writer.close()

    serve(check)
