"""photism embed: vectors of recordings, by which they are compared with each other and with texts."""

from pathlib import Path
from typing import Annotated

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.output_settings import FORCE_HELP, RESUME_HELP
from photism.cli.outputs import OutputChoice, OutputPlan
from photism.cli.process import process
from photism.jobs.embed_job import EmbedJob
from photism.jobs.settings import RunSettings
from photism.listening.settings import EmbedModelSettings, EmbedSettings
from photism.manifest.read import read_manifest
from photism.output_files import is_folder

Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="File to write: .parquet, .lance, .npz, .safetensors or .jsonl; or a folder, for a .jsonl file of each "
        f"recording. {RESUME_HELP} Default: print JSON Lines.",
        rich_help_panel=option.OUTPUT,
    ),
]


def embed(
    recordings: option.Recordings,
    *,
    models: EmbedModelSettings,
    settings: EmbedSettings,
    reading: ReadingSettings,
    output: Output = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help=FORCE_HELP,
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
    running: RunSettings,
) -> None:
    """Write vectors of recordings, or of their windows, to a file.

    The dot product of two vectors, which have unit length, says how similar the recordings are. Vectors of a Photism
    model are comparable with texts, too. Unreadable recordings are reported and skipped; the exit status is then 2.

    Examples:
        photism embed '*.ogg' -o sounds.npz
        photism embed elephant.en.ogg --window 0.5 --hop 0.25
    """
    job = EmbedJob(models, settings, reading)
    manifest = read_manifest(recordings, allow_missing=True, reading=reading)
    suffix = "" if output is None or is_folder(output) else Path(output).suffix[1:].lower()
    plan = OutputPlan(job, manifest, OutputChoice(output, suffix or "jsonl", force=force))
    process(job, manifest, plan, running, description="embedding", device=models.device)
