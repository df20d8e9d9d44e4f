"""Prompts of a long sound at any time: those of windows, and between them what is on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.audio.streaming import SoundFile, stream_samples
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.audio.windowing import Window, stream_windows
from photism.prompts.audio_prompt import AudioPrompt, select_rows
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.mixing import with_strength

WINDOWS_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class _Group:
    """Windows that are encoded together, once one of them is needed.

    They are always the same ones: a film that goes on from its middle has the very prompts of an uninterrupted one.
    """

    encoder: AudioPromptEncoder
    waveforms: list[Waveform]

    @cached_property
    def prompts(self) -> AudioPrompt:
        return self.encoder.encode(self.waveforms, batch_size=WINDOWS_AT_ONCE)

    def prompt(self, row: int) -> AudioPrompt:
        return select_rows(self.prompts, [row])


class _Key(NamedTuple):
    """A window's place on the timeline."""

    middle_s: float
    group: _Group
    row: int


class Timeline:
    """Prompts of a recording at times that never fall; only the windows around the last time are held.

    Args:
        sound: the recording.
        encoder: makes the prompts.
        window_s, hop_s: length of the windows, and from the start of one to the next, in seconds.
    """

    def __init__(self, sound: SoundFile, encoder: AudioPromptEncoder, *, window_s: float, hop_s: float) -> None:
        cut = stream_windows(
            stream_samples(sound), length=round(window_s * SAMPLING_RATE), hop=round(hop_s * SAMPLING_RATE)
        )
        self._keys = _keys(cut, encoder)
        self._before = self._after = next(self._keys)

    def at(self, time_s: float) -> AudioPrompt:
        """One row, interpolated, pooled vectors included, between the windows that have their middles around the time.

        Before the first middle and after the last, it is theirs.
        """
        while self._after.middle_s <= time_s and (key := next(self._keys, None)):
            self._before, self._after = self._after, key
        before, after = self._before, self._after
        if time_s <= before.middle_s or before is after:
            return before.group.prompt(before.row)
        share = min(1.0, (time_s - before.middle_s) / (after.middle_s - before.middle_s))
        return with_strength(after.group.prompt(after.row), before.group.prompt(before.row), share)


def _keys(cut: Iterator[tuple[Window, NDArray[np.float32]]], encoder: AudioPromptEncoder) -> Iterator[_Key]:
    while group := list(islice(cut, WINDOWS_AT_ONCE)):
        encoded = _Group(encoder, [Waveform(samples) for _, samples in group])
        for row, (window, _) in enumerate(group):
            yield _Key((window.start + window.stop) / 2 / SAMPLING_RATE, encoded, row)
