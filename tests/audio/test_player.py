import numpy as np

from photism.audio.player import player
from photism.listening.transcription.transcript import Character, Transcript, Word
from tests.support.notebook_html import markup_of

WORD = Word("tone", 0.25, 0.5, 0.9, (Character("tone", 0.25, 0.5, 0.9),))


def test_words_play_next_to_a_player() -> None:
    transcript = Transcript((WORD,), 1.0)
    recording = {"array": np.zeros(16_000, np.float32), "sampling_rate": 16_000}
    markup = markup_of(transcript.player(recording))
    assert markup.count("audio") == 1
    (button,) = [values for tag, values in markup.elements if tag == "button"]
    assert (button["data-start"], button["data-end"]) == ("0.250", "0.500")
    assert markup_of(transcript).count("button") == 0
    assert markup_of(player(recording)).count("button") == 0
