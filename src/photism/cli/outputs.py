"""Outputs of the listening verbs: printed texts, the file of a single recording, and those of jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.errors import InputError
from photism.files import as_utf8, atomic_text, check_folder, check_writable, sibling
from photism.jobs.done_rows import DoneRows
from photism.jobs.outputs.opener import choose_text_format, output_opener
from photism.jobs.rows import make_row
from photism.jobs.survey import Survey, survey_for
from photism.listening.recording_names import recording_names
from photism.output_files import FileCheck, check_png, folder_needed, is_folder, plan_files, sound_stem

if TYPE_CHECKING:
    from photism.jobs.job import Job, Outcome
    from photism.jobs.outputs.output import OpenOutput
    from photism.jobs.outputs.text_format import TextFormat
    from photism.manifest.entry import Entry
    from photism.manifest.read import Manifest

OUTPUT_TABLES = (".parquet", ".lance", ".npz", ".safetensors")
"""Suffixes of outputs that are no text."""
NAMED_FORMATS = ("rttm", "ctm")
"""Formats that distinguish recordings by their names."""


@dataclass(frozen=True)
class OutputChoice:
    """Where the results of recordings go.

    Attributes:
        path: file, or folder for a file per recording; None to print.
        format: text format of the job.
        force: overwrite existing files, and do again what is done.
        plot: PNG file, or folder for several recordings; None for no plots.
    """

    path: str | None
    format: str
    force: bool = False
    plot: str | None = None

    @property
    def is_table(self) -> bool:
        """True if the output is a table or a file of vectors, whatever the text format."""
        return self.path is not None and Path(self.path).suffix.lower() in OUTPUT_TABLES

    @property
    def is_folder(self) -> bool:
        """True if the output is a folder with a file per recording."""
        return self.path is not None and not self.is_table and is_folder(self.path)


class OutputPlan:
    """The output of a job, which is checked before the model is loaded.

    Args:
        job: the job.
        manifest: the recordings.
        choice: where the results go.

    Attributes:
        is_single: there is one recording, which was given by its own name. Its text is written at once, without a
            record of what is done.
        is_job: whether the same command again resumes with the recordings that the output does not have.
        file_of: returns the file of a recording, if each has its own; otherwise None.
        plot_of: returns the plot of a recording; None for no plots.

    Raises:
        InputError: the format does not exist or cannot hold several recordings, or a file cannot be written, exists, or
            would be written twice.
    """

    def __init__(self, job: Job, manifest: Manifest, choice: OutputChoice) -> None:
        self._job, self._manifest, self._choice = job, manifest, choice
        self.is_single = not manifest.is_collection and manifest.count == 1
        self.is_job = choice.path is not None and (choice.is_table or not self.is_single)
        survey = _survey(manifest, choice)
        self._name_of = survey.name_of
        self._format = choose_text_format(job, survey, "jsonl" if choice.is_table else choice.format)
        self._check_joint()
        self.file_of = self.plot_of = None
        self._open_job = None
        if choice.path is not None and self.is_job:
            self._open_job = output_opener(choice.path, job, survey, format=choice.format, force=choice.force)
        is_resumed = (
            choice.path is not None and self.is_job and _is_begun(Path(choice.path), is_folder=choice.is_folder)
        )
        force = choice.force or is_resumed
        if choice.path is not None and not choice.is_table and (self.is_single or choice.is_folder):
            self.file_of = _plan_paths(manifest, self._name_of, choice.path, self._format.suffix, "-o", force=force)
        if choice.plot is not None:
            from photism.listening.plot import check_matplotlib

            check_matplotlib()
            self.plot_of = _plan_paths(
                manifest, self._name_of, choice.plot, ".png", "--plot", force=force, check=check_png
            )

    def opener(self, echo: Callable[[str], object]) -> OpenOutput:
        """Return a function that opens the output.

        Args:
            echo: prints a text, which has its own line breaks.
        """
        return self._open_job or (lambda _: self.open_plain(echo))

    def open_plain(self, echo: Callable[[str], object]) -> PlainTexts:
        """Return an output that prints, or writes the file of a single recording; `echo` is as in `opener`."""
        emit = echo if self._choice.path is None else self._write_single
        is_list = self._format.is_list and not self.is_single
        return PlainTexts(self._job.columns, self._format, self._name_of, emit, is_list=is_list)

    def _write_single(self, text: str) -> None:
        """Write the file of the only recording."""
        if self.file_of is not None:
            with atomic_text(self.file_of(next(iter(self._manifest)))) as file:
                file.write(text)

    def _check_joint(self) -> None:
        """Check that the output can hold several recordings if there are several."""
        path = self._choice.path
        if self._format.is_joint or self.is_single or self._choice.is_folder or self._choice.is_table:
            return
        if path is None:
            raise InputError(f"--format {self._choice.format} needs a file for each recording: give -o a folder")
        raise folder_needed("-o", "several" if self._manifest.is_collection else self._manifest.count, path)


class PlainTexts:
    """Texts of recordings without a record of what is done: printed, or the file of a single recording.

    Args:
        columns: names of columns that rows of the job may have.
        text_format: format of the texts.
        name_of: returns the name of a recording in RTTM and CTM.
        emit: prints or writes a text, which has its own line breaks.
        is_list: join the texts, which are JSON values, to a list.
    """

    errors_path = None

    def __init__(
        self,
        columns: Collection[str],
        text_format: TextFormat,
        name_of: Callable[[Entry], str],
        emit: Callable[[str], object],
        *,
        is_list: bool,
    ) -> None:
        self._columns, self._format, self._name_of, self._emit = columns, text_format, name_of, emit
        self._is_list, self._is_begun, self.done = is_list, False, DoneRows()

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Emit the text of a recording."""
        row = row_without_id(entry, outcome, self._columns)
        text = self._format.as_text(row, outcome, self._name_of(entry))
        if self._is_list:
            text = ("," if self._is_begun else "[") + "\n" + text.rstrip("\n")
        elif not self._is_begun:
            text = self._format.header + text
        self._is_begun = True
        self._emit(text)

    def discard(self, entry: Entry) -> None:
        """Do nothing: what is printed stays."""

    def close(self) -> None:
        """Emit the end of a list."""
        if self._is_list and self._is_begun:
            self._emit("\n]\n")


