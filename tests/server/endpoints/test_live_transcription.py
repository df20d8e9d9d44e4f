"""/v1/live/transcription: the words of the command line, problems before the close, and bounded memory."""

import asyncio
import json
import threading
import time

import numpy as np
import pytest
from starlette.testclient import WebSocketDenialResponse

from photism.audio.waveform import load_waveform
from photism.listening.transcription.decoding_options import DecodingSettings, StreamingSettings
from photism.server.engine.busy import Busy
from photism.server.engine.ticket import Ticket
from photism.server.settings import AccessSettings
from tests.server.endpoints.live import connect, end, open_socket, received, samples_of, send

PATH = "/v1/live/transcription"
SHORT = {"step": 0.5, "lookahead": 0.25}


@pytest.fixture(scope="module")
def client(make_client, server_registry):
    return make_client(server_registry)


@pytest.fixture(scope="module")
def transcriber(server_registry, server_entries):
    from photism.listening.transcription.transcriber import Transcriber

    model = next(entry.settings.model for entry in server_entries if entry.kind == "recognizer")
    return Transcriber.from_pretrained(model, device="cpu")


def expected(transcriber, samples, *, rate=16_000, decoding=None):
    """Return the updates and the transcript that `photism transcribe - --json` prints."""
    stream = transcriber.stream(StreamingSettings(step_s=0.5, lookahead_s=0.25), decoding or DecodingSettings())
    waveform, updates, shown = load_waveform(samples, sampling_rate=rate).samples, [], ""
    while len(waveform):
        due = stream.missing_samples
        update, waveform = stream.feed(waveform[:due]).as_dict(), waveform[due:]
        updates.append(update)
    updates.append(stream.finish().as_dict())
    said = []
    for update in updates:
        if update["final"] or update["partial"] != shown:
            shown = update["partial"]
            said.append(update)
    return said, stream.transcript.as_dict()


@pytest.mark.parametrize("rate", [None, 48_000])
def test_words_arrive_as_on_the_command_line(client, transcriber, rate):
    samples = samples_of(2.2, rate=rate or 16_000)
    settings = SHORT | ({} if rate is None else {"sampling_rate": rate})
    with connect(client, PATH, **settings) as socket:
        send(socket, samples)
        end(socket)
        (ready, *updates, transcript), code = received(socket)
    said, whole = expected(transcriber, samples, rate=rate or 16_000)
    assert ready == {"type": "ready", "model": "letters", "delay_s": 0.75}
    assert updates == [{"type": "update", **update} for update in said]
    assert transcript == {"type": "transcript", **whole}
    assert len(updates) > 2
    assert transcript["text"]
    assert code == 1000


def test_hot_words_change_the_text(client, transcriber):
    samples = samples_of(1.0, seed=3)
    decoding = DecodingSettings(hot_words=("TEE",), hot_word_weight=200.0, beams=8)
    with connect(client, PATH, **SHORT, hot_word=["TEE"], hot_word_weight=200, beams=8) as socket:
        send(socket, samples)
        end(socket)
        messages, _ = received(socket)
    assert messages[-1] == {"type": "transcript", **expected(transcriber, samples, decoding=decoding)[1]}
    assert messages[-1]["text"] != expected(transcriber, samples)[1]["text"]


def test_no_samples_are_an_empty_transcript(client):
    with connect(client, PATH) as socket:
        end(socket)
        (_, transcript), code = received(socket)
    assert (transcript["text"], transcript["words"], transcript["duration_s"], code) == ("", [], 0.0, 1000)


