"""Films as files: length, content, and resuming after an interruption."""

import json
import os
import signal
import subprocess
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from photism import AudioToImagePipeline, InputError
from photism.drawing.video import resumable_file
from photism.drawing.video.audio_features import measure_recording
from photism.drawing.video.film import Film
from photism.drawing.video.preview import preview_frames
from photism.drawing.video.resumable_file import write_film
from photism.drawing.video.settings import FilmSettings
from photism.sole_writer import sole_writer
from tests.drawing.video.recordings import beats, noise, tone, write_wav
from tests.support.parameters import mostly_slow

LOSS = 2  # of 255, on average over coarse images


@pytest.fixture
def sound(tmp_path):
    """6.1 s."""
    return write_wav(tmp_path / "a.wav", np.r_[beats(2), tone(1), noise(3.1, gain=0.02)])


@pytest.fixture
def target(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out/film.mp4"


def film(pipeline, sound, *, others=(), **settings):
    defaults = {"fps": 5, "window_s": 2.0, "num_inference_steps": 1, "height": 64, "width": 64}
    others = [measure_recording(other) for other in others]
    return Film(pipeline, measure_recording(sound), FilmSettings(**{**defaults, **settings}), others)


def frames(path):
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_process_at_a_time_writes_a_film(pipeline, sound, target):
    with (
        sole_writer(target, keep_file=False),
        pytest.raises(InputError, match=r"film\.mp4: another process is writing it; wait until it is done, or stop it"),
    ):
        write_film(film(pipeline, sound), target, restart=True)
    assert names(target.parent) == []
    write_film(film(pipeline, sound), target, frames=range(2))
    assert names(target.parent) == ["film.mp4"]


@pytest.mark.parametrize("fps", mostly_slow([5, "30000/1001", "29.97", "0.5", 60], 5, "30000/1001"))
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_video_and_audio_have_the_length_of_the_recording(pipeline, tmp_path, target, fps, rate):
    samples = np.tile(tone(1)[:, None], (2, 2))
    sound = write_wav(tmp_path / "a.wav", samples, rate=rate)
    made = film(pipeline, sound, fps=fps, audio="copy")
    write_film(made, target)
    step = 1 / made.settings.frame_rate
    shown = frames(target)
    assert len(shown) == made.frame_count
    np.testing.assert_allclose([time_s for time_s, _ in shown], [float(n * step) for n in range(len(shown))])
    with av.open(str(target)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert video.average_rate == made.settings.frame_rate
        assert 0 <= video.duration * video.time_base - Fraction(len(samples), rate) < step
        assert (audio.rate, audio.channels) == (rate, 2)
        decoded = np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio)])
    np.testing.assert_array_equal(decoded, (samples * 32767).round())


def test_the_video_shows_the_generated_images(pipeline, sound, target):
    made = film(pipeline, sound)
    write_film(made, target)
    shown = [_coarse(image) for _, image in frames(target)]
    generated = [_coarse(np.asarray(frame.image)) for frame in made.frames(range(made.frame_count))]
    errors = [np.abs(one - other).mean() for one, other in zip(shown, generated, strict=True)]
    assert max(errors) < LOSS
    assert np.abs(generated[0] - generated[-1]).mean() > 2 * LOSS
    assert names(target.parent) == ["film.mp4"]


def _coarse(image):
    """Average 8×8 pixels: H.264 halves the resolution of colour, and images of random weights are noise."""
    return image.reshape(8, 8, 8, 8, 3).mean((1, 3))


def test_the_comment_of_the_file_holds_its_settings(pipeline, sound, target):
    write_film(film(pipeline, sound, seed=3), target)
    with av.open(str(target)) as container:
        about = json.loads(container.metadata["comment"])
    assert (about["seed"], about["fps"], about["zoom"], about["num_inference_steps"]) == (3, "5", 0.1, 1)


def test_progress_is_reported_frame_by_frame(pipeline, sound, target):
    reported = []
    write_film(film(pipeline, sound), target, callback_on_frame=lambda *numbers: reported.append(numbers))
    assert reported == [(done, 31) for done in range(32)]


