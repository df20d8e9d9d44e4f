"""What a film is made of, in a few words that can be compared: two films with the same have the same pictures."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import nn

from photism import __version__
from photism.audio import SoundFile, Waveform
from photism.drawing.filming.film import Film
from photism.drawing.negative import TextPrompt

READ_BYTES = 2**20
VALUES = 64  # looked at in each tensor of a model: one trained otherwise differs in nearly all


def describe(film: Film) -> dict[str, Any]:
    """All that its pictures depend on but for rounding, as JSON has it."""
    settings, drawer = film.settings, film.drawer
    width, height = film.size
    return {
        "photism": __version__,
        "sound": _sound_digest(film.sound.sound),
        "encoder": _model_digest(film.encoder),
        "diffusion": _diffusion_digest(drawer.diffusion),
        "device": film.encoder.device.type,
        "dtype": str(film.encoder.dtype).removeprefix("torch."),
        "fps": str(settings.frame_rate),
        "window_s": settings.window_s,
        "hop_s": settings.hop_s,
        "noise": settings.noise,
        "zoom": settings.zoom,
        "attack_s": settings.attack_s,
        "release_s": settings.release_s,
        "num_inference_steps": drawer.num_inference_steps,
        "guidance_scale": drawer.guidance_scale,
        "negative": _negative(film.negative),
        "seed": settings.seed,
        "height": height,
        "width": width,
    }


def _sound_digest(sound: SoundFile) -> str:
    digest = hashlib.sha256()
    with sound.open() as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _diffusion_digest(diffusion: Any) -> str:
    settings = json.dumps(dict(diffusion.scheduler.config), sort_keys=True, default=str)
    parts = [settings, type(diffusion.scheduler).__name__, _model_digest(diffusion.unet), _model_digest(diffusion.vae)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _model_digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        values = tensor.detach().flatten()
        values = values[:: max(1, len(values) // VALUES)].to("cpu", torch.float64)
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def _negative(negative: str | TextPrompt | Waveform) -> str:
    if isinstance(negative, str):
        return negative
    if isinstance(negative, TextPrompt):
        return f"text:{negative.text}"
    return f"sound {hashlib.sha256(negative.samples.tobytes()).hexdigest()}"
