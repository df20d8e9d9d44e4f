"""Text formats of results, such as CSV, subtitles and RTTM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from photism.jobs.job import Outcome

AsText: TypeAlias = "Callable[[Mapping[str, Any], Outcome, str], str]"
"""Function from the row of a recording, its outcome, and its name in RTTM and CTM, to its text."""


@dataclass(frozen=True)
class TextFormat:
    """A text format of the results of recordings.

    Attributes:
        suffix: suffix of its files.
        as_text: returns the text of a recording.
        header: first line of a file, with its line break.
        is_joint: a file can hold several recordings.
        is_list: the texts are JSON values, which a file of several recordings has as the elements of a list.
    """

    suffix: str
    as_text: AsText
    header: str = ""
    is_joint: bool = True
    is_list: bool = False
