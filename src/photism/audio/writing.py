"""Waveforms to sound files, through PyAV, with what is known about them in their tags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from photism import __version__
from photism.errors import InputError
from photism.files import atomic_path, check_writable

if TYPE_CHECKING:
    from av import AudioStream

CODECS = {".wav": ("wav", "pcm_s16le"), ".flac": ("flac", "flac"), ".ogg": ("ogg", "libopus"), ".mp3": ("mp3", "mp3")}
"""Container and encoder of each ending; the first two keep every sample."""
FULL_SCALE = 32_767
BLOCK_SAMPLES = 65_536


def check_sound_target(path: Path, option: str, *, force: bool) -> None:
    """See whether a sound can be written to a file.

    Args:
        path: of the file.
        option: that named it.
        force: a file that is there may be overwritten.

    Raises:
        InputError: its ending is not in `CODECS`, its folder is missing or cannot be written to, or it is taken.
    """
    if path.suffix.lower() not in CODECS:
        raise InputError(f"{option} must be a folder or a file that ends in {', '.join(CODECS)}; got {path}")
    check_writable(path, option, force=force)


def write_waveform(
    samples: NDArray[np.float32], target: Path, *, sampling_rate: int, title: str, about: Mapping[str, object]
) -> None:
    """Writes a sound beside its target and renames it, so that an interruption leaves nothing half-written.

    Args:
        samples: (T,) within ±1, to 16 bits; what is beyond is cut off.
        target: a file whose ending is in `CODECS`.
        sampling_rate: Hz.
        title: tag of that name.
        about: names and values that the tag "comment" carries as JSON; None is left out.

    Raises:
        InputError: samples are not finite numbers, as a model makes them in too small a dtype.
    """
    if not np.isfinite(samples).all():
        raise InputError(f"the sound of {target} is not finite numbers: nothing is written; try another dtype")
    known = {name: value for name, value in about.items() if value is not None}
    tags = {"title": title, "comment": json.dumps(known, ensure_ascii=False), "encoder": f"photism {__version__}"}
    with atomic_path(target) as unfinished:
        _encode(_to_16_bits(samples), unfinished, CODECS[target.suffix.lower()], sampling_rate, tags)


def read_tags(path: Path) -> dict[str, Any]:
    """What `write_waveform` put into the tag "comment"; nothing of another file.

    Raises:
        InputError: the file cannot be read.
    """
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            tags = {**container.metadata, **container.streams.audio[0].metadata}
    except (FFmpegError, OSError, IndexError) as error:
        raise InputError(f"{path} is not a sound file that can be read: {error}") from None
    comment = next((value for name, value in tags.items() if name.lower() == "comment"), "{}")
    try:
        about = json.loads(comment)
    except ValueError:
        return {}
    return cast("dict[str, Any]", about) if isinstance(about, dict) else {}


def _to_16_bits(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.rint(samples.clip(-1, 1) * FULL_SCALE).astype(np.int16)


def _encode(
    samples: NDArray[np.int16], path: Path, codec: tuple[str, str], sampling_rate: int, tags: Mapping[str, str]
) -> None:
    import av

    container_format, encoder = codec
    with av.open(str(path), "w", format=container_format) as container:
        container.metadata.update(tags)
        stream = cast("AudioStream", container.add_stream(encoder, rate=sampling_rate, layout="mono"))
        stream.metadata.update(tags)  # where Ogg keeps them
        for start in range(0, len(samples), BLOCK_SAMPLES):
            block = samples[None, start : start + BLOCK_SAMPLES]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="s16", layout="mono")
            frame.sample_rate, frame.pts = sampling_rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
