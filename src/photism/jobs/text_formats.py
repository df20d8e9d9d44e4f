"""Text formats of the listening verbs: tables, CSV, JSON, label tracks, subtitles, RTTM and others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from photism.errors import InputError
from photism.jobs.outputs.text_format import JSON_LINES, TextFormat
from photism.jobs.rows import json_value
from photism.listening import label_formats, turn_formats
from photism.listening.label_formats import as_json, format_labels
from photism.listening.recording_names import as_field
from photism.listening.transcription.formats import CSV_HEADERS, TRANSCRIPT_FORMATS, write_transcript
from photism.listening.turn_formats import format_turns
from photism.output_files import printable

if TYPE_CHECKING:
    from photism.jobs.job import Outcome


def label_format(name: str, *, with_times: bool) -> TextFormat:
    """Return a format of the captions or classes of recordings.

    Args:
        name: one of `LABEL_FORMATS`, or "jsonl".
        with_times: print the times of segments in a table.

    Raises:
        InputError: there is no format of that name.
    """
    if name in ("json", JSON_LINES):
        return _json_format(name)
    if name not in label_formats.LABEL_FORMATS:
        raise _unknown(name, (*label_formats.LABEL_FORMATS, JSON_LINES))

    def as_text(row: Mapping[str, Any], outcome: Outcome, _: str) -> str:
        """Return the labels of a recording."""
        return format_labels(row["file"], outcome.result, name, fields={}, with_times=with_times)

    header = label_formats.CSV_HEADER if name == "csv" else ""
    return TextFormat(label_formats.SUFFIXES[name], as_text, header, is_joint=name != "audacity")


def turn_format(name: str) -> TextFormat:
    """Return a format of the speaker turns of recordings.

    Args:
        name: one of `TURN_FORMATS`, or "jsonl".

    Raises:
        InputError: there is no format of that name.
    """
    if name in ("json", JSON_LINES):
        return _json_format(name)
    if name not in turn_formats.TURN_FORMATS:
        raise _unknown(name, (*turn_formats.TURN_FORMATS, JSON_LINES))

    def as_text(row: Mapping[str, Any], outcome: Outcome, recording: str) -> str:
        """Return the turns of a recording."""
        return format_turns(row["file"], outcome.result, name, name=recording)

    header = turn_formats.CSV_HEADER if name == "csv" else ""
    return TextFormat(turn_formats.SUFFIXES[name], as_text, header, is_joint=name not in turn_formats.SINGLE_FORMATS)


def transcript_format(name: str, *, words: bool) -> TextFormat:
    """Return a format of transcripts.

    Args:
        name: one of `TRANSCRIPT_FORMATS`; or "table", the text of each recording below its name.
        words: make a subtitle or row for each word.

    Raises:
        InputError: there is no format of that name.
    """
    if name == JSON_LINES:
        return _json_format(name)
    if name == "json":
        return TextFormat(".json", _as_document, is_list=True)
    if name == "table":
        return TextFormat(".txt", _as_named_text)
    if name not in TRANSCRIPT_FORMATS:
        raise _unknown(name, TRANSCRIPT_FORMATS)

    def as_text(row: Mapping[str, Any], outcome: Outcome, recording: str) -> str:
        """Return the transcript of a recording."""
        recording = as_field(recording)
        return write_transcript(outcome.result, name, words=words, file=row["file"], name=recording)

    suffix = ".TextGrid" if name == "textgrid" else f".{name}"
    return TextFormat(suffix, as_text, CSV_HEADERS[words] if name == "csv" else "", is_joint=name in ("csv", "ctm"))


def _json_format(name: str) -> TextFormat:
    """Return the format of a JSON object for each recording: in a line, or as an element of a document."""
    suffix = ".json" if name == "json" else ".jsonl"
    return TextFormat(suffix, _as_line, is_list=name == "json")


def _as_line(row: Mapping[str, Any], outcome: Outcome, recording: str) -> str:
    return as_json(json_value(row))


def _as_named_text(row: Mapping[str, Any], outcome: Outcome, recording: str) -> str:
    return f"{printable(row['file'])}\n  {outcome.result.text}\n"


def _as_document(row: Mapping[str, Any], outcome: Outcome, recording: str) -> str:
    return json.dumps(json_value(row), ensure_ascii=False, indent=2) + "\n"


def _unknown(name: str, formats: Sequence[str]) -> InputError:
    return InputError(f"the format must be one of {', '.join(formats)}; got {name}")
