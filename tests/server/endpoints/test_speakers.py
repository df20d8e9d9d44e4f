"""/v1/speakers/…: the results of photism speakers, over HTTP."""

import base64
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from photism.cli.app import app
from photism.listening.embeddings import load_embeddings


@pytest.fixture
def model_of(server_entries):
    return {entry.kind: ["--model", entry.settings.model, "--device", "cpu"] for entry in server_entries}


def run(*arguments):
    result = CliRunner().invoke(app, ["speakers", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def post(client, path, *, data=None, **files):
    parts = [
        (name, (each.name, each.read_bytes()))
        for name, found in files.items()
        for each in (found if isinstance(found, list) else [found])
    ]
    return client.post(f"/v1/speakers/{path}", data=data, files=parts)


def test_turns_are_those_of_the_command_line(client, model_of, sounds):
    flags = ["--threshold", 0.4, "--min-on", 0.2, "--no-overlap", "--format", "json"]
    printed = json.loads(run("timeline", sounds[1], *model_of["diarizer"], *flags))
    response = post(
        client, "timeline", file=sounds[1], data={"threshold": 0.4, "min_on": 0.2, "overlap": "false", "model": "turns"}
    )
    assert response.status_code == 200, response.text
    assert response.json() == printed | {"file": sounds[1].name}
    assert response.json()["turns"]


def test_the_embedding_of_a_speaker_is_that_of_the_command_line(client, model_of, sounds, tmp_path):
    one = tmp_path / "one.npz"
    run("embed", sounds[0], *model_of["xvector"], "-o", one)
    response = post(client, "embed", file=sounds[0])
    np.testing.assert_allclose(response.json()["embedding"], next(iter(load_embeddings(one).values())), atol=1e-6)

    enrolled = tmp_path / "enrolled.npz"
    run("enrol", "Anna", *sounds, *model_of["xvector"], "-o", enrolled)
    response = post(client, "embed", file=sounds)
    np.testing.assert_allclose(response.json()["embedding"], load_embeddings(enrolled)["Anna"], atol=1e-6)


def test_two_recordings_are_compared_as_on_the_command_line(client, model_of, sounds):
    printed = json.loads(run("verify", *sounds[:2], *model_of["xvector"], "--threshold", 0.5, "--json"))
    response = post(client, "verify", other=sounds[0], file=sounds[1], data={"threshold": 0.5})
    assert response.json() == {
        **printed,
        "file": sounds[1].name,
        "speaker": sounds[0].name,
        "score": pytest.approx(printed["score"], abs=1e-6),
    }


def test_a_recording_is_compared_with_an_embedding(client, sounds):
    embedding = post(client, "embed", file=sounds[0]).json()["embedding"]
    compared = post(client, "verify", other=sounds[0], file=sounds[1], data={"threshold": -1}).json()
    body = {
        "file": base64.b64encode(sounds[1].read_bytes()).decode(),
        "embedding": embedding,
        "threshold": -1,
    }
    response = client.post("/v1/speakers/verify", json=body)
    assert response.json() == {
        "file": "file",
        "speaker": "embedding",
        "is_same": True,
        "score": pytest.approx(compared["score"], abs=1e-6),
        "threshold": -1,
    }


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"threshold": None}, "threshold", "threshold is missing"),
        ({"threshold": 2}, "threshold", "threshold must be a number, at least -1 and at most 1; got 2"),
        ({"calibration": "t.json"}, "calibration", "there is no field 'calibration'"),
        ({}, "embedding", "embedding or other must be given, and not both"),
        ({"embedding": [1.0, 0.0]}, None, "must be an embedding of 10 numbers and unit length; got shape (2,)"),
        ({"embedding": [1.0] * 10}, None, "must be an embedding of 10 numbers and unit length"),
        ({"embedding": ["1"] * 10}, "embedding", "embedding must be a list, each a number; got '1'"),
        ({"model": "gone"}, "model", "This server has no xvector model 'gone'."),
    ],
)
def test_what_cannot_be_compared_is_a_problem(client, sounds, changes, field, words):
    sound = base64.b64encode(sounds[0].read_bytes()).decode()
    body = {"file": sound, "threshold": 0.5, **({"other": sound} if "model" in changes else {}), **changes}
    response = client.post("/v1/speakers/verify", json={name: each for name, each in body.items() if each is not None})
    problem = response.json()
    assert response.status_code == (404 if "model" in changes else 422)
    assert (problem["field"], words in problem["detail"]) == (field, True), problem


def test_turns_as_tables_and_subtitles(client, model_of, sounds):
    for media_type, format in (("text/csv", "csv"), ("text/rttm", "rttm"), ("application/x-subrip", "srt")):
        files = {"file": (sounds[0].name, sounds[0].read_bytes())}
        response = client.post("/v1/speakers/timeline", files=files, headers={"Accept": media_type})
        assert response.headers["content-type"].startswith(media_type)
        printed = run("timeline", sounds[0], *model_of["diarizer"], "--format", format)
        assert response.text == printed.replace(str(sounds[0]), sounds[0].name)


def test_turns_are_the_last_event(client, model_of, sounds):
    files = {"file": (sounds[1].name, sounds[1].read_bytes())}
    response = client.post("/v1/speakers/timeline", files=files, headers={"Accept": "text/event-stream"})
    name, data = response.text.strip().split("\n\n")[-1].split("\n")
    assert name == "event: result"
    turns = post(client, "timeline", file=sounds[1]).json()
    assert json.loads(data.removeprefix("data: ")) == turns
    assert turns["turns"]
    assert not list(client.app.state.services.storage.uploads.iterdir())


def test_silence_has_no_voice(client, tmp_path):
    from tests.drawing.video.recordings import silence, write_wav

    quiet = write_wav(tmp_path / "quiet.wav", silence(1))
    response = post(client, "embed", file=quiet)
    assert (response.status_code, "there is nothing to hear" in response.json()["detail"]) == (422, True)
    assert post(client, "timeline", file=quiet).json() | {"warnings": None} == {
        "file": "quiet.wav",
        "duration_s": 1.0,
        "silent": True,
        "turns": [],
        "warnings": None,
    }
