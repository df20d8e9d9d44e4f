"""The parts of a transcript."""

from photism.listening.transcription.transcript import Character, Transcript, Word


def test_parts_are_indexed_by_name():
    word = Word("hi", 0.5, 0.75, 0.9, (Character("h", 0.5, 0.5, 1.0), Character("i", 0.625, 0.75, 0.8)))
    transcript = Transcript((word,), 1.0)
    assert transcript["text"] == "hi"
    assert transcript["words"][0]["start_s"] == transcript.as_dict()["words"][0]["start_s"] == 0.5
