"""A film as a file: its length, and what becomes of it when it is interrupted."""

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

from photism import InputError
from photism.drawing.video.audio_features import measure_sound
from photism.drawing.video.film import Film
from photism.drawing.video.resumable_file import write_film
from photism.drawing.video.settings import FilmSettings
from tests.drawing.video.recordings import beats, noise, tone, write_wav

LOSS = 2  # of 255, on average over coarse pictures


@pytest.fixture
def sound(tmp_path):
    """6.1 s."""
    return write_wav(tmp_path / "a.wav", np.r_[beats(2), tone(1), noise(3.1, gain=0.02)])


@pytest.fixture
def target(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out/film.mp4"


def film(pipeline, sound, **settings):
    defaults = {"fps": 5, "window_s": 2.0, "num_inference_steps": 1, "height": 64, "width": 64}
    return Film(pipeline, measure_sound(sound), FilmSettings(**{**defaults, **settings}))


def frames(path):
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("fps", [5, "30000/1001", "29.97", "0.5", 60])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_picture_and_sound_are_as_long_as_the_recording(pipeline, tmp_path, target, fps, rate):
    samples = np.tile(tone(1)[:, None], (2, 2))
    sound = write_wav(tmp_path / "a.wav", samples, rate=rate)
    made = film(pipeline, sound, fps=fps)
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
        heard = np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio)])
    np.testing.assert_array_equal(heard, (samples * 32767).round())


def test_pictures_are_those_that_were_drawn(pipeline, sound, target):
    made = film(pipeline, sound)
    write_film(made, target)
    shown = [_coarse(picture) for _, picture in frames(target)]
    drawn = [_coarse(np.asarray(still.picture)) for still in made.stills(range(made.frame_count))]
    errors = [np.abs(one - other).mean() for one, other in zip(shown, drawn, strict=True)]
    assert max(errors) < LOSS
    assert np.abs(drawn[0] - drawn[-1]).mean() > 2 * LOSS
    assert names(target.parent) == ["film.mp4"]


def _coarse(picture):
    """Means of 8×8 pixels: H.264 has half as many of colour, and those of random weights are all different."""
    return picture.reshape(8, 8, 8, 8, 3).mean((1, 3))


def test_the_file_says_what_it_is_made_of(pipeline, sound, target):
    write_film(film(pipeline, sound, seed=3), target)
    with av.open(str(target)) as container:
        about = json.loads(container.metadata["comment"])
    assert (about["seed"], about["fps"], about["zoom"], about["num_inference_steps"]) == (3, "5", 0.1, 1)


def test_progress_is_told_picture_by_picture(pipeline, sound, target):
    told = []
    write_film(film(pipeline, sound), target, callback_on_frame=lambda *numbers: told.append(numbers))
    assert told == [(done, 31) for done in range(32)]


class Stopped(BaseException):
    """As a KeyboardInterrupt, but the test's own."""


def stop_at(number):
    def callback(done, total):
        if done == number:
            raise Stopped

    return callback


def test_an_interrupted_film_goes_on_with_the_same_pictures(pipeline, sound, tmp_path, target, monkeypatch):
    whole = tmp_path / "whole.mp4"
    write_film(film(pipeline, sound), whole)
    for number in (3, 17, 30):  # pieces are of 12 pictures
        with pytest.raises(Stopped):
            write_film(film(pipeline, sound), target, callback_on_frame=stop_at(number))
    assert names(target.parent) == ["film.mp4.part"]
    assert names(target.parent / "film.mp4.part") == ["00000000.mp4", "00000012.mp4", "settings.json", "sound.mp4"]
    told = []
    write_film(film(pipeline, sound), target, callback_on_frame=lambda done, _: told.append(done))
    assert told == list(range(24, 32))
    assert target.read_bytes() == whole.read_bytes()
    assert names(target.parent) == ["film.mp4"]


