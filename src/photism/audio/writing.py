"""Write waveforms to audio files, through PyAV, with metadata in their tags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from photism import __version__
from photism.errors import InputError
from photism.files import atomic_path
from photism.output_files import check_suffix

if TYPE_CHECKING:
    from av import AudioStream

SampleType: TypeAlias = Literal["int16", "int24", "int32", "float32", "float64"]

CODECS = {".wav": ("wav", "pcm_s16le"), ".flac": ("flac", "flac"), ".ogg": ("ogg", "libopus"), ".mp3": ("mp3", "mp3")}
"""Container and codec for each file suffix; the first two are lossless."""
MEMORY_CODECS = {**CODECS, ".aac": ("adts", "aac")}
"""Container and codec for each suffix that `encode_waveform` takes; AAC has no tags."""
WAV_CODECS: dict[SampleType, str] = {
    "int16": "pcm_s16le",
    "int24": "pcm_s24le",
    "int32": "pcm_s32le",
    "float32": "pcm_f32le",
    "float64": "pcm_f64le",
}
"""Codec of a WAV file for each type of samples."""
LOSSY_RATES = {
    ".ogg": (8_000, 12_000, 16_000, 24_000, 48_000),
    ".aac": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000),
    ".mp3": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
}
"""Sampling rates of the codecs that have no others, in Hz."""
LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""FFmpeg's names of the layouts of 1 to 8 channels."""
FRAME_FORMATS: dict[SampleType, str] = {
    "int16": "s16",
    "int24": "s32",
    "int32": "s32",
    "float32": "flt",
    "float64": "dbl",
}
"""FFmpeg's names of the sample formats, interleaved."""
BLOCK_SAMPLES = 65_536


def check_audio_target(path: Path, option: str, *, force: bool) -> None:
    """Check that audio can be written to a file, which an option names that takes a folder as well.

    Args:
        path: the file.
        option: command-line option that names the file, for the message.
        force: accept an existing file, which is overwritten.

    Raises:
        InputError: the suffix is not in `CODECS`, the folder is missing or not writable, or the path exists.
    """
    check_suffix(path, option, tuple(CODECS), force=force, or_folder=True)


def check_channels(path: Path, channels: int) -> None:
    """Raise an error unless a file can hold a number of channels.

    Raises:
        InputError: it cannot.
    """
    _check_channels(f"{path}", path.suffix.lower(), channels)


def write_waveform(
    samples: NDArray[np.floating[Any]],
    target: Path,
    *,
    sampling_rate: int,
    title: str,
    about: Mapping[str, object],
    sample_type: SampleType = "int16",
) -> None:
    """Write audio to a file, atomically: an interruption leaves no incomplete file.

    Args:
        samples: (T,) or (C, T) within ±1; integer types clip values beyond.
        target: a file whose suffix is in `CODECS`.
        sampling_rate: in Hz. A lossy format that does not have it is written at the next higher one that it has.
        title: value of the tag "title".
        about: names and values for the tag "comment", written as JSON without those that are None.
        sample_type: type of the samples in a WAV file. FLAC has 16 bits for int16, and 24 for all others.

    Raises:
        InputError: samples are not finite, as those of a model can be in too small a dtype, or the format cannot hold
            as many channels.
    """
    suffix = target.suffix.lower()
    samples = _checked(samples, f"{target}", suffix)
    with atomic_path(target) as unfinished:
        _encode(samples, str(unfinished), suffix, sampling_rate, _tags(title, about), sample_type)


def encode_waveform(
    samples: NDArray[np.floating[Any]],
    suffix: str,
    *,
    sampling_rate: int,
    title: str,
    about: Mapping[str, object],
    sample_type: SampleType = "int16",
) -> bytes:
    """Return audio in a file format, as `write_waveform` writes it.

    Args:
        samples: (T,) or (C, T) within ±1; integer types clip values beyond.
        suffix: format, a key of `MEMORY_CODECS`.
        sampling_rate: in Hz; as in `write_waveform`.
        title: value of the tag "title".
        about: names and values for the tag "comment".
        sample_type: type of the samples; as in `write_waveform`.

    Raises:
        InputError: samples are not finite, or the format cannot hold as many channels.
    """
    encoded = BytesIO()
    samples = _checked(samples, suffix.removeprefix("."), suffix)
    _encode(samples, encoded, suffix, sampling_rate, _tags(title, about), sample_type)
    return encoded.getvalue()


