"""Given transcripts: lines, subtitles and encodings, and which file belongs to which recording."""

import pytest

from photism import InputError
from photism.listening.transcription.reference_text import ReferenceText, read_references

SRT = """1
00:00:01,000 --> 00:00:02,000
<i>First line</i>
and second

2
00:00:03,000 --> 00:00:04,000 X1:1
{\\an8}Last < 5
"""
VTT = """WEBVTT - a title

NOTE not
spoken

intro
00:01.000 --> 00:02.000 align:start
<v Anna>One <00:01.500>two &amp; three

00:03.000 --> 00:04.000
"""


def words(reference):
    return [word for _, word in reference.words()]


def test_lines_of_a_text_are_cues_unless_there_is_only_one():
    reference = ReferenceText.of("One two,\n\n  three \r\n")
    assert reference == ReferenceText((("One two,",), ("three",)), keeps_cues=True)
    assert list(reference.words()) == [(0, "One"), (0, "two,"), (1, "three")]
    assert ReferenceText.of("One two").keeps_cues is False
    assert ReferenceText.of(["One\ntwo"]) == ReferenceText((("One", "two"),), keeps_cues=True)


def test_subtitles_keep_their_lines_and_their_markup_is_not_spoken(tmp_path):
    path = tmp_path / "talk.srt"
    path.write_text(SRT, encoding="utf-8-sig")
    reference = ReferenceText.read(path)
    assert reference.cues == (("<i>First line</i>", "and second"), ("{\\an8}Last < 5",))
    assert words(reference) == ["First", "line", "and", "second", "Last", "<", "5"]
    path.write_text(VTT)
    reference = ReferenceText.read(path)
    assert reference.cues == (("<v Anna>One two & three",),)
    assert words(reference) == ["One", "two", "&", "three"]


def test_a_text_in_utf_16_is_read_and_one_in_another_encoding_is_an_error(tmp_path):
    path = tmp_path / "talk.txt"
    path.write_text("déjà vu", encoding="utf-16")
    assert words(ReferenceText.read(path)) == ["déjà", "vu"]
    path.write_text("déjà vu", encoding="latin-1")
    with pytest.raises(InputError, match=r"talk\.txt: the transcript is not a text in UTF-8"):
        ReferenceText.read(path)
    with pytest.raises(InputError, match=r"gone\.txt: No such file"):
        ReferenceText.read(tmp_path / "gone.txt")


@pytest.mark.parametrize("text", ["", " \n", "— … !\n", []])
def test_a_text_without_words_is_an_error(text):
    with pytest.raises(InputError, match="the transcript has no words"):
        ReferenceText.of(text)


def test_transcripts_in_a_folder_are_named_after_the_recordings(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.srt").write_text(SRT)
    found = read_references(["x/a.wav", "https://host/b.mp3?x=1"], str(tmp_path))
    assert [words(each)[0] for each in found] == ["one", "First"]
    with pytest.raises(InputError, match=r"c\.wav needs one transcript, but the folder .* has no c\.txt, c\.srt or"):
        read_references(["a.wav", "c.wav"], str(tmp_path))
    (tmp_path / "b.txt").write_text("two")
    with pytest.raises(InputError, match=r"b\.wav needs one transcript, but the folder .* has b\.txt and b\.srt"):
        read_references(["b.wav"], str(tmp_path))
    with pytest.raises(InputError, match="--transcript must be a folder for 2 recordings"):
        read_references(["a.wav", "b.wav"], str(tmp_path / "a.txt"))
