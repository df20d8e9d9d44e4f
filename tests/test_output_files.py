"""Names of output files, of any name of a recording."""

import pytest

from photism.output_files import printable, sound_stem, without_credentials


@pytest.mark.parametrize(
    ("sound", "stem"),
    [
        ("a/b c.ogg", "b c"),
        ("a/b", "b"),
        ("caf\udce9.ogg", "caf\udce9"),
        ("https://user:secret@host/a%20b.ogg?token=secret#1", "a b"),
        ("http://host", "sound"),
        ("http://[::1/a.ogg", "a"),
        ("http://host/a%00b.ogg", "ab"),
    ],
)
def test_the_stem_of_a_file_or_url(sound, stem):
    assert sound_stem(sound) == stem


def test_control_characters_are_escaped():
    assert printable("a\nb\x1b[31m\u2028é \\n.ogg") == r"a\nb\u001b[31m\u2028é \n.ogg"


def test_credentials_are_removed_from_each_url_of_a_chain():
    url = "zip://a/b.wav::simplecache::s3://user:pass@bucket/a.zip?token=1"
    assert without_credentials(url) == "zip://a/b.wav::simplecache::s3://bucket/a.zip?token=***"
    assert without_credentials("http://me:pass@[::1]/a.wav") == "http://[::1]/a.wav"
