"""A server with the live endpoints, and a client of them."""

import json
from contextlib import contextmanager

import numpy as np
from fastapi.testclient import TestClient

from photism.server.app import create_app
from photism.server.live_connections import LiveConnections
from photism.server.services import Services
from photism.server.settings import AccessSettings, AddressSettings, LimitSettings

HOST = "127.0.0.1:7860"
RATE = 16_000


def make_client(registry, **limits):
    """Return a client of a server with some limits."""
    chosen = LimitSettings(**limits)
    services = Services(
        address=AddressSettings(),
        access=AccessSettings(),
        limits=chosen,
        registry=registry,
        live=LiveConnections(chosen),
    )
    return TestClient(create_app(services), base_url=f"http://{HOST}", client=("127.0.0.1", 50000))


def samples_of(seconds, *, seed=0, rate=RATE):
    """Return noise that swells and falls, as 16-bit samples."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * rate)) * 3000
    return (noise * np.abs(np.sin(np.arange(len(noise)) / rate * 4))).astype("<i2")


def silence_of(seconds):
    return np.zeros(round(seconds * RATE), "<i2")


def open_socket(client, path, **keywords):
    """Open a live connection."""
    return client.websocket_connect(f"ws://{HOST}{path}", **keywords)


@contextmanager
def connect(client, path, **settings):
    """Open a live connection and send its settings."""
    with open_socket(client, path) as socket:
        socket.send_text(json.dumps(settings))
        yield socket


def send(socket, samples, *, size=4096):
    """Send samples in messages of some bytes."""
    data = samples.tobytes()
    for start in range(0, len(data), size):
        socket.send_bytes(data[start : start + size])


def end(socket):
    socket.send_text('{"type": "end"}')


def received(socket):
    """Return all messages until the server closes the connection, and the code of the close."""
    messages = []
    while (message := socket.receive())["type"] == "websocket.send":
        text = message.get("text")
        messages.append(message["bytes"] if text is None else json.loads(text))
    return messages, message["code"]
