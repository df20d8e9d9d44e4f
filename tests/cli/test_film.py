"""photism film: written files, printed output, and errors before a model is loaded."""

import json
import sys
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from photism import AudioToImagePipeline, InputError
from photism.cli import app as command
from photism.cli.app import app
from photism.drawing.video.audio_features import measure_recording
from photism.drawing.video.encoding import mux
from photism.drawing.video.film import Film
from photism.drawing.video.resumable_file import TRIAL_NAME, encode_segment
from photism.drawing.video.settings import FilmSettings
from photism.drawing.video.storyboard import storyboard
from photism.prompts.settings import PipelineSettings
from tests.drawing.video.recordings import silence, write_wav
from tests.support.command_lines import with_defaults

SMALL = {"--steps": 1, "--fps": 6}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty folder, which is the current one."""
    folder = tmp_path / "current"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(models):
    def run(*arguments):
        return CliRunner().invoke(app, with_defaults("film", {"--model": models / "sd", **SMALL}, arguments))

    return run


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_film_is_named_after_its_recording(run, folder, sounds):
    result = run(sounds[2])
    assert result.exit_code == 0, result.output
    assert files(folder) == ["rain.mp4"]
    assert result.stderr == ""
    assert result.stdout == "rain.mp4  9 frames, 0:01.5 at 6 frames/s, 16×16\n"
    with av.open("rain.mp4") as container:
        assert sum(1 for _ in container.decode(video=0)) == 9
    with av.open("rain.mp4") as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == 24_576  # 24,000 in whole packets of 1024


def test_a_recording_without_sound_is_reported_and_drawn(run, folder):
    write_wav(folder / "quiet.wav", silence(0.5))
    result = run("quiet.wav", "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == "photism: quiet.wav: there is nothing to hear: all of it is digital silence\n"
    assert json.loads(result.stdout)["silent"] is True
    assert files(folder) == ["quiet.mp4", "quiet.wav"]


def test_json(run, folder, sounds):
    (folder / "films").mkdir()
    printed = json.loads(run(sounds[0], "--json", "-o", "films", "--fps", "29.97", "--seed", 4).stdout)
    assert printed == {
        "file": "films/elephant.mp4",
        "frames": 15,
        "duration_s": 0.5,
        "silent": False,
        "fps": "2997/100",
        "sync": "onsets",
        "fade_s": 1.0,
        "window_s": 3.0,
        "hop_s": None,
        "noise": 1.0,
        "zoom": 0.1,
        "attack_s": 0.01,
        "release_s": 0.05,
        "pulse_s": 0.25,
        "low": None,
        "mid": None,
        "high": None,
        "num_inference_steps": 1,
        "guidance_scale": 7.5,
        "negative": "empty",
        "audio": "aac",
        "seed": 4,
        "height": 16,
        "width": 16,
    }
    assert files(folder / "films") == ["elephant.mp4"]


def test_flags_reach_the_film(run, folder, sounds, models, monkeypatch):
    made = []
    init = Film.__init__
    monkeypatch.setattr(Film, "__init__", lambda self, *given: made.append(given[2]) or init(self, *given))
    run(
        *(
            sounds[2],
            "--window",
            1,
            "--hop",
            0.25,
            "--sync",
            "fixed",
            "--noise",
            2,
            "--zoom",
            0.3,
            "--attack",
            0.01,
            "--release",
            1,
        ),
        *("--width", 32, "--height", 24, "--guidance-scale", 2, "--negative", "noise", "--batch-size", 3),
        *("--text", "a rose", "--text-place", "1:3", "--strength", 0.7),
    )
    expected = FilmSettings(
        fps=Fraction(6),
        sync="fixed",
        window_s=1,
        hop_s=0.25,
        noise=2,
        zoom=0.3,
        attack_s=0.01,
        release_s=1,
        num_inference_steps=1,
        guidance_scale=2,
        negative="noise",
        height=24,
        width=32,
        batch_size=3,
        text="a rose",
        text_place=(1, 3),
        sound_strength=0.7,
    )
    assert made == [expected]


def test_pictures_reach_the_film(run, folder, sounds, models, parts):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    picture.save(folder / "a.png")
    control = ("--controlnet", parts / "controlnet-sd", "--control-image", "a.png", "--control-scale", 0.5)
    result = run(sounds[0], "--image", "a.png", "--image-strength", 1, *control, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert [printed[name] for name in ("width", "height", "image_strength", "control_scale")] == [16, 16, 1, 0.5]
    assert len(printed["image"]) == len(printed["control_image"]) == 64  # digests
    still = ("--noise", 0, "--zoom", 0)
    run(sounds[0], "--image", "a.png", "--storyboard", "board.png", "--stills", 1, "--image-strength", 1, *still)
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", task="image-to-image", device="cpu")
    expected = pipeline(sounds[0], image=picture, strength=1, num_inference_steps=1).images[0][0]
    shown = np.asarray(Image.open(folder / "board.png"), int)[8:24, 8:24]
    assert np.abs(shown - np.asarray(expected, int)).mean() < 2


def test_a_preview_is_a_file_of_its_own(run, folder, sounds):
    result = run(sounds[2], "--preview", "--json", "--audio", "none")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert (printed["file"], printed["frames"], printed["start_s"]) == ("rain.preview.mp4", 9, 0)
    assert files(folder) == ["rain.preview.mp4"]


def test_several_recordings_are_blended(run, folder, sounds, models):
    result = run(sounds[2], sounds[0], "--mix", "2,1", "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert (printed["file"], printed["frames"], printed["mix"]) == ("rain.mp4", 9, "2,1")
    assert files(folder) == ["rain.mp4"]
    run(sounds[2], sounds[0], "--mix", "2,1", "--storyboard", "board.png", "--stills", 2)
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    first, other = (measure_recording(sounds[number]) for number in (2, 0))
    made = Film(pipeline, first, FilmSettings(fps=6, num_inference_steps=1, mix="2,1"), [other])
    board = Image.open(folder / "board.png")
    np.testing.assert_array_equal(np.asarray(board), np.asarray(storyboard(made, 2)))
    assert (board.info["sound"], board.info["mix"]) == (f"{sounds[2]}, {sounds[0]}", "2,1")


def test_key_moments_are_read_before_a_model_is_loaded(run, folder, sounds, monkeypatch):
    (folder / "moments.csv").write_text("time,text\n0:00,a rose\n0:02,a wheel\n")
    monkeypatch.setattr("photism.cli.film.load_pipeline", lambda *_, **__: pytest.fail("loaded a model"))
    error = run(sounds[0], "--moments", "moments.csv").exception
    assert str(error) == "moments.csv, line 3: 0:02 is after the end of the recording, at 0.5 s"


def test_the_defaults_are_those_of_the_settings(models, folder, sounds, monkeypatch):
    made = []
    monkeypatch.setattr(Film, "__init__", lambda self, *given: made.append(given[2]) or sys.exit(0))
    CliRunner().invoke(app, ["film", "--model", str(models / "sd"), str(sounds[0])])
    assert made[0].frame_rate == FilmSettings().frame_rate
    assert made == [FilmSettings()]


def test_a_storyboard_is_drawn_instead_of_the_film(run, folder, sounds, models):
    result = run(sounds[2], "--storyboard", "board.png", "--stills", 4, "--seed", 2)
    assert result.exit_code == 0, result.output
    assert files(folder) == ["board.png"]
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    film = Film(pipeline, measure_recording(sounds[2]), FilmSettings(fps=6, num_inference_steps=1, seed=2))
    board = Image.open(folder / "board.png")
    np.testing.assert_array_equal(np.asarray(board), np.asarray(storyboard(film, 4)))
    shown = [board.info[name] for name in ("seed", "sound", "fps", "num_inference_steps", "guidance_scale")]
    assert shown == ["2", str(sounds[2]), "6", "1", "7.5"]
    assert str(run(sounds[2], "--storyboard", "board.png").exception) == (
        "board.png exists; give another name with --storyboard, or --force to overwrite it"
    )


def test_an_interrupted_film_can_be_resumed(folder, sounds, models, monkeypatch, capsys):
    pieces = []

    def interrupted(pictures, target, **arguments):
        pieces.append(target)
        if len(pieces) == 3:  # after the trial of the first frame and the first segment
            raise KeyboardInterrupt
        return encode_segment(pictures, target, **arguments)

    arguments = ["film", "--model", models / "sd", "--steps", "1", "--fps", "20", "--batch-size", "8", sounds[2]]
    monkeypatch.setattr(sys, "argv", ["photism", *map(str, arguments), "--window", "1"])
    with monkeypatch.context() as patched:
        patched.setattr("photism.drawing.video.resumable_file.SEGMENT_S", 0.5)
        patched.setattr("photism.drawing.video.resumable_file.encode_segment", interrupted)
        with pytest.raises(SystemExit) as exit_info:
            command.main()
    assert exit_info.value.code == 130
    assert files(folder) == ["rain.mp4.part"]
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Stopped; finished parts are in rain.mp4.part. Run the same command again to resume."
    )
    with pytest.raises(SystemExit) as exit_info:
        command.main()
    assert not exit_info.value.code
    assert files(folder) == ["rain.mp4"]
    assert "rain.mp4: 30 frames, 0:01.5 at 20 frames/s, 16×16, resumed after frame 16\n" in capsys.readouterr().err


def mux_no_film(segments, *arguments, **keywords):
    """Mux the trial of the first frame, and no film."""
    if segments[0].name != TRIAL_NAME:
        raise OSError("No space left on device")
    mux(segments, *arguments, **keywords)


def test_an_unfinished_film_with_other_settings_needs_restart(run, folder, sounds, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("photism.drawing.video.resumable_file.mux", mux_no_film)
        assert str(run(sounds[2]).exception) == "No space left on device"
    assert files(folder) == ["rain.mp4.part"]
    error = run(sounds[2], "--seed", 1).exception
    assert isinstance(error, InputError)
    assert "(seed 0 there, 1 now)" in str(error)
    assert run(sounds[2], "--seed", 1, "--restart").exit_code == 0
    assert files(folder) == ["rain.mp4"]


def write_changing_rate(path):
    """Write two MP3 recordings of different sampling rates, one after the other, into a file."""
    with path.open("wb") as file:
        for rate in (44_100, 32_000):
            buffer = BytesIO()
            with av.open(buffer, "w", format="mp3") as container:
                stream = container.add_stream("libmp3lame", rate=rate, layout="mono")
                frame = av.AudioFrame.from_ndarray(np.zeros((1, rate), np.float32), format="fltp", layout="mono")
                frame.sample_rate = rate
                for each in [*av.AudioResampler("fltp", "mono", rate, frame_size=1152).resample(frame), None]:
                    container.mux(stream.encode(each))
            file.write(buffer.getvalue())


def test_other_weights_of_an_unfinished_blend_are_reported_before_a_model_is_loaded(run, folder, sounds, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("photism.drawing.video.resumable_file.mux", mux_no_film)
        run(sounds[0], sounds[1], "--mix", "2,1")
    monkeypatch.setattr("photism.cli.film.load_pipeline", lambda *_, **__: pytest.fail("loaded a model"))
    assert "(mix 2,1 there, 1,1 now)" in str(run(sounds[0], sounds[1], "--mix", "1,1").exception)
    assert "(another mixed_sound)" in str(run(sounds[0], sounds[2], "--mix", "2,1").exception)


def test_flags_of_the_models_reach_the_pipeline(run, folder, models, sounds, monkeypatch):
    asked = []
    monkeypatch.setattr("photism.cli.film.load_pipeline", lambda settings, **_: asked.append(settings) or 1 / 0)
    run(
        *(sounds[0], "--dtype", "bfloat16", "--scheduler", "lcm", "--lora", "a:0.5", "--lora", "b"),
        *("--compile", "--offload", "model", "--attention-slicing", "--device", "cuda"),
    )
    assert asked == [
        PipelineSettings(
            model=str(models / "sd"),
            lora=(("a", 0.5), ("b", 1.0)),
            scheduler="lcm",
            device="cuda",
            dtype="bfloat16",
            compile=True,
            offload="model",
            attention_slicing=True,
        )
    ]


def test_a_storyboard_holds_the_names_of_its_models(run, folder, sounds, parts):
    run(
        *(sounds[0], "--storyboard", "board.png", "--stills", 1),
        *("--scheduler", "euler-a", "--lora", f"{parts / 'lora-sd'}:0.4", "--dtype", "bfloat16"),
    )
    about = Image.open(folder / "board.png").info
    assert (about["scheduler"], about["lora"], about["dtype"]) == ("euler-a", f"{parts / 'lora-sd'}:0.4", "bfloat16")
    assert "diffusion" not in about


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        (["--seed", "1"], "seed 0 there, 1 now"),
        (["--fps", "7"], "fps 6 there, 7 now"),
        (["--steps", "2"], "num_inference_steps 1 there, 2 now"),
        (["--guidance-scale", "3"], "guidance_scale 7.5 there, 3.0 now"),
        (["--negative", "none"], "negative empty there, none now"),
        (["--strength", "0.5"], "sound_strength none there, 0.5 now"),
    ],
)
def test_other_settings_of_an_unfinished_film_are_reported_before_a_model_is_loaded(
    run, folder, sounds, monkeypatch, changes, difference
):
    with monkeypatch.context() as patched:
        patched.setattr("photism.drawing.video.resumable_file.mux", mux_no_film)
        run(sounds[0])
    assert files(folder) == ["elephant.mp4.part"]
    with monkeypatch.context() as patched:
        patched.setattr("photism.cli.film.load_pipeline", lambda *_, **__: pytest.fail("loaded a model"))
        error = run(sounds[0], *changes).exception
    assert isinstance(error, InputError)
    assert f"an unfinished film with other settings ({difference}). " in str(error)
    assert run(sounds[0], *changes, "--restart").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.wav"], "missing.wav: no such file"),
        (["text.wav"], "text.wav: not an audio or video file that FFmpeg can read"),
        (["short.wav"], "short.wav must be at least 25 ms long, not 12.5 ms"),
        (["a.wav", "--fps", "0"], "--fps must be above 0 and at most 1000; got 0"),
        (["a.wav", "--window", "0.01"], "--window must be at least 0.1; got 0.01"),
        (["a.wav", "--hop", "4"], "--hop must be at most --window, 3, or audio between windows is skipped; got 4"),
        (["a.wav", "--sync", "music"], "--sync must be one of auto, speech, onsets, beat, downbeat, fixed; got music"),
        (["a.wav", "--sync", "speech", "--hop", "1"], "--hop is for fixed windows; with --sync speech, windows have"),
        (["a.wav", "-o", "a.avi"], "target (-o) must be a file that ends in .mp4; got a.avi"),
        (["a.wav", "-o", "no/a.mp4"], "-o: the folder no does not exist; create it"),
        (["a.wav", "-o", "taken.mp4"], "taken.mp4 exists; give another name with -o, or --force to overwrite it"),
        (["a.wav", "--storyboard", "a.jpg"], "--storyboard must be a file that ends in .png; got a.jpg"),
        (["a.wav", "--storyboard", "no/a.png"], "--storyboard: the folder no does not exist; create it"),
        (["a.wav", "--storyboard", "a.png", "-o", "a.mp4"], "--storyboard and -o cannot be given together"),
        (["a.wav", "--negative", "missing.wav"], "negative must be one of empty, silence, noise, none, "),
        (["a.wav", "--text-place", "before"], "--text-place must be given together with --text"),
        (["a.wav", "--image", "missing.png"], "image missing.png cannot be read: No such file or directory"),
        (["a.wav", "--control-image", "a.png"], "--controlnet and --control-image must be given together"),
        (["a.wav", "--audio", "mp3"], "--audio must be one of aac, copy, none; got mp3"),
        (
            ["a.wav", "--preview", "--storyboard", "a.png"],
            "--preview cannot be combined with --storyboard; draw one, then the other",
        ),
        (["a.wav", "--width", "64"], "--width must be given together with --height"),
        (["a.wav", "--steps", "0"], "--steps must be at least 1; got 0"),
        (["a.wav", "--dtype", "int8"], "--dtype must be one of float32, float16, bfloat16; got int8"),
        (
            ["a.wav", "--scheduler", "best"],
            "--scheduler must be one of ddim, euler, euler-a, dpm++, unipc, lcm, tcd, ",
        ),
        (["a.wav", "short.wav"], "--mix must give a weight for each of several recordings, such as 2,1; got 2"),
        (["a.wav", "a.wav", "--mix", "1,1,1"], "weights must be one for each recording, 2; got 3"),
        (["a.wav", "--mix", "2,1"], "weights must be one for each recording, 1; got 2"),
        (["a.wav", "a.wav", "--mix", "1;1"], "--mix must be numbers separated by commas, such as 2,1; got 1;1"),
        (["a.wav", "short.wav", "--mix", "2,1"], "short.wav must be at least 25 ms long, not 12.5 ms"),
        (["changing.mp3"], "changing.mp3 must have one sampling rate; it has "),
    ],
)
def test_wrong_settings_are_reported_before_a_model_is_loaded(folder, sounds, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(AudioToImagePipeline, "from_pretrained", lambda *_, **__: pytest.fail("loaded a model"))
    (folder / "a.wav").write_bytes(sounds[0].read_bytes())
    write_wav(folder / "short.wav", silence(0.0125))
    (folder / "text.wav").write_text("not a sound")
    (folder / "taken.mp4").write_text("mine")
    write_changing_rate(folder / "changing.mp3")
    before = files(folder)
    monkeypatch.setattr(sys, "argv", ["photism", "film", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        command.main()
    assert exit_info.value.code == 2
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 1
    assert shown[0].startswith(f"photism: {message}")
    assert files(folder) == before
