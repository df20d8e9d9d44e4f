"""Uploads are decoded in processes that a file can end, and the server goes on."""

from __future__ import annotations

import os
import sys
import wave
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from threading import Timer

import numpy as np
import psutil
import pytest

from photism.audio.reading_settings import ReadingSettings
from photism.audio.waveform import load_waveform
from photism.errors import InputError, RecordingWarning
from photism.server.fields import decoding_worker
from photism.server.fields.decoding_process import DecodingProcesses, TooLongError

READING = ReadingSettings()
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes and no limits of resources")


@pytest.fixture(scope="module")
def processes() -> Iterator[DecodingProcesses]:
    processes = DecodingProcesses(1, max_s=30)
    yield processes
    processes.close()


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of three seconds of noise."""
    path = tmp_path_factory.mktemp("noise") / "noise.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.random.default_rng(0).integers(-9000, 9000, 3 * 8000, np.int16).tobytes())
    return path


def started(noise: Path, request: pytest.FixtureRequest) -> tuple[DecodingProcesses, list[psutil.Process]]:
    """Return new decoding processes and the one that runs; others of the session may run too."""
    before = {each.pid for each in psutil.Process().children()}
    processes = DecodingProcesses(1)
    request.addfinalizer(processes.close)
    processes.read(noise, "file", READING, limit_s=4, is_held=False)
    return processes, [each for each in psutil.Process().children() if each.pid not in before]


def test_the_samples_are_those_of_load_waveform(processes: DecodingProcesses, noise: Path) -> None:
    sound = processes.read(noise, "file", READING, limit_s=4, is_held=True)
    assert sound.decoded is not None
    assert np.array_equal(sound.decoded.samples, load_waveform(noise).samples)
    assert sound.name == "file"


def test_what_is_missing_is_said(processes: DecodingProcesses, noise: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(noise.read_bytes()[:20_000])
    sound = processes.read(damaged, "file", READING, limit_s=4, is_held=True)
    assert sound.decoded is not None
    assert sound.warnings
    with pytest.warns(RecordingWarning, match="are missing"):
        assert sound.warnings == sound.decoded.warnings == load_waveform(damaged).warnings
    with pytest.raises(InputError, match=r"^file: .*omit strict"):
        processes.read(damaged, "file", ReadingSettings(strict=True), limit_s=4, is_held=True)


def test_a_long_recording_is_checked_and_not_held(processes: DecodingProcesses, noise: Path) -> None:
    assert processes.read(noise, "file", READING, limit_s=3, is_held=False).decoded is None
    with pytest.raises(TooLongError, match=r"^file must be at most 2 s long$"):
        processes.read(noise, "file", READING, limit_s=2, is_held=False)


def test_decoding_stops_at_the_limit(noise: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def endless(*_: object, block_samples: int, warnings: list[str]) -> Iterator[np.ndarray]:
        del warnings
        while True:
            read.append(block_samples)
            yield np.zeros(block_samples, np.float32)

    monkeypatch.setattr(decoding_worker, "stream_samples", endless)
    held = BytesIO()
    request = {"path": str(noise), "name": "file", "track": None, "channel": None, "strict": False}
    decoding_worker.answer({**request, "limit_s": 60, "is_held": True}, held)
    assert held.getvalue() == b'{"is_too_long": true}\n'
    assert len(read) == 61


@posix
def test_a_file_that_hangs_is_ended(noise: Path, tmp_path: Path) -> None:
    hanging = tmp_path / "hanging"
    os.mkfifo(hanging)
    before = {each.pid for each in psutil.Process().children()}
    processes = DecodingProcesses(1, max_s=0.2)
    with pytest.raises(InputError, match=r"^file: decoding it takes longer than 0\.2 s; convert it$"):
        processes.read(hanging, "file", READING, limit_s=4, is_held=True)
    assert {each.pid for each in psutil.Process().children()} <= before


@posix
def test_a_file_that_crashes_the_decoder_leaves_the_server_running(
    noise: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    processes, (worker,) = started(noise, request)
    hanging = tmp_path / "hanging"
    os.mkfifo(hanging)
    Timer(0.1, worker.kill).start()
    with pytest.raises(InputError, match=r"^file: decoding it crashes the decoder; convert it$"):
        processes.read(hanging, "file", READING, limit_s=4, is_held=True)
    assert processes.read(noise, "file", READING, limit_s=4, is_held=True).decoded is not None


@posix
def test_a_file_that_nobody_awaits_ends_the_process_that_decodes_it(
    noise: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    processes, _ = started(noise, request)
    hanging = tmp_path / "hanging"
    os.mkfifo(hanging)
    processes.stop(hanging)  # nothing, as nobody decodes it yet
    Timer(0.1, processes.stop, (hanging,)).start()
    with pytest.raises(InputError, match="crashes the decoder"):
        processes.read(hanging, "file", READING, limit_s=4, is_held=True)
    assert processes.read(noise, "file", READING, limit_s=4, is_held=True).decoded is not None


@posix
def test_the_process_has_limits_and_no_secrets(
    noise: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    import resource

    monkeypatch.setenv("PHOTISM_TOKEN", "secret")
    _, (worker,) = started(noise, request)
    assert "PHOTISM_TOKEN" not in worker.environ()
    if sys.platform == "linux":
        assert resource.prlimit(worker.pid, resource.RLIMIT_AS)[0] < worker.memory_info().vms + (1 << 30)
        assert resource.prlimit(worker.pid, resource.RLIMIT_FSIZE) == (0, 0)


@posix
def test_a_recording_that_takes_too_much_memory_is_refused(processes: DecodingProcesses, tmp_path: Path) -> None:
    path = tmp_path / "wide.wav"
    header = b"RIFF\0\0\0\x7fWAVEfmt \x10\0\0\0\1\0\x40\0\0\xb8\x0b\0\0\0\xee\2\x40\0\x08\0data\0\0\0\x7f"
    path.write_bytes(header)  # 64 channels of 768 kHz: a second takes 49 MB, and as floats 200 MB
    with path.open("r+b") as file:
        file.truncate(1 << 28)
    with pytest.raises(InputError, match=r"^file: decoding takes too much memory$"):
        processes.read(path, "file", READING, limit_s=4, is_held=True)
