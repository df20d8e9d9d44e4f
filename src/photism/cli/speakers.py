"""photism speakers: diarization, speaker embeddings and verification."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.commands import VerbGroup
from photism.cli.embed import embed as embed_recordings
from photism.cli.flags import add_verb
from photism.cli.output_settings import FORCE_HELP, TurnOutput
from photism.cli.outputs import OutputPlan
from photism.cli.process import process
from photism.cli.progress import end_with_skipped, recordings_bar
from photism.cli.recordings import open_recordings, skip_and_release
from photism.cli.startup import startup
from photism.errors import InputError
from photism.files import check_writable
from photism.jobs.settings import RunSettings
from photism.jobs.timeline_job import TimelineJob
from photism.listening.settings import (
    DiarizationModelSettings,
    EmbeddingSettings,
    EmbedModelSettings,
    EmbedSettings,
    TimelineSettings,
    VerifySettings,
    XVectorModelSettings,
)
from photism.manifest.read import read_manifest

if TYPE_CHECKING:
    from photism.listening.verification import SpeakerVerifier

EmbeddingFile = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="File to write, which ends in .safetensors or .npz.",
        rich_help_panel=option.OUTPUT,
    ),
]


def timeline(
    recordings: option.Recordings,
    model: DiarizationModelSettings,
    settings: TimelineSettings,
    reading: ReadingSettings,
    output: TurnOutput,
    running: RunSettings,
) -> None:
    """Print who spoke when, by a model that classifies frames.

    Unreadable recordings are reported and skipped; the exit status is then 2.

    Examples:
        photism speakers timeline talk.wav --model turns --plot talk.png
        photism speakers timeline talks/ --model turns -o turns.rttm
    """
    job = TimelineJob(model, settings, reading)
    manifest = read_manifest(recordings, allow_missing=True, reading=reading)
    plan = OutputPlan(job, manifest, output.choice)
    process(
        job,
        manifest,
        plan,
        running,
        description="diarizing",
        device=model.device,
        segments_of=lambda result: result.turns,
    )


def embed(
    recordings: option.Recordings,
    model: XVectorModelSettings,
    settings: EmbeddingSettings,
    reading: ReadingSettings,
    output: EmbeddingFile,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help=FORCE_HELP,
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
) -> None:
    """Write x-vectors of recordings to a file.

    This is photism embed with --kind xvector. Unreadable recordings are reported and skipped; the exit status is then
    2. Run the same command again to resume; finished recordings are skipped.

    Examples:
        photism speakers embed anna.wav ben.wav --model xvectors -o voices.npz
        photism speakers embed voices/ --model xvectors --device cuda --batch-size 32 -o voices.safetensors
    """
    from photism.listening.embeddings import check_suffix

    check_suffix(output)
    embed_recordings(
        recordings,
        models=EmbedModelSettings(kind="xvector", **vars(model)),
        settings=EmbedSettings(**vars(settings)),
        reading=reading,
        output=str(output),
        force=force,
        running=RunSettings(),
    )


def enrol(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the speaker.")],
    recordings: option.Files,
    model: XVectorModelSettings,
    settings: EmbeddingSettings,
    reading: ReadingSettings,
    output: EmbeddingFile,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace an enrolled speaker of that name.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
) -> None:
    """Add a speaker to a file of speakers.

    The embedding of the speaker is the mean x-vector of the recordings. Unreadable recordings are reported and skipped;
    the exit status is then 2.

    Examples:
        photism speakers enrol Anna anna-1.wav anna-2.wav --model xvectors -o speakers.npz
        photism speakers enrol Ben ben.wav --model xvectors -o speakers.npz --force
    """
    from photism.listening.embeddings import check_suffix, load_others

    check_suffix(output)
    check_writable(output, "-o", force=True)
    load_others(output, name, force=force)
    files = open_recordings(recordings, reading)
    verifier = _load_verifier(model, settings)
    with recordings_bar("embedding", len(files)) as bar:
        skip = skip_and_release(bar, files)
        verifier.enrol_into(output, name, files, force=force, on_error=skip, on_progress=bar.advance)
    end_with_skipped(bar.skipped, len(files))


def verify(
    recordings: Annotated[
        list[str],
        typer.Argument(metavar="SOUND", help="One recording with --enrolled, otherwise two; - for standard input."),
    ],
    model: XVectorModelSettings,
    settings: VerifySettings,
    reading: ReadingSettings,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one JSON object per comparison.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
) -> None:
    """Verify the speaker of a recording.

    Compare a recording with enrolled speakers, or two recordings with each other.

    Examples:
        photism speakers verify one.wav other.wav --model xvectors --threshold 0.5
        photism speakers verify unknown.wav --model xvectors --enrolled speakers.npz --calibration threshold.json
    """
    from photism.listening.calibration import Calibration
    from photism.listening.embeddings import load_embeddings

    if len(recordings) != (2 if settings.enrolled is None else 1):
        raise InputError(f"give two recordings, or one and --enrolled; got {len(recordings)}")
    threshold = Calibration.load(settings.calibration).threshold if settings.calibration else settings.threshold or 0.0
    enrolled = load_embeddings(settings.enrolled) if settings.enrolled else {}
    if settings.enrolled and not enrolled:
        raise InputError(f"{settings.enrolled} has no speakers; add them with photism speakers enrol")
    files = open_recordings(recordings, reading)
    verifier = _load_verifier(model, EmbeddingSettings())
    verifier.check_speakers(enrolled)
    speakers = enrolled or {files[0].name: verifier.embed(files[0])}
    for comparison in verifier.compare(speakers, files[-1], threshold=threshold):
        warnings = [each for file in files for each in file.warnings]
        typer.echo(option.format_result(comparison, as_json=as_json, warnings=warnings))


def calibrate(
    pairs: Annotated[
        Path,
        typer.Argument(metavar="PAIRS.csv", help="Table with columns one and other, two files, and same, 1 or 0."),
    ],
    model: XVectorModelSettings,
    settings: EmbeddingSettings,
    reading: ReadingSettings,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.json",
            help="File to write.",
            rich_help_panel=option.OUTPUT,
        ),
    ],
    force: option.Force = False,
) -> None:
    """Calibrate the threshold of verify.

    The threshold is that of the equal error rate (EER) on pairs of your own recordings. Unreadable recordings are
    reported, and their pairs skipped; the exit status is then 2.

    Examples:
        photism speakers calibrate pairs.csv --model xvectors -o threshold.json
        photism speakers calibrate pairs.csv --model xvectors --device cuda -o threshold.json --force
    """
    from photism.listening.calibration import read_pairs

    check_writable(output, "-o", force=force)
    labelled = read_pairs(pairs)
    given = list(dict.fromkeys(each for *both, _ in labelled for each in both))
    files = dict(zip(given, open_recordings(given, reading), strict=True))
    verifier = _load_verifier(model, settings)
    with recordings_bar("embedding", len(files)) as bar:
        of_files = [(files[one], files[other], same) for one, other, same in labelled]
        skip = skip_and_release(bar, list(files.values()))
        found = verifier.calibrate(of_files, on_error=skip, on_progress=bar.advance)
        found.save(output)
        typer.echo(str(found))
    end_with_skipped(bar.skipped, len(files))


speakers = typer.Typer(
    cls=VerbGroup, help="Diarization, speaker embeddings and speaker verification.", rich_markup_mode=None
)
for verb in (timeline, embed, enrol, verify, calibrate):
    add_verb(speakers, verb)


def _load_verifier(model: XVectorModelSettings, settings: EmbeddingSettings) -> "SpeakerVerifier":
    with startup():
        from photism.listening.verification import SpeakerVerifier

        return SpeakerVerifier.from_pretrained(**vars(model), **vars(settings))
