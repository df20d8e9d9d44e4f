"""OpenAI's verbose_json, by hand: times of segments and words, and the logarithms of confidences."""

import math

import pytest

from photism.listening.transcription.transcript import Character, Transcript, Word
from photism.listening.transcription.verbose_json import as_verbose_json


def word(text, start_s, confidence=0.5):
    """Return a word of 0.1 s for each character."""
    characters = tuple(
        Character(each, start_s + 0.1 * index, start_s + 0.1 * (index + 1), confidence)
        for index, each in enumerate(text)
    )
    return Word(text, start_s, start_s + 0.1 * len(text), confidence, characters)


TRANSCRIPT = Transcript((word("no", 0.5), word("one", 0.8, 0.25), word("here", 3.0, 1.0)), 4.0)


def test_segments_are_subtitles_with_exact_times():
    values = as_verbose_json(TRANSCRIPT, language="eng")
    assert (values["task"], values["language"], values["duration"], values["text"]) == (
        "transcribe",
        "eng",
        4.0,
        "no one here",
    )
    assert values["usage"] == {"type": "duration", "seconds": 4.0}
    assert "words" not in values
    first, second = values["segments"]
    assert (first["id"], first["seek"], first["start"], first["end"], first["text"]) == (0, 50, 0.5, 1.1, "no one")
    assert first["avg_logprob"] == pytest.approx((2 * math.log(0.5) + 3 * math.log(0.25)) / 5, abs=1e-4)
    assert (second["start"], second["end"], second["text"], second["avg_logprob"]) == (3.0, 3.4, "here", 0.0)
    assert (second["tokens"], second["temperature"], second["no_speech_prob"]) == ([], 0.0, None)
    assert second["compression_ratio"] == pytest.approx(4 / 12, abs=1e-4)  # zlib adds 8 bytes to 4


def test_words_have_times_and_confidences():
    values = as_verbose_json(TRANSCRIPT, language="eng", granularities=("word",))
    assert "segments" not in values
    assert values["words"][1] == {"word": "one", "start": 0.8, "end": 1.1, "confidence": 0.25}
    assert [each["word"] for each in values["words"]] == ["no", "one", "here"]


def test_a_word_of_several_subtitles_is_in_all_of_them():
    long = Transcript((word("字" * 50, 0.0),), 10.0, separator="")
    segments = as_verbose_json(long, language="cmn")["segments"]
    assert len(segments) > 1
    assert "".join(each["text"] for each in segments) == "字" * 50
    assert (segments[0]["start"], segments[-1]["end"]) == (0.0, 5.0)


def test_silence_has_no_segments():
    assert as_verbose_json(Transcript((), 2.0), language="und")["segments"] == []
