"""photism index: a table of a collection, to be searched by words and by sound."""

from contextlib import nullcontext
from typing import Annotated

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.exit_status import ExitStatus, interrupted
from photism.cli.process import open_worker
from photism.cli.progress import recordings_bar
from photism.cli.startup import startup
from photism.collection.settings import IndexSettings, check_index_libraries
from photism.errors import InputError
from photism.jobs.settings import RunSettings
from photism.listening.settings import EmbedModelSettings
from photism.manifest.read import read_manifest
from photism.output_files import STANDARD_INPUT


def index(
    recordings: option.Recordings,
    *,
    output: Annotated[str, option.output("Index: a folder whose name ends in .lance, or a URL of object storage.")],
    models: EmbedModelSettings,
    settings: IndexSettings,
    reading: ReadingSettings,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Process all recordings again, and replace an index of another model.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="Remove recordings that are gone even if more than half of a folder is.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
    vector_index: Annotated[
        bool,
        typer.Option(
            "--vector-index",
            help="Build an index of the vectors, which makes searches of many rows fast.",
            rich_help_panel=option.SPEED,
        ),
    ] = False,
    running: RunSettings,
) -> None:
    """Build a table of recordings that can be searched by words and by sound, or bring it up to date.

    Each recording, or with --window each window, gets a row with its vector, the nearest captions, its loudness and its
    duration. The same command again adds what is new in the folders, processes what has changed, and removes what is
    gone. Several processes may write to one index.

    Examples:
        photism index '*.ogg' -o sounds.lance
        photism index '*.ogg' -o windows.lance --window 0.5 --hop 0.25
    """
    if STANDARD_INPUT in recordings:
        raise InputError("- is standard input, which cannot be read again from an index; give a file")
    check_index_libraries()
    manifest = read_manifest(recordings, reading=reading)
    with startup():
        from photism.collection.index import Index
        from photism.collection.index_job import IndexJob
        from photism.collection.search import has_vector_index
        from photism.collection.vector_index import MIN_ROWS, build_vector_index, check_width
        from photism.lance_table import check_place

        check_place(output)
        job = IndexJob(models, settings, reading)
        table = Index.for_job(output, job, job.load(), force=force)
        if vector_index:
            check_width(table.dataset)
    try:
        cluster = nullcontext() if running.ray is None else open_worker(job, running, device=models.device)
        with cluster as worker, recordings_bar("indexing", manifest.count) as bar:
            summary = table.add(
                manifest, force=force, prune=prune, max_errors=running.max_errors, worker=worker, progress=bar
            )
    except KeyboardInterrupt:
        raise interrupted(f" with {len(table):,} rows in {output}. Run the same command again to resume.") from None
    typer.echo(f"photism: {output}: {summary}", err=True)
    if summary.doubtful:
        typer.echo(
            f"photism: {summary.doubtful:,} recordings of the index are gone; they stay, since a disk may be missing: "
            "--prune removes them",
            err=True,
        )
    if vector_index and not has_vector_index(table.dataset):
        few = f"no vector index is built of fewer than {MIN_ROWS:,} rows: a search compares them all"
        typer.echo(f"photism: {few if len(table) < MIN_ROWS else build_vector_index(table.dataset)}", err=True)
    if summary.run.errors:
        raise typer.Exit(ExitStatus.MISTAKE)
