"""Player of a recording for a notebook."""

from __future__ import annotations

from photism.audio.sampling import SAMPLING_RATE
from photism.audio.waveform import AudioSource, load_waveform
from photism.audio.waveform_html import waveform_html
from photism.display.markup import Html


def player(recording: AudioSource, *parts: str) -> Html:
    """Load a recording, and return its waveform, a player and the parts below it for a notebook.

    Raises:
        InputError: it is unreadable.
    """
    waveform = load_waveform(recording)
    return Html(waveform_html(waveform.samples, SAMPLING_RATE, *parts, warnings=waveform.warnings))
