"""photism film: a recording to a video that follows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from warnings import warn

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.exit_status import interrupted
from photism.cli.progress import ProgressBar, progress_bar
from photism.cli.recordings import open_recordings
from photism.cli.startup import load_pipeline
from photism.drawing.metadata import describe_models, write_png
from photism.drawing.video.settings import ExcerptSettings, FilmSettings
from photism.errors import InputError, RecordingWarning, warning_field
from photism.output_files import check_suffix, plan_files, printable
from photism.prompts.settings import PipelineSettings

if TYPE_CHECKING:
    from photism.drawing.video.film import Film


def film(
    *,
    sounds: Annotated[
        list[str],
        typer.Argument(
            metavar="SOUND",
            help="Recording of any length: a file or URL with audio; - for standard input. Several are blended by the "
            "weights of --mix.",
        ),
    ],
    output: Annotated[
        str | None,
        option.output("MP4 file, or an existing folder. Default: SOUND.mp4, or with --preview SOUND.preview.mp4."),
    ] = None,
    excerpt: ExcerptSettings,
    settings: FilmSettings,
    reading: ReadingSettings,
    models: PipelineSettings,
    controlnet: option.ControlNet = None,
    force: option.Force = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Delete what is drawn of an unfinished film and start again.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
) -> None:
    """Generate a video that follows a recording, with its audio.

    An interrupted film is resumed by the same command.

    Examples:
        photism film banana.es.ogg --storyboard banana.png
        photism film banana.es.ogg --fps 12 -o banana.mp4
    """
    from photism.drawing.video.audio_features import measure_recording
    from photism.drawing.video.key_moments import read_key_moments
    from photism.drawing.video.resumable_file import check_unfinished

    models = option.with_controlnet(models, controlnet, settings)
    settings.weights(len(sounds))
    files = open_recordings(sounds, reading)
    sound = files[0].name
    preview, board = excerpt.preview, excerpt.storyboard
    target = _target(sound, output, board, suffix=".preview.mp4" if preview else ".mp4", force=force)
    measured, *others = [measure_recording(file) for file in files]
    for each in (measured, *others):
        for warning in each.level.warnings:
            warn(f"{each.sound.name}: {warning}", RecordingWarning, stacklevel=2)
    settings = settings.decoded()
    if isinstance(settings.moments, str | Path):
        settings = replace(settings, moments=read_key_moments(settings.moments, duration_s=measured.duration_s))
    if board is None and not restart:
        check_unfinished(target, measured, settings, others)

    pipeline, _ = load_pipeline(models, steps=settings.num_inference_steps)
    from photism.drawing.video.film import Film
    from photism.drawing.video.preview import preview_frames

    made = Film(pipeline, measured, settings, others)
    frames = preview_frames(made) if preview else range(made.frame_count)
    if board is None:
        _write(made, target, frames if preview else None, force=force, restart=restart)
    else:
        from photism.drawing.video.fingerprint import describe_settings
        from photism.drawing.video.storyboard import storyboard as draw_storyboard

        names = ", ".join(file.name for file in files)
        about = {**describe_settings(made.settings), **describe_models(models), "sound": names}
        write_png(draw_storyboard(made, excerpt.stills), target, about)
    drawn = {"frames": len(frames), "start_s": float(frames.start / made.settings.frame_rate)} if preview else {}
    warnings = [warning for file in files for warning in file.warnings]
    about = {"file": str(target), **made.as_dict(), **drawn, **warning_field(warnings)}
    typer.echo(
        json.dumps(about, ensure_ascii=False) if as_json else f"{printable(str(target))}  {made.extent_of(frames)}"
    )


def _target(sound: str, output: str | None, storyboard: Path | None, *, suffix: str, force: bool) -> Path:
    """Return the file to write, which can be written."""
    from photism.drawing.video.resumable_file import check_target

    if storyboard is not None:
        if output is not None:
            raise InputError("--storyboard and -o cannot be given together; a storyboard is drawn instead of the film")
        check_suffix(storyboard, "--storyboard", (".png",), force=force)
        return storyboard

    def check(path: Path, option: str, *, force: bool) -> None:
        check_target(path, overwrite=force)

    return plan_files([sound], output, suffix, flag="-o", force=force, check=check)[0][0]


def _write(made: Film, target: Path, frames: range | None, *, force: bool, restart: bool) -> None:
    from photism.drawing.video.resumable_file import has_segments, part_folder, write_film

    drawn = frames or range(made.frame_count)
    try:
        with progress_bar("drawing", len(drawn)) as bar:
            report = _reporter(made.extent_of(drawn), target, bar)
            write_film(made, target, frames=frames, overwrite=force, restart=restart, callback_on_frame=report)
    except KeyboardInterrupt:
        if not has_segments(target):
            raise
        parts = part_folder(target)
        raise interrupted(f"; finished parts are in {parts}. Run the same command again to resume.") from None


def _reporter(extent: str, target: Path, bar: ProgressBar) -> Callable[[int, int], None]:
    """Return a callback that says where a film is resumed when it is first called, and then moves the bar."""
    is_begun = False

    def report(done: int, total: int) -> None:
        nonlocal is_begun
        if not is_begun:
            is_begun = True
            if done:
                bar.echo(f"{printable(str(target))}: {extent}, resumed after frame {done}\n", err=True)
            bar.restart(completed=done)  # frames that were drawn before would make it look faster than it is
        bar.update(done, total)

    return report
