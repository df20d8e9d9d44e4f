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
from photism.cli.startup import load_pipeline, startup
from photism.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from PIL.Image import Image

    from photism.alignment import AudioPrompt
    from photism.drawing import Negative, TextPlace
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
        str | None,
        typer.Option(
            help="What to draw away from: empty, silence, noise, none, text:WORDS, or a sound. Default: the model's."
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="WORDS", help="What stands beside each sound.")] = None,
    text_place: Annotated[
        str,
        typer.Option(
            metavar="blend|before|after|START:STOP",
            help="Where it stands: blended with the whole sound, or in place of the sound's first tokens, its last, or "
            "those from START to STOP - 1.",
        ),
    ] = "blend",
    strength: Annotated[
        float | None,
        typer.Option(
            help="Of the sound, from 0, which is the text alone or else the empty text, to 1. "
            "Default: 1, but 0.5 if a text is blended."
        ),
    ] = None,
    mix: Annotated[
        str | None,
        typer.Option(metavar="WEIGHTS", help="Draw all sounds as one, by weight, such as 2,1. Default file: mix.png."),
    ] = None,
    morph: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Draw the way from one sound to another, N pictures in a row. Default file: morph.png."
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps. Default: the best there is.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite pictures that are there.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a sound, or for all with --mix or --morph.")
    ] = False,
) -> None:
    """Draw what is heard, as PNG files that carry their seed, model and settings."""
    if images < 1:
        raise InputError(f"--images must be at least 1; got {images}")
    place = _text_place(text_place)
    weights = None if mix is None else _weights(mix, len(sounds))
    if morph is not None:
        _check_morph(morph, sounds, mix)
    together = "mix" if weights else "morph" if morph else None
    groups = [sounds] if together else [[sound] for sound in sounds]
    targets = _targets(groups, together, output, images, force=force)

    from photism.audio import load_waveform

    waveforms = {sound: load_waveform(sound) for sound in sounds}

    pipeline, ranker = load_pipeline(model, diffusion=diffusion, device=device)
    chosen_steps = pipeline.num_inference_steps if steps is None else steps
    chosen_negative = pipeline.negative if negative is None else negative
    chosen_scale = pipeline.guidance_scale if guidance_scale is None else guidance_scale
    settings = {
        "model": model or "tiny",
        **({"diffusion": diffusion} if diffusion else {}),
        "steps": chosen_steps,
        "guidance_scale": 1.0 if chosen_negative == "none" else chosen_scale,
        "negative": chosen_negative,
        **({"text": text, "text_place": text_place} if text is not None else {}),
        **({"weights": mix} if mix else {"morph": morph} if morph else {}),
    }
    with _progress(len(groups)) as advance:
        for index, group in enumerate(groups):
            prompts = [pipeline.encoder.encode([waveforms[sound]]) for sound in group]
            drawn = pipeline(
                _mixed(prompts, weights, morph),
                num_inference_steps=steps,
                guidance_scale=guidance_scale,
                seed=seed,
                images_per_sound=images,
                negative=parse_negative(chosen_negative),
                text=text,
                text_place=place,
                sound_strength=strength,
                callback_on_step=lambda step, total, done=index: advance(done + step / total),
            )
            heard = [ranker.rank_prompts(prompt.prompt_embeds)[0] if ranker else [] for prompt in prompts]
            about = {**settings, **_about_sounds(group, heard)}
            if text is not None or strength is not None:
                about["sound_strength"] = drawn.sound_strength
            seeds = drawn.seeds[0]
            pictures = [_in_a_row(row) for row in zip(*drawn.images, strict=True)]
            for picture, picture_seed, target in zip(pictures, seeds, targets[index], strict=True):
                write_picture(picture, target, {"seed": picture_seed, **about})
            typer.echo(_report(group, heard, targets[index], seeds, as_json=as_json))


def _text_place(place: str) -> TextPlace:
    if place in ("blend", "before", "after"):
        return place
    try:
        start, stop = map(int, place.split(":"))
    except ValueError:
        raise InputError(f"--text-place must be blend, before, after or START:STOP, such as 1:4; got {place}") from None
    return start, stop


def _weights(mix: str, count: int) -> list[float]:
    """Checked by what will use them, but before a model is loaded."""
    with startup():
        from photism.drawing.mixing import shares
    try:
        weights = [float(weight) for weight in mix.split(",")]
    except ValueError:
        raise InputError(f"--mix must be numbers with commas between them, such as 2,1; got {mix}") from None
    return shares(weights, count)


def _check_morph(morph: int, sounds: Sequence[str], mix: str | None) -> None:
    if mix is not None:
        raise InputError("--mix and --morph cannot be given together; draw the one, then the other")
    if len(sounds) != 2:
        raise InputError(f"--morph must have two sounds to go between; got {len(sounds)}")
    if morph < 2:
        raise InputError(f"--morph must be at least 2, for the two ends; got {morph}")


