"""photism speakers: what its verbs print and write, and what is an error before a model is loaded."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from photism import InputError, SpeakerVerifier
from photism.cli.app import app
from photism.listening.embeddings import load_embeddings, save_embeddings
from photism.listening.turn_formats import read_rttm
from tests.drawing.video.recordings import silence, write_wav


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    from tests.support.speaker_models import make_speaker_model

    folder = tmp_path_factory.mktemp("speakers")
    return {head: make_speaker_model(folder / head, head) for head in ("XVector", "AudioFrameClassification")}


def run(*arguments):
    return CliRunner().invoke(app, ["speakers", *map(str, arguments)])


@pytest.fixture
def x_vectors(models):
    return ["--model", models["XVector"], "--device", "cpu"]


@pytest.fixture
def timeline(models, sounds):
    model = models["AudioFrameClassification"]
    return lambda *options, on=sounds: run("timeline", *on, "--model", model, "--device", "cpu", *options)


def test_turns_are_printed_written_and_plotted(timeline, sounds, tmp_path):
    lines = timeline().stdout.splitlines()
    assert [line for line in lines if line.endswith(".wav")] == [str(sound) for sound in sounds]
    results = [json.loads(line) for line in timeline("--format", "json").stdout.splitlines()]
    assert [each["duration_s"] for each in results] == [0.5, 1, 1.5]
    assert results[0]["turns"][0].keys() == {"start_s", "end_s", "speaker", "score"}
    target = tmp_path / "all.rttm"
    assert timeline("--format", "rttm", "-o", target).stdout == ""
    turn = r"SPEAKER (elephant|koala|rain) 1 \d\.\d{3} \d\.\d{3} <NA> <NA> \w+ <NA> <NA>"
    assert all(re.fullmatch(turn, line) for line in target.read_text().splitlines())
    assert sum(len(each["turns"]) for each in results) == len(target.read_text().splitlines()) > 0
    assert timeline("--format", "srt", on=sounds[:1]).stdout.startswith("1\n00:00:00,")
    assert timeline("--plot", tmp_path / "t.png", on=sounds[:1]).exit_code == 0
    assert (tmp_path / "t.png").stat().st_size > 0


def test_a_recording_without_sound_has_no_turns(timeline, sounds, tmp_path):
    quiet = write_wav(tmp_path / "quiet.wav", silence(1))
    result = timeline("--format", "json", on=[quiet, sounds[0]])
    assert result.exit_code == 0, result.output
    assert result.stderr == f"photism: {quiet}: there is nothing to hear: all of it is digital silence\n"
    first, other = map(json.loads, result.stdout.splitlines())
    assert first == {"file": str(quiet), "duration_s": 1.0, "silent": True, "turns": []}
    assert other["turns"]
    assert other["silent"] is False
    assert timeline(on=[quiet]).stdout == f"{quiet}\n"


def test_a_recording_without_sound_has_no_voice(x_vectors, sounds, tmp_path):
    quiet, voices = write_wav(tmp_path / "quiet.wav", silence(1)), tmp_path / "voices.npz"
    message = f"{quiet}: there is nothing to hear: all of it is digital silence; give a recording with a voice"
    result = run("verify", quiet, sounds[0], "--threshold", 0.5, *x_vectors)
    assert isinstance(result.exception, InputError)
    assert (str(result.exception), result.stderr) == (message, "")
    result = run("enrol", "Anna", quiet, *x_vectors, "-o", voices)
    assert str(result.exception) == "a speaker needs at least one readable recording"
    assert result.stderr == f"photism: skipped {message}\n"
    assert not voices.exists()
    result = run("embed", quiet, sounds[0], *x_vectors, "-o", voices)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"photism: skipped {message}\nphotism: 1 of 2 recordings were processed, 1 error")
    assert list(load_embeddings(voices)) == [str(sounds[0])]


def test_turns_are_written_to_a_file_per_recording(timeline, sounds, tmp_path):
    folder = tmp_path / "turns"
    folder.mkdir()
    assert timeline("--format", "srt", "-o", folder, "--plot", folder, on=sounds[:2]).exit_code == 0
    assert sorted(path.name for path in folder.glob("[!.]*")) == [
        "elephant.png",
        "elephant.srt",
        "koala.png",
        "koala.srt",
    ]
    assert (folder / "koala.srt").read_text().startswith("1\n00:00:00,")


def test_the_suffix_of_a_file_is_its_format(timeline, sounds, tmp_path):
    assert timeline("-o", tmp_path / "all.rttm").exit_code == 0
    assert (tmp_path / "all.rttm").read_text().startswith("SPEAKER elephant 1 ")
    assert timeline("-o", tmp_path / "one.TextGrid", on=sounds[:1]).exit_code == 0
    assert 'class = "IntervalTier"' in (tmp_path / "one.TextGrid").read_text()
    assert timeline("-o", tmp_path / "all.json").exit_code == 0
    assert [each["file"] for each in json.loads((tmp_path / "all.json").read_text())] == [str(each) for each in sounds]


def test_two_recordings_of_one_name_are_different_in_rttm(timeline, sounds, tmp_path):
    copies = [tmp_path / folder / "x.wav" for folder in "ab"]
    for copy, sound in zip(copies, sounds, strict=False):
        copy.parent.mkdir()
        copy.write_bytes(sound.read_bytes())
    turns = read_rttm(timeline("--format", "rttm", on=copies).stdout)
    assert list(turns) == ["a/x", "b/x"]
    error = timeline("--format", "rttm", on=[copies[0], copies[0]]).exception
    assert "a/x.wav is given twice; give it once, since the output identifies recordings by name" in str(error)


def test_an_unreadable_recording_is_reported_and_skipped(timeline, sounds):
    result = timeline(on=["gone.wav", sounds[0]])
    assert result.exit_code == 2
    assert result.stdout.startswith(str(sounds[0]))
    assert result.stderr == ("photism: skipped gone.wav: no such file\nphotism: 1 of 2 recordings were processed\n")


def test_a_threshold_a_shortest_turn_and_no_overlap(timeline):
    assert len(timeline("--threshold", 0.999).stdout.splitlines()) == 3
    assert len(timeline("--min-on", 2).stdout.splitlines()) == 3
    one_by_one = [
        json.loads(line)["turns"] for line in timeline("--no-overlap", "--format", "json").stdout.splitlines()
    ]
    for turns in one_by_one:
        assert all(later["start_s"] >= earlier["end_s"] for earlier, later in pairwise(turns))


def test_embeddings_are_written_to_a_file(x_vectors, sounds, tmp_path):
    target = tmp_path / "e.npz"
    assert run("embed", *sounds, *x_vectors, "-o", target).exit_code == 0
    held = load_embeddings(target)
    assert list(held) == [str(sound) for sound in sounds]
    verifier = SpeakerVerifier.from_pretrained(x_vectors[1], device="cpu")
    np.testing.assert_allclose(held[str(sounds[1])], verifier.embed(sounds[1]), atol=1e-5)


def test_embeddings_of_a_folder_are_resumed_and_verified(x_vectors, sounds, tmp_path):
    folder, target = tmp_path / "voices", tmp_path / "voices.npz"
    folder.mkdir()
    for sound in sounds:
        sound.rename(folder / sound.name)
    (folder / "broken.wav").write_bytes(b"RIFF")
    result = run("embed", folder, *x_vectors, "-o", target)
    assert result.exit_code == 2
    assert "3 of 4 recordings were processed, 1 error" in result.stderr
    (folder / "broken.wav").unlink()
    again = run("embed", folder, *x_vectors, "-o", target)
    assert again.stderr == "photism: all 3 recordings were processed before; --force does it again\n"
    result = run("verify", folder / "rain.wav", *x_vectors, "--enrolled", target, "--threshold", 0.9999, "--json")
    best, *_ = map(json.loads, result.stdout.splitlines())
    assert (best["speaker"], best["is_same"]) == (str(folder / "rain.wav"), True)


def test_a_file_of_enrolled_speakers_is_not_overwritten(x_vectors, sounds, tmp_path):
    target = tmp_path / "s.npz"
    assert run("enrol", "Anna", sounds[0], *x_vectors, "-o", target).exit_code == 0
    error = run("embed", *sounds, *x_vectors, "-o", target).exception
    assert str(error).startswith(
        f"{target} was not written by this command; choose another output, or --force to replace it"
    )
    assert list(load_embeddings(target)) == ["Anna"]


def test_a_recording_that_is_given_twice_is_embedded_once(x_vectors, sounds, tmp_path):
    assert run("embed", sounds[0], sounds[0], *x_vectors, "-o", tmp_path / "e.npz").exit_code == 0
    assert list(load_embeddings(tmp_path / "e.npz")) == [str(sounds[0])]


def test_a_speaker_is_enrolled_and_verified(x_vectors, sounds, tmp_path):
    target = tmp_path / "s.safetensors"
    assert run("enrol", "Anna", sounds[0], sounds[1], *x_vectors, "-o", target).exit_code == 0
    assert run("enrol", "Ben", sounds[2], *x_vectors, "-o", target).exit_code == 0
    assert "has a speaker 'Ben'" in str(run("enrol", "Ben", sounds[0], *x_vectors, "-o", target).exception)
    result = run("verify", sounds[2], *x_vectors, "--enrolled", target, "--threshold", 0.9999, "--json")
    comparisons = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["speaker"] for each in comparisons] == ["Ben", "Anna"]
    assert [each["is_same"] for each in comparisons] == [True, False]
    assert comparisons[0]["score"] == pytest.approx(1, abs=1e-5)
    line = run("verify", sounds[0], sounds[0], *x_vectors, "--threshold", 0.5).stdout
    assert re.fullmatch(rf"same speaker    1\.00 \(from 0\.50 on\)  {sounds[0]}\n", line)


def test_a_speaker_enrolled_by_another_process_is_kept(x_vectors, sounds, tmp_path, monkeypatch):
    target, enrol = tmp_path / "s.npz", SpeakerVerifier.enrol

    def enrol_slowly(verifier, recordings, **callbacks):
        speaker = enrol(verifier, recordings, **callbacks)
        save_embeddings({"Ben": speaker}, target)
        return speaker

    monkeypatch.setattr(SpeakerVerifier, "enrol", enrol_slowly)
    assert run("enrol", "Anna", sounds[0], *x_vectors, "-o", target).exit_code == 0
    assert sorted(load_embeddings(target)) == ["Anna", "Ben"]
    target.unlink()
    assert "has a speaker 'Ben'" in str(run("enrol", "Ben", sounds[0], *x_vectors, "-o", target).exception)


def test_speakers_of_another_model_are_an_error(x_vectors, sounds, tmp_path):
    target = tmp_path / "s.npz"
    message = (
        "speaker 'Anna' must be an embedding of 10 numbers and unit length; got shape (512,): enrol and compare with"
    )
    save_embeddings({"Anna": np.full(512, 512**-0.5, np.float32)}, target)
    arguments = ["--enrolled", target, "--threshold", 0.5]
    assert str(run("verify", sounds[0], *x_vectors, *arguments).exception).startswith(message)
    assert str(run("enrol", "Ben", sounds[0], *x_vectors, "-o", target).exception).startswith(message)
    assert run("enrol", "Anna", sounds[0], *x_vectors, "-o", target, "--force").exit_code == 0
    save_embeddings({}, target)
    message = f"{target} has no speakers; add them with photism speakers enrol"
    assert str(run("verify", sounds[0], *x_vectors, *arguments).exception) == message


def test_no_file_is_written_if_all_recordings_are_unreadable(x_vectors, tmp_path):
    result = run("embed", "gone.wav", *x_vectors, "-o", tmp_path / "e.npz")
    assert result.exit_code == 2
    assert not (tmp_path / "e.npz").exists()


def test_a_threshold_is_calibrated_and_used(x_vectors, sounds, tmp_path):
    pairs = tmp_path / "pairs.csv"
    rows = [(0, 0, 1), (1, 1, 1), (0, 1, 0), (1, 2, 0)]
    lines = [f"{sounds[one].name},{sounds[other].name},{same}" for one, other, same in rows]
    pairs.write_text("\n".join(["one,other,same", *lines]))
    target = tmp_path / "c.json"
    result = run("calibrate", pairs, *x_vectors, "-o", target)
    assert re.fullmatch(
        r"threshold 1\.000  EER 0\.0%  minDCF 0\.000  on 2 pairs of the same speaker and 2 of different speakers\n",
        result.stdout,
    )
    assert json.loads(target.read_text())["threshold"] == pytest.approx(1, abs=1e-5)
    verdict = run("verify", sounds[0], sounds[1], *x_vectors, "--calibration", target).stdout
    assert verdict.startswith("other speaker")
    pairs.write_text("one,other,same\na.wav,,1\n")
    assert f"{pairs}, line 2: must have one, other, same" in str(
        run("calibrate", pairs, *x_vectors, "-o", "x").exception
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["timeline", "a.wav", "--format", "xml"],
            "--format must be one of table, rttm, json, csv, srt, textgrid; got xml",
        ),
        (
            ["timeline", "a.wav", "b.wav", "--format", "srt"],
            "--format srt needs a file for each recording: give -o a folder",
        ),
        (
            ["timeline", "a.wav", "b.wav", "--plot", "x.png"],
            "--plot must be a folder for 2 inputs, but x.png is not a folder; create it",
        ),
        (["timeline", "a.wav", "--plot", "x.jpg"], "--plot must be a file that ends in .png, or a folder"),
        (["timeline", "a.wav", "--workers", "-1"], "--workers must be at least 0; got -1"),
        (["enrol", "Anna", "a.wav", "-o", "gone/s.npz"], "-o: the folder gone does not exist; create it"),
        (["timeline", "a.wav", "--threshold", "1"], "--threshold must be above 0 and below 1; got 1"),
        (
            ["embed", "a.wav", "-o", "x.csv"],
            "embeddings need a file that ends in .safetensors or .npz; got x.csv",
        ),
        (["verify", "a.wav", "b.wav"], "--threshold or --calibration must be given, and not both"),
        (["verify", "a.wav", "--threshold", "0.5"], "give two recordings, or one and --enrolled; got 1"),
        (["embed", "a.wav", "-o", "x.npz", "--dtype", "int8"], "--dtype must be one of float32, float16, bfloat16"),
    ],
)
def test_a_mistake_is_an_error_before_a_model_is_loaded(arguments, message):
    error = run(*arguments, "--model", "no-model").exception
    assert isinstance(error, InputError)
    assert str(error).startswith(message)
