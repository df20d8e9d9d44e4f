"""Recordings of clicks, encoded with timestamps of any kind, and the times of the clicks in decoded samples."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np


def clicks(seconds=4.0, *, rate=48_000, channels=2):
    """Return a short click at the beginning of each second, over faint noise: (channels, samples), float32."""
    time_s = np.arange(rate // 20) / rate
    samples = 0.002 * np.random.default_rng(0).standard_normal((channels, round(rate * seconds)))
    for second in range(int(seconds)):
        samples[:, second * rate :][:, : len(time_s)] += 0.8 * np.sin(2 * np.pi * 880 * time_s) * np.exp(-60 * time_s)
    return samples.astype(np.float32)


def encode(
    format: str,
    codec: str,
    *tracks: np.ndarray,
    rate: int = 48_000,
    late_s: float = 0,
    gap: tuple[float, float] | None = None,
    jitter_s: Iterable[float] = (),
    video_s: float | None = None,
    titles: Iterable[dict[str, str]] = (),
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
) -> bytes:
    """Encode tracks of samples (C, T) as a file.

    Args:
        format: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        tracks: samples of each track.
        rate: sampling rate in Hz.
        late_s: seconds that are added to all timestamps of audio.
        gap: time and length in seconds of a hole in the timestamps.
        jitter_s: seconds that are added to the timestamps of the frames, over and over.
        video_s: length of a video of black pictures that begins at 0; None for no video.
        titles: metadata of the tracks, such as `{"language": "fra"}`.
        options: options of the container.
        codec_options: options of the encoder.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "recording")
        _write(path, format, codec, tracks, rate, late_s, gap, jitter_s, video_s, titles, options, codec_options)
        return path.read_bytes()


def _write(path, format, codec, tracks, rate, late_s, gap, jitter_s, video_s, titles, options, codec_options):
    with av.open(str(path), "w", format=format, container_options=options or {}) as container:
        pictures = None if video_s is None else container.add_stream("mpeg4", rate=25, width=16, height=16)
        layouts = {1: "mono", 2: "stereo", 6: "5.1"}
        streams = [
            container.add_stream(codec, rate=rate, layout=layouts[len(each)], options=codec_options or {})
            for each in tracks
        ]
        for stream, title in zip(streams, titles, strict=False):
            stream.metadata.update(title)
        if pictures is not None:
            for number in range(round(25 * video_s)):
                picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
                picture.pts, picture.time_base = number, Fraction(1, 25)
                container.mux(pictures.encode(picture))
            container.mux(pictures.encode(None))
        for stream, samples in zip(streams, tracks, strict=True):
            for frame in _frames(stream, samples, rate, late_s, gap, list(jitter_s) or [0.0]):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def _frames(stream, samples, rate, late_s, gap, jitter_s):
    size = stream.codec_context.frame_size or 1024
    layout = stream.codec_context.layout.name
    resampler = av.AudioResampler(stream.codec_context.format, layout, rate)
    for number, start in enumerate(range(0, samples.shape[1], size)):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[:, start : start + size]), format="fltp", layout=layout
        )
        start_s = start / rate + late_s + jitter_s[number % len(jitter_s)]
        if gap and start >= gap[0] * rate:
            start_s += gap[1]
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(start_s * rate)
        yield from resampler.resample(frame)


def click_times(samples, rate=16_000):
    """Return the times in seconds at which clicks begin in samples (T,)."""
    times, end = [], -1.0
    for index in np.flatnonzero(np.abs(samples) > 0.1):
        if index > end:
            times.append(index / rate)
        end = index + 0.3 * rate
    return times
