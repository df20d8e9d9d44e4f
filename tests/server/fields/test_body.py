"""Bodies of requests: forms and JSON become settings and recordings, and each mistake one problem."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from photism.audio.reading_settings import ReadingSettings
from photism.drawing.negative_prompt import TextPrompt
from photism.drawing.settings import DrawSettings
from photism.listening.transcription.decoding_options import TranscribeSettings
from photism.server.fields import json_body
from tests.server.fields.conftest import Server, recording

WAV = recording()
CODED = base64.b64encode(WAV).decode()


def test_a_form_is_converted(server: Server) -> None:
    data = {"steps": "4", "guidance_scale": "2", "long_text": "true", "negative": "/etc/passwd", "track": "1"}
    response = server.post("/draw", files={"file": ("folder/secret.wav", WAV)}, data=data)
    assert response.status_code == 200, response.text
    assert server.given is not None
    settings = server.given.settings(DrawSettings)
    assert (settings.num_inference_steps, settings.guidance_scale, settings.long_text) == (4, 2.0, True)
    assert settings.negative == TextPrompt("/etc/passwd")
    assert server.given.settings(ReadingSettings).track == 1
    assert server.given.sound.name == "file"
    assert server.given.sound.decoded is not None
    assert server.given.sound.decoded.duration_s == pytest.approx(0.5)
    assert server.given.filenames == {"file": ("secret.wav",)}
    assert not list(server.folder.iterdir())


def test_json_holds_files_in_base64(server: Server) -> None:
    body = {"file": CODED, "steps": 4, "seed": None, "negative": "noise", "strength": 1}
    assert server.post("/draw", json=body).status_code == 200
    assert server.given is not None
    settings = server.given.settings(DrawSettings)
    assert (settings.num_inference_steps, settings.negative, settings.sound_strength) == (4, "noise", 1.0)
    data_url = f"data:audio/wav;base64,{CODED}"
    assert server.post("/draw", json={"file": data_url}).status_code == 200


def test_lists_are_repeated_in_a_form(server: Server) -> None:
    files = [("file", WAV), ("file", WAV)]
    data = {"hot_word": ["Photism", "Ogg"]}
    assert server.post("/v1/audio/transcriptions", files=files, data=data).status_code == 200
    assert server.given is not None
    assert server.given.settings(TranscribeSettings).hot_words == ("Photism", "Ogg")
    assert [sound.decoded for sound in server.given.sounds["file"]] == [None, None]


@pytest.mark.parametrize(
    ("body", "status", "field", "detail"),
    [
        ({}, 422, "file", "file is missing"),
        ({"file": None}, 422, "file", "file must be a recording file; got null"),
        ({"file": 1}, 422, "file", "file must be a recording file; got 1"),
        ({"file": ""}, 422, "file", "file is empty"),
        ({"file": "?"}, 422, "file", "file is not valid base64"),
        ({"file": [CODED, CODED]}, 422, "file", "file must be a recording file; got a list"),
        ({"file": "https://example.org/a.wav"}, 422, "file", "this server does not download any"),
        (
            {"file": CODED, "steps": "4"},
            422,
            "steps",
            "steps must be a whole number, at least 1 and at most 1000; got '4'",
        ),
        (
            {"file": CODED, "steps": True},
            422,
            "steps",
            "steps must be a whole number, at least 1 and at most 1000; got true",
        ),
        ({"file": CODED, "steps": 0}, 422, "steps", "steps must be a whole number, at least 1 and at most 1000; got 0"),
        ({"file": CODED, "images": None}, 422, "images", "images must be a whole number, at least 1; got null"),
        ({"file": CODED, "guidance_scale": 10**400}, 422, "guidance_scale", "got a number with many digits"),
        ({"file": CODED, "text": "\ud800"}, 422, "text", "text must be valid Unicode; got half of a surrogate pair"),
        ({"file": CODED, "\ud800": 1}, 422, "\\ud800", "there is no field '\\ud800'"),
        ({"file": CODED, "text": ["a"]}, 422, "text", "text must be a text; got a list"),
        ({"file": CODED, "control_scale": [0.5]}, 422, "control_scale", "must be given together with control_image"),
        ({"file": CODED, "text_place": "up", "text": "a"}, 422, "text_place", "text_place must be blend, before"),
        ({"file": CODED, "image": CODED}, 422, "image", "image is not an image"),
        ({"file": CODED, "batch_size": 4}, 422, "batch_size", "there is no field 'batch_size'"),
        ({"file": CODED, "allow_private_urls": True}, 422, "allow_private_urls", "there is no field"),
    ],
)
def test_a_mistake_in_json_names_its_field(
    server: Server, body: dict[str, Any], status: int, field: str, detail: str
) -> None:
    content = json.dumps(body)
    problem = server.problem(content=content, headers={"Content-Type": "application/json"})
    assert (problem["status"], problem["field"]) == (status, field)
    assert detail in problem["detail"]
    assert str(server.folder) not in str(problem)


@pytest.mark.parametrize(
    ("name", "word"),
    [("num_inference_steps", "steps"), ("negative_prompt", "negative"), ("stepps", "steps"), ("prompt", "text")],
)
def test_an_unknown_field_is_refused_with_the_one_in_its_place(server: Server, name: str, word: str) -> None:
    problem = server.problem(json={name: 1})
    assert problem["remedy"] == f"Send {word} in its place."


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "the body is not valid JSON"),
        (b"[]", "the body must be a JSON object"),
        (b'{"steps": 1, "steps": 2}', "has the name 'steps' twice"),
        (b'{"guidance_scale": NaN}', "NaN is not a number of JSON"),
        (b"\xff", "the body is not valid UTF-8"),
        (b'{"a":' + b"[" * 40_000, "nested too deeply"),
        (b'{"steps": ' + b"1" * 5000 + b"}", "the body is not valid JSON"),
    ],
)
def test_malformed_json_is_a_problem(server: Server, content: bytes, detail: str) -> None:
    problem = server.problem(content=content, headers={"Content-Type": "application/json"})
    assert problem["status"] == 400
    assert detail in problem["detail"]


def test_json_of_too_many_values_is_not_parsed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_body, "MAX_VALUES", 1000)
    content = b'{"a": [' + b"[]," * 500 + b"[]]}"
    problem = server.problem(content=content, headers={"Content-Type": "application/json"})
    assert (problem["status"], problem["detail"]) == (400, "the JSON has more than 1,000 values")


def test_a_mistake_in_a_form_names_its_field(server: Server) -> None:
    def of(**request: Any) -> tuple[int, str, str]:
        problem = server.problem(**request)
        return problem["status"], problem["field"], problem["detail"]

    files = {"file": WAV}
    assert (
        of(files=files, data={"steps": "many"})[2]
        == "steps must be a whole number, at least 1 and at most 1000; got 'many'"
    )
    assert of(files=files, data={"steps": ["1", "2"]})[2] == "steps must be given once; got it 2 times"
    assert (
        of(files={**files, "steps": b"4"})[2] == "steps must be a whole number, at least 1 and at most 1000; got a file"
    )
    assert of(files={"image": WAV}, data={"file": "text"})[:2] == (422, "file")
    assert of(files=[("file", WAV), ("file", WAV)])[2] == "file must be given once; got it 2 times"
    assert of(files={"file": b""})[:2] == (422, "file")


def test_a_body_that_is_too_large_is_refused_while_it_arrives(server: Server) -> None:
    assert server.problem(files={"file": bytes(200_000)})["status"] == 413
    assert server.problem(json={"file": "A" * 200_000})["allowed"] == "at most 0.1 MB"

    def chunks() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(200):
            yield bytes(1000)

    problem = server.problem(content=chunks(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert problem["status"] == 413


def test_a_recording_that_is_too_long_is_refused(server: Server) -> None:
    problem = server.problem(files={"file": recording(5)})
    assert (problem["type"], problem["detail"]) == ("/problems/too-long", "file must be at most 1 s long")
    problem = server.problem("/v1/audio/transcriptions", files={"file": recording(5)})
    assert problem["error"] == {
        "message": "file must be at most 2 s long. Cut the recording.",
        "type": "invalid_request_error",
        "param": "file",
        "code": "too-long",
    }


def test_another_media_type_is_refused(server: Server) -> None:
    problem = server.problem(content=b"x", headers={"Content-Type": "text/plain"})
    assert problem["status"] == 415


@pytest.mark.parametrize(
    ("part", "detail"),
    [
        (b'name="text"\r\n\r\n\xff', "the text of text is not valid UTF-8"),
        (b'name="\xff"\r\n\r\n1', "the name of a part is not valid UTF-8"),
        (b'filename="a"\r\n\r\n1', "a part of the form has no name"),
        (b'name="text"\r\n\xff: 1\r\n\r\n1', "the form is malformed"),
    ],
)
def test_a_malformed_form_is_a_problem(
    server: Server, caplog: pytest.LogCaptureFixture, part: bytes, detail: str
) -> None:
    content = b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n--b--\r\n"
    problem = server.problem(content=content, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert problem["status"] == 400
    assert detail in problem["detail"]
    assert not caplog.records


def test_a_form_that_ends_too_early_is_a_problem(server: Server) -> None:
    content = b'--b\r\nContent-Disposition: form-data; name="steps"\r\n\r\n4'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert server.problem(content=content, headers=headers)["status"] == 400
