"""Films of live pictures: frames in sync with their sound, and nothing left behind."""

from fractions import Fraction
from threading import Event

import av
import numpy as np
import pytest
from PIL import Image

from photism.audio.sources import SoundFile
from photism.drawing.live import live_film
from photism.drawing.live.live_film import MOST_WAITING, LiveFilm
from tests.drawing.video.recordings import RATE, tone, write_wav


def picture(level):
    return Image.new("RGB", (16, 16), (level, level, level))


def levels(path):
    with av.open(str(path)) as container:
        return [int(np.asarray(frame.to_image()).mean()) for frame in container.decode(video=0)]


def sound(path):
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
        return np.concatenate(frames), container.streams.audio[0].rate


def test_a_picture_is_seen_until_the_next_one(tmp_path):
    film = LiveFilm(tmp_path / "a.mp4", Fraction(10))
    film.add_samples(tone(0.5).astype(np.float32))
    film.add_picture(0.1, picture(50))
    film.add_picture(0.3, picture(200))
    film.add_samples(tone(0.5).astype(np.float32))
    assert film.close()
    assert levels(tmp_path / "a.mp4") == pytest.approx([50] * 3 + [200] * 7, abs=3)
    samples, rate = sound(tmp_path / "a.mp4")
    assert rate == RATE
    assert len(samples) / rate == pytest.approx(1.0, abs=1024 / RATE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_film_may_begin_in_the_middle_and_take_the_sound_of_the_file(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.r_[0 * tone(1), tone(1)])
    film = LiveFilm(tmp_path / "a.mp4", Fraction(10), start_s=1.0)
    film.add_picture(1.2, picture(50))
    film.add_samples(np.zeros(RATE // 2, np.float32))
    assert film.close(SoundFile(path))
    assert len(levels(tmp_path / "a.mp4")) == 5
    samples, rate = sound(tmp_path / "a.mp4")
    assert np.abs(samples[: round(0.4 * rate)]).max() > 0.1  # of the file


def test_without_a_picture_there_is_no_film(tmp_path):
    film = LiveFilm(tmp_path / "a.mp4", Fraction(10))
    film.add_samples(np.zeros(RATE, np.float32))
    assert not film.close()
    assert list(tmp_path.iterdir()) == []


def test_without_a_sample_there_is_no_film(tmp_path):
    film = LiveFilm(tmp_path / "a.mp4", Fraction(10))
    film.add_picture(0.0, picture(50))
    film.add_picture(0.1, picture(200))
    film.add_samples(np.zeros(0, np.float32))
    film.hold(1.0)
    assert not film.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("takes_file", [False, True])
def test_the_last_picture_is_held_in_silence(tmp_path, takes_file):
    path = write_wav(tmp_path / "a.wav", tone(0.5))
    film = LiveFilm(tmp_path / "a.mp4", Fraction(10))
    film.add_samples(tone(0.5).astype(np.float32))
    film.add_picture(0.0, picture(50))
    film.add_picture(0.5, picture(200))
    film.hold(1.0)
    assert film.close(SoundFile(path) if takes_file else None)
    assert levels(tmp_path / "a.mp4") == pytest.approx([50] * 5 + [200] * 10, abs=3)
    samples, rate = sound(tmp_path / "a.mp4")
    assert len(samples) / rate == pytest.approx(1.5, abs=1024 / RATE)
    assert np.abs(samples[: round(0.4 * rate)]).max() > 0.1
    assert np.abs(samples[round(0.6 * rate) :]).max() < 0.01


def test_what_comes_after_the_end_is_ignored(tmp_path):
    film = LiveFilm(tmp_path / "a.mp4", Fraction(10))
    film.add_picture(0.0, picture(50))
    film.add_samples(np.zeros(RATE // 10, np.float32))
    assert film.close()
    film.add_picture(1.0, picture(200))
    film.add_samples(np.zeros(RATE, np.float32))
    assert film.duration_s == 0.1
    assert levels(tmp_path / "a.mp4") == pytest.approx([50], abs=3)


def test_few_pictures_wait_for_a_slow_encoder_and_no_time_is_lost(tmp_path, monkeypatch):
    encode, may_encode = live_film.encode_segment, Event()

    def encode_later(*args, **kwargs):
        may_encode.wait(10)
        return encode(*args, **kwargs)

    monkeypatch.setattr(live_film, "encode_segment", encode_later)
    film = LiveFilm(tmp_path / "a.mp4", Fraction(10))
    for index in range(4 * MOST_WAITING):
        film.add_picture(index / 10, picture(50 if index <= MOST_WAITING else 200))
    film.add_samples(tone(0.4 * MOST_WAITING).astype(np.float32))
    assert film._waiting.qsize() == MOST_WAITING
    may_encode.set()
    assert film.close()
    assert levels(tmp_path / "a.mp4") == pytest.approx([50] * 4 * MOST_WAITING, abs=3)
