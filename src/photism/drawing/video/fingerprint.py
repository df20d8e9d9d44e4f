"""Fingerprint of a film: everything that determines its frames. Equal fingerprints mean that a film can be resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from photism import __version__
from photism.audio.long_recording import LongRecording
from photism.audio.sources import SoundFile
from photism.audio.waveform import Waveform
from photism.drawing.negative_prompt import NEGATIVE_WORDS, Negative, TextPrompt
from photism.drawing.video.motion import BANDS
from photism.fingerprint import model_fingerprint

if TYPE_CHECKING:
    from photism.drawing.video.audio_features import MeasuredRecording
    from photism.drawing.video.film import Film
    from photism.drawing.video.key_moments import KeyMoment
    from photism.drawing.video.settings import FilmSettings

READ_BYTES = 2**20


def fingerprint(film: Film) -> dict[str, Any]:
    """Return the fingerprint of a film as JSON values: versions, digests of the models and recording, and settings."""
    return {
        "photism": __version__,
        "encoder": model_fingerprint(film.encoder),
        "diffusion": _diffusion_digest(film.generator.diffusion),
        "device": film.encoder.device.type,
        "dtype": str(film.encoder.dtype).removeprefix("torch."),
        **_describe_sounds(film.sound, film.others),
        **describe_settings(film.settings),
        **({"mixed_sync": [[each.sync, each.fade_s] for each in film.other_settings]} if film.others else {}),
    }


def requested_fingerprint(
    sound: MeasuredRecording, settings: FilmSettings, others: Sequence[MeasuredRecording] = ()
) -> dict[str, Any]:
    """Return the part of a fingerprint that is known before a model is loaded.

    Settings that the pipeline or the recording decides are missing: defaults, `sync` where it is "auto" or beats, a
    guidance scale of at most 1, which becomes 1 without a negative prompt, and the size, which is rounded.
    """
    known = {**_describe_sounds(sound, others), **describe_settings(settings)}
    del known["height"], known["width"]
    if settings.sync in ("auto", "beat", "downbeat"):
        del known["sync"]
    if settings.guidance_scale is not None and settings.guidance_scale <= 1:
        del known["guidance_scale"]
    return {name: value for name, value in known.items() if value is not None}


def describe_settings(settings: FilmSettings) -> dict[str, Any]:
    """Return the settings that determine the frames of a film, as JSON values; None for a default of the pipeline."""
    return {
        "fps": str(settings.frame_rate),
        "sync": settings.sync,
        "fade_s": settings.fade_s,
        "window_s": settings.window_s,
        "hop_s": settings.hop_s,
        "noise": settings.noise,
        "zoom": settings.zoom,
        **{band: settings.drives[band] or None for band in BANDS},
        "attack_s": settings.attack_s,
        "release_s": settings.release_s,
        "pulse_s": settings.pulse_s,
        "num_inference_steps": settings.num_inference_steps,
        "guidance_scale": settings.guidance_scale,
        "negative": _negative(settings.negative),
        **_describe_text(settings),
        **_describe_images(settings),
        **({} if settings.lora_weights is None else {"lora_weights": settings.weight_of_loras}),
        **({} if settings.mix is None else {"mix": settings.mix}),
        **({} if settings.moments is None else {"moments": [_moment(each) for each in settings.moments]}),
        "audio": settings.audio,
        "seed": settings.seed,
        "height": settings.height,
        "width": settings.width,
    }


def _describe_text(settings: FilmSettings) -> dict[str, Any]:
    """Return the text and its place, where there is a text, and what else is not as by default."""
    place = settings.text_place if isinstance(settings.text_place, str) else ":".join(map(str, settings.text_place))
    strength = settings.resolved_sound_strength
    return {
        **({} if settings.text is None else {"text": settings.text, "text_place": place}),
        **({} if strength == 1 else {"sound_strength": strength}),
        **({"long_text": True} if settings.long_text else {}),
    }


def _describe_images(settings: FilmSettings) -> dict[str, Any]:
    """Return the digests of the images that are given, which have been read, and their strengths."""
    scale = settings.controlnet_conditioning_scale
    described = {
        "image": _image_digest(settings.image),
        "image_strength": settings.strength,
        "style": _image_digest(settings.style),
        "control_image": _image_digest(settings.control_image),
        "control_scale": list(scale) if isinstance(scale, Sequence) else scale,
    }
    return {name: value for name, value in described.items() if value is not None}


def _moment(moment: KeyMoment) -> list[Any]:
    """Return the time, text or digest, and strength of a key moment."""
    sound = None if moment.sound is None else _negative(moment.sound)
    return [moment.time_s, moment.text or sound, moment.strength]


def _image_digest(image: Any) -> Any:
    """Return the digest of an image, or of each one of a list."""
    if isinstance(image, list):
        return [_image_digest(each) for each in cast("list[Any]", image)]
    return None if image is None else hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()


def _describe_sounds(sound: MeasuredRecording, others: Sequence[MeasuredRecording]) -> dict[str, Any]:
    """Return what `_describe_sound` does of the recording, and of those that are blended with it if there are any."""
    mixed = {"mixed_sound": [_describe_sound(each.sound) for each in others]} if others else {}
    return {**_describe_sound(sound.sound), **mixed}


def _describe_sound(sound: SoundFile) -> dict[str, Any]:
    """Return the digest of a recording, and its track and channel where they are chosen."""
    chosen = {"track": sound.reading.track, "channel": sound.reading.channel}
    return {"sound": _file_digest(sound), **{name: value for name, value in chosen.items() if value is not None}}


def _file_digest(sound: SoundFile) -> str:
    digest = hashlib.sha256()
    with sound.open() as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _diffusion_digest(diffusion: Any) -> str:
    scheduler_config = json.dumps(dict(diffusion.scheduler.config), sort_keys=True, default=str)
    models = [component for component in diffusion.components.values() if isinstance(component, nn.Module)]
    parts = [scheduler_config, type(diffusion.scheduler).__name__, *map(_describe_model, models)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _describe_model(model: nn.Module) -> str:
    dtypes = {str(tensor.dtype) for tensor in model.state_dict().values()}
    return f"{model_fingerprint(model)} {sorted(dtypes)}"


def _negative(negative: Negative | None) -> str | None:
    """Return a negative prompt as text or digest; None for the default, and for a recording that was not read yet."""
    if isinstance(negative, TextPrompt):
        return f"text:{negative.text}"
    if isinstance(negative, LongRecording):
        source = negative.source
        return _negative(source) if isinstance(source, Waveform) else f"sound {json.dumps(_describe_sound(source))}"
    if isinstance(negative, Waveform):
        return f"sound {hashlib.sha256(negative.samples.tobytes()).hexdigest()}"
    return negative if isinstance(negative, str) and negative in NEGATIVE_WORDS else None