class Stopped(BaseException):
    """Stands for KeyboardInterrupt, which would stop pytest."""


def stop_at(number):
    def callback(done, total):
        if done == number:
            raise Stopped

    return callback


def test_a_resumed_film_equals_an_uninterrupted_one(pipeline, sound, tmp_path, target, monkeypatch):
    whole = tmp_path / "whole.mp4"
    write_film(film(pipeline, sound), whole)
    for number in (3, 17, 30):  # segments have 12 frames
        with pytest.raises(Stopped):
            write_film(film(pipeline, sound), target, callback_on_frame=stop_at(number))
    assert names(target.parent) == ["film.mp4.part"]
    assert names(target.parent / "film.mp4.part") == ["00000000.mp4", "00000012.mp4", "settings.json", "sound.mp4"]
    reported = []
    write_film(film(pipeline, sound), target, callback_on_frame=lambda done, _: reported.append(done))
    assert reported == list(range(24, 32))
    assert target.read_bytes() == whole.read_bytes()
    assert names(target.parent) == ["film.mp4"]


@pytest.mark.slow
def test_a_killed_film_can_be_resumed(pipeline, sound, models, tmp_path, target):
    whole = tmp_path / "whole.mp4"
    write_film(film(pipeline, sound, fps=20), whole)
    code = f"""
import time
from photism import AudioToImagePipeline
from photism.drawing.video.film import Film
from photism.drawing.video.settings import FilmSettings
from photism.drawing.video.audio_features import measure_recording
from photism.drawing.video.preview import preview_frames
from photism.drawing.video.resumable_file import write_film
settings = FilmSettings(fps=20, window_s=2.0, num_inference_steps=1, height=64, width=64)
pipeline = AudioToImagePipeline.from_pretrained({str(models / "sd")!r}, device="cpu")
def slowly(done, total):
    print(done, flush=True)
    time.sleep(0.05 if done > 40 else 0)
write_film(Film(pipeline, measure_recording({str(sound)!r}), settings), {str(target)!r}, callback_on_frame=slowly)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) == 50:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not target.exists()
    reported = []
    write_film(film(pipeline, sound, fps=20), target, callback_on_frame=lambda done, _: reported.append(done))
    assert reported[0] == 40
    for (one_time, one), (other_time, other) in zip(frames(target), frames(whole), strict=True):
        assert one_time == other_time
        np.testing.assert_array_equal(one, other)


def test_a_damaged_segment_is_generated_again(pipeline, sound, tmp_path, target):
    whole = tmp_path / "whole.mp4"
    write_film(film(pipeline, sound), whole)
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, callback_on_frame=stop_at(26))
    segment = Path(f"{target}.part/00000012.mp4")
    segment.write_bytes(segment.read_bytes()[:200])
    reported = []
    write_film(film(pipeline, sound), target, callback_on_frame=lambda done, _: reported.append(done))
    assert reported[0] == 12
    assert target.read_bytes() == whole.read_bytes()


def test_a_film_can_be_resumed_with_another_batch_size(pipeline, sound, target):
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, callback_on_frame=stop_at(15))
    reported = []
    write_film(film(pipeline, sound, batch_size=5), target, callback_on_frame=lambda done, _: reported.append(done))
    assert reported == list(range(12, 32))
    assert len(frames(target)) == 31


OTHER_SETTINGS = {
    "num_inference_steps 1 there, 2 now": {"num_inference_steps": 2},
    "fps 5 there, 6 now, seed 0 there, 1 now": {"fps": 6, "seed": 1},
    "guidance_scale 7.5 there, 1.0 now, negative empty there, none now": {"negative": "none"},
    "width 64 there, 72 now": {"width": 72},
}
"""Changes of the settings of a film, by how an error describes them."""


@pytest.mark.parametrize("shown", mostly_slow(OTHER_SETTINGS, "fps 5 there, 6 now, seed 0 there, 1 now"))
def test_other_settings_are_refused_and_nothing_is_deleted(pipeline, sound, target, shown):
    changes = OTHER_SETTINGS[shown]
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, callback_on_frame=stop_at(15))
    before = names(Path(f"{target}.part"))
    with pytest.raises(InputError) as error:
        write_film(film(pipeline, sound, **changes), target)
    assert str(error.value) == (
        f"{target}.part holds an unfinished film with other settings ({shown}). Repeat its settings to resume it, "
        "choose another file with -o, or discard it with --restart"
    )
    assert names(Path(f"{target}.part")) == before
    write_film(film(pipeline, sound, **changes), target, restart=True)
    assert len(frames(target)) == film(pipeline, sound, **changes).frame_count


@pytest.mark.parametrize(
    ("name", "there", "now", "shown"),
    [
        ("style", "0a", "0b", "another style"),
        ("negative", "text:a cat", "none", "another negative"),
        ("frames", [0, 75], None, "other settings for frames"),
        ("low", None, {"zoom": 2.0}, "other settings for low"),
        ("seed", 0, 1, "seed 0 there, 1 now"),
        ("text", "rose", None, "text rose there, none now"),
    ],
)
def test_a_change_is_described(name, there, now, shown):
    assert resumable_file._change(name, there, now) == shown


def test_a_setting_that_is_no_longer_given_is_refused(pipeline, sound, target):
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound, text="rose"), target, callback_on_frame=stop_at(15))
    with pytest.raises(InputError, match=r"\(text rose there, none now, text_place blend there, none now, sound_str"):
        write_film(film(pipeline, sound), target)


def test_another_recording_or_model_is_refused(pipeline, xl, sound, tmp_path, target):
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, callback_on_frame=stop_at(15))
    other = write_wav(tmp_path / "b.wav", noise(6.1))
    with pytest.raises(InputError, match=r"with other settings \(another sound\)\. Repeat"):
        write_film(film(pipeline, other), target)
    with pytest.raises(InputError, match=r"with other settings \(another encoder, another diffusion"):
        write_film(film(xl, sound), target)


def test_other_weights_or_recordings_of_a_blend_are_refused(pipeline, sound, tmp_path, target):
    one, other = (write_wav(tmp_path / name, noise(1, seed=seed)) for seed, name in enumerate(("b.wav", "c.wav")))
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound, others=[one], mix="2,1"), target, callback_on_frame=stop_at(15))
    with pytest.raises(InputError, match=r"with other settings \(mix 2,1 there, 1,1 now\)\. Repeat"):
        write_film(film(pipeline, sound, others=[one], mix="1,1"), target)
    with pytest.raises(InputError, match=r"with other settings \(another mixed_sound\)\. Repeat"):
        write_film(film(pipeline, sound, others=[other], mix="2,1"), target)
    with pytest.raises(InputError, match=r"with other settings \(.*another mixed_sound.*mix 2,1 there, none now"):
        write_film(film(pipeline, sound), target)
    write_film(film(pipeline, sound, others=[one], mix="2,1"), target)
    assert len(frames(target)) == 31


def test_a_file_is_overwritten_only_on_request(pipeline, sound, target):
    target.write_text("mine")
    with pytest.raises(InputError) as error:
        write_film(film(pipeline, sound), target)
    assert str(error.value) == f"{target} exists; give another name with -o, or --force to overwrite it"
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, overwrite=True, callback_on_frame=stop_at(20))
    assert target.read_text() == "mine"
    write_film(film(pipeline, sound), target, overwrite=True)
    assert len(frames(target)) == 31


def test_a_folder_that_is_not_an_unfinished_film_is_not_touched(pipeline, sound, target):
    Path(f"{target}.part").mkdir()
    Path(f"{target}.part/thesis.txt").write_text("mine")
    for restart in (False, True):
        with pytest.raises(InputError, match=r"film.mp4.part exists and is not an unfinished film; move it away"):
            write_film(film(pipeline, sound), target, restart=restart)
    assert Path(f"{target}.part/thesis.txt").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pipeline", "xl"])
def test_memory_does_not_grow_with_the_length(request, name, tmp_path, target):
    pipeline = request.getfixturevalue(name)
    peaks = []
    for seconds in (30, 30, 120):  # the first run also fills caches
        sound = write_wav(tmp_path / "a.wav", tone(seconds))
        made = film(pipeline, sound, fps=1, height=16, width=16, hop_s=2.0)
        tracemalloc.start()
        write_film(made, target, overwrite=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1]


def test_a_film_without_a_finished_segment_leaves_nothing(pipeline, sound, target):
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, callback_on_frame=stop_at(3))
    assert names(target.parent) == []


def test_settings_of_a_killed_film_without_a_finished_segment_are_not_kept(pipeline, sound, target):
    folder = Path(f"{target}.part")
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps({"piece_length": 12, "about": {"seed": 7}}))
    (folder / "sound.mp4").write_text("another")
    write_film(film(pipeline, sound), target)
    assert names(target.parent) == ["film.mp4"]


@pytest.mark.parametrize("broken", ["encode_segment", "mux"])
def test_the_first_frame_is_written_before_the_second_batch_is_generated(pipeline, sound, target, monkeypatch, broken):
    def fail(*_, **__):
        raise InputError("cannot be written")

    monkeypatch.setattr(f"photism.drawing.video.resumable_file.{broken}", fail)
    done = []
    with pytest.raises(InputError, match="cannot be written"):
        write_film(film(pipeline, sound), target, callback_on_frame=lambda *numbers: done.append(numbers))
    assert done == [(0, 31), (1, 31)]
    assert names(target.parent) == []


def test_a_film_whose_first_frame_is_black_is_refused(models, parts, sound, target):
    checked = AudioToImagePipeline.from_pretrained(models / "sd", diffusion=parts / "flagging", device="cpu")
    with pytest.raises(InputError, match=r"the first frame is black: a safety checker has replaced it, or"):
        write_film(film(checked, sound), target)
    assert names(target.parent) == []


def test_the_folder_of_a_film_that_was_killed_when_it_was_complete_is_deleted(pipeline, sound, target, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("photism.drawing.video.resumable_file.discard_folder", lambda _: None)
        write_film(film(pipeline, sound, fps=1), target)
    assert names(target.parent) == ["film.mp4", "film.mp4.part"]
    with pytest.raises(InputError, match="mp4 exists; give another name"):
        write_film(film(pipeline, sound, fps=1), target)
    assert names(target.parent) == ["film.mp4"]


@pytest.mark.parametrize(("audio", "codecs"), [("aac", ["aac"]), ("copy", ["flac"]), ("none", [])])
def test_the_soundtrack_is_the_one_of_the_settings(pipeline, sound, target, audio, codecs):
    write_film(film(pipeline, sound, fps=1, audio=audio), target)
    with av.open(str(target)) as container:
        assert [stream.codec_context.name for stream in container.streams.audio] == codecs
        assert [stream.start_time for stream in container.streams] == [0] * (1 + len(codecs))
    assert len(frames(target)) == 7


def test_a_preview_has_the_frames_and_the_sound_of_the_liveliest_seconds(pipeline, tmp_path, target):
    samples = np.r_[noise(3, gain=0.001), beats(5), noise(3, gain=0.001)]
    made = film(pipeline, write_wav(tmp_path / "a.wav", samples), batch_size=1, audio="copy")
    part = preview_frames(made)
    assert len(part) == 25
    assert part.start == pytest.approx(15, abs=1)
    write_film(made, target, frames=part)
    generated = [_coarse(np.asarray(frame.image)) for frame in made.frames(part)]
    errors = [
        np.abs(_coarse(image) - other).mean() for (_, image), other in zip(frames(target), generated, strict=True)
    ]
    assert max(errors) < LOSS
    with av.open(str(target)) as container:
        decoded = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    start = round(part.start / 5 * 16_000)
    np.testing.assert_array_equal(decoded, (samples[start : start + 80_000] * 32767).round())
