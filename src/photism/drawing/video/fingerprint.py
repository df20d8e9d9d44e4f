"""What a film is made of, in a few words that can be compared: two films with the same have the same pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from photism import __version__
from photism.audio.streaming import SoundFile
from photism.audio.waveform import Waveform
from photism.drawing.negative_prompt import NEGATIVE_WORDS, Negative, TextPrompt

if TYPE_CHECKING:
    from photism.drawing.video.audio_features import MeasuredSound
    from photism.drawing.video.film import Film
    from photism.drawing.video.settings import FilmSettings

READ_BYTES = 2**20
VALUES = 64  # looked at in each tensor of a model: one trained otherwise differs in nearly all


def describe(film: Film) -> dict[str, Any]:
    """All that its pictures depend on but for rounding, as JSON has it."""
    drawer = film.drawer
    width, height = film.size
    return {
        "photism": __version__,
        "encoder": _model_digest(film.encoder),
        "diffusion": _diffusion_digest(drawer.diffusion),
        "device": film.encoder.device.type,
        "dtype": str(film.encoder.dtype).removeprefix("torch."),
        **describe_request(film.sound, film.settings),
        "num_inference_steps": drawer.num_inference_steps,
        "guidance_scale": drawer.guidance_scale,
        "negative": _negative(film.negative),
        "height": height,
        "width": width,
    }


def describe_request(sound: MeasuredSound, settings: FilmSettings) -> dict[str, Any]:
    """What of it is known before a model is loaded; None for the rest."""
    scale = settings.guidance_scale
    return {
        "sound": _sound_digest(sound.sound),
        "fps": str(settings.frame_rate),
        "window_s": settings.window_s,
        "hop_s": settings.hop_s,
        "noise": settings.noise,
        "zoom": settings.zoom,
        "attack_s": settings.attack_s,
        "release_s": settings.release_s,
        "num_inference_steps": settings.num_inference_steps,
        "guidance_scale": scale if scale is not None and scale > 1 else None,  # without a negative, it comes out as 1
        "negative": _negative(settings.negative),
        "seed": settings.seed,
        "height": settings.height,
        "width": settings.width,
    }


def _sound_digest(sound: SoundFile) -> str:
    digest = hashlib.sha256()
    with sound.open() as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _diffusion_digest(diffusion: Any) -> str:
    settings = json.dumps(dict(diffusion.scheduler.config), sort_keys=True, default=str)
    models = [part for part in diffusion.components.values() if isinstance(part, nn.Module)]
    parts = [settings, type(diffusion.scheduler).__name__, *map(_model_digest, models)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _model_digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(_tensors(model).items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        values = tensor.detach().flatten()
        values = values[:: max(1, len(values) // VALUES)].to("cpu", torch.float64)
        digest.update(values.numpy().tobytes())
    for name, module in model.named_modules():
        strengths = getattr(module, "scaling", None)
        if isinstance(strengths, dict):  # how strongly LoRA weights count, in a layer of peft: no tensor tells
            digest.update(f"{name} {strengths}".encode())
    return digest.hexdigest()


def _tensors(model: nn.Module) -> Mapping[str, Tensor]:
    state = model.state_dict()
    if any(tensor.is_meta for tensor in state.values()):  # it is offloaded layer by layer
        from accelerate.utils.modeling import get_state_dict_offloaded_model

        return get_state_dict_offloaded_model(model)
    return state


def _negative(negative: Negative | None) -> str | None:
    """None for the pipeline's own, and for a sound that is yet to be read."""
    if isinstance(negative, TextPrompt):
        return f"text:{negative.text}"
    if isinstance(negative, Waveform):
        return f"sound {hashlib.sha256(negative.samples.tobytes()).hexdigest()}"
    return negative if isinstance(negative, str) and negative in NEGATIVE_WORDS else None