def test_a_killed_film_goes_on_with_the_same_pictures(pipeline, sound, models, tmp_path, target):
    whole = tmp_path / "whole.mp4"
    write_film(film(pipeline, sound, fps=20), whole)
    code = f"""
import time
from photism import AudioToImagePipeline
from photism.drawing.video.film import Film
from photism.drawing.video.settings import FilmSettings
from photism.drawing.video.audio_features import measure_sound
from photism.drawing.video.resumable_file import write_film
settings = FilmSettings(fps=20, window_s=2.0, num_inference_steps=1, height=64, width=64)
pipeline = AudioToImagePipeline.from_pretrained({str(models / "sd")!r}, device="cpu")
def slowly(done, total):
    print(done, flush=True)
    time.sleep(0.05 if done > 40 else 0)
write_film(Film(pipeline, measure_sound({str(sound)!r}), settings), {str(target)!r}, callback_on_frame=slowly)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) == 50:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not target.exists()
    told = []
    write_film(film(pipeline, sound, fps=20), target, callback_on_frame=lambda done, _: told.append(done))
    assert told[0] == 40
    for (one_time, one), (other_time, other) in zip(frames(target), frames(whole), strict=True):
        assert one_time == other_time
        np.testing.assert_array_equal(one, other)


def test_a_damaged_piece_is_drawn_again(pipeline, sound, tmp_path, target):
    whole = tmp_path / "whole.mp4"
    write_film(film(pipeline, sound), whole)
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, callback_on_frame=stop_at(26))
    piece = Path(f"{target}.part/00000012.mp4")
    piece.write_bytes(piece.read_bytes()[:200])
    told = []
    write_film(film(pipeline, sound), target, callback_on_frame=lambda done, _: told.append(done))
    assert told[0] == 12
    assert target.read_bytes() == whole.read_bytes()


def test_another_batch_size_may_go_on(pipeline, sound, target):
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, callback_on_frame=stop_at(15))
    told = []
    write_film(film(pipeline, sound, batch_size=5), target, callback_on_frame=lambda done, _: told.append(done))
    assert told == list(range(12, 32))
    assert len(frames(target)) == 31


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_inference_steps": 2}, "num_inference_steps 1 there, 2 now"),
        ({"fps": 6, "seed": 1}, "fps 5 there, 6 now, seed 0 there, 1 now"),
        ({"negative": "none"}, "guidance_scale 7.5 there, 1.0 now, negative empty there, none now"),
        ({"width": 72}, "width 64 there, 72 now"),
    ],
)
def test_other_settings_are_refused_and_nothing_is_lost(pipeline, sound, target, changes, told):
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, callback_on_frame=stop_at(15))
    before = names(Path(f"{target}.part"))
    with pytest.raises(InputError) as error:
        write_film(film(pipeline, sound, **changes), target)
    assert str(error.value) == (
        f"{target}.part holds an unfinished film of another kind ({told}): to go on with it, give what it was made "
        "with; to begin another, give another target (-o); to throw it away, restart (--restart)"
    )
    assert names(Path(f"{target}.part")) == before
    write_film(film(pipeline, sound, **changes), target, restart=True)
    assert len(frames(target)) == film(pipeline, sound, **changes).frame_count


def test_another_sound_or_model_is_refused(pipeline, xl, sound, tmp_path, target):
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, callback_on_frame=stop_at(15))
    other = write_wav(tmp_path / "b.wav", noise(6.1))
    with pytest.raises(InputError, match=r"of another kind \(another sound\): to go on"):
        write_film(film(pipeline, other), target)
    with pytest.raises(InputError, match=r"of another kind \(another encoder, another diffusion"):
        write_film(film(xl, sound), target)


def test_nothing_is_overwritten_unless_told(pipeline, sound, target):
    target.write_text("mine")
    with pytest.raises(InputError) as error:
        write_film(film(pipeline, sound), target)
    assert str(error.value) == f"{target} exists; give another target (-o), or overwrite it (--force)"
    with pytest.raises(Stopped):
        write_film(film(pipeline, sound), target, overwrite=True, callback_on_frame=stop_at(20))
    assert target.read_text() == "mine"
    write_film(film(pipeline, sound), target, overwrite=True)
    assert len(frames(target)) == 31


def test_a_folder_that_is_no_unfinished_film_is_left_alone(pipeline, sound, target):
    Path(f"{target}.part").mkdir()
    Path(f"{target}.part/thesis.txt").write_text("mine")
    for restart in (False, True):
        with pytest.raises(InputError, match=r"film.mp4.part is in the way, and is no unfinished film; move it away"):
            write_film(film(pipeline, sound), target, restart=restart)
    assert Path(f"{target}.part/thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["pipeline", "xl"])
def test_memory_does_not_grow_with_the_length(request, name, tmp_path, target):
    pipeline = request.getfixturevalue(name)
    peaks = []
    for seconds in (20, 20, 120):  # the first time more is made that stays
        sound = write_wav(tmp_path / "a.wav", tone(seconds))
        made = film(pipeline, sound, fps=1, height=16, width=16, hop_s=2.0)
        tracemalloc.start()
        write_film(made, target, overwrite=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1]
