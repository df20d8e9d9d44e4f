"""Files and plots of labelled segments: captions, classes and speaker turns of many recordings."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from photism.audio.sources import SoundFile
from photism.errors import InputError
from photism.files import atomic_text, check_writable
from photism.listening import label_formats, turn_formats
from photism.listening.joint_file import joint_file
from photism.listening.label_formats import CSV_HEADER, LABEL_FORMATS, LabelFormat
from photism.listening.recording_names import recording_names
from photism.listening.turn_formats import TURN_FORMATS, TurnFormat
from photism.output_files import check_png, is_folder, plan_files, sound_stem
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.listening.segments import Segment

FORMAT_OF_SUFFIX: dict[str, LabelFormat] = {".csv": "csv", ".json": "json", ".jsonl": "json"}
TURN_FORMAT_OF_SUFFIX: dict[str, TurnFormat] = {
    ".rttm": "rttm",
    ".json": "json",
    ".jsonl": "json",
    ".srt": "srt",
    ".textgrid": "textgrid",
}
SUFFIXES: dict[str, str] = {**label_formats.SUFFIXES, **turn_formats.SUFFIXES}
SINGLE_FORMATS = ("audacity", "srt", "textgrid")
"""Formats whose files hold a single recording."""
JSON_DOCUMENT = ".json"
"""Suffix of a file that is one JSON value, a list of several recordings. Otherwise each line is a JSON object."""


@settings
class SegmentOutput:
    """Files and plots of labelled segments."""

    output: str | None = setting(
        None,
        "File for all recordings, or folder for a file per recording. Default: print to the terminal.",
        short="-o",
        metavar="FILE|FOLDER",
    )
    plot: str | None = setting(
        None,
        "PNG file, or folder for several recordings, with the segments plotted below the waveform. Needs "
        "photism[listening].",
        metavar="FILE.png|FOLDER",
    )
    force: bool = setting(False, "Overwrite existing files.")


@settings
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

    @property
    def chosen_format(self) -> LabelFormat:
        """The format of the output."""
        by_suffix = FORMAT_OF_SUFFIX.get(Path(self.output).suffix.lower(), "table") if self.output else "table"
        return "json" if self.as_json else self.format or by_suffix


@settings
class TurnOutput(SegmentOutput):
    """Format, files and plots of speaker turns."""

    format: TurnFormat | None = setting(
        None, "Output format. Default: by the suffix of the output file, otherwise table.", choices=TURN_FORMATS
    )

    @property
    def chosen_format(self) -> TurnFormat:
        """The format of the output."""
        suffix = Path(self.output).suffix.lower() if self.output else ""
        return self.format or TURN_FORMAT_OF_SUFFIX.get(suffix, "table")


class SegmentWriter:
    """Writer of the segments of recordings, whose files are checked before any work.

    Args:
        recordings: files, which are read again for plots.
        output: format, files and plots.

    Attributes:
        names: names of the recordings in RTTM.

    Raises:
        InputError: a file cannot be written, exists, or would be written twice; a recording is given twice for RTTM;
            or matplotlib is missing.
    """

    def __init__(self, recordings: Sequence[SoundFile], output: LabelOutput | TurnOutput) -> None:
        format, files = output.chosen_format, [recording.name for recording in recordings]
        self._recordings, self._header = recordings, CSV_HEADER if format == "csv" else ""
        self.names = recording_names(files) if format == "rttm" else [sound_stem(file) for file in files]
        self._path, self._files, self._is_json = None, None, format == "json"
        self._plots = _plan_plots(files, output.plot, force=output.force) if output.plot else None
        if output.output is not None and is_folder(output.output):
            planned = plan_files(files, output.output, SUFFIXES[format], flag="-o", force=output.force)
            self._files = [file for (file,) in planned]
        elif format in SINGLE_FORMATS and len(recordings) > 1:
            raise InputError(f"--format {format} needs a file for each recording: give -o a folder")
        elif output.output is not None:
            self._path = Path(output.output)
            check_writable(self._path, "-o", force=output.force)

    @contextmanager
    def open(self, echo: Callable[[str], object]) -> Generator[None]:
        """Open the file for all recordings if there is one, until the end of the block.

        Args:
            echo: prints text, which has its own line breaks, where there are no files.
        """
        is_document = self._path is not None and self._path.suffix.lower() == JSON_DOCUMENT
        is_json_list = self._is_json and is_document and len(self._recordings) > 1
        with joint_file(self._path, echo, header=self._header, is_json_list=is_json_list) as self._append:
            yield

    def write(self, number: int, text: str, segments: Sequence[Segment], *, duration_s: float) -> None:
        """Write the segments of a recording, plot them, and free the memory of the recording.

        Args:
            number: index of the recording.
            text: segments in the format of the output.
            segments: segments to plot.
            duration_s: duration of the recording.
        """
        recording = self._recordings[number]
        if self._files is not None:
            with atomic_text(self._files[number]) as file:
                file.write(self._header + text)
        else:
            self._append(text)
        if self._plots is not None:
            from photism.audio.streaming import stream_samples
            from photism.listening.plot import plot_segments

            blocks = stream_samples(recording)
            plot_segments(self._plots[number], blocks, segments, duration_s=duration_s, title=recording.name)
        recording.release()


def _plan_plots(recordings: Sequence[str], plot: str, *, force: bool) -> list[Path]:
    from photism.listening.plot import check_matplotlib

    check_matplotlib()
    plots = plan_files(recordings, plot, ".png", flag="--plot", force=force, check=check_png)
    return [file for (file,) in plots]
