"""Files of recordings and segments for players: as they are, or as WAV."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.audio.channels import scale_samples
from photism.audio.segment import segment_of
from photism.audio.waveform import read_blocks
from photism.collection.copies import open_segment
from photism.collection.locations import local_path
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.collection.search import Hit

PLAYABLE = {
    ".wav": ("audio/wav", "wav", ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le")),
    ".mp3": ("audio/mpeg", "mp3", ("mp3", "mp3float")),
    ".flac": ("audio/flac", "flac", ("flac",)),
    **dict.fromkeys((".ogg", ".oga", ".opus"), ("audio/ogg", "ogg", ("vorbis", "opus", "libopus", "flac"))),
    **dict.fromkeys((".m4a", ".mp4"), ("audio/mp4", "mov", ("aac", "mp3", "mp3float"))),
}
"""Files that all browsers play, by their suffix: media type, format and codecs as FFmpeg calls them."""
STEREO = 2
PEAK = 32767


def playable_file(hit: Hit) -> tuple[Path, str] | None:
    """Return the file of a hit and its media type, if the hit is a whole file that all browsers play."""
    path = local_path(hit.location)
    if path is None or hit.start_s or hit.end_s is not None or path.suffix.lower() not in PLAYABLE:
        return None
    import av

    media_type, format_, codecs = PLAYABLE[path.suffix.lower()]
    try:
        with av.open(path) as container:
            streams = container.streams.audio
            is_playable = format_ in container.format.name.split(",") and len(streams) > 0
            return (path, media_type) if is_playable and streams[0].codec_context.name in codecs else None
    except (av.FFmpegError, OSError):
        return None


def write_segment(hit: Hit, target: Path) -> None:
    """Write a hit to a WAV file of 16 bits at its own sampling rate, in blocks: memory does not grow with its length.

    More than two channels are mixed down to one.

    Raises:
        InputError: the recording cannot be read, or its sampling rate or channels change.
    """
    source = open_segment(hit)
    warnings: list[str] = []
    name, skip, blocks = read_blocks(source, source.reading, warnings)
    first = next(blocks, None)
    if first is None:
        raise InputError(f"{name}: the segment has no samples")
    rate, samples = first
    kind = rate, len(samples)

    def all_samples() -> Iterator[NDArray[Any]]:
        """Yield all blocks of samples (C, T)."""
        yield samples
        for other_rate, others in blocks:
            if (other_rate, len(others)) != kind:
                raise InputError(f"{name} must have one sampling rate and number of channels; they change")
            yield others

    with wave.open(str(target), "wb") as file:
        file.setnchannels(len(samples) if len(samples) <= STEREO else 1)
        file.setsampwidth(2)
        file.setframerate(round(rate))
        for block in segment_of(all_samples(), source, skip, rate, warnings):
            file.writeframes(_as_int16(block).tobytes())


def _as_int16(samples: NDArray[Any]) -> NDArray[np.int16]:
    """Return samples (C, T) as they follow one another in a file: (T, C), little-endian."""
    scaled = scale_samples(samples)
    if len(scaled) > STEREO:
        scaled = scaled.mean(axis=0, keepdims=True)
    return (np.clip(np.nan_to_num(scaled), -1, 1).T * PEAK).round().astype("<i2")
