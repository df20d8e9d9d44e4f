"""/v1/sound: the sounds of the command line, in the format that is accepted, and problems before the work."""

import asyncio
import base64
import json
from typing import Any

import numpy as np
import pytest

from photism.audio.original import load_original
from photism.audio.writing import read_tags, write_waveform
from photism.server.engine.ticket import Ticket

SHORT = {"steps": 2, "seconds": 0.32}
ROUNDING = 0.5 / 32_768 + 1e-6
"""Largest difference of a sample of 16 bits, with that of texts that are computed in another batch."""


@pytest.fixture(scope="module")
def client(speaking_registry: Any, make_client: Any) -> Any:
    return make_client(speaking_registry)


@pytest.fixture(scope="module")
def expected(speaking_registry: Any) -> Any:
    """Return a function that calls the pipeline itself."""

    def generate(*texts: Any, **settings: Any) -> Any:
        given = {"num_inference_steps": 2, "audio_length_in_s": 0.32, **settings}
        entry = speaking_registry.find("sound", "tiny-sound")

        def work(pipeline: Any, ticket: Ticket) -> Any:
            return pipeline(list(texts), **given)

        return asyncio.run(speaking_registry.run(entry, work, Ticket()))

    return generate


def post(client: Any, body: Any, accept: Any = "*/*") -> Any:
    return client.post("/v1/sound", json={"model": "tiny-sound", **body}, headers={"Accept": accept})


def test_a_sound_is_that_of_the_command_line(client: Any, expected: Any, tmp_path: Any) -> None:
    answer = post(client, {"text": ["a rooster"], "seed": 3, **SHORT})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    found = load_original(answer.content)
    wanted = expected("a rooster", seed=3)
    assert found.sampling_rate == wanted.sampling_rate
    assert np.abs(found.scaled[0] - wanted.audios[0]).max() <= ROUNDING
    path = tmp_path / "a.wav"
    path.write_bytes(answer.content)
    tags = read_tags(path)
    assert (tags["text"], tags["seed"], tags["model"], tags["steps"]) == ("a rooster", 3, "tiny-sound", 2)


@pytest.mark.parametrize("name", ["flac", "ogg", "mpeg"])
def test_accept_selects_the_format(client: Any, name: Any) -> None:
    answer = post(client, {"text": ["rain"], **SHORT}, f"audio/{name}")
    assert answer.headers["content-type"] == f"audio/{name}"
    assert answer.headers["vary"] == "Accept"
    assert load_original(answer.content).samples.shape[1] > 1000


def test_json_has_all_sounds_with_seeds_and_scores(client: Any, expected: Any) -> None:
    body = {"text": ["rain", "a dog"], "candidates": 2, "all": True, "response_format": "flac", **SHORT}
    texts = post(client, body, "application/json").json()["texts"]
    wanted = expected("rain", "a dog", num_waveforms_per_prompt=2, seed=0)
    assert [each["text"] for each in texts] == ["rain", "a dog"]
    sounds = [sound for each in texts for sound in each["sounds"]]
    assert [sound["seed"] for sound in sounds] == list(wanted.seeds)
    assert [sound["score"] for sound in sounds] == pytest.approx(np.ravel(wanted.scores).tolist(), abs=1e-6)
    best = load_original(post(client, {**body, "text": ["rain"], "all": False}).content)
    assert np.abs(best.scaled[0] - wanted.audios[0]).max() <= ROUNDING
    for sound, audio in zip(sounds, wanted.audios, strict=True):
        assert (sound["format"], sound["seconds"]) == ("flac", pytest.approx(0.32))
        assert np.abs(load_original(base64.b64decode(sound["audio"])).scaled[0] - audio).max() <= ROUNDING


def test_events_report_the_steps(client: Any) -> None:
    answer = post(client, {"text": ["rain"], **SHORT}, "text/event-stream")
    events = [dict(line.split(": ", 1) for line in each.splitlines()) for each in answer.text.strip().split("\n\n")]
    assert {"event": "progress", "data": '{"done": 2, "total": 2}'} in events
    assert events[-1]["event"] == "result"
    (found,) = json.loads(events[-1]["data"])["texts"]
    assert load_original(base64.b64decode(found["sounds"][0]["audio"])).sampling_rate == 16_000


