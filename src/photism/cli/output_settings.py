"""Settings of where the results of listening verbs go, and in which format."""

from __future__ import annotations

from pathlib import Path

from photism.cli.outputs import OutputChoice
from photism.listening.label_formats import LABEL_FORMATS, LabelFormat
from photism.listening.transcription.formats import TRANSCRIPT_FORMATS
from photism.listening.turn_formats import TURN_FORMATS, TurnFormat
from photism.output_files import is_folder
from photism.settings import SettingError, setting, settings

FORMAT_OF_SUFFIX: dict[str, LabelFormat] = {".csv": "csv", ".json": "json", ".jsonl": "json"}
TURN_FORMAT_OF_SUFFIX: dict[str, TurnFormat] = {
    ".csv": "csv",
    ".rttm": "rttm",
    ".json": "json",
    ".jsonl": "json",
    ".srt": "srt",
    ".textgrid": "textgrid",
}
JSON_DOCUMENT = ".json"
"""Suffix of a file that is one JSON value, a list of several recordings. Otherwise each line is a JSON object."""
TEXT = "txt"
FORCE_HELP = "Process all recordings again, and overwrite existing files."
RESUME_HELP = "Run the same command again to resume; finished recordings are skipped."


@settings(group="output")
class SegmentOutput:
    """Files and plots of labelled segments."""

    output: str | None = setting(
        None,
        "File for all recordings (.jsonl, .csv, .parquet, .lance or another format), or folder for a file per "
        f"recording. {RESUME_HELP} Default: print to the terminal.",
        short="-o",
        metavar="FILE|FOLDER",
    )
    plot: str | None = setting(
        None,
        "PNG file, or folder for several recordings, with the segments plotted below the waveform. Needs "
        "photism[listening].",
        metavar="FILE.png|FOLDER",
    )
    force: bool = setting(False, FORCE_HELP)

    def _choice(self, format: str) -> OutputChoice:
        """Return where the results go, in a format of which JSON is a document only in a file that says so."""
        if format == "json" and not (self.output or "").lower().endswith(JSON_DOCUMENT):
            format = "jsonl"
        return OutputChoice(self.output, format, self.force, self.plot)


@settings(group="output")
class LabelOutput(SegmentOutput):
    """Format, files and plots of labels."""

    format: LabelFormat | None = setting(
        None,
        "Output format; audacity is a label track. Default: by the suffix of the output file, otherwise table.",
        choices=LABEL_FORMATS,
    )
    as_json: bool = setting(False, "Print one JSON object per recording, as --format json does.", flag="--json")

    def check(self) -> None:
        """Check that only one format is chosen.

        Raises:
            SettingError: there are two.
        """
        if self.as_json and self.format not in (None, "json"):
            raise SettingError("as_json", f"and {{}} {self.format} exclude each other; give one of them", "format")
        check_table(self.output, self.format)

    @property
    def choice(self) -> OutputChoice:
        """The output of the labels."""
        by_suffix = FORMAT_OF_SUFFIX.get(Path(self.output).suffix.lower(), "table") if self.output else "table"
        return self._choice("json" if self.as_json else self.format or by_suffix)


@settings(group="output")
class TurnOutput(SegmentOutput):
    """Format, files and plots of speaker turns."""

    format: TurnFormat | None = setting(
        None, "Output format. Default: by the suffix of the output file, otherwise table.", choices=TURN_FORMATS
    )

    def check(self) -> None:
        """Check that only one format is chosen.

        Raises:
            SettingError: there are two.
        """
        check_table(self.output, self.format)

    @property
    def choice(self) -> OutputChoice:
        """The output of the speaker turns."""
        suffix = Path(self.output).suffix.lower() if self.output else ""
        return self._choice(self.format or TURN_FORMAT_OF_SUFFIX.get(suffix, "table"))


@settings(group="output")
class TranscriptOutput:
    """Output of transcripts: a format and files."""

    format: str | None = setting(
        None, "Output format. Default: the suffix of the output file, otherwise txt.", choices=TRANSCRIPT_FORMATS
    )
    output: str | None = setting(
        None,
        "File, or folder for a file per recording; json, jsonl, csv, ctm, parquet and lance files can hold several. "
        f"{RESUME_HELP} Default: print the transcripts.",
        short="-o",
        metavar="FILE|FOLDER",
    )
    words: bool = setting(
        False, "Make a subtitle or row for each word; with JSON and TextGrid, add the characters of words."
    )
    force: bool = setting(False, FORCE_HELP)
    as_json: bool = setting(False, "Print one JSON object per recording.", flag="--json")

    def check(self) -> None:
        """Check the suffix of the output file.

        Raises:
            SettingError: it names no format, or another one than is given.
        """
        check_table(self.output, self.format)
        if not self.choice.is_table and self.chosen_format not in TRANSCRIPT_FORMATS:
            allowed = ", ".join(TRANSCRIPT_FORMATS)
            raise SettingError("format", f"must be one of {allowed}; got {self.chosen_format}")

    @property
    def chosen_format(self) -> str:
        """The format of the output."""
        suffix = Path(self.output).suffix[1:].lower() if self.output and not is_folder(self.output) else ""
        return self.format or suffix or TEXT

    @property
    def choice(self) -> OutputChoice:
        """The output of the transcripts."""
        prints_rows = self.as_json and self.output is None
        return OutputChoice(self.output, "jsonl" if prints_rows else self.chosen_format, self.force)


def check_table(output: str | None, format: str | None) -> None:
    """Check that no text format is chosen for a Parquet file or a Lance data set.

    Raises:
        SettingError: there is one.
    """
    if format is not None and OutputChoice(output, format).is_table:
        raise SettingError(
            "format", f"{format} is a text, and {output} is not; omit {{}}, or rename the file", "format"
        )
