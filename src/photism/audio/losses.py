"""Seconds of a recording that are missing because its file is truncated or damaged."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from photism.audio.container_clock import is_joined, packet_s, time_zero_s
from photism.audio.declared_length import DeclaredLength
from photism.audio.time_axis import LONGEST_HOLE_S, LONGEST_OVERLAP_S

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer

    DecodedPacket: TypeAlias = tuple[Packet[AudioStream], list[AudioFrame] | None]

AV_TIME_BASE = 1_000_000  # unit of a container's duration, a microsecond
ROUNDING_S = 0.01
TOLERANCE_S = 0.1  # headers round, and count the padding of encoders
DECLARING_FORMATS = frozenset({"mov", "tta"})  # formats whose header has the duration of each track
COUNTING_FORMATS = frozenset({"flac", "mp3"})  # formats whose header may have it
SIZED_FORMATS = frozenset({"wav", "w64", "aiff", "au", "caf"})  # their declared length says more than a short packet
MP3_SYNC = b"\xff"  # first byte of a frame
CODECS_WITH_PAUSES = frozenset({"amrnb", "amrwb"})  # codecs in which a packet without audio is a pause


class Losses:
    """What is found to be missing while a recording is decoded.

    Args:
        container: container of the recording.
        stream: its audio stream.
        declared: what the headers of the file say.
    """

    def __init__(self, container: "InputContainer", stream: "AudioStream", declared: DeclaredLength) -> None:
        self._container, self._stream, self._declared = container, stream, declared
        self._has_pauses = stream.codec_context.name in CODECS_WITH_PAUSES
        self._is_damaged = False  # whether a packet is incomplete or cannot be decoded
        self._missing_s = 0.0  # so far
        self._jump_s = 0.0  # leaps of the timestamps that were ignored

    def watched(self, packets: "Iterable[DecodedPacket]") -> "Iterator[DecodedPacket]":
        """Pass on packets with their frames, and note those that are damaged."""
        is_mp3 = self._container.format.name == "mp3"
        has_known_size = self._container.format.name in SIZED_FORMATS
        for packet, frames in packets:
            if frames is None and is_mp3 and bytes(packet)[:1] != MP3_SYNC:
                yield packet, []  # a tag, or padding
                continue
            is_lost = frames is None and not self._has_pauses
            self._missing_s += packet_s(packet) if is_lost else 0.0
            self._is_damaged |= is_lost or (packet.is_corrupt and not has_known_size)
            yield packet, frames

    def add_shift(self, position_s: float, shift_s: float) -> None:
        """Note a shift of the timestamps.

        Args:
            position_s: seconds before the shift.
            shift_s: seconds by which what follows is later.
        """
        if is_joined(self._container):
            # A transmission has no pauses, but may have been received in part. It may also be joined to another one.
            self._missing_s += shift_s if position_s and 0 < shift_s <= LONGEST_HOLE_S else 0.0
        elif not -LONGEST_OVERLAP_S <= shift_s <= LONGEST_HOLE_S:
            self._jump_s += shift_s

    def describe(self, decoded_s: float) -> list[str]:
        """Return what to warn of, after the last packet.

        Args:
            decoded_s: seconds of the recording on the time axis.
        """
        tail_s = self._missing_tail_s(decoded_s)
        missing_s = self._missing_s + tail_s
        reason = "because the file is truncated or damaged"
        messages: list[str] = []
        if self._jump_s:
            messages.append(f"its timestamps jump by {self._jump_s:.4g} s, which was ignored; later times may be wrong")
        if tail_s and self._container.format.name == "ogg":  # without a total length: only its last page is known
            messages.append(f"at least {missing_s:.1f} s are missing, {reason}")
        elif missing_s >= TOLERANCE_S:
            messages.append(f"{missing_s:.1f} of {decoded_s + tail_s:.1f} s are missing, {reason}")
        elif missing_s > 0 or self._is_damaged:
            messages.append(f"some of its audio is missing, {reason}")
        return messages

    def _missing_tail_s(self, decoded_s: float) -> float:
        """Return the seconds that the file declares to have after those that were decoded."""
        is_truncated = self._is_damaged or self._declared.missing_bytes > 0
        declared_s = _declared_s(self._container, self._stream, self._declared, is_truncated=is_truncated)
        if declared_s is None:
            declared_s = decoded_s * (1 + self._declared.missing_bytes / max(1, self._container.size))
        missing_s = declared_s - decoded_s - self._jump_s
        return missing_s if missing_s >= (ROUNDING_S if is_truncated else TOLERANCE_S) else 0.0


def _declared_s(
    container: "InputContainer", stream: "AudioStream", declared: DeclaredLength, *, is_truncated: bool
) -> float | None:
    """Return the end of an audio stream on the time axis by the headers of its file; None if they do not say."""
    formats = set(container.format.name.split(","))
    zero_s = time_zero_s(container)
    if formats & DECLARING_FORMATS or (formats & COUNTING_FORMATS and declared.has_duration):
        if stream.duration is None or not stream.time_base:
            return None
        start = 0 if zero_s is None or stream.start_time is None else stream.start_time
        return float((start + stream.duration) * stream.time_base) - (zero_s or 0.0)
    if "matroska" in formats and stream.metadata.get("DURATION"):
        return _seconds(stream.metadata["DURATION"]) - (zero_s or 0.0)
    is_only_track = len(container.streams.audio) + len(container.streams.video) == 1
    if formats & {"matroska", "flv"} and (is_truncated or is_only_track) and container.duration is not None:
        return container.duration / AV_TIME_BASE - (zero_s or 0.0)
    return None


def _seconds(clock: str) -> float:
    """Return the seconds of a time such as 00:00:08.023000000; 0 if it is none."""
    try:
        hours, minutes, seconds = map(float, clock.split(":"))
    except ValueError:
        return 0.0
    return 3600 * hours + 60 * minutes + seconds
