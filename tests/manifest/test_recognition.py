"""Recordings by their suffix and by their first bytes."""

import pytest

from photism.manifest.recognition import HEADER_BYTES, has_sound_header, has_sound_suffix
from tests.fuzz.corpus import FORMATS, encode

OTHER_SOUNDS = [
    b"FORM\x00\x00\x00\x00AIFC", b"#!AMR\n", b"NIST_1A\n", b"Creative Voice File\x1a", b"FORM\x00\x00\x00\x008SVX",
    b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", b"RF64\xff\xff\xff\xffWAVE", b"ID3\x04",
    b"\xff\xf1\x50\x80", b"\xff\xfb\x90",
    b"\x00\x00\x00\x18ftypmp42", b"\x00\x00\x01\xba", b"\x0b\x77", (b"\x00" * 4 + b"G" + b"\x00" * 187) * 5,
]  # fmt: skip
OTHER_FILES = [
    b"", b"a text about RIFF and WAVE", "Ein Text".encode("utf-16"), b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0JFIF",
    b"RIFF\x00\x00\x00\x00WEBPVP8 ", b"\x00\x00\x00\x20ftypavif", b"\x00\x00\x00\x18ftypheic", b"\x7fELF\x02\x01",
    b"PK\x03\x04", b"G" * 100, b"\x00" * 1024,
]  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_recordings_of_each_format_are_recognised_without_their_suffix(name: str):
    assert has_sound_header(encode(name)[:HEADER_BYTES])


@pytest.mark.parametrize("header", OTHER_SOUNDS)
def test_other_formats_are_recognised_by_their_signature(header: bytes):
    assert has_sound_header(header[:HEADER_BYTES])


@pytest.mark.parametrize("header", OTHER_FILES)
def test_other_files_are_no_recordings(header: bytes):
    assert not has_sound_header(header)


def test_the_suffix_decides_unless_it_is_unknown_or_ambiguous():
    names = ["A.WAV", "b.txt", "c", "d.ts", "e.wav.part", "f.wav~", "g.v2"]
    assert [has_sound_suffix(name) for name in names] == [True, False, None, None, False, False, None]
