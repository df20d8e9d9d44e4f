"""Where a text goes in the prompt of a sound, and how that is written."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from photism.errors import InputError

TextWord: TypeAlias = Literal["blend", "before", "after"]
TEXT_WORDS: tuple[TextWord, ...] = get_args(TextWord)

TextPlace: TypeAlias = "TextWord | tuple[int, int]"
"""Where a text goes in the prompt of a sound.

"blend": into every token, by the strength of the sound.
"before": in place of the sound's first tokens, as many as its words take.
"after": in place of the sound's last tokens.
(start, stop): in place of these tokens; 0 is the opening one, which stays.
"""


def read_text_place(place: str, *, name: str = "text_place") -> TextPlace:
    """Reads a place that was typed: one of the words, or a range of tokens such as 1:4.

    Args:
        place: what was typed.
        name: what an error calls it.

    Raises:
        InputError: it is neither; whether there are such tokens is not known yet.
    """
    if place in TEXT_WORDS:
        return place
    try:
        start, stop = map(int, place.split(":"))
    except ValueError:
        raise InputError(f"{name} must be blend, before, after or START:STOP, such as 1:4; got {place}") from None
    return start, stop
