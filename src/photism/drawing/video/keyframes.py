"""Keyframes of a film: parts of a recording encoded into prompts, and the prompt at the time of each frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain, islice, pairwise, tee
from typing import TypeVar
from warnings import warn

import numpy as np
import torch
from numpy.typing import NDArray

from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.audio.windowing import Window, count_samples, stream_slices, stream_windows
from photism.drawing.video.audio_features import MeasuredRecording
from photism.drawing.video.segmentation import Segment, find_beats, find_segments, is_mostly_speech
from photism.drawing.video.settings import FilmSettings
from photism.errors import RecordingWarning
from photism.prompts.audio_prompt import AudioPrompt, select_rows
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.mixing import with_strength

Where = TypeVar("Where", Segment, Window)

CUTS_PER_BATCH = 8
DEFAULT_HOP_S = 1.0
DEFAULT_FADES_S = {"speech": 0.1, "onsets": 1.0, "beat": 0.1, "downbeat": 0.1}
"""Few of the onsets of music begin a segment. A prompt that changed at once would outshine the motion at all others."""
CONTEXT_S = 0.05
"""Sound on either side of a segment that is encoded with it, at most to the middle of the pause."""


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A prompt, and the time at which it replaces the one before.

    Attributes:
        time_s: time in seconds at which the prompt begins to replace the one before.
        fade_s: duration of the cross-fade from the prompt before; the prompt then holds until the next keyframe.
        encode: returns the prompt, one row; called when the prompt is first needed, and at each frame from then on.
    """

    time_s: float
    fade_s: float
    encode: Callable[[], AudioPrompt]


class KeyframeInterpolator:
    """The prompt of a film at ascending times. Only the keyframes around the last requested time are held.

    Args:
        keyframes: keyframes with ascending times, at least one. A fade that is not finished when the next one begins
            is shortened, so that prompts never jump.
    """

    def __init__(self, keyframes: Iterable[Keyframe]) -> None:
        self._keyframes = iter(keyframes)
        self._before = self._current = next(self._keyframes)
        self._next = next(self._keyframes, None)

    def at(self, time_s: float) -> AudioPrompt:
        """Return the prompt at a time, one row; before the first keyframe, that keyframe's prompt.

        Args:
            time_s: time in seconds, at least that of the call before.
        """
        while self._next is not None and self._next.time_s <= time_s:
            self._before, self._current = self._current, self._next
            self._next = next(self._keyframes, None)
        before, current = self._before, self._current
        fade_s = current.fade_s if self._next is None else min(current.fade_s, self._next.time_s - current.time_s)
        faded_s = time_s - current.time_s
        if before is current or faded_s >= fade_s:
            return current.encode()
        return with_strength(current.encode(), before.encode(), faded_s / fade_s)


def resolve_sync(recording: MeasuredRecording, settings: FilmSettings) -> FilmSettings:
    """Return settings with what `sync`, `hop_s` and `fade_s` are for a recording, in place of their defaults.

    The picture changes with the onsets of a recording that has no regular beat, which is reported as a
    `RecordingWarning`.

    Raises:
        InputError: the library silero-vad is not installed, and `sync` is "auto".
    """
    sync, hop_s = settings.sync, settings.hop_s
    if sync == "auto":
        sync = "fixed" if hop_s is not None else "speech" if is_mostly_speech(recording) else "onsets"
    if sync == "fixed" and hop_s is None:
        hop_s = min(DEFAULT_HOP_S, settings.window_s)
    if sync in ("beat", "downbeat") and not len(find_beats(recording, bars=sync == "downbeat")):
        warn(f"{recording.sound.name}: no regular beat; pictures change at onsets", RecordingWarning, stacklevel=2)
        sync = "onsets"
    fade_s = DEFAULT_FADES_S.get(sync) if settings.fade_s is None else settings.fade_s
    return replace(settings, sync=sync, hop_s=hop_s, fade_s=fade_s)


