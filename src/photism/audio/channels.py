"""Mix the channels of a recording down to one, or choose one of them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError

CANCELLED = 50  # ratio of energies from which channels cancel out: 17 dB, which is 20 dB below two of one loudness


def mixed_down(
    blocks: Iterator[tuple[float, NDArray[Any]]], name: str, *, channel: int | None, warnings: list[str]
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Mix the channels of a recording down to one.

    Args:
        blocks: sampling rate in Hz, and samples (C, T); integers are scaled to ±1.
        name: name of the recording in error messages.
        channel: number of the channel to take, from 1; None for the mean of all.
        warnings: list to which it is added, at the end, if the channels cancel out.

    Yields:
        the sampling rate in Hz, and samples (T,).

    Raises:
        InputError: there is no such channel.
    """
    mixed_energy = unrelated_energy = 0.0  # of the mean as it is, and if the channels were unrelated
    for rate, samples in blocks:
        if channel is not None:
            if channel > len(samples):
                problem = f"there is no channel {channel}; choose one from 1 to {len(samples)}"
                raise InputError(f"{name}: {problem}", code="no-channel")
            yield rate, scale_samples(samples[channel - 1])
            continue
        with np.errstate(over="ignore", invalid="ignore"):  # Waveform rejects what is not finite
            scaled = scale_samples(samples)
            mixed = scaled.mean(0)
            if len(samples) > 1:
                mixed_energy += float(np.vdot(mixed, mixed))
                unrelated_energy += float(np.vdot(scaled, scaled)) / len(samples) ** 2
        yield rate, mixed
    if CANCELLED * mixed_energy < unrelated_energy:
        warnings.append("its channels cancel out in their mean; choose one of them, such as --channel left")


def scale_samples(samples: NDArray[Any], dtype: type[np.floating[Any]] = np.float32) -> NDArray[Any]:
    """Scale integers to floats within ±1; the zero of unsigned integers is in the middle of their range."""
    if samples.dtype.kind == "f":
        return samples.astype(dtype, copy=False)
    scaled = samples.astype(dtype) / 2.0 ** (8 * samples.dtype.itemsize - 1)
    return scaled - 1.0 if samples.dtype.kind == "u" else scaled
