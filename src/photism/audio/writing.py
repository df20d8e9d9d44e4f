"""Write waveforms to audio files, through PyAV, with metadata in their tags."""

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
"""Container and codec for each file suffix; the first two are lossless."""
FULL_SCALE = 32_767
BLOCK_SAMPLES = 65_536


def check_audio_target(path: Path, option: str, *, force: bool) -> None:
    """Raise an error unless audio can be written to a file.

    Args:
        path: the file.
        option: command-line option that names the file, for the message.
        force: accept an existing file, which is overwritten.

    Raises:
        InputError: the suffix is not in `CODECS`, the folder is missing or not writable, or the path exists.
    """
    if path.suffix.lower() not in CODECS:
        raise InputError(f"{option} must be a folder or a file that ends in {', '.join(CODECS)}; got {path}")
    check_writable(path, option, force=force)


def write_waveform(
    samples: NDArray[np.float32], target: Path, *, sampling_rate: int, title: str, about: Mapping[str, object]
) -> None:
    """Write 16-bit audio to a file, atomically: an interruption leaves no incomplete file.

    Args:
        samples: (T,) within ±1; values beyond are clipped.
        target: a file whose suffix is in `CODECS`.
        sampling_rate: in Hz.
        title: value of the tag "title".
        about: names and values for the tag "comment", written as JSON without those that are None.

    Raises:
        InputError: samples are not finite, as those of a model can be in too small a dtype.
    """
    if not np.isfinite(samples).all():
        raise InputError(f"{target} was not written: samples must be finite; choose another dtype, such as float32")
    known = {name: value for name, value in about.items() if value is not None}
    tags = {"title": title, "comment": json.dumps(known, ensure_ascii=False), "encoder": f"photism {__version__}"}
    with atomic_path(target) as unfinished:
        _encode(_to_16_bits(samples), unfinished, CODECS[target.suffix.lower()], sampling_rate, tags)


def read_tags(path: Path) -> dict[str, Any]:
    """Return the names and values that `write_waveform` wrote to the tag "comment"; {} for a file without them.

    Raises:
        InputError: the file cannot be read.
    """
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            tags = {**container.metadata, **container.streams.audio[0].metadata}
    except (FFmpegError, OSError, IndexError) as error:
        raise InputError(f"{path}: not a readable audio file ({error})") from None
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
        stream.metadata.update(tags)  # Ogg has its tags in the stream
        for start in range(0, len(samples), BLOCK_SAMPLES):
            block = samples[None, start : start + BLOCK_SAMPLES]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="s16", layout="mono")
            frame.sample_rate, frame.pts = sampling_rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