def read_tags(path: Path) -> dict[str, Any]:
    """Return the names and values that `write_waveform` wrote to the tag "comment"; {} for a file without them.

    Raises:
        InputError: the file cannot be read.
    """
    from av.error import FFmpegError

    from photism.audio.decoding import open_container

    try:
        with open_container(str(path)) as container:
            tags = {**container.metadata, **container.streams.audio[0].metadata}
    except (FFmpegError, OSError, IndexError) as error:
        raise InputError(f"{path}: not a readable audio file ({error})") from None
    comment = next((value for name, value in tags.items() if name.lower() == "comment"), "{}")
    try:
        about = json.loads(comment)
    except ValueError:
        return {}
    return cast("dict[str, Any]", about) if isinstance(about, dict) else {}


def _check_channels(name: str, suffix: str, channels: int) -> None:
    if suffix == ".mp3" and channels > 2:
        raise InputError(f"{name} can hold at most 2 channels, and the recording has {channels}; write a WAV file")
    if channels > len(LAYOUTS):
        raise InputError(f"{name} can hold at most {len(LAYOUTS)} channels, and the recording has {channels}")


def _checked(samples: NDArray[np.floating[Any]], name: str, suffix: str) -> NDArray[np.floating[Any]]:
    """Return samples as (C, T) after checking that a format can hold them."""
    samples = np.atleast_2d(samples)
    _check_channels(name, suffix, len(samples))
    if not np.isfinite(samples).all():
        raise InputError(f"{name} was not written: samples must be finite; choose another dtype, such as float32")
    return samples


def _tags(title: str, about: Mapping[str, object]) -> dict[str, str]:
    known = {name: value for name, value in about.items() if value is not None}
    return {"title": title, "comment": json.dumps(known, ensure_ascii=False), "encoder": f"photism {__version__}"}


def _encode(
    samples: NDArray[np.floating[Any]],
    target: str | BinaryIO,
    suffix: str,
    sampling_rate: int,
    tags: Mapping[str, str],
    sample_type: SampleType,
) -> None:
    """Encode samples (C, T) block by block."""
    import av

    container_format, codec = MEMORY_CODECS[suffix]
    if suffix == ".wav":
        codec = WAV_CODECS[sample_type]
    elif suffix == ".flac" and sample_type != "int16":
        sample_type = "int24"
    rates = LOSSY_RATES.get(suffix, (sampling_rate,))
    rate = next((each for each in rates if each >= sampling_rate), rates[-1])
    layout = LAYOUTS[len(samples) - 1]
    with av.open(target, "w", format=container_format) as container:
        container.metadata.update(tags)
        stream = cast("AudioStream", container.add_stream(codec, rate=rate, layout=layout))
        stream.metadata.update(tags)  # Ogg has its tags in the stream
        if suffix == ".flac":
            stream.codec_context.format = FRAME_FORMATS[sample_type]
        for start in range(0, samples.shape[1], BLOCK_SAMPLES):
            block = _quantized(samples[:, start : start + BLOCK_SAMPLES], sample_type)
            interleaved = np.ascontiguousarray(block.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(interleaved, format=FRAME_FORMATS[sample_type], layout=layout)
            frame.sample_rate, frame.pts = sampling_rate, start
            container.mux(stream.encode(frame))  # which resamples to the rate and the format of the codec
        container.mux(stream.encode(None))


def _quantized(samples: NDArray[np.floating[Any]], sample_type: SampleType) -> NDArray[Any]:
    """Return samples in the type of FFmpeg's frames, in which integers of 24 bits are the upper ones of 32."""
    if sample_type in ("float32", "float64"):
        return samples.astype(sample_type)
    bits = int(sample_type.removeprefix("int"))
    limit = 2.0 ** (bits - 1)
    whole = np.rint(samples.astype(np.float64) * limit).clip(-limit, limit - 1)
    return whole.astype(np.int16) if bits == 16 else whole.astype(np.int32) << (32 - bits)
