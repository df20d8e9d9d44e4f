"""The times of decoded frames, counted from a zero on the clock of their container."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.audio.time_axis import TimedFrame, silence

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer
    from av.stream import Stream

SAMPLE_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
"""NumPy's types of FFmpeg's sample formats. With a p at the end of its name, a format has a plane for each channel."""

LATEST_START_S = 60  # a clock that no track begins with earlier was running before, as in segments of a live stream
LONGEST_PACKET_S = 10  # the duration of a packet that cannot be decoded may be damaged, too


def timed_frames(
    container: "InputContainer", packets: "Iterable[tuple[Packet[AudioStream], list[AudioFrame] | None]]"
) -> Iterator[TimedFrame]:
    """Return decoded frames with their times, and silence for packets that cannot be decoded.

    Such packets are damaged, or they are the pauses of a telephone, which decoders of AMR do not fill.

    Args:
        container: container of the packets.
        packets: packets of an audio stream with their frames, or None for packets that cannot be decoded.
    """
    zero_s = time_zero_s(container)
    last: TimedFrame | None = None
    silences: list[tuple[float | None, float]] = []  # start and length in seconds
    for packet, frames in packets:
        if frames is None:
            silences.append((_start_s(packet, zero_s), packet_s(packet)))
        for frame in frames or ():
            last = TimedFrame(_start_s(frame, zero_s), frame.sample_rate, frame_samples(frame))
            yield from (_silent_frame(*each, last) for each in silences)
            silences.clear()
            yield last
    if last is not None:
        yield from (_silent_frame(*each, last) for each in silences)


def frame_samples(frame: "AudioFrame") -> NDArray[Any]:
    """Return the samples (C, T) of a frame in the type that its codec decodes to."""
    from av.audio.plane import AudioPlane

    # Not to_ndarray, which lacks 64-bit integers, nor frame.planes, which need not end after the last channel.
    channels, dtype = frame.layout.nb_channels, SAMPLE_TYPES[frame.format.name.removesuffix("p")]
    if frame.format.is_planar:
        planes: list[Any] = [AudioPlane(frame, channel) for channel in range(channels)]
        return np.stack([np.frombuffer(plane, dtype, frame.samples) for plane in planes])
    interleaved: Any = AudioPlane(frame, 0)
    samples = np.frombuffer(interleaved, dtype, frame.samples * channels)
    return samples.reshape(-1, channels).T  # (T * C,) -> (C, T)


def is_joined(container: "InputContainer") -> bool:
    """Return whether timestamps may start again: transport streams are often joined end to end."""
    return _has_flag(container, "ts_discont")


def time_zero_s(container: "InputContainer") -> float | None:
    """Return the time in seconds on the clock of a container that is zero on the time axis of the recording.

    It is 0, so that times agree with those of the pictures and subtitles of a film. The clock of a broadcast runs all
    day: there it is the first timestamp of any track. It is None for formats without timestamps: FFmpeg counts for
    them, and wrongly once the sampling rate changes.
    """
    if _has_flag(container, "generic_index") and container.format.name != "ogg":
        return None
    tracks: list[Stream] = [*container.streams.audio, *container.streams.video]
    starts = [
        float(each.start_time * each.time_base) for each in tracks if each.start_time is not None and each.time_base
    ]
    first_s = min(starts, default=0.0)
    is_arbitrary = is_joined(container) and container.format.name != "ogg"
    return first_s if is_arbitrary or first_s > LATEST_START_S else 0.0


def packet_s(packet: "Packet[AudioStream]") -> float:
    """Return the duration of a packet in seconds; 0 if it is unknown."""
    return min(float((packet.duration or 0) * (packet.time_base or 0)), LONGEST_PACKET_S)


def _start_s(timed: "AudioFrame | Packet[AudioStream]", zero_s: float | None) -> float | None:
    base = timed.time_base
    if zero_s is None or timed.pts is None or not base:
        return None
    return timed.pts * base.numerator / base.denominator - zero_s


def _silent_frame(start_s: float | None, seconds: float, like: TimedFrame) -> TimedFrame:
    """Return silence in the rate, channels and type of another frame."""
    return TimedFrame(start_s, like.rate, silence(like.samples, round(seconds * like.rate)))


def _has_flag(container: "InputContainer", *names: str) -> bool:
    """Return whether FFmpeg gives the format of a container one of its flags, AVFMT_TS_DISCONT and so on."""
    from av.format import Flags

    return any(container.format.flags & Flags[name].value for name in names)
