"""photism film: a long sound to a video that follows it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photism.cli import options as option
from photism.cli.exit_status import ExitStatus
from photism.cli.models import ModelsGiven
from photism.cli.png import check_picture, sound_stem, write_picture
from photism.cli.progress import progress_bar
from photism.cli.startup import DTYPES
from photism.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from photism.drawing.video.film import Film


def film(
    sound: Annotated[str, typer.Argument(metavar="SOUND", help="File or URL; any format with sound, of any length.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE|FOLDER", help="Default: SOUND.mp4 in the current folder."),
    ] = None,
    storyboard: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw stills on a sheet, a PNG file, in place of the film."),
    ] = None,
    stills: Annotated[int, typer.Option(min=1, help="Of the storyboard.")] = 12,
    model: option.Model = None,
    diffusion: option.Diffusion = None,
    fps: Annotated[str, typer.Option(metavar="RATE", help="Frames a second, such as 24, 29.97 or 30000/1001.")] = "25",
    window: Annotated[float, typer.Option(metavar="SECONDS", help="Sound that is heard at once.")] = 3.0,
    hop: Annotated[float, typer.Option(metavar="SECONDS", help="From one window to the next.")] = 1.0,
    noise: Annotated[
        float, typer.Option(help="How fast the picture changes by itself and with onsets; 0 for not at all.")
    ] = 1.0,
    zoom: Annotated[
        float, typer.Option(help="How far the loudest sound zooms in: 0.1 is a tenth; 0 turns it off.")
    ] = 0.1,
    attack: Annotated[float, typer.Option(metavar="SECONDS", help="To follow loudness and onsets that rise.")] = 0.05,
    release: Annotated[float, typer.Option(metavar="SECONDS", help="To follow them as they fall.")] = 0.5,
    width: Annotated[int | None, typer.Option(help="Pixels, with --height. Default: the diffusion model's.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels, with --width.")] = None,
    steps: option.Steps = None,
    guidance_scale: option.GuidanceScale = None,
    negative: option.Negative = None,
    seed: Annotated[int, typer.Option(help="The same one gives the same film.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Frames drawn at once.")] = 4,
    lora: option.Lora = None,
    scheduler: option.Scheduler = None,
    device: option.Device = None,
    dtype: option.Dtype = DTYPES[0],
    attention_slicing: option.AttentionSlicing = False,
    compile: option.Compile = False,
    offload: option.Offload = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away an unfinished film of that name and begin anew.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw a video that follows a sound, with that sound.

    An interrupted one goes on where it was when the same command is given again.
    """
    from photism.drawing.negative_prompt import parse_negative
    from photism.drawing.video.audio_features import measure_recording
    from photism.drawing.video.resumable_file import check_unfinished
    from photism.drawing.video.settings import FilmSettings

    settings = FilmSettings(
        fps=fps,
        window_s=window,
        hop_s=hop,
        noise=noise,
        zoom=zoom,
        attack_s=attack,
        release_s=release,
        num_inference_steps=steps,
        guidance_scale=guidance_scale,
        seed=seed,
        height=height,
        width=width,
        batch_size=batch_size,
    )
    models = ModelsGiven(
        model=model,
        diffusion=diffusion,
        lora=lora,
        scheduler=scheduler,
        device=device,
        dtype=dtype,
        attention_slicing=attention_slicing,
        compile=compile,
        offload=offload,
    )
    target = _target(sound, output, storyboard, force=force)
    measured = measure_recording(sound)
    settings = replace(settings, negative=None if negative is None else parse_negative(negative))
    if storyboard is None and not restart:
        check_unfinished(target, measured, settings)

    pipeline, _ = models.load()
    from photism.drawing.video.film import Film

    made = Film(pipeline, measured, settings)
    if storyboard is None:
        _write(made, target, force=force, restart=restart)
    else:
        _draw_storyboard(made, target, stills, {"seed": seed, **models.settings, "sound": sound})
    typer.echo(_report(made, target, as_json=as_json))


def _target(sound: str, output: str | None, storyboard: Path | None, *, force: bool) -> Path:
    """The file that is drawn, which is in nobody's way."""
    from photism.drawing.video.resumable_file import check_target

    if storyboard is not None:
        if output is not None:
            raise InputError("--storyboard is drawn in place of the film: leave out -o, or --storyboard")
        check_picture(storyboard, "--storyboard", force=force)
        return storyboard
    folder = Path(output or ".")
    to_folder = output is None or output.endswith("/") or folder.is_dir()
    target = folder / f"{sound_stem(sound)}.mp4" if to_folder else folder
    check_target(target, overwrite=force)
    return target


def _draw_storyboard(made: Film, target: Path, count: int, about: dict[str, object]) -> None:
    from photism.drawing.video.storyboard import storyboard

    write_picture(storyboard(made, count), target, about)


def _write(made: Film, target: Path, *, force: bool, restart: bool) -> None:
    from photism.drawing.video.resumable_file import part_folder, write_film

    try:
        with _progress(made, target) as advance:
            write_film(made, target, overwrite=force, restart=restart, callback_on_frame=advance)
    except KeyboardInterrupt:
        typer.echo(f"stopped; what is drawn is in {part_folder(target)}, and the same command goes on there", err=True)
        raise typer.Exit(ExitStatus.INTERRUPTED) from None


@contextmanager
def _progress(made: Film, target: Path) -> Generator[Callable[[int, int], None]]:
    """What is to be done, in a line; on a terminal also a bar that says how far it is and when it will be done."""
    with progress_bar("drawing", made.frame_count) as bar:
        is_begun = False

        def advance(done: int, total: int) -> None:
            nonlocal is_begun
            if not is_begun:
                is_begun = True
                going_on = f", going on after {done}" if done else ""
                bar.echo(f"{target}: {_extent(made)}{going_on}\n", err=True)
                bar.restart(completed=done)  # what was done before says nothing of how fast it goes now
            bar.update(done, total)

        yield advance


def _extent(made: Film) -> str:
    from photism.drawing.video.storyboard import clock

    width, height = made.size
    rate = made.settings.frame_rate
    spoken = str(rate) if rate.denominator == 1 else f"{float(rate):.6g}"
    return f"{made.frame_count} frames, {clock(made.sound.duration_s)} at {spoken} frames/s, {width}×{height}"


def _report(made: Film, target: Path, *, as_json: bool) -> str:
    if not as_json:
        return f"{target}  {_extent(made)}"
    width, height = made.size
    told = {
        "file": str(target),
        "frames": made.frame_count,
        "fps": str(made.settings.frame_rate),
        "duration_s": made.sound.duration_s,
        "width": width,
        "height": height,
        "seed": made.settings.seed,
    }
    return json.dumps(told, ensure_ascii=False)
