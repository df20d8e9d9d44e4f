"""photism sound: its files, its output, and what it refuses before a model is loaded."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from photism import AudioLDM2Pipeline, InputError
from photism.audio.original import load_original
from photism.audio.waveform import load_waveform
from photism.audio.writing import read_tags, write_waveform
from photism.cli.app import app
from tests.support.parameters import mostly_slow

QUICK = ("--seconds", "0.2", "--steps", "1", "--device", "cpu")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(sound_models, folder):
    def run(*arguments, verb="sound"):
        model = ["--model", str(sound_models / "sound")] if verb == "sound" else []
        return CliRunner().invoke(app, [verb, *model, *map(str, arguments)])

    return run


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(AudioLDM2Pipeline, "from_pretrained", lambda *_, **__: pytest.fail("loaded a model"))


def test_max_new_tokens(run, folder):
    for name, flag in (("default", ()), ("eight", ("--max-new-tokens", 8)), ("five", ("--max-new-tokens", 5))):
        assert run("rain", *QUICK, *flag, "-o", f"{name}.wav").exit_code == 0
    default, eight, five = (folder / f"{name}.wav" for name in ("default", "eight", "five"))
    assert eight.read_bytes() == default.read_bytes() != five.read_bytes()
    assert (read_tags(eight).get("max_new_tokens"), read_tags(five)["max_new_tokens"]) == (None, 5)
    result = run("rain", *QUICK, "--max-new-tokens", 100)
    assert isinstance(result.exception, InputError)
    assert "--max-new-tokens must be at most 90 for a text of 2 tokens" in str(result.exception)


def test_a_corpus_that_cannot_be_written_is_reported_before_a_model_is_loaded(run, folder, no_model, monkeypatch):
    (folder / "captions.txt").write_text("rain\n")
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder)
    result = run("--captions", "captions.txt", "--out", "corpus", *QUICK)
    assert str(result.exception) == f"--out: the folder {folder} is not writable; choose another one"


def test_a_file_holds_its_text_and_settings(run, folder, sound_models):
    result = run("Rain on a tin roof.", *QUICK, "--seed", 5, "--negative", "a dog", "--guidance-scale", 2)
    assert result.exit_code == 0, result.output
    assert result.stdout == "Rain on a tin roof.\n  rain-on-a-tin-roof.wav  0.20 s  seed 5\n"
    assert result.stderr == ""
    path = folder / "rain-on-a-tin-roof.wav"
    assert read_tags(path) == {
        "text": "Rain on a tin roof.",
        "seed": 5,
        "model": str(sound_models / "sound"),
        "scheduler": "dpm++",
        "steps": 1,
        "guidance_scale": 2.0,
        "negative": "a dog",
    }
    expected = AudioLDM2Pipeline.from_pretrained(sound_models / "sound", device="cpu")(
        "Rain on a tin roof.",
        audio_length_in_s=0.2,
        num_inference_steps=1,
        seed=5,
        negative_prompt="a dog",
        guidance_scale=2,
    )
    assert abs(load_waveform(path).samples - expected.audios[0]).max() < 2 / 32_767


@pytest.mark.slow
def test_the_best_candidate_or_all_are_saved(run, folder):
    arguments = ("rain", *QUICK, "--candidates", 3, "--json")
    best = json.loads(run(*arguments).stdout)["sounds"]
    ranked = json.loads(run(*arguments, "--all").stdout)["sounds"]
    assert [sound["file"] for sound in best] == ["rain.wav"]
    assert [sound["file"] for sound in ranked] == ["rain-1.wav", "rain-2.wav", "rain-3.wav"]
    assert [sound["score"] for sound in ranked] == sorted((sound["score"] for sound in ranked), reverse=True)
    assert sorted(sound["seed"] for sound in ranked) == [0, 1, 2]
    assert (best[0]["seed"], best[0]["seconds"]) == (ranked[0]["seed"], 0.2)
    assert (folder / "rain.wav").read_bytes()[-1000:] == (folder / "rain-1.wav").read_bytes()[-1000:]


@pytest.mark.parametrize("suffix", mostly_slow(["wav", "flac", "ogg", "mp3"], "ogg"))
def test_the_extension_selects_the_format(run, folder, suffix):
    assert run("rain", *QUICK, "-o", f"a.{suffix}").exit_code == 0
    assert read_tags(folder / f"a.{suffix}")["text"] == "rain"


def test_each_text_has_its_file(run, folder):
    (folder / "out").mkdir()
    result = run("rain", "a dog", *QUICK, "-o", "out")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a-dog.wav", "rain.wav"]


def test_starting_from_a_recording(run, folder, sounds):
    arguments = ("hail", "--from", sounds[0], "--steps", 4, "--device", "cpu", "--json")
    assert json.loads(run(*arguments, "--strength", 0.5).stdout)["sounds"][0]["seconds"] == 0.5
    printed = json.loads(run(*arguments, "--span", "0.5:0.8", "-o", "longer.flac").stdout)
    assert printed["sounds"][0]["seconds"] == 0.8
    recording, longer = load_original(sounds[0]), load_original(folder / "longer.flac")
    assert longer.sampling_rate == recording.sampling_rate
    assert np.array_equal(longer.samples[:, : recording.samples.shape[1]], recording.samples)
    tags = read_tags(folder / "longer.flac")
    assert (tags["from"], tags["span"], tags["strength"]) == (str(sounds[0]), [0.5, 0.8], 1.0)


@pytest.mark.slow
def test_a_span_of_a_stereo_file_keeps_the_rest_to_the_bit(run, folder):
    stereo = np.random.default_rng(0).standard_normal((2, 44_100)) * 0.1
    for sample_type in ("int16", "int24", "float32"):
        path = folder / f"{sample_type}.wav"
        write_waveform(stereo, path, sampling_rate=44_100, title="", about={}, sample_type=sample_type)
        result = run("hail", "--from", path, "--span", "0.2:0.5", "--steps", 1, "-o", "hail.wav", "--force")
        assert result.exit_code == 0, result.output
        before, after = load_original(path), load_original(folder / "hail.wav")
        assert (after.sampling_rate, after.sample_type) == (44_100, sample_type)
        for outside in (slice(None, 8820), slice(22_050, None)):
            assert np.array_equal(after.samples[:, outside], before.samples[:, outside])
        assert not np.array_equal(after.samples, before.samples)


def test_channels_that_a_format_cannot_hold_are_refused_at_once(run, folder, no_model):
    write_waveform(np.zeros((3, 16_000)), folder / "3.wav", sampling_rate=16_000, title="", about={})
    result = run("hail", "--from", "3.wav", "--span", "0.2:0.5", "-o", "hail.mp3")
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == "hail.mp3 can hold at most 2 channels, and the recording has 3; write a WAV file"


def test_a_loop(run):
    assert run("rain", *QUICK, "--loop").exit_code == 0


def test_speech(folder, sound_models):
    arguments = ["sound", "a woman speaks", "--model", str(sound_models / "speech"), *QUICK, "--transcription", "hello"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert read_tags(folder / "a-woman-speaks.wav")["transcription"] == "hello"


def test_a_corpus_is_generated_and_resumed(run, folder):
    (folder / "captions.txt").write_text("rain\n\na dog\n")
    arguments = ("--captions", "captions.txt", "--out", "corpus", *QUICK)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == "corpus/metadata.jsonl  2 recordings; `photism align corpus` trains on them\n"
    (folder / "corpus/sounds/000001-rain.flac").unlink()
    kept = (folder / "corpus/sounds/000002-a-dog.flac").stat().st_mtime_ns
    assert json.loads(run(*arguments, "--json").stdout) == {"list": "corpus/metadata.jsonl", "sounds": 2}
    assert (folder / "corpus/sounds/000001-rain.flac").exists()
    assert (folder / "corpus/sounds/000002-a-dog.flac").stat().st_mtime_ns == kept


def test_an_interrupted_corpus_says_how_to_resume(run, folder, monkeypatch):
    (folder / "captions.txt").write_text("rain\n")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("photism.audioldm2.dataset.generate_dataset", interrupt)
    result = run("--captions", "captions.txt", "--out", "corpus", *QUICK)
    assert result.exit_code == 130
    assert result.stderr == "Stopped. corpus holds what was generated; run the same command again to resume.\n"


def test_draw_from_text_generates_a_recording_and_draws_it(run, folder, models, sound_models):
    arguments = ["--model", models / "sd", "--from-text", "Rain!", "--sound-model", sound_models / "sound"]
    result = run(*arguments, "--steps", 1, "--device", "cpu", verb="draw")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in folder.glob("rain.*")) == ["rain.png", "rain.wav"]
    assert Image.open(folder / "rain.png").info["sound"] == "rain.wav"
    tags = read_tags(folder / "rain.wav")
    assert (tags["text"], tags["seed"], tags["model"]) == ("Rain!", 0, str(sound_models / "sound"))
    assert (tags["steps"], tags["guidance_scale"]) == (25, 3.5)
    assert "rain.wav: " in result.stdout


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "TEXT is missing: describe the sound, or give --captions"),
        (["rain", "--candidates", "0"], "--candidates must be at least 1; got 0"),
        (["rain", "--steps", "0"], "--steps must be at least 1; got 0"),
        (["rain", "--seconds", "nan"], "--seconds must be above 0 and at most 3600; got nan"),
        (["rain", "--dtype", "int8"], "--dtype must be one of float32, float16, bfloat16; got int8"),
        (
            ["rain", "--scheduler", "heun"],
            "--scheduler must be one of ddim, euler, euler-a, dpm++, unipc, lcm, tcd, with options as in dpm++:karras; "
            "got heun",
        ),
        (["rain", "--processes", "2"], "--processes needs --captions"),
        (["rain", "--from", "a.wav", "--span", "3"], "--span must be START:STOP in seconds, such as 1.5:3; got 3"),
        (["rain", "--span", "1:2"], "--span needs a recording to start from: give --from"),
        (
            ["rain", "--offload", "disk", "--compile"],
            "--compile cannot be combined with --offload disk, which moves weights away",
        ),
        (
            ["rain", "-o", "a.aac"],
            "-o must be a file that ends in .wav, .flac, .ogg or .mp3, or a folder, which is created if its name ends "
            "in a slash; got a.aac",
        ),
        (
            ["rain", "dog", "-o", "a.wav"],
            "-o must be a folder for 2 inputs, but a.wav is not a folder; create it, or end its name in a slash",
        ),
        (["rain", "Rain!"], "rain and Rain! would both be written to rain.wav; process them one by one"),
        (["rain", "--captions", "c.txt"], "TEXT cannot be combined with --captions"),
        (["--captions", "c.txt", "--from", "a.wav", "--span", "1:2"], "--from cannot be combined with --captions"),
        (["--captions", "c.txt", "--transcription", "a"], "--transcription cannot be combined with --captions"),
        (["--captions", "c.txt", "--force"], "--force cannot be combined with --captions"),
        (["--captions", "c.txt", "--seed", "-1"], "--seed must be at least 0; got -1"),
        (["--captions", "c.txt"], "--out is missing: name the folder of the corpus"),
        (
            ["--captions", "c.txt", "--out", "d"],
            "--captions c.txt: no captions; write one in each line",
        ),
    ],
)
def test_a_mistake_is_reported_before_a_model_is_loaded(run, folder, arguments, message):
    (folder / "c.txt").write_text("\n")
    error = run(*arguments).exception
    assert isinstance(error, InputError)
    assert str(error) == message


@pytest.mark.usefixtures("no_model")
def test_draw_from_text_where_the_recording_exists_says_how_to_draw_it(run, folder):
    (folder / "a-rooster.wav").write_text("mine")
    error = run("--from-text", "a rooster", verb="draw").exception
    assert isinstance(error, InputError)
    assert str(error) == (
        "a-rooster.wav exists: `photism draw a-rooster.wav` draws it, --force generates it again, and -o FOLDER/ "
        "writes it elsewhere"
    )
    assert (folder / "a-rooster.wav").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "--from-text", "rain"], "SOUND and --from-text exclude each other; give one of them"),
        (["a.wav", "--sound-model", "m"], "--sound-model needs --from-text"),
        ([], "SOUND is missing: name a recording, or generate a sound with --from-text"),
    ],
)
def test_a_mistake_of_draw(run, arguments, message):
    error = run(*arguments, verb="draw").exception
    assert isinstance(error, InputError)
    assert str(error) == message


def test_an_existing_file_is_kept(run, folder):
    (folder / "rain.wav").write_text("mine")
    error = run("rain", *QUICK).exception
    assert str(error) == "rain.wav exists; give another name with -o, or --force to overwrite it"
    assert run("rain", *QUICK, "--force").exit_code == 0


def test_the_bundled_model_is_the_default(folder):
    result = CliRunner().invoke(app, ["sound", "a rooster", "--steps", "1", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert result.stdout == "a rooster\n  a-rooster.wav  1.92 s  seed 0\n"
    assert read_tags(folder / "a-rooster.wav")["model"] == "tiny"


def test_a_corpus_from_the_bundled_model(folder):
    (folder / "captions.txt").write_text("A rooster.\n")
    arguments = ["sound", "--captions", "captions.txt", "--out", "corpus", "--steps", "1", "--device", "cpu"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert read_tags(folder / "corpus/sounds/000001-a-rooster.flac")["model"] == "tiny"


def test_the_pipeline_reports_a_mistake_by_its_flag(run):
    for arguments, message in (
        (["rain", "--steps", "1001"], "--steps must be at most 1000, the steps of training; got 1001"),
        (["rain", "--seconds", "0.03"], "--seconds must be at least 0.04; got 0.03"),
    ):
        error = run(*arguments, "--device", "cpu").exception
        assert isinstance(error, InputError)
        assert str(error) == message