def _mixed(prompts: Sequence[AudioPrompt], weights: Sequence[float] | None, morph: int | None) -> AudioPrompt:
    from photism.drawing import blend, interpolate

    if morph is not None:
        return interpolate(prompts[0], prompts[1], morph)
    return prompts[0] if weights is None else blend(prompts, weights)


def _targets(
    groups: Sequence[Sequence[str]], together: str | None, output: str | None, images: int, *, force: bool
) -> list[list[Path]]:
    """For each group of sounds its files, none of which is in anybody's way.

    `together` is what the file of several sounds is called; a single one gives its own name.
    """
    folder = Path(output or ".")
    to_folder = output is None or output.endswith("/") or folder.is_dir()
    if not to_folder and len(groups) > 1:
        raise InputError(f"-o must be a folder for several sounds, but {output} is none; create it")
    if to_folder and not folder.is_dir():
        raise InputError(f"-o {output} is not a folder; create it")
    targets: list[list[Path]] = []
    for group in groups:
        path = folder / f"{together or sound_stem(group[0])}.png" if to_folder else folder
        if path.suffix.lower() != ".png":
            raise InputError(f"-o must be a folder or a file that ends in .png; got {path}")
        if not path.parent.is_dir():
            raise InputError(f"-o: the folder {path.parent} does not exist; create it")
        numbers = [""] if images == 1 else [f"-{number}" for number in range(1, images + 1)]
        targets.append([path.with_name(f"{path.stem}{number}.png") for number in numbers])
    seen: dict[Path, str] = {}
    for (sound, *_), paths in zip(groups, targets, strict=True):
        for path in paths:
            if path in seen:
                raise InputError(f"{seen[path]} and {sound} would both be drawn to {path}; draw them one by one")
            _check_free(path, "-o", force=force)
            seen[path] = sound
    return targets


def _check_free(path: Path, option: str, *, force: bool) -> None:
    if path.is_dir() or (path.exists() and not force):
        raise InputError(f"{path} exists; give another name with {option}, or --force to overwrite it")


def check_picture(path: Path, option: str, *, force: bool) -> None:
    """See whether a picture can be written to the file that an option names.

    Raises:
        InputError: the name does not end in .png, its folder is missing, or it is taken.
    """
    if path.suffix.lower() != ".png":
        raise InputError(f"{option} must be a file that ends in .png; got {path}")
    if not path.parent.is_dir():
        raise InputError(f"{option}: the folder {path.parent} does not exist; create it")
    _check_free(path, option, force=force)


def sound_stem(sound: str) -> str:
    """What a file or URL is called without its ending."""
    path = unquote(urlsplit(sound).path) if "://" in sound else sound
    return Path(path).stem or "sound"


def parse_negative(negative: str) -> Negative:
    """What --negative means: a word, text:WORDS, or a sound."""
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


def _about_sounds(sounds: Sequence[str], heard: Sequence[Sequence[HeardCaption]]) -> dict[str, str]:
    """What a picture carries of its sound; of several, lists in JSON."""
    captions = [each[0].caption for each in heard if each]
    if len(sounds) == 1:
        return {"sound": sounds[0], **({"heard": captions[0]} if captions else {})}
    lists = {"sounds": sounds, **({"heard": captions} if captions else {})}
    return {name: json.dumps(values, ensure_ascii=False) for name, values in lists.items()}


def _in_a_row(pictures: Sequence[Image]) -> Image:
    from PIL import Image

    width, height = pictures[0].size
    row = Image.new(pictures[0].mode, (width * len(pictures), height))
    for index, picture in enumerate(pictures):
        row.paste(picture, (index * width, 0))
    return row


def write_picture(picture: Image, target: Path, about: Mapping[str, object]) -> None:
    """Write a PNG beside its target and rename it, so that an interruption leaves nothing half-written."""
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
    sounds: Sequence[str],
    heard: Sequence[Sequence[HeardCaption]],
    targets: Sequence[Path],
    seeds: Sequence[int],
    *,
    as_json: bool,
) -> str:
    if as_json:
        told = [
            {"file": sound, "heard": [caption._asdict() for caption in captions]}
            for sound, captions in zip(sounds, heard, strict=True)
        ]
        pictures = [{"file": str(path), "seed": seed} for path, seed in zip(targets, seeds, strict=True)]
        sounds_told = told[0] if len(told) == 1 else {"sounds": told}
        return json.dumps({**sounds_told, "pictures": pictures}, ensure_ascii=False)
    titles = [
        f"{sound}: {captions[0].caption} ({captions[0].score:.2f})" if captions else sound
        for sound, captions in zip(sounds, heard, strict=True)
    ]
    return "\n".join([*titles, *(f"  {path}  seed {seed}" for path, seed in zip(targets, seeds, strict=True))])
