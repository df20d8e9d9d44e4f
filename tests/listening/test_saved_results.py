"""Results read from their JSON are those that were written."""

import pytest

from photism.errors import InputError
from photism.listening.diarization import Diarization
from photism.listening.saved_results import read_segments, read_transcript, read_turns
from photism.listening.segments import Segment
from photism.listening.transcription.transcript import Character, Transcript, Word


def test_a_transcript_comes_back():
    words = (
        Word("no", 0.5, 0.75, 0.5, (Character("n", 0.5, 0.6, 0.5), Character("o", 0.6, 0.75, 0.5))),
        Word("yes", 1.0, 1.5, 0.25, (Character("yes", 1.0, 1.5, 0.25),)),
    )
    for separator in (" ", ""):
        transcript = Transcript(words, 2.0, separator=separator)
        assert read_transcript(transcript.as_dict(characters=True)) == transcript


def test_turns_and_segments_come_back():
    turns = Diarization(0, 4.0, (Segment(0.5, 2.25, "Anna", 0.75), Segment(2.0, 4.0, "Ben", 0.5)))
    assert read_turns(turns.as_dict()) == turns
    assert read_segments({"segments": [turns.turns[0]._asdict()]}) == [turns.turns[0]]


def test_a_result_lasts_at_least_until_the_end_of_its_last_item():
    word = {"text": "late", "start_s": 3, "end_s": 5}
    assert read_transcript({"words": [word]}).duration_s == 5
    assert read_transcript({"words": [word], "duration_s": 9}).duration_s == 9


def test_a_character_of_a_word_is_checked_too():
    word = {"text": "a", "start_s": 0, "end_s": 1, "characters": [{"text": "a", "start_s": 0}]}
    with pytest.raises(InputError, match=r"words\[0\]\.characters\[0\]\.end_s must be a number"):
        read_transcript({"words": [word]})


def test_texts_have_no_line_breaks_that_would_end_a_subtitle_or_a_turn():
    item = {"start_s": 0, "end_s": 1}
    assert read_transcript({"words": [{**item, "text": "a \n\n2"}]}).text == "a 2"
    assert read_transcript({"cues": [{**item, "text": "one\n\n two "}]}).cues[0].lines == ("one", "two")
    assert read_turns({"turns": [{**item, "speaker": "Anna\nLee"}]}).turns[0].label == "Anna Lee"
