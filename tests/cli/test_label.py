"""photism label: what it prints and writes, and what is an error before a model is loaded."""

import csv
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from photism import AudioClassifier, InputError
from photism.cli.app import app
from photism.extras import install_command
from tests.drawing.video.recordings import silence, write_wav


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from tests.support.classifiers import make_classifier

    return make_classifier(tmp_path_factory.mktemp("classifier") / "bert", "bert")


@pytest.fixture
def label(model, sounds):
    """Function that runs the verb on three recordings, or on the given ones."""

    def run(*arguments, on=sounds):
        return CliRunner().invoke(app, ["label", *map(str, [*on, "--model", model, *arguments])])

    return run


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(AudioClassifier, "from_pretrained", lambda *_, **__: pytest.fail("loaded a model"))


def test_the_best_classes_of_each_recording_are_printed(label, sounds):
    result = label("--top-k", 2)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[::3] == [str(sound) for sound in sounds]
    assert all(re.fullmatch(r"   0\.\d\d  \S.*", line) for line in lines[1::3] + lines[2::3])
    assert result.stderr == ""


def test_without_a_model_the_question_is_the_first_line_of_the_error_stream(sounds):
    result = CliRunner().invoke(app, ["label", str(sounds[0]), "--json", "--top-k", "1"])
    assert result.stderr == (
        "photism: no --model was given, defaulted to the bundled classifier: it answers which language is spoken, one "
        "of Belarusian, Bulgarian, Catalan, English, French, Romanian, Russian, Spanish\n"
    )
    assert json.loads(result.stdout)["file"] == str(sounds[0])


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9.wav"), "a\nb.wav", "-a.wav", f"{'x' * 246}.wav"])
def test_files_of_any_name_are_read_written_and_plotted(label, sounds, tmp_path, monkeypatch, name):
    folder = tmp_path / "named"
    folder.mkdir()
    monkeypatch.chdir(folder)
    shutil.copy(sounds[0], name)
    options = ["--top-k", 1, "--json", "-o", ".", "--plot", "."]
    result = label(*options, "--", name, on=[])
    assert result.exit_code == 0, result.output
    stem = name.removesuffix(".wav")
    assert {path.name for path in folder.iterdir()} == {name, f"{stem}.jsonl", f"{stem}.png"}
    assert json.loads(Path(f"{stem}.jsonl").read_text("utf8"))["file"] == name


def test_segments_are_printed_with_their_times(label):
    result = label("--window", 0.5, "--hop", 0.25)
    for line in result.stdout.splitlines():
        assert line.endswith(".wav") or re.fullmatch(r"  +\d\.\d\d – +\d\.\d\d s   0\.\d\d  \S.*", line), line


def test_a_recording_without_sound_is_reported(label, tmp_path):
    quiet = write_wav(tmp_path / "quiet.wav", silence(1))
    result = label("--json", on=[quiet])
    assert result.exit_code == 0, result.output
    assert result.stderr == f"photism: {quiet}: there is nothing to hear: all of it is digital silence\n"
    about = json.loads(result.stdout)
    assert about["silent"] is True
    assert len(about["labels"]) == 5
    assert json.loads(label("--json", "--window", 0.5, on=[quiet]).stdout)["silent"] is True
    for given in ((), ("--window", 0.5)):
        shown = label(*given, on=[quiet]).stdout
        assert re.fullmatch(rf"{re.escape(str(quiet))}\n  Nothing to hear \(closest: \S+\)\n", shown), shown


def test_json_is_one_object_per_recording(label, sounds):
    for line, sound, seconds in zip(label("--json").stdout.splitlines(), sounds, (0.5, 1, 1.5), strict=True):
        result = json.loads(line)
        assert result.keys() == {"file", "duration_s", "silent", "labels"}
        assert result["silent"] is False
        assert (result["file"], result["duration_s"]) == (str(sound), seconds)
        assert [each.keys() for each in result["labels"]] == [{"label", "score"}] * 5
    result = json.loads(label("--format", "json", "--window", 0.5, "--top-k", 1).stdout.splitlines()[2])
    assert result.keys() == {"file", "duration_s", "silent", "segments", "windows"}
    assert [(each["start_s"], each["end_s"]) for each in result["windows"]] == [
        (0, 0.5),
        (0.25, 0.75),
        (0.5, 1),
        (0.75, 1.25),
        (1, 1.5),
    ]
    assert [len(each["scores"]) for each in result["windows"]] == [1] * 5
    assert result["segments"][-1]["end_s"] == 1.5


