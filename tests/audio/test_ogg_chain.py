"""The links of chained Ogg files, also of damaged ones, and sections of files."""

import io

import pytest

from photism.audio.ogg_chain import FileSection, links
from tests.support.recordings import clicks, encode


@pytest.fixture(scope="module")
def parts():
    return [encode("ogg", "flac", clicks(1, rate=rate), rate=rate) for rate in (16_000, 44_100)]


def test_a_link_begins_at_the_first_page_of_a_stream(parts):
    first, second = map(len, parts)
    assert links(io.BytesIO(parts[0])) == [(0, first)]
    assert links(io.BytesIO(b"".join(parts))) == [(0, first), (first, first + second)]


def test_damaged_pages_are_skipped(parts):
    data = bytearray(b"".join(parts))
    for position in range(data.find(b"OggS", 1000), len(parts[0])):
        data[position] = 0
    assert links(io.BytesIO(bytes(data)))[1] == (len(parts[0]), len(data))


def test_other_files_are_one_link(parts):
    for data in (parts[0][:10], b"", b"RIFF" + parts[0]):
        assert links(io.BytesIO(data)) == [(0, len(data))]


def test_a_truncated_file_ends_where_its_last_page_should(parts):
    assert links(io.BytesIO(parts[0][:-10])) == [(0, len(parts[0]))]


def test_a_section_is_a_file_of_its_own():
    file = io.BytesIO(b"0123456789")
    section = FileSection(file, 2, 7)
    assert (section.read(2), section.tell(), section.read(), section.read()) == (b"23", 2, b"456", b"")
    assert (section.seek(-1, 2), section.read(5)) == (4, b"6")
    assert (section.seek(-2, 1), section.read(1)) == (3, b"5")
    with pytest.raises(ValueError, match="before the beginning"):
        section.seek(-1)
    section.close()
    assert not file.closed
