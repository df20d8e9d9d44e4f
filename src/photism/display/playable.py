"""A recording with a player as HTML, whose words and segments play when they are clicked."""

from __future__ import annotations

from photism.display.markup import data_url, duration, note, text

MAX_PLAYED_S = 60.0
"""Seconds that a player holds, from the start: about a megabyte."""

PLAY = (
    "const part=event.target.closest('[data-start]'),audio=this.querySelector('audio');"
    "if(part&&audio){audio.currentTime=part.dataset.start;audio.ontimeupdate=()=>{"
    "if(audio.currentTime>=part.dataset.end){audio.pause();audio.ontimeupdate=null}};audio.play()}"
)
"""Event handler that plays what is clicked from its start to its end. Buttons are clicked by the keyboard as well."""


def playable(player: str, *parts: str) -> str:
    """Return a player and parts below it, as HTML, whose elements with `data-start` and `data-end` play."""
    return f'<div style="max-width:50em" onclick="{text(PLAY)}">{player}{"".join(parts)}</div>'


def part(start_s: float, end_s: float, description: str, content: str, *, style: str, plays: bool) -> str:
    """Return a part of a recording as HTML: a button that plays it, or without a player the same as text.

    Args:
        start_s: start in seconds.
        end_s: end in seconds.
        description: text of the tooltip, which a screen reader reads for a part without content.
        content: text of the part.
        style: style attributes.
        plays: whether there is a player.
    """
    about = f'title="{text(description)}"' + ("" if content else f' aria-label="{text(description)}"')
    if not plays:
        return f'<span{"" if content else " role=img"} {about} style="{style}">{text(content)}</span>'
    times = f'data-start="{start_s:.3f}" data-end="{end_s:.3f}"'
    button = "border:0;padding:0;font:inherit;color:inherit;cursor:pointer"
    return f'<button type="button" {times} {about} style="{button};{style}">{text(content)}</button>'


def play_note(played_s: float, duration_s: float) -> str:
    """Return how much of a recording can be played; empty if all of it can."""
    if duration_s <= played_s:
        return ""
    return note(f"The first {duration(played_s)} of {duration(duration_s)} can be played here.")


def audio_element(encoded: bytes, description: str) -> str:
    """Return a player of an MP3 file, which it holds.

    Args:
        encoded: the file.
        description: text for whom it is not visible.
    """
    source = data_url("audio/mpeg", encoded)
    return f'<audio controls preload="metadata" src="{source}" aria-label="{text(description)}"></audio>'