@pytest.mark.parametrize("accept", ["audio/wav", "text/event-stream"])
def test_a_span_of_an_uploaded_recording_is_regenerated(client: Any, tmp_path: Any, accept: Any) -> None:
    stereo = 0.1 * np.random.default_rng(0).standard_normal((2, 44_100))
    path = tmp_path / "stereo.wav"
    write_waveform(stereo, path, sampling_rate=44_100, title="", about={})
    answer = client.post(
        "/v1/sound",
        data={"model": "tiny-sound", "text": "rain", "span": "0.2:0.5", "steps": "2", "seed": "5"},
        files={"from": ("secret name.wav", path.read_bytes())},
        headers={"Accept": accept},
    )
    assert answer.status_code == 200
    content = answer.content
    if accept == "text/event-stream":
        result = json.loads(answer.text.strip().rsplit("data: ", 1)[1])
        content = base64.b64decode(result["texts"][0]["sounds"][0]["audio"])
    found, given = load_original(content), load_original(path)
    assert (found.sampling_rate, found.samples.shape) == (44_100, given.samples.shape)
    assert np.array_equal(found.samples[:, :8000], given.samples[:, :8000])
    assert not np.array_equal(found.samples[:, 12_000:20_000], given.samples[:, 12_000:20_000])
    assert b"secret" not in content


@pytest.mark.parametrize(
    ("body", "accept", "status", "field", "message"),
    [
        ({"text": ["a", "b"]}, "audio/wav", 406, None, "can be sent as application/json"),
        ({"text": ["a"], "candidates": 2, "all": True}, "audio/wav", 406, None, "can be sent as application/json"),
        ({"text": ["a"]}, "image/png", 406, None, "can be sent as audio/wav"),
        ({"text": []}, "*/*", 422, "text", "text must have at least one text"),
        ({}, "*/*", 422, "text", "text is missing"),
        ({"text": "a"}, "*/*", 422, "text", "text must be a list"),
        ({"text": ["a"], "steps": None, "model": "none"}, "*/*", 404, "model", "no sound model 'none'"),
        (
            {"text": ["a", "b"], "seconds": 31},
            "application/json",
            422,
            "seconds",
            "seconds times the number of texts and candidates must be at most 60 s; got 62",
        ),
        ({"text": ["a"] * 40}, "application/json", 422, "seconds", "must be at most 60 s; got 76.8"),
        (
            {"text": ["a"], "strength": 0.5},
            "*/*",
            422,
            "strength",
            "strength needs a recording to start from: give from",
        ),
        ({"text": ["a"], "model": "voice", **SHORT}, "*/*", 422, "transcription", "generates speech; give the words"),
        ({"text": ["a"], "offload": "disk"}, "*/*", 422, "offload", "there is no field 'offload'"),
    ],
)
def test_problems_name_the_field(client: Any, body: Any, accept: Any, status: Any, field: Any, message: Any) -> None:
    answer = post(client, body, accept)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert message in problem["detail"]
    assert problem["field"] == field
    assert "/tmp" not in answer.text


def test_a_format_that_cannot_hold_the_channels_is_a_problem(client: Any, tmp_path: Any) -> None:
    path = tmp_path / "six.wav"
    write_waveform(
        0.1 * np.random.default_rng(0).standard_normal((6, 16_000)), path, sampling_rate=16_000, title="", about={}
    )
    answer = client.post(
        "/v1/sound",
        data={"model": "tiny-sound", "text": "rain", "span": "0.2:0.5"},
        files={"from": path.read_bytes()},
        headers={"Accept": "audio/mpeg"},
    )
    assert answer.status_code == 422
    assert "can hold at most 2 channels, and the recording has 6" in answer.json()["detail"]
