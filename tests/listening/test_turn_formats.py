"""Formats of speaker turns, written out by hand and read again."""

import pytest

from photism import InputError
from photism.listening.diarization import Diarization
from photism.listening.segments import Segment
from photism.listening.turn_formats import as_rttm, as_srt, format_turns, read_rttm

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


SPACED = "SPEAKER a talk 1 1.5 2 <NA> <NA> Anna B <NA> <NA>"


@pytest.mark.parametrize(
    ("line", "recording", "turn"),
    [
        ("\ufeffSPEAKER x 1 0 1.5 <NA> <NA> A <NA> <NA>", "x", Segment(0, 1.5, "A", 1)),
        (SPACED, "a talk", Segment(1.5, 3.5, "Anna B", 1)),
        (SPACED.removesuffix(" <NA>"), "a talk", Segment(1.5, 3.5, "Anna B", 1)),  # without the lookahead time
        ("SPEAKER x 1 0 0 <NA> <NA> 1 0.9 <NA>\r", "x", Segment(0, 0, "1", 1)),
        ("SPEAKER x 1 2.5e-1\t1 word unknown A <NA> <NA>", "x", Segment(0.25, 1.25, "A", 1)),
        ("SPEAKER x 1 0 1 <NA> <NA> Zo\u0085e\u3000B <NA> <NA>", "x", Segment(0, 1, "Zo\u0085e\u3000B", 1)),
    ],
)
def test_what_other_programs_write_is_read(line, recording, turn):
    assert read_rttm(f"{line}\n;; a comment\nNON-SPEECH x 1 0 1 <NA> noise <NA> <NA> <NA>\n") == {recording: [turn]}


@pytest.mark.parametrize(("start", "duration"), [("0", "-1"), ("0", "nan"), ("-0.1", "1"), ("inf", "1"), ("0", "inf")])
def test_a_time_that_is_negative_or_not_finite_is_an_error(start, duration):
    line = f"SPEAKER x 1 {start} {duration} <NA> <NA> A <NA> <NA>"
    message = "line 2: start and duration of a turn must be finite and at least 0: 'SPEAKER x 1 "
    with pytest.raises(InputError, match=message):
        read_rttm(f"\n{line}")


@pytest.mark.parametrize(
    "line", ["{}", "SPEAKER", "speaker x 1 0 1 <NA> <NA> A <NA> <NA>", "SPEAKER x 1 0 1 <NA> <NA>"]
)
def test_a_line_of_another_format_is_an_error(line):
    with pytest.raises(InputError, match="line 1 is not a turn in RTTM"):
        read_rttm(line)


def test_a_tier_for_each_speaker():
    overlapping = Diarization(0, 2.0, (Segment(0, 1.5, "A", 1), Segment(0.5, 1, "B", 1), Segment(1.75, 2, "A", 1)))
    text = format_turns("x.wav", overlapping, "textgrid", name="x")
    assert [line.strip() for line in text.splitlines() if "name" in line or "text =" in line] == [
        *('name = "A"', 'text = "A"', 'text = ""', 'text = "A"'),
        *('name = "B"', 'text = ""', 'text = "B"', 'text = ""'),
    ]


def test_subtitles():
    assert as_srt(TURNS) == "1\n00:00:00,000 --> 00:00:01,500\nAnna B\n\n2\n01:01:01,250 --> 01:01:02,000\nC\n"
