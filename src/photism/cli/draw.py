"""photism draw: sounds to PNG files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

import typer

from photism import __version__
from photism.cli.startup import load_pipeline
from photism.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from PIL.Image import Image

    from photism.drawing import Negative
    from photism.listening import HeardCaption

TEXT_MARK = "text:"


def draw(
    sounds: Annotated[list[str], typer.Argument(metavar="SOUND...", help="Files or URLs; any format with sound.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE|FOLDER", help="Default: SOUND.png in the current folder."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Folder or hub id. Default: the bundled model.")] = None,
    diffusion: Annotated[
        str | None, typer.Option(help="Folder or hub id of a diffusers pipeline. Default: the model's own.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps. Default: the model's.")] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(help="How strongly to follow the sound. Default: the model's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the first picture of each sound; the next has the next.")] = 0,
    images: Annotated[int, typer.Option(help="Pictures of each sound.")] = 1,
    negative: Annotated[
        str, typer.Option(help="What to draw away from: empty, silence, noise, none, text:WORDS, or a sound.")
    ] = "empty",
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps. Default: the best there is.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite pictures that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a sound.")] = False,
) -> None:
    """Draw what is heard, as PNG files that carry their seed, model and settings."""
    if images < 1:
        raise InputError(f"--images must be at least 1; got {images}")
    targets = _targets(sounds, output, images, force=force)

    from photism.audio import load_waveform

    waveforms = [load_waveform(sound) for sound in sounds]

    pipeline, ranker = load_pipeline(model, diffusion=diffusion, device=device)
    chosen_steps = pipeline.num_inference_steps if steps is None else steps
    chosen_scale = pipeline.guidance_scale if guidance_scale is None else guidance_scale
    settings = {
        "model": model or "tiny",
        **({"diffusion": diffusion} if diffusion else {}),
        "steps": chosen_steps,
        "guidance_scale": 1.0 if negative == "none" else chosen_scale,
        "negative": negative,
    }
    with _progress(len(sounds)) as advance:
        for index, (sound, waveform) in enumerate(zip(sounds, waveforms, strict=True)):
            drawn = pipeline(
                waveform,
                num_inference_steps=steps,
                guidance_scale=guidance_scale,
                seed=seed,
                images_per_sound=images,
                negative=_negative(negative),
                callback_on_step=lambda step, total, done=index: advance(done + step / total),
            )
            heard = ranker.rank_prompts(drawn.prompts.prompt_embeds)[0] if ranker else []
            seeds = drawn.seeds[0]
            for picture, picture_seed, target in zip(drawn.images[0], seeds, targets[index], strict=True):
                about = {"seed": picture_seed, **settings, "sound": sound}
                _write(picture, target, {**about, "heard": heard[0].caption} if heard else about)
            typer.echo(_report(sound, heard, targets[index], seeds, as_json=as_json))


def _targets(sounds: Sequence[str], output: str | None, images: int, *, force: bool) -> list[list[Path]]:
    """For each sound its files, none of which is in anybody's way."""
    folder = Path(output or ".")
    to_folder = output is None or output.endswith("/") or folder.is_dir()
    if not to_folder and len(sounds) > 1:
        raise InputError(f"-o must be a folder for several sounds, but {output} is none; create it")
    if to_folder and not folder.is_dir():
        raise InputError(f"-o {output} is not a folder; create it")
    targets: list[list[Path]] = []
    for sound in sounds:
        path = folder / f"{_stem(sound)}.png" if to_folder else folder
        if path.suffix.lower() != ".png":
            raise InputError(f"-o must be a folder or a file that ends in .png; got {path}")
        if not path.parent.is_dir():
            raise InputError(f"-o: the folder {path.parent} does not exist; create it")
        numbers = [""] if images == 1 else [f"-{number}" for number in range(1, images + 1)]
        targets.append([path.with_name(f"{path.stem}{number}.png") for number in numbers])
    seen: dict[Path, str] = {}
    for sound, paths in zip(sounds, targets, strict=True):
        for path in paths:
            if path in seen:
                raise InputError(f"{seen[path]} and {sound} would both be drawn to {path}; draw them one by one")
            if path.is_dir() or (path.exists() and not force):
                raise InputError(f"{path} exists; give another name with -o, or --force to overwrite it")
            seen[path] = sound
    return targets


def _stem(sound: str) -> str:
    path = unquote(urlsplit(sound).path) if "://" in sound else sound
    return Path(path).stem or "sound"


def _negative(negative: str) -> Negative:
    from photism.drawing import TextPrompt

    if negative.startswith(TEXT_MARK):
        return TextPrompt(negative.removeprefix(TEXT_MARK))
    return negative


@contextmanager
def _progress(total: int) -> Generator[Callable[[float], None]]:
    """A bar on the terminal's error stream, which goes when all is drawn; nothing where that is a file."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("drawing"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drawing", total=total)
        yield lambda done: progress.update(task, completed=done)


def _write(picture: Image, target: Path, about: Mapping[str, object]) -> None:
    """Writes a PNG beside its target and renames it, so that an interruption leaves nothing half-written."""
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    chunks.add_itxt("Software", f"photism {__version__}")
    for name, value in about.items():
        chunks.add_itxt(name, str(value))
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        picture.save(unfinished, format="PNG", pnginfo=chunks)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _report(
    sound: str, heard: Sequence[HeardCaption], targets: Sequence[Path], seeds: Sequence[int], *, as_json: bool
) -> str:
    if as_json:
        pictures = [{"file": str(path), "seed": seed} for path, seed in zip(targets, seeds, strict=True)]
        return json.dumps(
            {"file": sound, "heard": [each._asdict() for each in heard], "pictures": pictures}, ensure_ascii=False
        )
    title = f"{sound}: {heard[0].caption} ({heard[0].score:.2f})" if heard else sound
    return "\n".join([title, *(f"  {path}  seed {seed}" for path, seed in zip(targets, seeds, strict=True))])
