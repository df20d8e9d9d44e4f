"""POST /v1/label: the classes of a recording, as the command line prints them."""

import pytest


def post(client, path, data=None, accept="application/json"):
    with path.open("rb") as file:
        return client.post("/v1/label", files={"file": (path.name, file)}, data=data or {}, headers={"Accept": accept})


@pytest.mark.parametrize(
    ("data", "flags"),
    [
        ({"top_k": 2}, ("--top-k", 2)),
        ({"window": 0.8, "function": "sigmoid"}, ("--window", 0.8, "--function", "sigmoid")),
    ],
)
def test_the_result_is_that_of_the_command_line(client, recordings, command_json, data, flags):
    answer = post(client, recordings[0], data)
    assert answer.status_code == 200
    assert [answer.json()] == command_json("label", recordings[0].name, "--json", *flags)


def test_csv_is_that_of_the_command_line(client, recordings, run_command):
    answer = post(client, recordings[0], {"top_k": 2}, "text/csv")
    assert answer.text == run_command("label", recordings[0].name, "--top-k", 2, "--format", "csv")


def test_a_model_that_there_is_not_is_a_problem_with_those_that_there_are(client, recordings):
    answer = post(client, recordings[0], {"model": "/etc/passwd"})
    assert answer.status_code == 404
    assert answer.json()["field"] == "model"
    assert "tiny-languages" in answer.json()["remedy"]
