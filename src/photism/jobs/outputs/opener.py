"""Choose the kind of an output by its name."""

from __future__ import annotations

from pathlib import Path

from photism.errors import InputError
from photism.extras import require
from photism.files import check_folder, check_writable
from photism.jobs.job import Job
from photism.jobs.outputs.folder import Folder
from photism.jobs.outputs.json_lines import JsonLines
from photism.jobs.outputs.lance import Lance
from photism.jobs.outputs.output import OpenOutput
from photism.jobs.outputs.parquet import Parquet
from photism.jobs.outputs.text_file import TextFile
from photism.jobs.outputs.text_format import JSON_LINES, TextFormat, with_columns
from photism.jobs.outputs.vector_archive import SUFFIXES as VECTOR_SUFFIXES
from photism.jobs.outputs.vector_archive import VECTOR, VectorArchive
from photism.jobs.survey import Survey
from photism.output_files import is_folder


def output_opener(
    output: str | Path, job: Job, survey: Survey, *, format: str | None = None, force: bool = False
) -> OpenOutput:
    """Return a function that opens a file or folder, after checking what can be checked before the model is loaded.

    Args:
        output: file or folder; a folder that does not exist ends in a slash.
        job: the job.
        survey: names and columns of the recordings.
        format: text format; by default the suffix of the file.
        force: replace an output that was computed with another model or settings.

    Raises:
        InputError: the format is unknown, or the output cannot be written.
    """
    path = Path(output)
    suffix = path.suffix.lower()
    check_libraries(path)
    if suffix == ".lance":
        check_folder(path.parent, "-o")
        return lambda run: Lance(path, run, job.columns, force=force)
    if is_folder(str(output)):
        check_folder(path, "-o")
        text_format = choose_text_format(job, survey, format or JSON_LINES)
        return lambda run: Folder(path, run, job.columns, text_format, name_of=survey.name_of, force=force)
    check_writable(path, "-o", force=True)  # an existing file is checked when it is opened
    if suffix == ".parquet":
        return lambda run: Parquet(path, run, job.columns, force=force)
    chosen = format or suffix[1:]
    if chosen == JSON_LINES or (chosen == "json" and suffix == ".jsonl"):
        return lambda run: JsonLines(path, run, job.columns, force=force)
    if suffix in VECTOR_SUFFIXES and VECTOR in job.columns:
        return lambda run: VectorArchive(path, run, job.columns, force=force)
    text_format = choose_text_format(job, survey, chosen)
    if not text_format.is_joint:
        raise InputError(f"-o {path}: {chosen} needs a file for each recording; give a folder")
    return lambda run: TextFile(path, run, job.columns, text_format, name_of=survey.name_of, force=force)


def check_libraries(output: str | Path) -> None:
    """Check that what writes a table is installed.

    Raises:
        InputError: it is not.
    """
    suffix = Path(output).suffix.lower()
    if suffix == ".lance":
        require("lance", "a Lance data set", "collection")
    if suffix in (".lance", ".parquet"):
        require("pyarrow", "a file of Parquet or Lance", "collection")


def choose_text_format(job: Job, survey: Survey, format: str) -> TextFormat:
    """Return a text format of a job, as CSV with the columns of the manifest.

    Raises:
        InputError: the job has no such format.
    """
    text_format, columns = job.text_format(format), survey.csv_columns(job.columns)
    return with_columns(text_format, columns) if format == "csv" and columns else text_format
