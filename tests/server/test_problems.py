"""Problems say nothing of the folders of the server, and name their cause for programs."""

import pickle

import pytest

from photism.errors import InputError
from photism.server.problems import problem_of, without_folders
from photism.settings import SettingError


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("model /home/someone/models/night has no config.json", "model night has no config.json"),
        ("/etc has no config.json", "etc has no config.json"),
        ("~/night has no config.json", "night has no config.json"),
        ("image: '/tmp/private/a.png' is damaged", "image: 'a.png' is damaged"),
        ("at most 16000 samples/s, of audio/wav / audio/flac", "at most 16000 samples/s, of audio/wav / audio/flac"),
        ("https://example.org/a/b is not public", "https://example.org/a/b is not public"),
    ],
)
def test_absolute_paths_lose_their_folders(message: str, shown: str) -> None:
    assert without_folders(message) == shown


def test_a_problem_has_the_cause_and_the_other_field_by_its_name_in_requests() -> None:
    error = SettingError("hop_s", "must be given together with {}", "window_s", code="needs-field")
    problem = problem_of(error, {"hop_s": "hop", "window_s": "window"}, {}).as_dict()
    assert (problem["field"], problem["code"], problem["values"]) == ("hop", "needs-field", {"other": "window"})
    problem = problem_of(InputError("too short", code="too-short").about("a.wav"), {}, {}).as_dict()
    assert (problem["detail"], problem["code"]) == ("a.wav: too short", "too-short")


def test_the_cause_of_an_error_is_known_in_another_process() -> None:
    error = SettingError("steps", "must be at most 3", code="many", values={"maximum": 3})
    found = pickle.loads(pickle.dumps(error))
    assert (found.code, found.values, str(found)) == ("many", {"maximum": 3}, str(error))