def test_the_suffix_of_a_common_file_is_its_format(label, sounds, tmp_path):
    result = label("-o", tmp_path / "all.csv", "--top-k", 1)
    assert (result.exit_code, result.output) == (0, "")
    with (tmp_path / "all.csv").open(encoding="utf8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [str(sound) for sound in sounds]
    assert [float(row["end_s"]) for row in rows] == [0.5, 1, 1.5]
    label("-o", tmp_path / "all.jsonl")
    assert [json.loads(line)["file"] for line in (tmp_path / "all.jsonl").open()] == [str(sound) for sound in sounds]


def test_a_json_file_is_one_document(label, sounds, tmp_path):
    target = tmp_path / "labels.json"
    assert label("-o", target).exit_code == 0
    assert [each["file"] for each in json.loads(target.read_text())] == [str(sound) for sound in sounds]
    assert label("-o", target, "--force", on=sounds[:1]).exit_code == 0
    assert json.loads(target.read_text())["file"] == str(sounds[0])
    assert label("-o", tmp_path / "none.json", on=["gone.wav"]).exit_code == 2
    assert not (tmp_path / "none.json").exists()
    assert label("-o", tmp_path / "some.json", on=["gone.wav", sounds[0]]).exit_code == 2
    assert [each["file"] for each in json.loads((tmp_path / "some.json").read_text())] == [str(sounds[0])]


def test_a_folder_with_an_audacity_track_for_each(label, sounds, tmp_path):
    folder = tmp_path / "tracks"
    folder.mkdir()
    assert label("-o", folder, "--format", "audacity", "--window", 0.5).exit_code == 0
    tracks = sorted(folder.glob("[!.]*"))
    assert [path.stem for path in tracks] == sorted(sound.stem for sound in sounds)
    for path in tracks:
        assert all(re.fullmatch(r"\d\.\d{6}\t\d\.\d{6}\t\S.*", line) for line in path.read_text().splitlines())
    (folder / ".journal").unlink()
    message = f"{folder}/elephant.txt exists; give another name with -o, or --force to overwrite it"
    assert str(label("-o", folder, "--format", "audacity").exception) == message
    assert label("-o", folder, "--format", "audacity", "--force").exit_code == 0


def test_a_threshold_and_a_score_function(label):
    result = json.loads(label("--json", "--function", "sigmoid", "--threshold", 0.99).stdout.splitlines()[0])
    assert result["labels"] == []
    every = [json.loads(line)["labels"] for line in label("--json", "--top-k", 7).stdout.splitlines()]
    assert [sum(each["score"] for each in labels) for labels in every] == [pytest.approx(1)] * 3


def test_an_unreadable_recording_is_reported_and_skipped(label, sounds, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_text("no sound")
    result = label("--top-k", 1, on=[sounds[0], broken, "gone.ogg", sounds[1]])
    assert result.exit_code == 2
    assert [line for line in result.stdout.splitlines() if line.endswith(".wav")] == [str(sounds[0]), str(sounds[1])]
    *skipped, summary = result.stderr.splitlines()
    assert summary == "photism: 2 of 4 recordings were processed"
    unreadable, missing = sorted(skipped)
    assert unreadable.startswith(f"photism: skipped {broken}: not an audio or video file")
    assert missing == "photism: skipped gone.ogg: no such file"


def test_labels_are_plotted(label, sounds, tmp_path):
    from PIL import Image

    target = tmp_path / "timeline.png"
    assert label("--plot", target, "--window", 0.5, on=sounds[:1]).exit_code == 0
    with Image.open(target) as picture:
        assert picture.size[0] == 1440
    folder = tmp_path / "pictures"
    folder.mkdir()
    assert label("--plot", folder).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["elephant.png", "koala.png", "rain.png"]


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--top-k", 0], "--top-k must be at least 1; got 0"),
        (["--window", 0.01], "--window must be at least 0.025; got 0.01"),
        (["--hop", 1], "--hop must be given together with --window"),
        (
            ["--window", 1, "--hop", 2],
            "--hop must be at most --window, 1 s, or audio between windows is skipped; got 2",
        ),
        (["--format", "xml"], "--format must be one of table, json, csv, audacity; got xml"),
        (["--json", "--format", "csv"], "--json and --format csv exclude each other; give one of them"),
        (["--format", "audacity"], "--format audacity needs a file for each recording: give -o a folder"),
        (["--function", "max"], "--function must be one of softmax, sigmoid, none; got max"),
        (["--dtype", "int8"], "--dtype must be one of float32, float16, bfloat16; got int8"),
        (
            ["--plot", "x.png"],
            "--plot must be a folder for 3 inputs, but x.png is not a folder; create it, or end its name in a slash",
        ),
        (["-o", "nowhere/x.csv"], "-o: the folder nowhere does not exist; create it"),
    ],
)
def test_a_mistake_is_an_error_before_a_model_is_loaded(label, arguments, message):
    error = label(*arguments).exception
    assert isinstance(error, InputError)
    assert str(error) == message


@pytest.mark.usefixtures("no_model")
def test_files_that_cannot_be_written_are_an_error(label, sounds, tmp_path):
    assert str(label("--plot", "x.jpg", on=sounds[:1]).exception) == (
        "--plot must be a file that ends in .png, or a folder, which is created if its name ends in a slash; got x.jpg"
    )
    twice = str(label("-o", tmp_path / "", "--json", on=[sounds[0], sounds[0]]).exception)
    assert twice == (
        f"{sounds[0]} and {sounds[0]} would both be written to {tmp_path}/elephant.jsonl; process them one by one"
    )


def test_a_plot_without_matplotlib_says_what_to_install(label, sounds, monkeypatch, no_model):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    error = label("--plot", "x.png", on=sounds[:1]).exception
    assert str(error) == f"a plot needs matplotlib, which is not installed: {install_command('listening')}"
