"""A transcript as OpenAI's `verbose_json`: segments and words with their times."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from photism.listening.transcription.subtitles import phrase_cues

if TYPE_CHECKING:
    from photism.listening.transcription.transcript import Character, Transcript

GRANULARITIES = ("segment", "word")
"""Units of a transcript that can have times."""
FRAMES_PER_S = 100
"""Frames of Whisper in a second, in which `seek` is counted."""
MIN_CONFIDENCE = 1e-10


def as_verbose_json(
    transcript: Transcript, *, language: str, granularities: Collection[str] = ("segment",)
) -> dict[str, Any]:
    """Return a transcript with the fields of OpenAI's `verbose_json`.

    Segments are subtitles. `avg_logprob` is the mean logarithm of the confidences of a segment's characters. Words
    have their confidence too. CTC models have neither Whisper's tokens nor its probability that there is no speech:
    `tokens` is empty, and `no_speech_prob` None.

    Args:
        transcript: the transcript.
        language: language of the model.
        granularities: what is listed: some of `GRANULARITIES`.

    Source: https://platform.openai.com/docs/api-reference/audio/verbose-json-object.
    """
    values: dict[str, Any] = {
        "task": "transcribe",
        "language": language,
        "duration": round(transcript.duration_s, 3),
        "text": transcript.text,
        "usage": duration_usage(transcript),
    }
    if "segment" in granularities:
        values["segments"] = [_segment(index, *each) for index, each in enumerate(_segments(transcript))]
    if "word" in granularities:
        values["words"] = [
            {
                "word": word.text,
                "start": round(word.start_s, 3),
                "end": round(word.end_s, 3),
                "confidence": round(word.confidence, 4),
            }
            for word in transcript.words
        ]
    return values


def duration_usage(transcript: Transcript) -> dict[str, Any]:
    """Return what OpenAI calls the usage of a transcription: the seconds of the recording."""
    return {"type": "duration", "seconds": round(transcript.duration_s, 3)}


def _segments(transcript: Transcript) -> list[tuple[str, Sequence[Character]]]:
    """Return the text of each subtitle, and its characters."""
    cues = phrase_cues(transcript)
    characters = [each for word in transcript.words for each in word.characters]
    bounds = pairwise([*(cue.start_s for cue in cues), math.inf])
    return [
        (transcript.separator.join(cue.lines), [each for each in characters if start_s <= each.start_s < end_s])
        for cue, (start_s, end_s) in zip(cues, bounds, strict=True)
    ]


def _segment(index: int, text: str, characters: Sequence[Character]) -> dict[str, Any]:
    encoded = text.encode()
    log_probs = [math.log(max(each.confidence, MIN_CONFIDENCE)) for each in characters]
    return {
        "id": index,
        "seek": round(characters[0].start_s * FRAMES_PER_S),
        "start": round(characters[0].start_s, 3),
        "end": round(characters[-1].end_s, 3),
        "text": text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(log_probs) / len(log_probs), 4),
        "compression_ratio": round(len(encoded) / len(zlib.compress(encoded)), 4),
        "no_speech_prob": None,
    }
