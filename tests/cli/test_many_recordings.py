"""Any number of recordings on the command line: folders, resumption, errors, Ctrl-C and the last line."""

import csv
import json
import os
import shutil

import pytest
from typer.testing import CliRunner

from photism import AudioClassifier, InputError
from photism.cli.app import app
from photism.jobs.label_job import LabelWorker
from tests.drawing.video.recordings import silence, write_wav
from tests.support.jobs import json_rows


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    from tests.support.classifiers import make_classifier

    return AudioClassifier.from_pretrained(make_classifier(tmp_path_factory.mktemp("classifier") / "bert", "bert"))


@pytest.fixture
def label(classifier, sounds, tmp_path, monkeypatch):
    """Function that classifies recordings; the current folder has three in `sounds`, of which one is in `sounds/a`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(AudioClassifier, "from_pretrained", lambda *_, **__: classifier)
    os.makedirs("sounds/a")
    for sound, place in zip(sounds, ("sounds/1.wav", "sounds/2.wav", "sounds/a/1.wav"), strict=True):
        shutil.copy(sound, place)

    def run(*arguments):
        return CliRunner().invoke(app, ["label", "--model", "bert", "--top-k", "1", *map(str, arguments)])

    return run


def break_file(path):
    path.write_text("no sound")
    return path


def test_the_recordings_of_a_folder_are_printed(label):
    result = label("sounds", "--json")
    assert [json.loads(line)["file"] for line in result.stdout.splitlines()] == [
        "sounds/1.wav",
        "sounds/2.wav",
        "sounds/a/1.wav",
    ]
    assert (result.exit_code, result.stderr) == (0, "photism: 3 of 3 recordings were processed, 3 s of audio\n")


@pytest.mark.parametrize("output", ["rows.jsonl", "rows.csv", "rows/"])
def test_the_same_command_processes_what_is_new(label, sounds, output, monkeypatch):
    given, stream = [], LabelWorker.stream

    def counting(self, recordings, **callbacks):
        return stream(self, (given.append(each.name) or each for each in recordings), **callbacks)

    monkeypatch.setattr(LabelWorker, "stream", counting)
    assert label("sounds", "-o", output).exit_code == 0
    assert len(given) == 3
    again = label("sounds", "-o", output)
    assert (again.exit_code, again.stderr) == (
        0,
        "photism: all 3 recordings were processed before; --force does it again\n",
    )
    shutil.copy(sounds[0], "sounds/a/0.wav")
    more = label("sounds", "-o", output)
    assert more.stderr == "photism: 4 of 4 recordings were processed (3 before), 0 s of audio\n"
    assert given[3:] == ["sounds/a/0.wav"]
    refused = label("sounds", "-o", output, "--window", 0.5)
    assert "was computed with window_s by default instead of 0.5; choose another output, or --force" in str(
        refused.exception
    )
    assert label("sounds", "-o", output, "--window", 0.5, "--force").exit_code == 0
    assert len(given) == 8


def test_several_files_go_on_as_a_folder_does_and_one_does_not(label):
    for _ in range(2):
        assert label("sounds/1.wav", "sounds/2.wav", "-o", "rows.jsonl").exit_code == 0
    assert len(json_rows_of("rows.jsonl")) == 2
    assert label("sounds/1.wav", "-o", "one.jsonl").exit_code == 0
    assert "id" not in json_rows_of("one.jsonl")[0]
    assert str(label("sounds/1.wav", "-o", "one.jsonl").exception) == (
        "one.jsonl exists; give another name with -o, or --force to overwrite it"
    )


def json_rows_of(name):
    with open(name) as file:
        return [json.loads(line) for line in file]


def test_errors_are_rows_and_tried_again(label, sounds, tmp_path):
    broken = break_file(tmp_path / "sounds/broken.wav")
    result = label("sounds", "-o", "rows.jsonl")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "photism: 3 of 4 recordings were processed, 1 error in rows.jsonl.errors.jsonl; "
        "run the same command again to retry them"
    )
    (error,) = json_rows(tmp_path / "rows.jsonl.errors.jsonl")
    assert (error["file"], error["where"]) == ("sounds/broken.wav", "reading")
    shutil.copy(sounds[0], broken)
    assert label("sounds", "-o", "rows.jsonl").exit_code == 0
    assert not (tmp_path / "rows.jsonl.errors.jsonl").exists()


def test_the_command_ends_after_more_errors_than_allowed(label, tmp_path):
    for number in range(3):
        break_file(tmp_path / f"sounds/0-{number}.wav")
    result = label("sounds", "-o", "rows.jsonl", "--max-errors", 1, "--workers", 0, "--batch-size", 1)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "photism: stopped after 2 errors in rows.jsonl.errors.jsonl; "
        "0 recordings were processed; run the same command again to resume"
    )
    assert (
        label("sounds", "-o", "rows.jsonl", "--max-errors", 3)
        .stderr.splitlines()[-1]
        .startswith("photism: 3 of 6 recordings were processed, 3 errors in")
    )


def test_one_is_counted_in_the_singular(label, tmp_path):
    for number in range(2):
        break_file(tmp_path / f"sounds/{number}-broken.wav")
    (tmp_path / "list.txt").write_text("sounds/a/1.wav\nsounds/0-broken.wav\nsounds/1-broken.wav\n")
    result = label("@list.txt", "-o", "rows.jsonl", "--max-errors", 0, "--workers", 0, "--batch-size", 1)
    assert result.stderr.splitlines()[-1] == (
        "photism: stopped after 1 error in rows.jsonl.errors.jsonl; 1 recording was processed; "
        "run the same command again to resume"
    )
    assert label("sounds/a/1.wav", "-o", "one.parquet").exit_code == 0
    again = label("sounds/a/1.wav", "-o", "one.parquet")
    assert again.stderr == "photism: the recording was processed before; --force does it again\n"


def test_a_lock_alone_is_no_begun_job(label, tmp_path):
    (tmp_path / "out.csv").write_text("own\n")
    (tmp_path / ".out.csv.lock").touch()
    (tmp_path / "plots/a").mkdir(parents=True)
    (tmp_path / "plots/a/1.png").touch()
    error = label("sounds", "-o", "out.csv", "--plot", "plots").exception
    assert str(error) == "plots/a/1.png exists; give another name with --plot, or --force to overwrite it"
    assert (tmp_path / "out.csv").read_text() == "own\n"


def test_ctrl_c_says_how_to_resume(label, monkeypatch):
    stream = LabelWorker.stream

    def interrupted(self, recordings, **callbacks):
        yield next(stream(self, recordings, **callbacks))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LabelWorker, "stream", interrupted)
        result = label("sounds", "-o", "rows.jsonl")
    message = "Stopped after 1 of 3 recordings. Run the same command again to resume.\n"
    assert (result.exit_code, result.stderr) == (130, message)
    assert len(json_rows_of("rows.jsonl")) == 1
    assert label("sounds", "-o", "rows.jsonl").exit_code == 0
    assert [row["file"] for row in json_rows_of("rows.jsonl")] == ["sounds/1.wav", "sounds/2.wav", "sounds/a/1.wav"]


def test_files_and_plots_are_in_folders_as_the_recordings_are(label, sounds, tmp_path):
    shutil.copy(sounds[0], "sounds/2.mp3")
    assert label("sounds", "-o", "out/", "--plot", "plots/", "--json").exit_code == 0
    for folder, suffix in ((tmp_path / "out", "jsonl"), (tmp_path / "plots", "png")):
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob(f"[!.]*.{suffix}"))
        assert names == [f"1.{suffix}", f"2.mp3.{suffix}", f"2.wav.{suffix}", f"a/1.{suffix}"]
    # The plots of recordings that are not done may be there already, if the command was killed between the two.
    assert label("sounds/a", "sounds/1.wav", "-o", "rows.parquet", "--plot", "more/").exit_code == 0
    assert label("sounds/a", "sounds/1.wav", "sounds/2.wav", "-o", "rows.parquet", "--plot", "more/").exit_code == 0
    # A folder that somebody else has filled is not written to.
    (tmp_path / "other/a").mkdir(parents=True)
    (tmp_path / "other/a/1.txt").touch()
    message = "other/a/1.txt exists; give another name with {}, or --force to overwrite it"
    assert str(label("sounds", "-o", "other").exception) == message.format("-o")
    (tmp_path / "other/a/1.png").touch()
    assert str(label("sounds", "--plot", "other").exception) == message.format("--plot").replace("txt", "png")
    assert str(label("sounds", "--format", "audacity", "-o", "x.txt").exception) == (
        "-o must be a folder for several inputs, but x.txt is not a folder; create it, or end its name in a slash"
    )


def test_columns_and_segments_of_a_table_are_in_csv(label, tmp_path):
    (tmp_path / "list.csv").write_text(
        "file,start,end,speaker,label\nsounds/a/1.wav,0.5,1.0,Ann,x\nsounds/1.wav,,,,y\n"
    )
    assert label("list.csv", "-o", "rows.csv").exit_code == 0
    with open("rows.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(row["speaker"], row["manifest_label"], row["segment_start_s"], row["segment_end_s"]) for row in rows] == [
        ("Ann", "x", "0.5", "1.0"),
        ("", "y", "", ""),
    ]
    assert [float(row["end_s"]) for row in rows] == [0.5, 0.5]
    assert label("list.csv", "--format", "csv").stdout == (tmp_path / "rows.csv").read_text()


def test_silence_is_no_error(label, tmp_path):
    write_wav(tmp_path / "sounds/silent.wav", silence(1))
    assert label("sounds", "-o", "rows.jsonl").exit_code == 0
    assert json_rows_of("rows.jsonl")[-1]["silent"] is True


def test_what_is_missing_is_an_error_before_a_model_is_loaded(label, monkeypatch):
    monkeypatch.setattr(AudioClassifier, "from_pretrained", lambda *_, **__: pytest.fail("loaded a model"))
    result = label("gone.wav", "lost.wav", "-o", "x.jsonl")
    assert (result.exit_code, result.stderr) == (
        2,
        "photism: skipped gone.wav: no such file\nphotism: skipped lost.wav: no such file\n"
        "photism: 0 of 2 recordings were processed\n",
    )
    for given, message in (
        (
            ["sounds", "-o", "x.parquet", "--format", "csv"],
            "--format csv is a text, and x.parquet is not; omit --format",
        ),
        (["gone/*.wav"], "gone/*.wav: no recording matches this pattern"),
        (["@gone.txt"], "@gone.txt: no such file as gone.txt"),
        (["sounds", "-o", "nowhere/x.jsonl"], "-o: the folder nowhere does not exist; create it"),
        (["sounds", "--max-errors", "-1"], "--max-errors must be at least 0; got -1"),
    ):
        error = label(*given).exception
        assert isinstance(error, InputError)
        assert message in str(error)