@pytest.mark.parametrize(
    ("messages", "name", "words"),
    [
        ([b"\0\0"], "invalid-message", "The first message must be a text message with a JSON object."),
        (["[]"], "invalid-message", "The first message must be a text message with a JSON object."),
        (["{"], "invalid-message", "The first message must be"),
        (["[" * 100_000], "invalid-message", "The first message must be"),
        (['{"step": 0}'], "invalid-field", "step must be a number, above 0; got 0"),
        (['{"step": "2"}'], "invalid-field", "step must be a number"),
        (['{"step": 50, "lookahead": 11}'], "invalid-field", "step must be at most 60 s together with lookahead"),
        (['{"sampling_rate": 10}'], "invalid-field", "sampling_rate must be a number, at least 1000"),
        (['{"lm": "/etc/passwd"}'], "unknown-field", "there is no field 'lm'"),
        (['{"steps": 2}'], "unknown-field", "there is no field 'steps'"),
        (['{"model": "gone"}'], "model-not-found", "This server has no recognizer model 'gone'."),
        (["{}", b"\0"], "invalid-samples", "an even number of bytes; got 1"),
        (["{}", "stop"], "invalid-message", 'The only text message after the first one is {"type": "end"}'),
        (['{"step": 1, "step": 2}'], "invalid-message", "the JSON object has the name 'step' twice"),
        (["{}", '{"type": "stop"}'], "invalid-message", 'The only text message after the first one is {"type": "end"}'),
    ],
)
def test_what_cannot_be_used_is_a_problem_and_closes(client, messages, name, words):
    with open_socket(client, PATH) as socket:
        for message in messages:
            (socket.send_text if isinstance(message, str) else socket.send_bytes)(message)
        answers, code = received(socket)
    problem = answers[-1]["problem"]
    assert answers[-1]["type"] == "error"
    assert problem["type"] == f"/problems/{name}"
    assert words in problem["detail"]
    assert code == 4000 + problem["status"]
    assert client.app.state.services.live.count == 0


@pytest.fixture
def blocked(server_registry, monkeypatch):
    """Let no work of the recognizer ever finish, and return an event that is set when one has begun."""
    blocked, entry = threading.Event(), server_registry.find("recognizer")

    async def run(given, work, ticket):
        assert given == entry
        blocked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(server_registry, "run", run)
    return blocked


def test_after_the_end_there_is_no_further_message(client, blocked):
    with connect(client, PATH, **SHORT) as socket:
        assert blocked.wait(5)  # otherwise the connection may be closed already, with the transcript
        end(socket)
        socket.send_bytes(b"\0\0")
        (error,), code = received(socket)
    assert (error["problem"]["type"], code) == ("/problems/invalid-message", 4422)
    assert 'After {"type": "end"} there can be no further message.' in error["problem"]["detail"]


def test_samples_that_come_too_fast_are_refused_and_not_dropped(make_client, server_registry, blocked):
    client = make_client(server_registry, max_seconds=1)
    with connect(client, PATH, **SHORT) as socket:
        assert blocked.wait(5)
        send(socket, samples_of(1.75))
        socket.send_bytes(b"\0\0")
        answers, code = received(socket)
    assert (answers[-1]["problem"]["type"], code) == ("/problems/too-far-ahead", 4429)
    assert "More than 1.75 s of samples wait for the model." in answers[-1]["problem"]["detail"]


def test_a_recording_that_becomes_too_long_has_its_transcript_so_far(make_client, server_registry):
    client = make_client(server_registry, max_long_seconds=1)
    with connect(client, PATH, **SHORT) as socket:
        send(socket, samples_of(1.5))
        (*_, transcript, error), code = received(socket)
    assert (transcript["type"], transcript["duration_s"]) == ("transcript", 1.0)
    assert (error["problem"]["type"], error["problem"]["allowed"], code) == ("/problems/too-long", "at most 1 s", 4413)


def test_a_full_queue_delays_the_words_and_loses_none(client, transcriber, server_registry, monkeypatch):
    run, refused = server_registry.run, []

    async def sometimes_busy(entry, work, ticket):
        """Refuse every second work."""
        refused.append(len(refused) % 2 == 0)
        if refused[-1] and len(refused) > 1:
            raise Busy("The queue is full.", 1)
        return await run(entry, work, ticket)

    monkeypatch.setattr(server_registry, "run", sometimes_busy)
    monkeypatch.setattr("photism.server.endpoints.live_transcription.RETRY_S", 0.01)
    samples = samples_of(1.2)
    with connect(client, PATH, **SHORT) as socket:
        send(socket, samples)
        end(socket)
        (*_, transcript), code = received(socket)
    assert any(refused[1:])
    assert (transcript, code) == ({"type": "transcript", **expected(transcriber, samples)[1]}, 1000)


