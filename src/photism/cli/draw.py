"""photism draw: generate images from recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from photism.cli import options as option
from photism.cli.mixing import Mixing
from photism.cli.progress import progress_bar
from photism.cli.startup import load_pipeline
from photism.cli.text_sound import TextSound
from photism.drawing.metadata import describe_models, describe_settings, write_png
from photism.drawing.settings import DrawSettings
from photism.errors import InputError
from photism.output_files import check_png, plan_files, sound_stem
from photism.prompts.settings import PipelineSettings

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.pipeline import AudioToImageOutput
    from photism.listening.zero_shot import RankedCaption


class WrittenImage(NamedTuple):
    """An image file."""

    path: Path
    seed: int
    is_flagged: bool  # by the safety checker, which blacks the image out


def draw(
    *,
    sounds: option.OptionalRecordings = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE|FOLDER", help="Image file, or an existing folder. Default: SOUND.png."
        ),
    ] = None,
    settings: DrawSettings,
    models: PipelineSettings,
    from_text: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Generate a sound from this text, write it to TEXT.wav, and draw it."),
    ] = None,
    sound_model: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|ID", help="AudioLDM 2 that generates the sound of --from-text. Default: the bundled one."
        ),
    ] = None,
    mix: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS",
            help="Generate one image from all recordings, weighted as in 2,1. Default file: mix.png.",
        ),
    ] = None,
    morph: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Generate N images on the way from one recording to another, side by side. Default file: morph.png.",
        ),
    ] = None,
    controlnet: Annotated[
        str | None,
        typer.Option(metavar="FOLDER|ID", help="ControlNet, folder or hub id, given together with --control-image."),
    ] = None,
    force: option.Force = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each recording; for all with --mix or --morph.")
    ] = False,
) -> None:
    """Generate images from recordings, as PNG files that hold their seed, model and settings.

    Examples:
        photism draw elephant.ogg
        photism draw elephant.ogg banana.ogg --images 4 --seed 7
    """
    if (controlnet is None) != (settings.control_image is None):
        raise InputError("--controlnet and --control-image must be given together")
    models = replace(models, task=settings.task, controlnet=controlnet)
    spoken = TextSound.read(
        from_text, sound_model, sounds, output, device=models.device, dtype=models.dtype, force=force
    )
    sounds = [str(spoken.target)] if spoken else sounds or []
    if not sounds:
        raise InputError("SOUND is missing: name a recording, or generate a sound with --from-text")
    mixing = Mixing(recordings=sounds, mix=mix, morph=morph)
    targets = plan_files(
        [group[0] for group in mixing.groups],
        output,
        ".png",
        flag="-o",
        force=force,
        count=settings.images_per_sound,
        stem=lambda sound: mixing.name or sound_stem(sound),
        check=check_png,
    )
    decoded = _decode(settings)
    if spoken:
        spoken.make(seed=settings.seed if isinstance(settings.seed, int) else 0)
    from photism.audio.waveform import load_waveform

    waveforms = [load_waveform(sound) for sound in sounds]
    pipeline, ranker = load_pipeline(models)
    prompts = pipeline.encoder.encode(waveforms, batch_size=settings.batch_size)
    heard = ranker.rank_prompts(prompts) if ranker else [[] for _ in sounds]
    captions = dict(zip(sounds, heard, strict=True))
    with progress_bar("drawing") as bar:
        outputs = pipeline.stream(mixing.prompts(prompts), decoded, callback_on_step=bar.update)
        for group, paths in zip(mixing.groups, targets, strict=True):
            rows = list(islice(outputs, morph or 1))
            about = {
                **describe_models(models),
                **describe_settings(settings, rows[0].settings),
                "weights": mix,
                "morph": morph,
                **_describe_recordings(group, [captions[sound] for sound in group]),
            }
            written = _write(rows, paths, about)
            bar.echo(_report(group, [captions[sound] for sound in group], written, as_json=as_json) + "\n")


def _decode(settings: DrawSettings) -> DrawSettings:
    """Return settings with their files read, so that errors are found before a model is loaded."""
    from photism.drawing.conditioning_images import read_conditioning_images
    from photism.drawing.negative_prompt import read_negative

    return replace(
        settings,
        **vars(read_conditioning_images(settings.image, settings.mask_image, settings.control_image)),
        negative=None if settings.negative is None else read_negative(settings.negative),
    )


def _write(rows: Sequence[AudioToImageOutput], paths: Sequence[Path], about: dict[str, Any]) -> list[WrittenImage]:
    """Write images to their files: those of one recording, or strips of those of several rows."""
    written: list[WrittenImage] = []
    for number, (path, seed) in enumerate(zip(paths, rows[0].seeds[0], strict=True)):
        write_png(_side_by_side([row.images[0][number] for row in rows]), path, {"seed": seed, **about})
        is_flagged = any(row.nsfw_content_detected[0][number] for row in rows)
        written.append(WrittenImage(path, seed, is_flagged))
    return written


def _side_by_side(images: Sequence[Image]) -> Image:
    from PIL.Image import new

    width, height = images[0].size
    strip = new(images[0].mode, (width * len(images), height))
    for index, image in enumerate(images):
        strip.paste(image, (index * width, 0))
    return strip


def _describe_recordings(sounds: Sequence[str], captions: Sequence[Sequence[RankedCaption]]) -> dict[str, str]:
    """Return PNG metadata of the recordings of an image; for several of them, lists in JSON."""
    nearest = [each[0].caption for each in captions if each]
    if len(sounds) == 1:
        return {"sound": sounds[0], **({"heard": nearest[0]} if nearest else {})}
    lists = {"sounds": sounds, **({"heard": nearest} if nearest else {})}
    return {name: json.dumps(values, ensure_ascii=False) for name, values in lists.items()}


def _report(
    sounds: Sequence[str],
    captions: Sequence[Sequence[RankedCaption]],
    images: Sequence[WrittenImage],
    *,
    as_json: bool,
) -> str:
    pairs = list(zip(sounds, captions, strict=True))
    if as_json:
        recordings = [{"file": sound, "heard": [each._asdict() for each in found]} for sound, found in pairs]
        files = [
            {"file": str(path), "seed": seed, **({"nsfw_content_detected": True} if is_flagged else {})}
            for path, seed, is_flagged in images
        ]
        about = recordings[0] if len(recordings) == 1 else {"sounds": recordings}
        return json.dumps({**about, "pictures": files}, ensure_ascii=False)
    titles = [f"{sound}: {found[0].caption} ({found[0].score:.2f})" if found else sound for sound, found in pairs]
    lines = [
        f"  {path}  seed {seed}{'  black: the safety checker found it unsafe' if is_flagged else ''}"
        for path, seed, is_flagged in images
    ]
    return "\n".join([*titles, *lines])
