"""Pipes and microphones are decoded as samples arrive."""

import io
import os
import sys
import threading
import wave

import av
import numpy as np
import pytest

from photism import InputError, load_waveform
from photism.audio import live_input
from photism.audio.live_input import microphone_samples, pipe_samples

TONE = (np.sin(np.arange(32_000) / 10) * 20_000).astype("<i2")


def wav(samples: np.ndarray, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as opened:
        opened.setparams((1, 2, rate, 0, "NONE", ""))
        opened.writeframes(samples.tobytes())
    return file.getvalue()


class Pipe:
    """A pipe that contains bytes and cannot seek."""

    def __init__(self, data: bytes):
        self._file = io.BytesIO(data)

    def read(self, count: int) -> bytes:
        return self._file.read(min(count, 777))


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_file_in_a_pipe_is_decoded_as_from_the_disk(rate):
    data = wav(TONE, rate)
    np.testing.assert_array_equal(np.concatenate(list(pipe_samples(Pipe(data)))), load_waveform(data).samples)


def test_raw_samples_equal_those_of_a_file():
    samples = np.concatenate(list(pipe_samples(Pipe(TONE.tobytes() + b"x"), raw_rate=16_000)))
    np.testing.assert_array_equal(samples, load_waveform(wav(TONE)).samples)


def test_samples_are_returned_before_the_pipe_ends():
    reading, writing = os.pipe()
    first_is_read = threading.Event()

    def write():
        with open(writing, "wb") as file:
            file.write(TONE.tobytes()[:30_000])
            file.flush()
            assert first_is_read.wait(10)
            file.write(TONE.tobytes()[30_000:])

    writer = threading.Thread(target=write)
    writer.start()
    with open(reading, "rb") as file:
        blocks = pipe_samples(file, raw_rate=16_000)
        count = sum(len(next(blocks)) for _ in range(5))
        assert count > 0
        first_is_read.set()
        assert count + sum(map(len, blocks)) == len(TONE)
    writer.join()


def test_samples_of_a_pipe_that_are_not_finite_are_rejected():
    data = np.ones(16_000, "<f4")
    data[8000] = np.nan
    header = bytearray(wav(np.zeros(32_000, "<i2"))[:44])
    header[20], header[34] = 3, 32  # float, 32 bits
    with pytest.raises(InputError, match="the pipe: samples must be finite"):
        list(pipe_samples(Pipe(bytes(header) + data.tobytes())))


def test_a_damaged_length_asks_for_no_memory():
    """FFmpeg asks for as many bytes as a header says, and Python allocates them before it reads."""
    asked = []

    class Counting(Pipe):
        def read(self, count):
            asked.append(count)
            return super().read(count)

    assert live_input._Pipe(Counting(wav(TONE))).read(2**31) == wav(TONE)[:777]
    assert max(asked) <= 2**20


def test_a_pipe_that_is_not_audio_is_rejected():
    with pytest.raises(InputError, match="the pipe is not audio that FFmpeg can read"):
        list(pipe_samples(Pipe(b"no sound" * 100)))
    with pytest.raises(InputError, match="raw_rate must be 1000 to 768000 Hz; got 16"):
        pipe_samples(Pipe(b""), raw_rate=16)


@pytest.mark.parametrize("format", ["mp4", "mov"])
def test_a_file_with_its_index_at_the_end_is_not_called_damaged(format):
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        for start in range(0, len(TONE) - 1024, 1024):
            frame = av.AudioFrame.from_ndarray(TONE[None, start : start + 1024], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(
        InputError, match=r"MP4 or MOV file with its index at the end, which cannot be read from a pipe"
    ):
        list(pipe_samples(Pipe(file.getvalue())))
    assert load_waveform(Pipe(file.getvalue())).duration_s == pytest.approx(2, abs=0.1)


def test_a_device_of_ffmpeg_is_recorded():
    """FFmpeg's tone generator takes the place of a microphone."""
    tone = np.concatenate(list(microphone_samples("sine=frequency=440:sample_rate=48000:duration=1", system="lavfi")))
    assert len(tone) == 16_000
    spectrum = np.abs(np.fft.rfft(tone))
    assert spectrum.argmax() == 440


def test_a_missing_device_is_reported():
    with pytest.raises(InputError, match="the microphone no-such-device is not audio that FFmpeg can read"):
        next(microphone_samples("no-such-device", system="lavfi"))


def test_alsas_configuration_of_the_system_is_used(monkeypatch, tmp_path):
    environment = {}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(live_input, "ALSA_CONFIG", tmp_path / "alsa.conf")
    live_input.microphone_samples("null")
    assert environment == {}
    (tmp_path / "alsa.conf").touch()
    live_input.microphone_samples("null")
    assert environment == {"ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf")}


def test_on_windows_the_microphone_must_be_named(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(InputError, match="device is required on Windows; give audio=NAME"):
        microphone_samples()
