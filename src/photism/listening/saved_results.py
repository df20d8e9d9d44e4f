"""Read the results of listening commands from their JSON, which may have been corrected by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from photism.errors import InputError
from photism.listening.segments import Segment
from photism.listening.transcription.subtitles import Cue
from photism.listening.transcription.transcript import Character, Transcript, Word

if TYPE_CHECKING:
    from photism.listening.diarization import Diarization

MAX_NUMBER = 1e9
"""Largest number: seconds of 30 years."""
Item = TypeVar("Item", bound="Word | Character | Cue | Segment")


def read_transcript(values: Mapping[str, Any]) -> Transcript:
    """Return the transcript that `Transcript.as_dict` has written, with or without the characters of its words.

    Where the text has no spaces between the words, it has none in the transcript. The markup of cues is kept.

    Raises:
        InputError: a value is missing or cannot be used, or words or cues are not in the order of their times.
    """
    words, cues = _items(values, "words", _word), _items(values, "cues", _cue)
    is_unspaced = len(words) > 1 and values.get("text") == "".join(word.text for word in words)
    duration_s = max([_duration_s(values), *(each.end_s for each in (*words, *cues))])
    return Transcript(tuple(words), duration_s, separator="" if is_unspaced else " ", cues=tuple(cues))


def read_turns(values: Mapping[str, Any]) -> Diarization:
    """Return the speaker turns that `Diarization.as_dict` has written.

    Raises:
        InputError: a value is missing or cannot be used, or the turns are not in the order of their times.
    """
    from photism.listening.diarization import Diarization

    turns = _items(values, "turns", lambda each, place: _segment(each, place, label="speaker"))
    return Diarization(0, max([_duration_s(values), *(turn.end_s for turn in turns)]), tuple(turns))


def read_segments(values: Mapping[str, Any]) -> list[Segment]:
    """Return the segments with labels or captions that `Labels.as_dict` has written.

    Raises:
        InputError: a value is missing or cannot be used, or the segments are not in the order of their times.
    """
    return _items(values, "segments", _segment)


def _items(
    values: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any], str], Item], *, within: str = ""
) -> list[Item]:
    """Return the items of a list, in the order of their times; none if there is no list."""
    found, place = values.get(name, []), f"{within}{name}"
    if not isinstance(found, list):
        raise InputError(f"{place} must be a list")
    items: list[Item] = []
    for index, each in enumerate(cast("Sequence[Any]", found)):
        if not isinstance(each, Mapping):
            raise InputError(f"{place}[{index}] must be an object")
        items.append(read(cast("Mapping[str, Any]", each), f"{place}[{index}]."))
        if index and items[-1].start_s < items[-2].start_s:
            raise InputError(
                f"{place}[{index}] starts before the one ahead of it; put them in the order of their times"
            )
    return items


def _word(values: Mapping[str, Any], place: str) -> Word:
    text, characters = _text(values, "text", place), tuple(_items(values, "characters", _character, within=place))
    confidence, (start_s, end_s) = _number(values, "confidence", place, default=1.0), _times(values, place)
    return Word(text, start_s, end_s, confidence, characters or (Character(text, start_s, end_s, confidence),))


def _character(values: Mapping[str, Any], place: str) -> Character:
    confidence = _number(values, "confidence", place, default=1.0)
    return Character(_text(values, "text", place), *_times(values, place), confidence)


def _cue(values: Mapping[str, Any], place: str) -> Cue:
    lines = (" ".join(line.split()) for line in _string(values, "text", place).split("\n"))
    return Cue(*_times(values, place), tuple(filter(None, lines)), has_markup=True)  # an empty line would end it


def _segment(values: Mapping[str, Any], place: str, *, label: str = "label") -> Segment:
    return Segment(*_times(values, place), _text(values, label, place), _number(values, "score", place, default=1.0))


def _duration_s(values: Mapping[str, Any]) -> float:
    return max(0.0, _number(values, "duration_s", "", default=0.0))


def _times(values: Mapping[str, Any], place: str) -> tuple[float, float]:
    start_s, end_s = (_number(values, name, place) for name in ("start_s", "end_s"))
    if not 0 <= start_s <= end_s:
        raise InputError(f"{place}end_s must be at least start_s, and that at least 0; got {start_s:g} and {end_s:g}")
    return start_s, end_s


def _number(values: Mapping[str, Any], name: str, place: str, *, default: float | None = None) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise InputError(f"{place}{name} must be a number, at most {MAX_NUMBER:g}")
    return float(value)


def _text(values: Mapping[str, Any], name: str, place: str) -> str:
    """Return a text in one line, since a line break ends a subtitle or a turn in several formats."""
    return " ".join(_string(values, name, place).split())


def _string(values: Mapping[str, Any], name: str, place: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{place}{name} must be a text that is not empty")
    return value
