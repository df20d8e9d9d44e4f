"""Names of recordings in RTTM and CTM."""

import pytest

from photism import InputError
from photism.listening.recording_names import find_recording, recording_names


@pytest.mark.parametrize(
    ("recordings", "names"),
    [
        (["a.wav", "b/c d.ogg"], ["a", "c_d"]),
        (["a/x.wav", "b/x.wav", "y.wav"], ["a/x", "b/x", "y"]),
        (["1/a/x.wav", "2/a/x.wav", "2/b/x.wav"], ["1/a/x", "2/a/x", "b/x"]),
        (["x.wav", "x.mp3"], ["x.wav", "x.mp3"]),
        (["a b.wav", "a_b.ogg"], ["a_b.wav", "a_b.ogg"]),
        (["x.wav", "a/x.wav", "/x.wav"], ["x.wav", "a/x", "/x"]),
        (["https://one.org/x.mp3", "https://two.org/x.mp3?t=1"], ["one.org/x", "two.org/x"]),
    ],
)
def test_names_are_different(recordings, names):
    assert recording_names(recordings) == names
    for recording, name in zip(recordings, names, strict=True):
        assert find_recording(names, recording) == name


def test_a_recording_that_is_given_twice_is_an_error():
    with pytest.raises(InputError, match=r"b/a\.wav is given twice; give it once"):
        recording_names(["b/a.wav", "b/./a.wav"])


def test_the_longest_name_that_fits_is_found():
    names = ["talk", "b/talk", "a_talk", "c talk"]
    assert find_recording(names, "data/b/talk.wav") == "b/talk"
    assert find_recording(names, "data/a/talk.wav") == "talk"
    assert find_recording(names, "a talk.wav") == "a_talk"
    assert find_recording(names, "c talk.wav") == "c talk"
    assert find_recording(names, "other.wav") is None
