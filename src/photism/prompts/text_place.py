"""Where a text is placed in the prompt of a recording, and how the command line writes it."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from photism.settings import SettingError

TextWord: TypeAlias = Literal["blend", "before", "after"]
TEXT_WORDS: tuple[TextWord, ...] = get_args(TextWord)

TextPlace: TypeAlias = TextWord | tuple[int, int]
"""Place of a text in the prompt of a recording.

"blend": all tokens are interpolated between the text's and the recording's, by the strength of the recording.
"before": the text replaces as many of the recording's first tokens as it has tokens.
"after": the text replaces as many of the recording's last tokens.
(start, stop): the text replaces the tokens from start to stop - 1; token 0 is BOS and stays.
"""


def read_text_place(place: str) -> TextPlace:
    """Parse a place that was typed: blend, before, after, or a range of tokens such as 1:4.

    Raises:
        SettingError: it is none of these. Whether the prompt has these tokens is checked later, when its length is
            known.
    """
    if place in TEXT_WORDS:
        return place
    try:
        start, stop = map(int, place.split(":"))
    except ValueError:
        problem = f"must be blend, before, after or START:STOP, such as 1:4; got {place}"
        raise SettingError("text_place", problem) from None
    return start, stop
