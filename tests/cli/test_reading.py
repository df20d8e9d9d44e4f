"""Flags of reading, and what is missing of a recording in the JSON and on the error stream of the verbs."""

import json

import pytest
from typer.testing import CliRunner

from photism.cli.app import app
from tests.support.classifiers import make_classifier
from tests.support.recordings import clicks, encode
from tests.support.speaker_models import make_speaker_model

MISSING = "0.8 of 2.0 s are missing, because the file is truncated or damaged"


@pytest.fixture
def cut(tmp_path_factory):
    """Return a wav file that is truncated after 1.2 of 2 s."""
    data = encode("wav", "pcm_s16le", clicks(2, rate=16_000, channels=1), rate=16_000)
    path = tmp_path_factory.mktemp("cut") / "cut.wav"
    path.write_bytes(data[: -16_000 * 2 * 8 // 10])
    return path


@pytest.fixture(scope="module")
def models_of(tmp_path_factory, models, ctc_checkpoints):
    """Return the arguments of verbs that name their tiny models."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "hear": ["--model", models / "sd", "--label", "A dog.", "--label", "Rain."],
        "label": ["--model", make_classifier(folder / "bert", "bert")],
        "transcribe": ["--model", ctc_checkpoints / "w2v-bert"],
        "speakers timeline": ["--model", make_speaker_model(folder / "frames", "AudioFrameClassification")],
        "speakers verify": ["--model", make_speaker_model(folder / "vectors", "XVector"), "--threshold", "0"],
        "draw": ["--model", models / "sd", "--steps", "1", "-o", f"{folder}/"],
        "film": ["--model", models / "sd", "--steps", "1", "--fps", "2", "-o", f"{folder}/cut.mp4"],
    }


@pytest.mark.parametrize(
    "verb", ["hear", "label", "transcribe", "speakers timeline", "speakers verify", "draw", "film"]
)
def test_what_is_missing_is_in_the_json_of_every_verb(verb, cut, models_of):
    as_json = ["--format", "json"] if verb == "speakers timeline" else ["--json"]
    files = [cut] * (2 if verb == "speakers verify" else 1)
    result = CliRunner().invoke(app, [*verb.split(), *map(str, [*files, *models_of[verb], *as_json])])
    assert result.stderr.count(f"{MISSING}\n") == 1
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.stdout)["warnings"]) == {MISSING}


@pytest.mark.parametrize("verb", ["label", "transcribe"])
def test_strict_skips_a_recording_of_which_something_is_missing(verb, cut, models_of):
    result = CliRunner().invoke(app, [verb, *map(str, [cut, *models_of[verb]]), "--strict"])
    assert result.exit_code == 2
    assert f"photism: skipped {cut}: {MISSING}" in result.stderr


def test_a_track_and_a_channel(tmp_path, models_of):
    (tmp_path / "a.mkv").write_bytes(encode("matroska", "aac", clicks(2), clicks(1), titles=[{}, {"language": "fra"}]))
    for flags, duration_s in ((["--track", "2"], 1), (["--track", "fra", "--channel", "right"], 1), ([], 2)):
        arguments = [str(tmp_path / "a.mkv"), *map(str, models_of["label"]), "--json", *flags]
        result = CliRunner().invoke(app, ["label", *arguments])
        assert json.loads(result.stdout)["duration_s"] == pytest.approx(duration_s, abs=0.03)
    result = CliRunner().invoke(app, ["label", *arguments, "--channel", "3"])
    assert "there is no channel 3; choose one from 1 to 2" in result.stderr


def test_a_file_that_is_read_several_times_is_reported_once(cut, models_of, tmp_path):
    plot = ["--plot", str(tmp_path / "cut.png")]
    result = CliRunner().invoke(app, ["label", str(cut), *map(str, models_of["label"]), *plot])
    assert result.stderr == f"photism: {cut}: {MISSING}\n"
