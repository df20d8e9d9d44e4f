"""Sampling rates of recordings and of all waveforms, and the frames in which they are analysed."""

from typing import Any

from photism.settings import setting

SAMPLING_RATE = 16_000  # Hz
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz, of a recording; any other rate is a damaged header or a slip
FRAME_SAMPLES = SAMPLING_RATE * 25 // 1000  # 400 samples, one frame of log_mel: the shortest recording with features


def sampling_rate_setting() -> Any:
    """Declare the sampling rate of raw samples, which a request gives, and on the command line --raw."""
    return setting(
        None,
        "Sampling rate of the samples. Default: 16,000.",
        unit="Hz",
        minimum=LOWEST_RATE,
        maximum=HIGHEST_RATE,
        is_flag=False,
        is_field=True,
    )
