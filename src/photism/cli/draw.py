"""photism draw: generate images from recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from warnings import warn

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.exit_status import ExitStatus, interrupted
from photism.cli.process import open_worker
from photism.cli.progress import end_with_skipped, progress_bar, recordings_bar
from photism.cli.recordings import open_recordings, read_recordings
from photism.cli.startup import load_pipeline
from photism.cli.text_sound import TextSound
from photism.drawing.metadata import describe_models
from photism.drawing.settings import DrawSettings
from photism.errors import InputError, RecordingWarning
from photism.jobs.draw_job import DrawJob
from photism.jobs.run import run
from photism.jobs.settings import RunSettings
from photism.jobs.survey import Survey
from photism.manifest.read import Manifest, read_manifest
from photism.output_files import check_png, is_folder, plan_files, sound_stem
from photism.prompts.settings import MixSettings, PipelineSettings

NOT_KNOWN = "no known sound recognised; the image is that of the closest captions"


def draw(
    *,
    sounds: option.OptionalRecordings = None,
    output: Annotated[
        str | None,
        option.output("Image file, or a folder, which a folder of recordings needs. Default: SOUND.png."),
    ] = None,
    settings: DrawSettings,
    reading: ReadingSettings,
    models: PipelineSettings,
    spoken: TextSound,
    mixing: MixSettings,
    running: RunSettings,
    controlnet: option.ControlNet = None,
    force: option.Force = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object for each recording; for all with --mix or --morph.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
) -> None:
    """Generate images from recordings.

    The images are PNG files, which hold their seed, model and settings. Of several recordings, unreadable ones are
    reported and skipped; the exit status is then 2. Of a folder or a list of recordings, or with --ray, the images are
    written as they are done; run the same command again to resume.

    Examples:
        photism draw elephant.en.ogg --images 4
        photism draw '*.ogg' -o images/
    """
    models = option.with_controlnet(models, controlnet, settings)
    manifest = (
        read_manifest(sounds, allow_missing=True, reading=reading) if sounds and spoken.from_text is None else None
    )
    if manifest is not None and (manifest.is_collection or running.ray is not None):
        _check_collection(mixing, output, as_json=as_json)
        _draw_collection(DrawJob(models, settings, reading), manifest, str(output), running, force=force)
        return
    if running != RunSettings():
        raise InputError("--ray and --max-errors are for recordings; give a folder or a list of them")
    generated = spoken.plan(sounds, output, force=force)
    files = open_recordings([str(generated)] if generated else sounds or [], reading)
    if not files:
        raise InputError("SOUND is missing: name a recording, or generate a sound with --from-text")
    groups = mixing.groups([file.name for file in files])
    targets = plan_files(
        [group[0] for group in groups],
        output,
        ".png",
        flag="-o",
        force=force,
        count=settings.images_per_sound,
        stem=lambda sound: mixing.name or sound_stem(sound),
        check=check_png,
    )
    decoded = settings.decoded()
    if generated:
        spoken.generate(generated, models, seed=settings.seed if isinstance(settings.seed, int) else 0)
    read = read_recordings(files, skips=len(groups) > 1)
    skipped = len(files) - len(read)
    if not read:
        end_with_skipped(skipped, len(files))
    if skipped:
        targets = [targets[number] for number in read]
    pipeline, ranker = load_pipeline(models, steps=settings.num_inference_steps)
    from photism.drawing.image_files import write_images
    from photism.jobs.drawn_recordings import draw_prompts, encode_and_rank

    named = [(files[number].name, recording) for number, recording in read.items()]
    prompts, ranked = encode_and_rank(pipeline, ranker, named, batch_size=settings.batch_size)
    for (name, recording), each in zip(named, ranked, strict=True):
        for warning in recording.level.warnings or (NOT_KNOWN,) * (each.known is False):
            warn(f"{name}: {warning}", RecordingWarning, stacklevel=2)
    with progress_bar("drawing") as bar:
        drawn = draw_prompts(
            pipeline,
            prompts,
            ranked,
            given=settings,
            decoded=decoded,
            mixing=mixing,
            models=describe_models(models),
            callback_on_step=bar.update,
        )
        for each, paths in zip(drawn, targets, strict=True):
            bar.echo(option.format_result(write_images(each, paths), as_json=as_json) + "\n")
    end_with_skipped(skipped, len(files))


def _check_collection(mixing: MixSettings, output: str | None, *, as_json: bool) -> None:
    """Check the flags of a collection of recordings.

    Raises:
        InputError: there is no folder for the images, or a flag is for single recordings.
    """
    if mixing != MixSettings() or as_json:
        raise InputError("--mix, --morph and --json are for single recordings; name them without a folder and --ray")
    if output is None or not is_folder(output):
        raise InputError("-o must be a folder for the images, which ends in a slash if it does not exist: -o images/")


def _draw_collection(job: DrawJob, manifest: Manifest, output: str, running: RunSettings, *, force: bool) -> None:
    """Draw the recordings of a collection that a folder does not have yet, and print how many there are.

    Raises:
        typer.Exit: with status 2, if a recording could not be drawn; with status 130 after Ctrl-C.
    """
    from photism.jobs.outputs.image_folder import ImageFolder

    count, name_of = job.drawing.images_per_sound, Survey(manifest).name_of
    with (
        open_worker(job, running, device=job.models.device) as worker,
        recordings_bar("drawing", manifest.count) as bar,
    ):
        try:
            summary = run(
                job,
                manifest,
                lambda provenance: ImageFolder(Path(output), count, provenance, name_of=name_of, force=force),
                max_errors=running.max_errors,
                worker=worker,
                progress=bar,
            )
        except KeyboardInterrupt:
            raise interrupted(f" after {bar.summary()}. Run the same command again to resume.") from None
    typer.echo(f"photism: {output}: {summary}", err=True)
    if summary.errors:
        raise typer.Exit(ExitStatus.MISTAKE)
