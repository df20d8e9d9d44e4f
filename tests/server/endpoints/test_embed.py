"""POST /v1/embed: vectors of recordings and texts, as the command line prints them."""

import base64

import numpy as np
import pytest


def post(client, path, data=None, accept="application/json"):
    with path.open("rb") as file:
        return client.post("/v1/embed", files={"file": (path.name, file)}, data=data or {}, headers={"Accept": accept})


def test_the_vector_is_that_of_the_command_line(client, recordings, command_json):
    assert [post(client, recordings[0]).json()] == command_json("embed", recordings[0].name)


def test_windows_are_those_of_the_command_line(client, recordings, command_json, run_command):
    rows = command_json("embed", recordings[0].name, "--window", 0.8)
    answer = post(client, recordings[0], {"window": 0.8}).json()
    whole = {name: answer[name] for name in ("file", "duration_s", "silent")}
    assert [{**whole, **window} for window in answer["windows"]] == rows
    lines = post(client, recordings[0], {"window": 0.8}, "application/jsonl")
    assert lines.text == run_command("embed", recordings[0].name, "--window", 0.8)


@pytest.mark.parametrize("data", [{}, {"window": 0.8}])
def test_base64_holds_the_same_numbers(client, recordings, data):
    listed = post(client, recordings[0], data).json()
    encoded = post(client, recordings[0], {**data, "encoding_format": "base64"}).json()
    pairs = zip(listed.get("windows", [listed]), encoded.get("windows", [encoded]), strict=True)
    for numbers, text in pairs:
        vector = np.frombuffer(base64.b64decode(text["vector"]), "<f4")
        assert vector.tolist() == np.float32(numbers["vector"]).tolist()


def test_texts_are_compared_with_recordings(client, recordings):
    texts = ["A banana.", "An elephant."]
    answer = client.post("/v1/embed", json={"text": texts}).json()
    assert [each["text"] for each in answer["texts"]] == texts
    vectors = np.array([each["vector"] for each in answer["texts"]])
    similarity = vectors @ np.array(post(client, recordings[0]).json()["vector"])
    assert similarity[0] > 0.9 > similarity[1]
    coded = client.post("/v1/embed", json={"text": texts[0:1], "encoding_format": "base64"}).json()["texts"][0]
    assert np.allclose(np.frombuffer(base64.b64decode(coded["vector"]), "<f4"), vectors[0], atol=1e-6)


def test_a_recording_or_a_text_must_be_given_and_not_both(client, recordings):
    for answer in (client.post("/v1/embed", json={}), post(client, recordings[0], {"text": "A banana."})):
        assert answer.status_code == 422
        assert answer.json()["detail"] == "text or file must be given, and not both"
