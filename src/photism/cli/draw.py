"""photism draw: sounds to PNG files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from photism.cli import options as option
from photism.cli.mixing import Mixing
from photism.cli.models import ModelsGiven
from photism.cli.pictures import PicturesGiven
from photism.cli.png import in_a_row, picture_targets, write_picture
from photism.cli.progress import progress_bar
from photism.cli.startup import DTYPES
from photism.cli.text_sound import TextSound
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.drawing.pipeline import AudioToImageOutput
    from photism.listening.zero_shot import RankedCaption


class Drawn(NamedTuple):
    """A picture that was written."""

    path: Path
    seed: int
    is_flagged: bool  # by the safety checker, which leaves it black


def draw(
    sounds: option.SoundsOrText = None,
    output: option.Output = None,
    from_text: option.FromText = None,
    sound_model: option.SoundModel = None,
    model: option.Model = None,
    diffusion: option.Diffusion = None,
    steps: option.Steps = None,
    guidance_scale: option.GuidanceScale = None,
    seed: option.Seed = 0,
    images: option.Images = 1,
    negative: option.Negative = None,
    text: option.Text = None,
    text_place: option.TextPlaces = "blend",
    strength: option.Strength = None,
    mix: option.Mix = None,
    morph: option.Morph = None,
    image: option.StartImage = None,
    image_strength: option.ImageStrength = None,
    mask: option.Mask = None,
    controlnet: option.ControlNet = None,
    control_image: option.ControlImage = None,
    control_scale: option.ControlScale = None,
    lora: option.Lora = None,
    scheduler: option.Scheduler = None,
    device: option.Device = None,
    dtype: option.Dtype = DTYPES[0],
    attention_slicing: option.AttentionSlicing = False,
    compile: option.Compile = False,
    offload: option.Offload = None,
    force: option.Force = False,
    as_json: option.AsJson = False,
) -> None:
    """Draw what is heard, as PNG files that carry their seed, model and settings."""
    _check(images=images, steps=steps, seed=seed)
    spoken = TextSound.read(from_text, sound_model, sounds, output, device=device, dtype=dtype, force=force)
    sounds = [str(spoken.target)] if spoken else sounds or []
    if not sounds:
        raise InputError("SOUND is missing: name a recording, or say what is to be heard with --from-text")
    mixing = Mixing(sounds=sounds, mix=mix, morph=morph, text=text, text_place=text_place, strength=strength)
    given = PicturesGiven(
        image=image,
        image_strength=image_strength,
        mask=mask,
        controlnet=controlnet,
        control_image=control_image,
        control_scale=control_scale,
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
        controlnet=controlnet,
        task=given.task,
    )
    targets = picture_targets(mixing.groups, mixing.name, output, images, force=force)
    pictures = given.arguments(steps)

    if spoken:
        spoken.make(seed=seed)

    from photism.audio.waveform import load_waveform

    waveforms = {sound: load_waveform(sound) for sound in sounds}

    from photism.drawing.negative_prompt import parse_negative

    away_from = None if negative is None else parse_negative(negative)

    pipeline, ranker = models.load()
    chosen_negative = pipeline.negative if negative is None else negative
    chosen_scale = pipeline.guidance_scale if guidance_scale is None else guidance_scale
    settings = {
        **models.settings,
        "steps": pipeline.num_inference_steps if steps is None else steps,
        "guidance_scale": 1.0 if chosen_negative == "none" else chosen_scale,
        "negative": chosen_negative,
        **mixing.settings,
        **vars(given),
    }
    with progress_bar("drawing", len(targets)) as bar:
        for index, group in enumerate(mixing.groups):
            prompts = [pipeline.encoder.encode([waveforms[sound]]) for sound in group]
            drawn = pipeline(
                mixing.prompt(prompts),
                num_inference_steps=steps,
                guidance_scale=guidance_scale,
                seed=seed,
                images_per_sound=images,
                negative=away_from,
                callback_on_step=lambda step, total, done=index: bar.update(done + step / total),
                **mixing.arguments,
                **pictures,
            )
            heard = [ranker.rank_prompts(prompt)[0] if ranker else [] for prompt in prompts]
            about = {
                **settings,
                **_about_sounds(group, heard),
                "sound_strength": None if text is None and strength is None else drawn.sound_strength,
            }
            written = _write_all(drawn, targets[index], about)
            typer.echo(_report(group, heard, written, as_json=as_json))


def _check(*, images: int, steps: int | None, seed: int) -> None:
    from photism.drawing.seeds import picture_seeds

    for name, number in (("--images", images), ("--steps", steps)):
        if number is not None and number < 1:
            raise InputError(f"{name} must be at least 1; got {number}")
    picture_seeds(seed, images)


def _write_all(drawn: AudioToImageOutput, targets: Sequence[Path], about: Mapping[str, object]) -> list[Drawn]:
    """The pictures of a sound, or rows of them, each to its file, with what is known about it."""
    pictures = [in_a_row(row) for row in zip(*drawn.images, strict=True)]
    flags = [any(row) for row in zip(*drawn.nsfw_content_detected, strict=True)]
    written: list[Drawn] = []
    for picture, target, seed, is_flagged in zip(pictures, targets, drawn.seeds[0], flags, strict=True):
        write_picture(picture, target, {"seed": seed, **about})
        written.append(Drawn(target, seed, is_flagged))
    return written


def _about_sounds(sounds: Sequence[str], heard: Sequence[Sequence[RankedCaption]]) -> dict[str, str]:
    """What a picture carries of its sound; of several, lists in JSON."""
    captions = [each[0].caption for each in heard if each]
    if len(sounds) == 1:
        return {"sound": sounds[0], **({"heard": captions[0]} if captions else {})}
    lists = {"sounds": sounds, **({"heard": captions} if captions else {})}
    return {name: json.dumps(values, ensure_ascii=False) for name, values in lists.items()}


def _report(
    sounds: Sequence[str],
    heard: Sequence[Sequence[RankedCaption]],
    pictures: Sequence[Drawn],
    *,
    as_json: bool,
) -> str:
    if as_json:
        told = [
            {"file": sound, "heard": [caption._asdict() for caption in captions]}
            for sound, captions in zip(sounds, heard, strict=True)
        ]
        files = [
            {"file": str(path), "seed": seed, **({"nsfw_content_detected": True} if is_flagged else {})}
            for path, seed, is_flagged in pictures
        ]
        sounds_told = told[0] if len(told) == 1 else {"sounds": told}
        return json.dumps({**sounds_told, "pictures": files}, ensure_ascii=False)
    titles = [
        f"{sound}: {captions[0].caption} ({captions[0].score:.2f})" if captions else sound
        for sound, captions in zip(sounds, heard, strict=True)
    ]
    lines = [
        f"  {path}  seed {seed}{'  black: the safety checker found it unsafe' if is_flagged else ''}"
        for path, seed, is_flagged in pictures
    ]
    return "\n".join([*titles, *lines])
