"""A client of the live endpoints."""

import json
from contextlib import contextmanager

import numpy as np

HOST = "127.0.0.1:7860"
RATE = 16_000


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
