"""Keyframes of a film: audio windows encoded into prompts, and the prompts interpolated between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.audio.windowing import Window, stream_windows
from photism.prompts.audio_prompt import AudioPrompt, select_rows
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.mixing import with_strength

WINDOWS_PER_BATCH = 8


@dataclass(frozen=True, eq=False)
class _WindowBatch:
    """Windows that are encoded together when the first of them is needed.

    The batches of a recording are always the same, so that a film that is resumed has exactly the same prompts.
    """

    encoder: AudioPromptEncoder
    waveforms: list[Waveform]

    @cached_property
    def _prompts(self) -> AudioPrompt:
        return self.encoder.encode(self.waveforms, batch_size=WINDOWS_PER_BATCH)

    def prompt(self, row: int) -> AudioPrompt:
        """Return the prompt of one window."""
        return select_rows(self._prompts, [row])


class _Keyframe(NamedTuple):
    """The prompt of a window, at the middle of the window."""

    time_s: float
    batch: _WindowBatch
    row: int

    @property
    def prompt(self) -> AudioPrompt:
        """The prompt, one row."""
        return self.batch.prompt(self.row)


class KeyframeInterpolator:
    """Prompts of a recording at ascending times, interpolated linearly between keyframes.

    Only the windows around the last requested time are in memory.

    Args:
        sound: recording.
        encoder: encoder of the windows.
        window_s: length of a window in seconds.
        hop_s: time from the start of a window to the start of the next, in seconds.
    """

    def __init__(self, sound: SoundFile, encoder: AudioPromptEncoder, *, window_s: float, hop_s: float) -> None:
        windows = stream_windows(
            stream_samples(sound, warnings=[]), length=round(window_s * SAMPLING_RATE), hop=round(hop_s * SAMPLING_RATE)
        )
        self._keyframes = _keyframes(windows, encoder)
        self._before = self._after = next(self._keyframes)

    def at(self, time_s: float) -> AudioPrompt:
        """Return the prompt at a time, one row; before the first keyframe and after the last, that keyframe's prompt.

        Args:
            time_s: time in seconds, at least that of the call before.
        """
        while self._after.time_s <= time_s and (keyframe := next(self._keyframes, None)):
            self._before, self._after = self._after, keyframe
        before, after = self._before, self._after
        if time_s <= before.time_s or before is after:
            return before.prompt
        weight = min(1.0, (time_s - before.time_s) / (after.time_s - before.time_s))
        return with_strength(after.prompt, before.prompt, weight)


def _keyframes(
    windows: Iterator[tuple[Window, NDArray[np.float32]]], encoder: AudioPromptEncoder
) -> Iterator[_Keyframe]:
    while group := list(islice(windows, WINDOWS_PER_BATCH)):
        batch = _WindowBatch(encoder, [Waveform(samples) for _, samples in group])
        for row, (window, _) in enumerate(group):
            yield _Keyframe((window.start + window.stop) / 2 / SAMPLING_RATE, batch, row)
