"""Output of the verbs `hear` and `label`: formats, files and plots of labels."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from photism.cli.output_files import is_folder, plan_files
from photism.cli.progress import recordings_bar
from photism.errors import InputError
from photism.files import atomic_text, check_writable
from photism.listening.label_formats import (
    LABEL_FORMATS,
    SUFFIXES,
    LabelFormat,
    as_audacity,
    as_csv,
    as_json,
    as_table,
)
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.listening.batching import OnError, OnProgress
    from photism.listening.windowed_scores import Labels

FORMAT_OF_SUFFIX: dict[str, LabelFormat] = {".csv": "csv", ".json": "json", ".jsonl": "json"}


class StreamLabels(Protocol):
    """Function that yields the labels of the readable recordings, in order."""

    def __call__(self, *, on_error: OnError, on_progress: OnProgress) -> Iterator[Labels]:
        """Yield labels; unreadable recordings go to `on_error`."""
        ...


@settings
class LabelOutput:
    """Output of labels: a format, files and plots."""

    format: LabelFormat | None = setting(
        None,
        "Output format; audacity is a label track. Default: by the suffix of the output file, otherwise table.",
        choices=LABEL_FORMATS,
    )
    as_json: bool = setting(False, "Print one JSON object per recording, as --format json does.", flag="--json")
    output: str | None = setting(
        None,
        "File for all recordings, or folder for a file per recording. Default: print the labels.",
        short="-o",
        metavar="FILE|FOLDER",
    )
    plot: str | None = setting(
        None,
        "PNG file, or folder for a file per recording, in which the labels are plotted below the waveform. Needs "
        "photism[listening].",
        metavar="FILE.png|FOLDER",
    )
    force: bool = setting(False, "Overwrite existing files.")

    def check(self) -> None:
        """Check that only one format is chosen.

        Raises:
            SettingError: there are two.
        """
        if self.as_json and self.format not in (None, "json"):
            raise SettingError("format", f"{self.format} and --json exclude each other; give one of them")

    @property
    def chosen_format(self) -> LabelFormat:
        """The format of the output."""
        by_suffix = FORMAT_OF_SUFFIX.get(Path(self.output).suffix.lower(), "table") if self.output else "table"
        return "json" if self.as_json else self.format or by_suffix

    @property
    def is_per_recording(self) -> bool:
        """Whether each recording has a file of its own."""
        return self.output is not None and is_folder(self.output)


class LabelWriter:
    """Writer of the labels of recordings.

    Args:
        recordings: files or URLs.
        output: format, files and plots.

    Raises:
        InputError: a file cannot be written, exists, or would be written twice; or matplotlib is missing.
    """

    def __init__(self, recordings: Sequence[str], output: LabelOutput) -> None:
        self._recordings, self._format = recordings, output.chosen_format
        self._files = self._plots = self._common_file = None
        if output.plot is not None:
            self._plots = _plan_plots(recordings, output.plot, force=output.force)
        if output.output is not None and output.is_per_recording:
            suffix = SUFFIXES[self._format]
            self._files = plan_files(recordings, output.output, suffix, flag="-o", force=output.force)
            return
        if self._format == "audacity" and len(recordings) > 1:
            raise InputError("--format audacity needs a file for each recording: give -o a folder")
        if output.output is not None:
            self._common_file = Path(output.output)
            check_writable(self._common_file, "-o", force=output.force)

    def write(
        self, stream: StreamLabels, as_dict: Callable[[str, Labels], dict[str, Any]] | None, *, description: str
    ) -> None:
        """Write the labels of each recording as soon as they are known.

        Args:
            stream: yields the labels.
            as_dict: returns the JSON object of a recording; None if the recordings are labelled in windows.
            description: what the progress bar shows.

        Raises:
            typer.Exit: with status 2, at the end, if a recording was skipped.
        """
        with recordings_bar(description, len(self._recordings)) as bar, self._open_common() as file:
            is_first = True
            for labels in stream(on_error=bar.skip, on_progress=bar.advance):
                text = self._format_labels(labels, as_dict, header=is_first or self._files is not None)
                if self._files is not None:
                    with atomic_text(self._files[labels.number]) as own_file:
                        own_file.write(text)
                else:
                    (bar.echo(text) if file is None else file.write(text))
                self._plot(labels)
                is_first = False

    def _format_labels(
        self, labels: Labels, as_dict: Callable[[str, Labels], dict[str, Any]] | None, *, header: bool
    ) -> str:
        recording = self._recordings[labels.number]
        if self._format == "csv":
            return as_csv(recording, labels.segments, header=header)
        if self._format == "audacity":
            return as_audacity(labels.segments)
        if self._format == "table":
            return as_table(recording, labels.segments, with_times=as_dict is None)
        return as_json((as_dict or _windows_as_dict)(recording, labels))

    @contextmanager
    def _open_common(self) -> Generator[TextIO | None]:
        """Open the file for all recordings, if there is one."""
        if self._common_file is None:
            yield None
            return
        with atomic_text(self._common_file) as file:
            yield file

    def _plot(self, labels: Labels) -> None:
        if self._plots is None:
            return
        from photism.audio.waveform import load_waveform
        from photism.listening.plot import plot_segments

        recording = self._recordings[labels.number]
        plot_segments(self._plots[labels.number], load_waveform(recording), labels.segments, title=recording)


def _plan_plots(recordings: Sequence[str], plot: str, *, force: bool) -> list[Path]:
    from photism.listening.plot import check_matplotlib

    check_matplotlib()
    if not is_folder(plot) and len(recordings) == 1 and Path(plot).suffix.lower() != ".png":
        raise InputError(f"--plot must be a folder or a file that ends in .png; got {plot}")
    return plan_files(recordings, plot, ".png", flag="--plot", force=force)


def _windows_as_dict(recording: str, labels: Labels) -> dict[str, Any]:
    windows = [
        {"start_s": start_s, "end_s": end_s, "scores": [score._asdict() for score in scores]}
        for start_s, end_s, scores in labels.windows
    ]
    segments = [segment._asdict() for segment in labels.segments]
    return {"file": recording, "duration_s": labels.duration_s, "segments": segments, "windows": windows}
