"""Files of the transcripts of many recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from photism.errors import InputError
from photism.files import atomic_text
from photism.listening.label_formats import as_json
from photism.listening.transcription.formats import TRANSCRIPT_FORMATS, write_transcript
from photism.output_files import is_folder, plan_files
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.listening.transcription.transcript import Transcript

TEXT = "txt"


@settings
class TranscriptOutput:
    """Output of transcripts: a format and files."""

    format: str | None = setting(
        None, "Output format. Default: the suffix of the output file, otherwise txt.", choices=TRANSCRIPT_FORMATS
    )
    output: str | None = setting(
        None,
        "File, or folder for a file per recording. Default: print the transcripts.",
        short="-o",
        metavar="FILE|FOLDER",
    )
    words: bool = setting(False, "Make a subtitle or row for each word; with JSON, add the characters of words.")
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
        InputError: a file cannot be written, exists, or would be written twice.
    """

    def __init__(self, recordings: Sequence[str], output: TranscriptOutput) -> None:
        self._recordings, self._output = recordings, output
        self._format, self._files = output.chosen_format, None
        if output.output is not None:
            files = plan_files(recordings, output.output, f".{self._format}", flag="-o", force=output.force)
            self._files = [file for (file,) in files]
        elif len(recordings) > 1 and self._format != TEXT and not output.as_json:
            raise InputError(f"--format {self._format} of several recordings needs -o FOLDER, or --json")
        self.prints_json = output.as_json
        self.prints_text = self._files is None and self._format == TEXT and not output.as_json
        self.prints_subtitles = self._files is None and self._format != TEXT and not output.as_json

    def write(self, number: int, transcript: Transcript, *, echo: Callable[[str], None]) -> None:
        """Write or print the transcript of a recording.

        Args:
            number: index of the recording.
            transcript: its transcript.
            echo: prints text, which has its own line breaks.
        """
        recording, words = self._recordings[number], self._output.words
        text = write_transcript(transcript, self._format, words=words)
        file = self._files[number] if self._files is not None else None
        if file is not None:
            with atomic_text(file) as target:
                target.write(text)
        if self.prints_json:
            written = {} if file is None else {"output": str(file)}
            echo(as_json({"file": recording} | transcript.as_dict(characters=words) | written))
        elif file is not None:
            echo(f"{file}\n")
        else:
            echo(f"{recording}\n  {text}" if len(self._recordings) > 1 else text)
