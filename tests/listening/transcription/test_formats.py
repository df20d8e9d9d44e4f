"""File formats and subtitles of a transcript, written out by hand."""

import json

import pytest

from photism.listening.transcription.formats import write_transcript
from photism.listening.transcription.subtitles import phrase_cues
from photism.listening.transcription.transcript import Character, Transcript, Word


def word(text, start_s, end_s, confidence=0.5):
    step = (end_s - start_s) / len(text)
    characters = tuple(
        Character(letter, start_s + index * step, start_s + (index + 1) * step, confidence)
        for index, letter in enumerate(text)
    )
    return Word(text, start_s, end_s, confidence, characters)


@pytest.fixture
def transcript():
    words = (word("A", 0.5, 0.52), word("<b>", 0.6, 0.8), word("&", 0.9, 1.0), word("-->", 3661.5, 3661.98))
    return Transcript(words, duration_s=3662.0, windows=3)


def test_text(transcript):
    assert write_transcript(transcript, "txt") == "A <b> & -->\n"
    assert write_transcript(Transcript((), 1.0), "txt") == "\n"


def test_subrip(transcript):
    assert write_transcript(transcript, "srt") == (
        "1\n00:00:00,500 --> 00:00:01,333\nA <b> &\n\n2\n01:01:01,500 --> 01:01:02,000\n→\n"
    )
    assert write_transcript(Transcript((), 1.0), "srt") == ""


def test_webvtt(transcript):
    assert write_transcript(transcript, "vtt") == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.333\nA &lt;b&gt; &amp;\n\n01:01:01.500 --> 01:01:02.000\n--&gt;\n"
    )
    assert write_transcript(Transcript((), 1.0), "vtt") == "WEBVTT\n"


def test_table(transcript):
    assert write_transcript(transcript, "tsv") == ("start\tend\ttext\n500\t1333\tA <b> &\n3661500\t3662000\t-->\n")
    assert write_transcript(transcript, "tsv", words=True).splitlines()[1:3] == ["500\t520\tA", "600\t800\t<b>"]


def test_json(transcript):
    values = json.loads(write_transcript(transcript, "json"))
    assert values == {
        "text": "A <b> & -->",
        "duration_s": 3662.0,
        "windows": 3,
        "words": [
            {"text": "A", "start_s": 0.5, "end_s": 0.52, "confidence": 0.5},
            {"text": "<b>", "start_s": 0.6, "end_s": 0.8, "confidence": 0.5},
            {"text": "&", "start_s": 0.9, "end_s": 1.0, "confidence": 0.5},
            {"text": "-->", "start_s": 3661.5, "end_s": 3661.98, "confidence": 0.5},
        ],
    }
    (character,) = json.loads(write_transcript(transcript, "json", words=True))["words"][0]["characters"]
    assert character == {"text": "A", "start_s": 0.5, "end_s": 0.52, "confidence": 0.5}


def test_json_lines(transcript):
    line = write_transcript(transcript, "jsonl", file="a.wav")
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    expected = {"file": "a.wav"} | json.loads(write_transcript(transcript, "json"))
    assert json.loads(line) == json.loads(write_transcript(transcript, "json", file="a.wav")) == expected


def test_ctm(transcript):
    assert write_transcript(transcript, "ctm", name="talk") == (
        "talk 1 0.500 0.020 A 0.5000\n"
        "talk 1 0.600 0.200 <b> 0.5000\n"
        "talk 1 0.900 0.100 & 0.5000\n"
        "talk 1 3661.500 0.480 --> 0.5000\n"
    )
    assert write_transcript(Transcript((), 1.0), "ctm") == ""


def test_textgrid(transcript):
    lines = [line.strip() for line in write_transcript(transcript, "textgrid").splitlines()]
    assert [line for line in lines if line.startswith("text")] == [
        *('text = ""', 'text = "A"', 'text = ""', 'text = "<b>"', 'text = ""', 'text = "&"', 'text = ""'),
        *('text = "-->"', 'text = ""'),
    ]
    with_characters = write_transcript(transcript, "textgrid", words=True)
    assert 'name = "words"' in with_characters
    assert with_characters.endswith('text = ""\n')
    (_, characters) = with_characters.split('name = "characters"')
    assert [line.strip() for line in characters.splitlines() if "text" in line][3:6] == [
        'text = "<"',
        'text = "b"',
        'text = ">"',
    ]


def test_a_subtitle_for_each_word(transcript):
    assert write_transcript(transcript, "vtt", words=True).count("-->") == 4
    assert "00:00:00,600 --> 00:00:00,800\n<b>\n" in write_transcript(transcript, "srt", words=True)


def spoken(texts, every_s=0.3):
    words = tuple(word(text, index * every_s, index * every_s + 0.2) for index, text in enumerate(texts))
    return Transcript(words, duration_s=len(texts) * every_s + 1)


def test_a_subtitle_has_two_lines_of_similar_length():
    texts = ["aaaa bbbb", *["word"] * 12]
    (cue,) = phrase_cues(spoken(texts))
    assert cue.lines == ("aaaa bbbb word word word word word", "word word word word word word word")


