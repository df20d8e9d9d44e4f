"""Files of the transcripts of many recordings."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from photism.errors import InputError, warning_field
from photism.files import atomic_text, check_writable
from photism.listening.joint_file import joint_file
from photism.listening.label_formats import as_json
from photism.listening.recording_names import recording_names
from photism.listening.transcription.formats import TRANSCRIPT_FORMATS, write_transcript
from photism.output_files import is_folder, plan_files, printable, sound_stem
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.listening.transcription.transcript import Transcript

TEXT = "txt"
JOINT_FORMATS = ("ctm", "json", "jsonl")
"""Formats whose files can hold several recordings."""
SUFFIXES = {"textgrid": ".TextGrid"}
"""Suffixes of files that are not the name of their format."""


@settings
class TranscriptOutput:
    """Output of transcripts: a format and files."""

    format: str | None = setting(
        None, "Output format. Default: the suffix of the output file, otherwise txt.", choices=TRANSCRIPT_FORMATS
    )
    output: str | None = setting(
        None,
        "File, or folder for a file per recording; json, jsonl and ctm files can hold several. Default: print the "
        "transcripts.",
        short="-o",
        metavar="FILE|FOLDER",
    )
    words: bool = setting(
        False, "Make a subtitle or row for each word; with JSON and TextGrid, add the characters of words."
    )
    force: bool = setting(False, "Overwrite existing files.")
    as_json: bool = setting(False, "Print one JSON object per recording.", flag="--json")

    def check(self) -> None:
        """Check the suffix of the output file.

        Raises:
            SettingError: it names no format.
        """
        if self.chosen_format not in TRANSCRIPT_FORMATS:
            allowed = ", ".join(TRANSCRIPT_FORMATS)
            raise SettingError("format", f"must be one of {allowed}; got {self.chosen_format}")

    @property
    def chosen_format(self) -> str:
        """The format of the output."""
        suffix = Path(self.output).suffix[1:].lower() if self.output and not is_folder(self.output) else ""
        return self.format or suffix or TEXT


class TranscriptWriter:
    """Writer of the transcripts of recordings.

    Args:
        recordings: files or URLs, or the name of a live source.
        output: format and files.

    Attributes:
        prints_json: JSON objects are printed.
        prints_text: plain text is printed, and nothing else.
        prints_subtitles: a format is printed that cannot be printed word by word.

    Raises:
        InputError: a file cannot be written, exists, or would be written twice; or a recording is given twice for CTM.
    """

    def __init__(self, recordings: Sequence[str], output: TranscriptOutput) -> None:
        self._recordings, self._output = recordings, output
        self._format, self._path, self._files = output.chosen_format, None, None
        several, is_joint = len(recordings) > 1, output.chosen_format in JOINT_FORMATS
        self._names = (
            recording_names(recordings) if self._format == "ctm" else [sound_stem(each) for each in recordings]
        )
        if output.output is not None and several and is_joint and not is_folder(output.output):
            self._path = Path(output.output)
            check_writable(self._path, "-o", force=output.force)
        elif output.output is not None:
            suffix = SUFFIXES.get(self._format, f".{self._format}")
            files = plan_files(recordings, output.output, suffix, flag="-o", force=output.force)
            self._files = [file for (file,) in files]
        elif several and self._format != TEXT and not is_joint and not output.as_json:
            raise InputError(f"--format {self._format} of several recordings needs -o FOLDER, or --json")
        self.prints_json = output.as_json
        is_printed = output.output is None and not output.as_json
        self.prints_text = is_printed and self._format == TEXT
        self.prints_subtitles = is_printed and self._format != TEXT

    @contextmanager
    def open(self, echo: Callable[[str], object]) -> Generator[None]:
        """Open the file for all recordings if there is one, until the end of the block.

        Args:
            echo: prints text, which has its own line breaks.
        """
        self._echo = echo
        self._is_joint_written = False
        is_json_list = self._format == "json" and len(self._recordings) > 1
        with joint_file(self._path, echo, is_json_list=is_json_list) as self._append:
            yield
        if self._is_joint_written and not self.prints_json:
            echo(f"{self._path}\n")

    def write(self, number: int, transcript: Transcript, *, warnings: Sequence[str] = ()) -> None:
        """Write or print the transcript of a recording, within the block of `open`.

        Args:
            number: index of the recording.
            transcript: its transcript.
            warnings: what is missing in the recording, for JSON.
        """
        recording, words = self._recordings[number], self._output.words
        name = self._names[number]
        text = write_transcript(transcript, self._format, words=words, file=recording, name=name, warnings=warnings)
        path = self._path
        if self._files is not None:
            path = self._files[number]
            with atomic_text(path) as target:
                target.write(text)
        elif self._path is not None:
            self._append(text)
            self._is_joint_written = True
        if self.prints_json:
            written = {} if path is None else {"output": str(path)}
            fields = transcript.as_dict(characters=words) | warning_field(warnings)
            self._echo(as_json({"file": recording} | fields | written))
        elif self._files is not None:
            self._echo(f"{printable(str(path))}\n")
        elif self._path is None:
            self._append(
                f"{printable(recording)}\n  {text}" if len(self._recordings) > 1 and self._format == TEXT else text
            )
