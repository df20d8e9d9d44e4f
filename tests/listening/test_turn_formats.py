"""Formats of speaker turns, written out by hand and read again."""

import pytest

from photism import InputError
from photism.listening.segments import Segment
from photism.listening.turn_formats import as_rttm, as_srt, read_rttm

TURNS = [Segment(0, 1.5, "Anna B", 0.9), Segment(3661.25, 3662.0, "C", 0.8)]


def test_rttm_can_be_read():
    text = as_rttm("a talk", TURNS)
    assert text.splitlines()[0] == "SPEAKER a_talk 1 0.000 1.500 <NA> <NA> Anna_B <NA> <NA>"
    assert read_rttm("SPKR-INFO x\n\n" + text) == {
        "a_talk": [Segment(0, 1.5, "Anna_B", 1), Segment(3661.25, 3662.0, "C", 1)]
    }


def test_a_line_that_is_no_turn_is_an_error():
    with pytest.raises(InputError, match="line 1 is not a turn in RTTM: 'SPEAKER x 1 a b'"):
        read_rttm("SPEAKER x 1 a b")


def test_subtitles():
    assert as_srt(TURNS) == "1\n00:00:00,000 --> 00:00:01,500\nAnna B\n\n2\n01:01:01,250 --> 01:01:02,000\nC\n"