def test_a_third_line_begins_the_next_subtitle():
    found = phrase_cues(spoken(["abcdefghi"] * 12, every_s=0.2))
    assert [cue.lines for cue in found] == [
        ("abcdefghi abcdefghi abcdefghi abcdefghi",) * 2,
        ("abcdefghi abcdefghi abcdefghi abcdefghi",),
    ]
    assert found[0].end_s == pytest.approx(7 * 0.2 + 0.2)
    assert found[1].start_s == pytest.approx(8 * 0.2)


def test_a_subtitle_ends_at_a_pause_and_after_seven_seconds():
    words = (word("a", 0.0, 0.1), word("b", 0.89, 1.0), word("c", 1.8, 2.0))
    assert [cue.lines for cue in phrase_cues(Transcript(words, 5.0))] == [("a b",), ("c",)]
    slow = spoken("abcdefghijkl", every_s=0.75)
    assert [cue.lines for cue in phrase_cues(slow)] == [("a b c d e f g h i j",), ("k l",)]


def test_a_short_subtitle_is_prolonged_until_the_next_one():
    words = (word("a", 0.0, 0.1), word("b", 0.95, 1.0), word("c", 2.0, 2.1))
    (a, b, c) = phrase_cues(Transcript(words, 2.4))
    assert a.end_s == pytest.approx(5 / 6)
    assert b.end_s == pytest.approx(0.95 + 5 / 6)
    assert c.end_s == pytest.approx(2.4)
    (a, b) = phrase_cues(Transcript((word("a", 0.0, 0.1), word("b", 0.9, 1.0)), 0.95))
    assert a.end_s == pytest.approx(0.9 - 2 / 24)
    assert b.end_s == 1.0  # never shorter than the words


def lines_of(*texts, every_s=0.1, separator=" "):
    """Return the lines of all subtitles, of words whose characters last as long as each other."""
    words, start_s = [], 0.0
    for text in texts:
        words.append(word(text, start_s, start_s + len(text) * every_s))
        start_s += len(text) * every_s
    return [cue.lines for cue in phrase_cues(Transcript(tuple(words), start_s, separator=separator))]


def test_full_width_characters_fill_a_line_sooner():
    assert [list(map(len, lines)) for lines in lines_of("字" * 70)] == [[16, 16], [16, 16], [6]]
    assert [list(map(len, lines)) for lines in lines_of("한국어는" * 6)] == [[16, 8]]
    assert [list(map(len, lines)) for lines in lines_of("ｱ" * 60)] == [[30, 30]]  # half-width
    assert lines_of("a" * 21, "字" * 8) == [("a" * 21, "字" * 8)]  # 21 + a space + 8 * 42 / 16 = 43
    assert lines_of("a" * 20, "字" * 8) == [("a" * 20 + " " + "字" * 8,)]


def test_text_without_spaces_has_no_spaces_between_parts():
    assert lines_of("字" * 10, "文" * 3) == [("字" * 10 + " " + "文" * 3,)]
    assert lines_of("字" * 10, "文" * 3, separator="") == [("字" * 10 + "文" * 3,)]
    slow = phrase_cues(Transcript((word("字" * 10, 0.0, 10.0),), 10.0))
    assert [cue.lines for cue in slow] == [("字" * 7,), ("字" * 3,)]
    assert (slow[0].end_s, slow[1].start_s) == (7.0, 7.0)
    assert lines_of("字" * 15 + "ab" + "。" + "字" * 3) == [("字" * 10, "字" * 5 + "ab。" + "字" * 3)]
    assert lines_of("字" * 16 + "。" + "字" * 4) == [("字" * 10, "字" * 6 + "。" + "字" * 4)]


@pytest.mark.parametrize(
    "cluster",
    ["स्ते", "ก็", "ကြ", "e\u0301", "👩‍👩‍👧", "🇫🇷", "ᄒ\u1161ᆫ", "か\u3099"],
)
def test_a_grapheme_cluster_is_not_broken(cluster):
    import regex

    for text in (cluster * 40, "ab" + cluster * 40):
        for lines in lines_of(text, every_s=0.01):
            for line in lines:
                assert all(each in (cluster, "a", "b") for each in regex.findall(r"\X", line))
                assert len(regex.findall(r"\X", line)) <= 42


def test_a_word_is_broken_only_where_it_is_longer_than_a_line():
    assert lines_of("a" * 42, "b" * 42, every_s=0.05) == [("a" * 42, "b" * 42)]
    assert lines_of("a" * 43) == [("a" * 42, "a")]
    assert lines_of("slow", every_s=3.0) == [("slow",)]
    assert lines_of("ж" * 30, "з" * 30, "и" * 30, every_s=0.05) == [("ж" * 30, "з" * 30), ("и" * 30,)]


def test_a_word_without_times_of_its_characters_is_kept():
    aligned = Word("2024", 0.0, 0.5, 0.5, (Character("twenty", 0.0, 0.5, 0.5),))
    assert [cue.lines for cue in phrase_cues(Transcript((aligned,), 1.0))] == [("2024",)]
