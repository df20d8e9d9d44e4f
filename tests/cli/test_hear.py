"""photism hear: what it prints, and what is an error before a model is loaded."""

import json
import re

import pytest
from typer.testing import CliRunner

from photism import CaptionRanker, InputError
from photism.cli.app import app
from photism.hub import bundled_model
from tests.drawing.video.recordings import noise, silence, write_wav


@pytest.fixture
def hear(models):
    def run(*arguments):
        return CliRunner().invoke(app, ["hear", "--model", str(models / "sd"), *map(str, arguments)])

    return run


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(CaptionRanker, "from_pretrained", lambda *_, **__: pytest.fail("loaded a model"))


def test_captions_of_each_recording_are_printed(hear, sounds):
    result = hear(*sounds[:2], "--top-k", 2)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [lines[0], lines[3]] == [str(sounds[0]), str(sounds[1])]
    for line in (*lines[1:3], *lines[4:]):
        assert re.fullmatch(r"  [ -]\d\.\d\d  \w.*\.", line)
    assert len(lines) == 6
    assert result.stderr == ""


def test_json_is_one_object_per_recording(hear, sounds):
    lines = hear(*sounds, "--json").stdout.splitlines()
    for line, sound in zip(lines, sounds, strict=True):
        result = json.loads(line)
        assert result.keys() == {"file", "duration_s", "silent", "known", "heard"}
        assert result["known"] is None  # this model cannot tell
        assert result["file"] == str(sound)
        assert [each.keys() for each in result["heard"]] == [{"caption", "score"}] * 5


@pytest.fixture(scope="module")
def unknown(tmp_path_factory):
    """Folder with noise and silence."""
    folder = tmp_path_factory.mktemp("unknown")
    write_wav(folder / "noise.wav", noise(2, gain=0.2))
    write_wav(folder / "silence.wav", silence(2))
    return folder


def test_what_the_bundled_model_was_not_taught_is_no_known_sound(unknown):
    files = [str(unknown / "noise.wav"), str(unknown / "silence.wav"), str(bundled_model() / "examples/banana.es.ogg")]
    given = ["hear", *files, "--label", "A banana.", "--label", "Rain."]  # the model's own 805 take longer to encode
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [lines[0], lines[2], lines[4]] == files
    assert all(re.fullmatch(r"  No known sound recognised \(closest: .+\)", lines[number]) for number in (1, 3))
    assert len(lines) == 7
    assert result.stderr == f"photism: {files[1]}: there is nothing to hear: all of it is digital silence\n"
    objects = [json.loads(line) for line in CliRunner().invoke(app, [*given, "--json"]).stdout.splitlines()]
    assert [each["known"] for each in objects] == [False, False, True]
    assert [len(each["heard"]) for each in objects] == [2, 2, 2]
    windows = CliRunner().invoke(app, ["hear", files[0], "--label", "Rain.", "--window", "1", "--json"])
    about = json.loads(windows.stdout)
    assert (about["known"], about["silent"], about["segments"]) == (False, False, [])
    assert [(window["known"], window["scores"][0]["label"]) for window in about["windows"]] == [(False, "Rain.")] * 3


def test_captions_are_given_as_labels(hear, sounds):
    result = json.loads(hear(sounds[0], "--label", "Rain.", "--label", "Größe", "--json").stdout)
    assert {each["caption"] for each in result["heard"]} == {"Rain.", "Größe"}


def test_captions_are_read_from_a_file(hear, sounds, tmp_path):
    path = tmp_path / "captions.txt"
    path.write_text("Rain.\n\n  A bird. \n", encoding="utf8")
    result = json.loads(hear(sounds[0], "--captions", path, "--json").stdout)
    assert {each["caption"] for each in result["heard"]} == {"Rain.", "A bird."}


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "Rain.", "--captions", "c.txt"], "--label and --captions exclude each other; give one of them"),
        (["--top-k", "0"], "--top-k must be at least 1; got 0"),
        (["--batch-size", "0"], "--batch-size must be at least 1; got 0"),
        (["--template", "a sound"], "--template must have {} where the caption goes; got 'a sound'"),
        (["--hop", "1"], "--hop must be given together with --window"),
    ],
)
def test_a_mistake_is_an_error_before_a_model_is_loaded(hear, sounds, arguments, message):
    error = hear(sounds[0], *arguments).exception
    assert isinstance(error, InputError)
    assert str(error) == message


def test_an_unreadable_recording_is_reported_and_skipped(hear, sounds, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("not a sound")
    result = hear(sounds[0], bad, sounds[1], "--top-k", 1)
    assert result.exit_code == 2
    assert result.stdout.splitlines()[::2] == [str(sounds[0]), str(sounds[1])]
    assert result.stderr.startswith(f"photism: skipped {bad}: not an audio or video file")
    assert result.stderr.endswith("\nphotism: 2 of 3 recordings were processed\n")


def test_captions_over_time(hear, sounds):
    lines = hear(sounds[2], "--window", 0.5, "--label", "Rain.", "--label", "A bird.").stdout.splitlines()
    assert re.fullmatch(r"      0\.00 – +\d\.\d\d s  [ -]\d\.\d\d  (Rain|A bird)\.", lines[1])
    result = json.loads(hear(sounds[2], "--window", 0.5, "--hop", 0.5, "--json").stdout)
    assert [window["start_s"] for window in result["windows"]] == [0, 0.5, 1]
    assert result["segments"][-1]["end_s"] == 1.5


def test_a_template_is_encoded_and_the_label_is_printed(hear, sounds):
    labels = ["--label", "bird", "--label", "drum"]
    plain = json.loads(hear(sounds[0], *labels, "--json").stdout)["heard"]
    filled = json.loads(hear(sounds[0], *labels, "--template", "the sound of a {}", "--json").stdout)["heard"]
    whole = ["--label", "the sound of a bird", "--label", "the sound of a drum"]
    written = json.loads(hear(sounds[0], *whole, "--json").stdout)["heard"]
    assert {each["caption"] for each in filled} == {"bird", "drum"}
    assert (
        [each["score"] for each in filled] == [each["score"] for each in written] != [each["score"] for each in plain]
    )


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("content", "message"), [(b" \n", "no captions; write one in each line"), (b"\xff\xfe", "a text file in UTF-8")]
)
def test_an_unreadable_file_of_captions_is_an_error(hear, sounds, tmp_path, content, message):
    path = tmp_path / "captions.txt"
    path.write_bytes(content)
    error = hear(sounds[0], "--captions", path).exception
    assert isinstance(error, InputError)
    assert message in str(error)
