"""Segments of a recording, each of which becomes one prompt: words and utterances, or musical events.

A segment begins where the picture should change: where a word begins, at a strong onset, or at a beat. Sound that goes
on for longer than a given time is cut, at a pause or at an onset, so that the prompts follow it. No word and no onset
begins in silence.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise, repeat, takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.audio.beats import measure_accents, track_beats
from photism.audio.level import HOP_S, MIN_DB, frame_blocks, frame_power, power_to_db
from photism.audio.onsets import OnsetStrength
from photism.audio.sampling import SAMPLING_RATE
from photism.audio.streaming import stream_samples
from photism.audio.voice_activity import BLOCK_SAMPLES, follow_speech, stream_speech_probabilities
from photism.drawing.video.audio_features import LEVEL_RANGE_DB, MIN_PEAK_DB, MeasuredRecording
from photism.drawing.video.settings import Sync

BLOCK_S = BLOCK_SAMPLES / SAMPLING_RATE  # 32 ms
STREAM_SAMPLES = 256 * BLOCK_SAMPLES  # about 8 s
SHORTEST_SILENCE_S = 0.2
"""Pause that ends a segment. The closure of a stop within a word is shorter."""
SHORTEST_SOUND_S = 0.1
"""Shortest segment; a shorter sound is skipped."""
LONGEST_WEAK_S = 0.4
"""Longest weak start of a sound, such as a fricative that voice activity detection misses."""
SOUND_RANGE_DB = 30.0
"""Range of levels within a sound: weak frames next to it belong to it if they are at most this far below its peak."""
NOISE_RANGE_DB = 10.0
"""Distance from the quietest frame of a pause at which weak frames are more than its noise."""
SPEECH_FRACTION = 0.5
"""Fraction of the sound that is speech, from which on the windows of a recording follow its speech."""


class Segment(NamedTuple):
    """A part of a recording that becomes one prompt, in seconds."""

    start_s: float
    stop_s: float


class _Frame(NamedTuple):
    """A frame of a recording."""

    is_active: bool  # whether it is a part of a segment
    level_db: float
    cut_score: float  # how well a segment could begin with it


def find_segments(recording: MeasuredRecording, sync: Sync, *, longest_s: float) -> Iterator[Segment]:
    """Find the segments of a recording, at least one.

    Args:
        recording: the recording, which is read in blocks.
        sync: what segments follow, other than "auto" and "fixed".
        longest_s: duration in seconds at which longer speech or music is cut; up to a third more stays whole. Between
            beats, longest segment.

    Yields:
        The segments, ascending. They do not overlap.

    Raises:
        InputError: the library silero-vad is not installed.
    """
    if sync in ("beat", "downbeat"):
        yield from beat_segments(recording, longest_s=longest_s, bars=sync == "downbeat")
        return
    find = speech_segments if sync == "speech" else onset_segments
    segments = find(recording, longest_s=longest_s)
    yield next(segments, Segment(0.0, min(longest_s, recording.duration_s)))
    yield from segments


def speech_segments(recording: MeasuredRecording, *, longest_s: float) -> Iterator[Segment]:
    """Find words and utterances by voice activity detection, which pauses separate.

    Args:
        recording: the recording, which is read in blocks.
        longest_s: duration in seconds. Speech that goes on for a third longer is cut before this time, at its longest
            pause, or else where it is quietest.

    Yields:
        The segments, ascending. They do not overlap.

    Raises:
        InputError: the library silero-vad is not installed.
    """
    return _segments(_speech_frames(recording), frame_s=BLOCK_S, longest_s=longest_s)


def onset_segments(recording: MeasuredRecording, *, longest_s: float) -> Iterator[Segment]:
    """Find musical events: sound between silences, cut at its strongest onsets.

    Args:
        recording: the recording, which is read in blocks.
        longest_s: duration in seconds. Sound that goes on for a third longer is cut before this time, at its strongest
            onset, but not in the first third.

    Yields:
        The segments, ascending. They do not overlap.
    """
    return _segments(_onset_frames(recording), frame_s=HOP_S, longest_s=longest_s)


def beat_segments(recording: MeasuredRecording, *, longest_s: float, bars: bool = False) -> Iterator[Segment]:
    """Cut a recording at its beats.

    Args:
        recording: the recording, which is read in blocks; 3 MB are held for an hour.
        longest_s: longest segment in seconds; parts without a beat are divided evenly.
        bars: whether to cut at downbeats only.

    Yields:
        The segments, ascending, from the start of the recording to its end.
    """
    inner = [
        float(time_s)
        for time_s in find_beats(recording, bars=bars)
        if SHORTEST_SOUND_S <= time_s <= recording.duration_s - SHORTEST_SOUND_S
    ]
    for start_s, stop_s in pairwise([0.0, *inner, recording.duration_s]):
        parts = math.ceil((stop_s - start_s) / longest_s)
        edges_s = np.linspace(start_s, stop_s, parts + 1).tolist()
        yield from (Segment(*edges) for edges in pairwise(edges_s))


def find_beats(recording: MeasuredRecording, *, bars: bool = False) -> NDArray[np.float64]:
    """Find the beats of a recording, or only the first one of each bar: times (N,) in seconds, none without a beat."""
    blocks = stream_samples(recording.sound, warnings=[])
    beats = track_beats(measure_accents(blocks, max(recording.peak_db, MIN_PEAK_DB)))
    return beats.times_s[beats.is_downbeat] if bars else beats.times_s


def is_mostly_speech(recording: MeasuredRecording) -> bool:
    """Return whether at least half of the sound of a recording is speech.

    Raises:
        InputError: the library silero-vad is not installed.
    """
    speech = sum(frame.is_active for frame in _speech_frames(recording)) * BLOCK_S
    sound = sum(frame.is_active for frame in _onset_frames(recording)) * HOP_S
    return speech > 0 and speech >= SPEECH_FRACTION * sound


def _speech_frames(recording: MeasuredRecording) -> Iterator[_Frame]:
    """Yield the frames of 32 ms. A cut is best after a long pause, or else where it is quiet."""
    levels_db: deque[float] = deque()

    def blocks() -> Iterator[NDArray[np.float32]]:
        for block in stream_samples(recording.sound, block_samples=STREAM_SAMPLES, warnings=[]):
            levels_db.extend(_levels_db(block))
            yield block

    pause_s = 0.0
    for is_speech in follow_speech(chain.from_iterable(stream_speech_probabilities(blocks()))):
        level_db = levels_db.popleft()
        yield _Frame(is_speech, level_db, pause_s if is_speech and pause_s else MIN_DB - level_db)
        pause_s = 0.0 if is_speech else pause_s + BLOCK_S


def _levels_db(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the level in dBFS of each 32 ms, the last of them padded with zeros: (T,) -> (T / 512,)."""
    padded = np.pad(samples, (0, -len(samples) % BLOCK_SAMPLES))
    return power_to_db(np.square(padded.reshape(-1, BLOCK_SAMPLES), dtype=np.float64).mean(axis=1))