def row_without_id(entry: Entry, outcome: Outcome, columns: Collection[str]) -> dict[str, Any]:
    """Return the row of a recording for an output that has no record of what is done."""
    row = make_row("", entry, outcome, columns)
    del row["id"]
    return row


def _survey(manifest: Manifest, choice: OutputChoice) -> Survey:
    """Return the names and columns of recordings; those that were given by their names are called by these."""
    if manifest.is_collection:
        return survey_for(choice.plot or choice.path, choice.format, manifest)
    locations = _given_locations(manifest)
    is_named = choice.format in NAMED_FORMATS and not choice.is_folder
    names = recording_names(locations) if is_named else map(sound_stem, locations)
    return Survey(names=dict(zip(locations, names, strict=True)))


def _given_locations(manifest: Manifest) -> list[str]:
    """Return the locations of recordings that were given by their names, also of one that was given twice."""
    return [entry.location for listing in manifest.listings for entry in listing.entries()]


def _is_begun(path: Path, *, is_folder: bool) -> bool:
    """Return whether a job has begun to write an output, whatever its kind: it has a journal, rows or a table.

    A lock says nothing, since a job that is refused leaves one. A table that no job wrote is refused when it is
    opened, before anything is written.
    """
    if is_folder:
        return (path / ".journal").exists()
    if path.suffix.lower() in OUTPUT_TABLES and path.exists():
        return True
    return any(sibling(path, each, prefix=".").exists() for each in (".journal", ".blocks", ".rows.jsonl"))


def _plan_paths(
    manifest: Manifest,
    name_of: Callable[[Entry], str],
    output: str,
    suffix: str,
    flag: str,
    *,
    force: bool,
    check: FileCheck = check_writable,
) -> Callable[[Entry], Path]:
    """Return a function to the file of a recording, in a folder unless there is one recording.

    Args:
        manifest: the recordings.
        name_of: returns their names.
        output: folder, or file of a single recording.
        suffix: suffix of files in a folder.
        flag: flag that names the output.
        force: accept existing files.
        check: checks that a file can be written.

    Raises:
        InputError: a file cannot be written, exists, or would be written twice; or the output is no folder.
    """
    if not manifest.is_collection:
        locations = _given_locations(manifest)
        planned = plan_files(locations, output, suffix, flag=flag, force=force, check=check)
        files = {location: file for location, (file,) in zip(locations, planned, strict=True)}
        return lambda entry: files[entry.location]
    if not is_folder(output):
        raise folder_needed(flag, "several", output)
    folder = Path(output)
    check_folder(folder, flag)

    def path_of(entry: Entry) -> Path:
        """Return the file of a recording."""
        return folder / as_utf8(f"{name_of(entry)}{suffix}")

    if folder.is_dir() and not force:
        existing = next((path for path in map(path_of, manifest) if path.exists()), None)
        if existing is not None:
            raise InputError(f"{existing} exists; give another name with {flag}, or --force to overwrite it")
    return path_of
