"""Audio that is still being recorded: read a pipe or a microphone as samples arrive."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from photism.audio.decoding import MAX_READ_BYTES
from photism.audio.reading_settings import ReadingSettings
from photism.audio.waveform import HIGHEST_RATE, LOWEST_RATE, check_range, mono_16khz
from photism.errors import InputError

READ_BYTES = 4096
"""Bytes read at a time: 128 ms of 16-bit samples at 16 kHz."""
PROBE_BYTES = 1 << 15
"""Bytes from which FFmpeg may determine the format: 1 s of 16-bit samples at 16 kHz."""
ATOMS = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")
"""Types of the first atom of an MP4 or MOV file, after its size."""
ALSA_CONFIG = Path("/usr/share/alsa/alsa.conf")
MICROPHONES = {"linux": ("alsa", "default"), "darwin": ("avfoundation", ":0"), "win32": ("dshow", "")}
"""FFmpeg's input format and default device for each `sys.platform`."""


def pipe_samples(
    file: BinaryIO, *, raw_rate: float | None = None, reading: ReadingSettings | None = None
) -> Generator[NDArray[np.float32]]:
    """Decode a pipe without waiting for its end.

    Args:
        file: open for reading, such as `sys.stdin.buffer`; it need not be seekable.
        raw_rate: sampling rate in Hz of raw samples: signed 16-bit, little-endian, mono. None for a file in a format
            that can be read from its beginning, such as WAV, MP3, Ogg, FLAC or Matroska.
        reading: track and channel; by default FFmpeg's choice and the mean of all channels.

    Yields:
        (T,) float32 at 16 kHz, of any length including 0.

    Raises:
        InputError: FFmpeg does not know the format or cannot read it from a pipe, there is no audio stream, or the rate
            is out of range.
    """
    if raw_rate is not None:
        if not LOWEST_RATE <= raw_rate <= HIGHEST_RATE:
            raise InputError(f"raw_rate must be {LOWEST_RATE} to {HIGHEST_RATE} Hz; got {raw_rate:g}")
        return mono_16khz(_raw_blocks(file, raw_rate), "the pipe")
    # By default FFmpeg reads seconds of a file before it returns the first sample, and follows links in playlists.
    options = {"probesize": str(PROBE_BYTES), "analyzeduration": "0", "protocol_whitelist": "none"}
    return _decode_pipe(_Pipe(file), reading, container_options=options, buffer_size=READ_BYTES)


def microphone_samples(
    device: str | None = None, *, system: str | None = None, reading: ReadingSettings | None = None
) -> Generator[NDArray[np.float32]]:
    """Record from a microphone until the generator is closed.

    On Linux FFmpeg uses ALSA, whose `hw:0` is the first sound card. If the desktop's sound server has reserved it,
    `arecord -q -t raw -f S16_LE -r 16000` writes raw samples that `pipe_samples` reads.

    Args:
        device: FFmpeg's name of the device: on Linux as `arecord -L` lists it, on macOS `:0`, `:1`, …, on Windows
            `audio=NAME`. By default the system's default device.
        system: FFmpeg's input format; by default the one that `MICROPHONES` has for this platform.
        reading: the channel; by default the mean of all.

    Yields:
        (T,) float32 at 16 kHz, of any length including 0.

    Raises:
        InputError: there is no such device.
    """
    name, default = MICROPHONES.get(sys.platform, MICROPHONES["linux"])
    chosen = device or default
    if name == "alsa" and ALSA_CONFIG.is_file():
        # PyAV's wheels look for ALSA's configuration where they were built.
        os.environ.setdefault("ALSA_CONFIG_PATH", str(ALSA_CONFIG))
    if not chosen:
        raise InputError("device is required on Windows; give audio=NAME, with the microphone's name in the settings")
    return _decode(chosen, f"the microphone {chosen}", reading, format=system or name)


def _decode_pipe(pipe: _Pipe, reading: ReadingSettings | None, **settings: Any) -> Generator[NDArray[np.float32]]:
    try:
        yield from _decode(pipe, "the pipe", reading, **settings)
    except InputError:
        if pipe.has_atoms:
            raise InputError(
                "the pipe has an MP4 or MOV file with its index at the end, which cannot be read from a pipe; give the "
                "file itself"
            ) from None
        raise


def _decode(source: Any, name: str, reading: ReadingSettings | None, **settings: Any) -> Generator[NDArray[np.float32]]:
    reading, warnings = reading or ReadingSettings(), list[str]()
    blocks = _blocks(source, name, reading.track, settings)
    for samples in mono_16khz(blocks, name, channel=reading.channel_number, warnings=warnings):
        try:
            check_range(samples)
        except InputError as error:
            raise error.about(name) from None
        yield samples
    reading.report(name, warnings)


def _blocks(
    source: Any, name: str, track: int | str | None, settings: dict[str, Any]
) -> Iterator[tuple[float, NDArray[Any]]]:
    from photism.audio.container_clock import frame_samples
    from photism.audio.decoding import audio_stream, decoded_frames, ffmpeg_errors, open_container

    with ffmpeg_errors(f"{name} is not audio that FFmpeg can read"):
        container = open_container(source, **settings)
    with container:
        for frame in decoded_frames(container, audio_stream(container, name, track=track), name):
            yield frame.sample_rate, frame_samples(frame)


def _raw_blocks(file: BinaryIO, rate: float) -> Iterator[tuple[float, NDArray[Any]]]:
    """Read 16-bit samples; a read may end in the middle of a sample."""
    pipe = _Pipe(file)
    odd = b""
    while data := pipe.read(READ_BYTES):
        data = odd + data
        whole = len(data) - len(data) % 2
        odd = data[whole:]
        yield rate, np.frombuffer(data[:whole], "<i2")[None]


class _Pipe:
    """A file object without `seek`, whose `read` returns the bytes that are there and does not wait for more."""

    def __init__(self, file: BinaryIO) -> None:
        self._read = getattr(file, "read1", file.read)
        self._start = b""

    @property
    def has_atoms(self) -> bool:
        """True if the bytes begin as those of MP4 and MOV files do."""
        return self._start[4:8] in ATOMS

    def read(self, count: int) -> bytes:
        """Read at most `count` bytes; none at the end of the pipe."""
        data = self._read(min(count, MAX_READ_BYTES))
        if len(self._start) < 8:
            self._start += data[:8]
        return data