def _onset_frames(recording: MeasuredRecording) -> Iterator[_Frame]:
    """Yield the frames of 25 ms, every 10 ms. A cut is best at a strong onset."""
    peak_db = max(recording.peak_db, MIN_PEAK_DB)
    onset_strength = OnsetStrength(peak_db)
    for block in frame_blocks(stream_samples(recording.sound, warnings=[])):
        levels_db = power_to_db(frame_power(block))
        is_active = levels_db > peak_db - LEVEL_RANGE_DB
        yield from map(_Frame, is_active.tolist(), levels_db.tolist(), onset_strength(block).tolist())


def _segments(frames: Iterable[_Frame], *, frame_s: float, longest_s: float) -> Iterator[Segment]:
    """Join active frames that short pauses separate, extend them by weak starts and ends, and cut what is too long.

    Of all frames, only those of one segment and of the pause before it are held.
    """
    longest = max(2, round(longest_s / frame_s))
    shortest = max(1, longest // 3)
    pause = round(SHORTEST_SILENCE_S / frame_s)
    before: deque[_Frame] = deque(maxlen=round(LONGEST_WEAK_S / frame_s))
    run: list[_Frame] = []  # since the start of a segment
    silent = 0  # number of frames at the end of the run that are not active
    for stop, frame in enumerate(chain(frames, repeat(_Frame(False, MIN_DB, 0.0), pause)), start=1):
        if not (run or frame.is_active):
            before.append(frame)
            continue
        run.append(frame)
        silent = 0 if frame.is_active else silent + 1
        length = len(run) - silent  # of the sound
        if silent == pause:
            sound, after = run[:length], run[length:]
            later = _count_weak(after, sound)
            start_s = (stop - len(run) - _count_weak([*reversed(before)], sound)) * frame_s
            if length * frame_s >= SHORTEST_SOUND_S:
                yield Segment(start_s, (stop - silent + later) * frame_s)
            before.clear()  # frames before this sound are not next to the one that follows
            before.extend(after[later:])
            run = []
        elif length == longest + shortest:  # and the last frame is active
            cut = shortest + int(np.argmax([each.cut_score for each in run[shortest : longest + 1]]))
            start_s = (stop - len(run) - _count_weak([*reversed(before)], run)) * frame_s
            yield Segment(start_s, (stop - len(run) + cut) * frame_s)
            before.clear()
            run = run[cut:]


def count_weak(silent_db: Sequence[float], peak_db: float) -> int:
    """Count the frames next to a sound that belong to it, because their level is well above the noise.

    Args:
        silent_db: levels of frames that are not active, from the sound on.
        peak_db: level of the loudest frame of the sound.
    """
    if not silent_db:
        return 0
    threshold_db = max(min(silent_db) + NOISE_RANGE_DB, peak_db - SOUND_RANGE_DB)
    return sum(1 for _ in takewhile(lambda level_db: level_db > threshold_db, silent_db))


def _count_weak(silent: Iterable[_Frame], sound: Iterable[_Frame]) -> int:
    return count_weak([frame.level_db for frame in silent], max(frame.level_db for frame in sound))