def wait_until(condition):
    """Wait at most 5 s for a condition."""
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_closed_connection_ends_its_work_and_frees_its_place(client, server_registry):
    entry = server_registry.find("recognizer")
    begun, go_on = threading.Event(), threading.Event()

    def occupy(_, ticket):
        """Occupy the model."""
        begun.set()
        go_on.wait(5)

    thread = threading.Thread(target=lambda: asyncio.run(server_registry.run(entry, occupy, Ticket("another"))))
    thread.start()
    assert begun.wait(5)
    lane = server_registry.lanes[entry]
    cancelled = lane.counts.cancelled
    with connect(client, PATH, **SHORT) as socket:
        send(socket, samples_of(1))
        wait_until(lambda: lane.queued)
        socket.close(1000)
        wait_until(lambda: not client.app.state.services.live.count)
    assert (lane.queued, lane.running) == (0, 1)
    assert lane.counts.cancelled == cancelled + 1
    go_on.set()
    thread.join()


def test_silent_clients_are_closed(client, monkeypatch):
    for name in ("SETTINGS_S", "IDLE_S"):
        monkeypatch.setattr(f"photism.server.endpoints.live_session.{name}", 0.05)
    with open_socket(client, PATH) as socket:
        answers, code = received(socket)
    assert (answers[-1]["problem"]["detail"], code) == ("There were no settings for 0.05 s.", 4408)
    with connect(client, PATH) as socket:
        answers, code = received(socket)
    assert (answers[-1]["problem"]["detail"], code) == ("There were no samples for 0.05 s.", 4408)


def test_connections_of_a_client_are_bounded(make_client, server_registry):
    client = make_client(server_registry, max_live=3, max_live_per_client=1)
    with connect(client, PATH) as socket:
        assert json.loads(socket.receive_text())["type"] == "ready"
        with pytest.raises(WebSocketDenialResponse) as error_info, open_socket(client, PATH):
            pass
        answer = error_info.value
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
        assert answer.json()["type"] == "/problems/too-many-live-connections"
        end(socket)
        received(socket)
    with connect(client, PATH) as socket:
        end(socket)
        assert received(socket)[1] == 1000


def test_a_server_that_ends_closes_with_going_away(client):
    with connect(client, PATH) as socket:
        assert json.loads(socket.receive_text())["type"] == "ready"
        socket.portal.call(client.app.state.services.live.close_all)
        answers, code = received(socket)
    assert (answers[-1]["problem"]["type"], code) == ("/problems/shutting-down", 1001)


def test_a_browser_gets_the_subprotocol_that_it_offers(client):
    with open_socket(client, PATH, subprotocols=["photism"]) as socket:
        assert socket.accepted_subprotocol == "photism"
    with open_socket(client, PATH) as socket:
        assert socket.accepted_subprotocol is None


def test_a_token_comes_as_a_header_or_as_a_subprotocol(make_client, server_registry):
    client = make_client(server_registry, access=AccessSettings(token="SECRET"))
    header, subprotocol = {"Authorization": "Bearer SECRET"}, "photism.token.U0VDUkVU"
    for keywords, status in (
        ({}, 401),
        ({"subprotocols": ["photism", f"{subprotocol}X"]}, 401),
        ({"headers": {**header, "Origin": "https://another.example"}}, 403),
    ):
        with pytest.raises(WebSocketDenialResponse) as error_info, open_socket(client, PATH, **keywords):
            pass
        assert error_info.value.status_code == status
    for keywords in ({"headers": header}, {"subprotocols": ["photism", subprotocol]}):
        with open_socket(client, PATH, **keywords) as socket:
            socket.send_text("{}")
            end(socket)
            assert received(socket)[1] == 1000


def test_an_unexpected_error_is_a_problem_without_details(client, server_registry, monkeypatch, caplog):
    monkeypatch.setattr(server_registry, "find", lambda *_, **__: 1 / 0)
    with connect(client, PATH) as socket:
        answers, code = received(socket)
    assert code == 4500
    assert "division" not in json.dumps(answers)
    assert "division by zero" in caplog.text


def test_two_streams_share_no_state(client, transcriber):
    one, other = samples_of(1.5, seed=1), samples_of(1.5, seed=2)
    with connect(client, PATH, **SHORT) as first, connect(client, PATH, **SHORT) as second:
        for start in range(0, len(one), 4000):
            send(first, one[start : start + 4000])
            send(second, other[start : start + 4000])
        end(first)
        end(second)
        found = [received(socket)[0][-1] for socket in (first, second)]
    assert found == [{"type": "transcript", **expected(transcriber, each)[1]} for each in (one, other)]
    assert np.any(one != other)