def recording_keyframes(
    recording: MeasuredRecording, encoder: AudioPromptEncoder, settings: FilmSettings
) -> Iterator[Keyframe]:
    """Return the keyframes of a recording.

    Args:
        recording: the recording.
        encoder: encoder of its windows or segments.
        settings: settings of the film, from `resolve_sync`.

    Raises:
        InputError: the library silero-vad is not installed, and the picture should change with words.
    """
    if settings.hop_s is not None:
        return window_keyframes(recording.sound, encoder, window_s=settings.window_s, hop_s=settings.hop_s)
    segments = find_segments(recording, settings.sync, longest_s=settings.window_s)
    return segment_keyframes(recording.sound, encoder, segments, fade_s=settings.fade_s or 0.0)


def segment_keyframes(
    sound: SoundFile, encoder: AudioPromptEncoder, segments: Iterable[Segment], *, fade_s: float
) -> Iterator[Keyframe]:
    """Encode each segment, with a little of the sound around it, into the prompt that appears when the segment begins.

    Args:
        sound: recording.
        encoder: encoder of the segments.
        segments: ascending segments that do not overlap.
        fade_s: duration of the cross-fade from each prompt to the next.
    """
    segments, same = tee(segments)
    samples = stream_slices(map(torch.from_numpy, stream_samples(sound, warnings=[])), _with_context(same))
    cuts = zip(segments, (cut.numpy() for cut in samples), strict=True)
    for segment, encode in _encoded(encoder, cuts):
        yield Keyframe(segment.start_s, fade_s, encode)


def window_keyframes(
    sound: SoundFile, encoder: AudioPromptEncoder, *, window_s: float, hop_s: float
) -> Iterator[Keyframe]:
    """Encode windows at regular intervals into prompts, each of which is reached at the middle of its window.

    Args:
        sound: recording.
        encoder: encoder of the windows.
        window_s: length of a window in seconds.
        hop_s: time from the start of a window to the start of the next, in seconds.
    """
    blocks = stream_samples(sound, warnings=[])
    windows = stream_windows(blocks, length=count_samples(window_s), hop=count_samples(hop_s))
    last_s = None
    for window, encode in _encoded(encoder, windows):
        time_s = (window.start + window.stop) / 2 / SAMPLING_RATE
        last_s = time_s if last_s is None else last_s
        yield Keyframe(last_s, time_s - last_s, encode)
        last_s = time_s


def _with_context(segments: Iterable[Segment]) -> Iterator[Window]:
    """Yield the samples that are encoded for each segment."""
    previous_s = -math.inf
    for segment, following in pairwise(chain(segments, [Segment(math.inf, math.inf)])):
        start_s = max(0.0, segment.start_s - CONTEXT_S, (previous_s + segment.start_s) / 2)
        stop_s = min(segment.stop_s + CONTEXT_S, (segment.stop_s + following.start_s) / 2)
        yield Window(round(start_s * SAMPLING_RATE), round(stop_s * SAMPLING_RATE))
        previous_s = segment.stop_s


def _encoded(
    encoder: AudioPromptEncoder, cuts: Iterable[tuple[Where, NDArray[np.float32]]]
) -> Iterator[tuple[Where, Callable[[], AudioPrompt]]]:
    """Yield for each cut of a recording where it is, and a function that returns its prompt, one row.

    Cuts are encoded together when the first of them is needed. The batches of a recording are always the same, so that
    a film that is resumed has exactly the same prompts.
    """
    cuts = iter(cuts)
    while group := list(islice(cuts, CUTS_PER_BATCH)):
        waveforms = [Waveform(samples) for _, samples in group]
        encode = cache(partial(encoder.encode, waveforms, batch_size=CUTS_PER_BATCH))
        for row, (where, _) in enumerate(group):
            yield where, lambda row=row, encode=encode: select_rows(encode(), [row])
