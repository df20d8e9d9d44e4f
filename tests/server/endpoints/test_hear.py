"""POST /v1/hear: the captions nearest to a recording, as the command line prints them."""

import base64
import json

import pytest

CAPTIONS = ("A banana.", "An elephant.", "Rain.")


def post(client, path, data=None, accept="application/json"):
    with path.open("rb") as file:
        return client.post("/v1/hear", files={"file": (path.name, file)}, data=data or {}, headers={"Accept": accept})


@pytest.mark.parametrize(
    ("data", "flags"),
    [
        ({}, ()),
        ({"top_k": 2}, ("--top-k", 2)),
        ({"window": 0.8, "hop": 0.3}, ("--window", 0.8, "--hop", 0.3)),
        (
            {"label": CAPTIONS, "template": "{}!", "threshold": 0.5},
            ("--template", "{}!", "--threshold", 0.5, *(f"--label={each}" for each in CAPTIONS)),
        ),
    ],
)
def test_the_result_is_that_of_the_command_line(client, recordings, command_json, data, flags):
    answer = post(client, recordings[0], data)
    assert answer.status_code == 200
    assert [answer.json()] == command_json("hear", recordings[0].name, "--json", *flags)


def test_json_with_base64_has_the_same_result(client, recordings):
    body = {"file": base64.b64encode(recordings[0].read_bytes()).decode(), "label": list(CAPTIONS), "top_k": 1}
    answer = client.post("/v1/hear", json=body)
    assert answer.json()["file"] == "file"
    assert answer.json()["heard"] == post(client, recordings[0], {"label": CAPTIONS, "top_k": 1}).json()["heard"]
    assert [each["caption"] for each in answer.json()["heard"]] == ["A banana."]


@pytest.mark.parametrize(("media_type", "format"), [("text/csv", "csv"), ("text/plain", "table")])
def test_text_formats_are_those_of_the_command_line(client, recordings, run_command, media_type, format):
    answer = post(client, recordings[0], {"window": 0.8}, media_type)
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert answer.text == run_command("hear", recordings[0].name, "--window", 0.8, "--format", format)


def test_events_end_with_the_result(client, recordings):
    answer = post(client, recordings[0], {"window": 0.5, "hop": 0.05}, "text/event-stream")
    events = [each.split("\n") for each in answer.text.split("\n\n") if each]
    assert {name for name, *_ in events} <= {"event: queued", "event: loading", "event: progress", "event: result"}
    name, data = events[-1]
    assert name == "event: result"
    expected = post(client, recordings[0], {"window": 0.5, "hop": 0.05}).json()
    assert json.loads(data.removeprefix("data: ")) == expected


@pytest.mark.parametrize(("top_k", "most"), [(1000, 100), (10**9, 0)])
def test_too_many_windows_are_refused_before_the_model_is_used(client, recordings, monkeypatch, top_k, most):
    monkeypatch.setattr(client.app.state.services.registry, "run", None)
    problem = post(client, recordings[0], {"window": 1, "hop": 0.01, "top_k": top_k}).json()
    assert problem["status"] == 422
    assert problem["field"] == "hop"
    assert problem["detail"].startswith("hop must be at least ")
    assert f"at most {most} windows can be answered" in problem["detail"]


def test_an_unacceptable_media_type_is_a_problem(client, recordings):
    answer = post(client, recordings[0], accept="image/png")
    assert answer.status_code == 406
    assert answer.json()["allowed"] == "application/json, text/csv, text/plain, text/event-stream"


def test_a_recording_without_sound_or_a_file_without_audio_is_a_problem(client, tmp_path):
    (tmp_path / "secret.ogg").write_bytes(b"no audio")
    answer = post(client, tmp_path / "secret.ogg")
    assert answer.status_code == 422
    assert answer.json()["field"] == "file"
    assert "secret" not in answer.text
