"""photism hear: what it prints, and what it refuses before a model is loaded."""

import json
import re

import pytest
from typer.testing import CliRunner

from photism import CaptionRanker, InputError
from photism.cli.main import app


@pytest.fixture
def hear(models):
    def run(*arguments):
        return CliRunner().invoke(app, ["hear", "--model", str(models / "sd"), *map(str, arguments)])

    return run


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(CaptionRanker, "from_pretrained", lambda *_, **__: pytest.fail("loaded a model"))


def test_a_sound_and_what_was_heard(hear, sounds):
    result = hear(*sounds[:2], "--top-k", 2)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [lines[0], lines[3]] == [str(sounds[0]), str(sounds[1])]
    for line in (*lines[1:3], *lines[4:]):
        assert re.fullmatch(r"  [ -]\d\.\d\d  \w.*\.", line)
    assert len(lines) == 6
    assert result.stderr == ""


def test_json_is_one_object_a_sound(hear, sounds):
    lines = hear(*sounds, "--json").stdout.splitlines()
    for line, sound in zip(lines, sounds, strict=True):
        told = json.loads(line)
        assert told.keys() == {"file", "heard"}
        assert told["file"] == str(sound)
        assert [each.keys() for each in told["heard"]] == [{"caption", "score"}] * 5


def test_labels(hear, sounds):
    told = json.loads(hear(sounds[0], "--label", "Rain.", "--label", "Größe", "--json").stdout)
    assert {each["caption"] for each in told["heard"]} == {"Rain.", "Größe"}


def test_a_file_of_captions(hear, sounds, tmp_path):
    path = tmp_path / "captions.txt"
    path.write_text("Rain.\n\n  A bird. \n", encoding="utf8")
    told = json.loads(hear(sounds[0], "--captions", path, "--json").stdout)
    assert {each["caption"] for each in told["heard"]} == {"Rain.", "A bird."}


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "Rain.", "--captions", "c.txt"], "--label and --captions exclude each other; give one of them"),
        (["--top-k", "0"], "--top-k must be at least 1; got 0"),
    ],
)
def test_a_mistake_is_told_before_a_model_is_loaded(hear, sounds, arguments, message):
    error = hear(sounds[0], *arguments).exception
    assert isinstance(error, InputError)
    assert str(error) == message


@pytest.mark.usefixtures("no_model")
def test_a_bad_sound_among_several(hear, sounds, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("not a sound")
    error = hear(sounds[0], bad, sounds[1]).exception
    assert isinstance(error, InputError)
    assert "bad.wav" in str(error)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("content", "message"), [(b" \n", "hold at least one caption"), (b"\xff\xfe", "a text file in UTF-8")]
)
def test_a_bad_file_of_captions(hear, sounds, tmp_path, content, message):
    path = tmp_path / "captions.txt"
    path.write_bytes(content)
    error = hear(sounds[0], "--captions", path).exception
    assert isinstance(error, InputError)
    assert message in str(error)
