"""A long sound as a film: prompts of windows on a timeline, and pictures that move with the sound between them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from photism.audio.waveform import SAMPLING_RATE
from photism.drawing.arguments import call_parameters
from photism.drawing.negative_prompt import read_negative
from photism.drawing.video.audio_features import MeasuredSound, Motion, motion
from photism.drawing.video.keyframes import Timeline
from photism.drawing.video.noise_path import NoisePath
from photism.drawing.video.settings import FilmSettings
from photism.errors import InputError
from photism.prompts.audio_prompt import AudioPrompt, concatenate

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.pipeline import AudioToImagePipeline

logger = logging.getLogger(__name__)

DRIFT = 1 / 60  # of the way from one noise to the next, a second: a film of silence has another after a minute
PUSH = 0.4  # the same of a second of full onsets


@dataclass(frozen=True, eq=False)
class Still:
    """A picture of a film and its place there."""

    index: int
    time_s: float
    picture: Image


class Film:
    """The pictures of a film, each drawn when it is asked for; `photism.drawing.write_film` makes a file of them.

    A window's prompt stands at its middle, and between two of them prompts are interpolated. Pictures start from noise
    that goes slowly from that of one seed to that of the next, and faster where the sound has onsets. The loudness
    zooms into the picture. The first picture, unless it is zoomed, is the one that `pipeline` draws of the first window
    with the same seed.

    A picture depends on the recording, the settings and its number, and not on which others are asked for, but for
    rounding where another number is drawn at once.

    Args:
        pipeline: draws. Its diffusion pipeline must be a text-to-image one.
        sound: from `measure_sound`.
        settings: by default `FilmSettings()`.

    Raises:
        InputError: a setting cannot be used with this pipeline.
    """

    def __init__(
        self, pipeline: AudioToImagePipeline, sound: MeasuredSound, settings: FilmSettings | None = None
    ) -> None:
        parameters = call_parameters(pipeline.diffusion)
        if "latents" not in parameters or "image" in parameters:
            name = type(pipeline.diffusion).__name__
            raise InputError(f"pipeline must draw with a text-to-image pipeline of diffusers; got {name}")
        self.sound = sound
        self.settings = settings or FilmSettings()
        self.encoder = pipeline.encoder
        self.negative = read_negative(pipeline.negative if self.settings.negative is None else self.settings.negative)
        self.drawer = pipeline.drawer(
            num_inference_steps=self.settings.num_inference_steps,
            guidance_scale=self.settings.guidance_scale,
            height=self.settings.height,
            width=self.settings.width,
            negative=self.negative,
        )
        self.frame_count = count_frames(sound, self.settings)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        _, height, width = self.drawer.latent_shape
        scale = self.drawer.diffusion.vae_scale_factor
        return width * scale, height * scale

    def stills(self, indices: Iterable[int]) -> Iterator[Still]:
        """Draws some of the pictures.

        Args:
            indices: rising numbers of pictures, from 0 to `frame_count` - 1.

        Yields:
            them one by one, drawn `settings.batch_size` at a time. The first that a safety checker blacks out is told
            as a warning.
        """
        moments = self._moments(indices)
        warned = False
        while batch := list(islice(moments, self.settings.batch_size)):
            prompts = concatenate([moment.prompt for moment in batch])
            # The steps of schedulers that add noise add the same to every picture, or the film would flicker.
            seeds = [self.settings.seed] * len(batch)
            drawn = self.drawer(prompts, seeds, latents=torch.cat([moment.latents for moment in batch]))
            for moment, (picture, is_flagged) in zip(batch, drawn, strict=True):
                if is_flagged and not warned:
                    logger.warning("the safety checker found picture %d unsafe: it is black", moment.index)
                    warned = True  # of a thousand that follow it would be too many
                yield Still(moment.index, moment.time_s, _zoomed(picture, moment.zoom))

    def _moments(self, indices: Iterable[int]) -> Iterator[_Moment]:
        settings, fps = self.settings, self.settings.frame_rate
        motions = motion(self.sound, fps, attack_s=settings.attack_s, release_s=settings.release_s)
        timeline = Timeline(self.sound.sound, self.encoder, window_s=settings.window_s, hop_s=settings.hop_s)
        encoder = self.encoder
        noises = NoisePath(settings.seed, self.drawer.latent_shape, device=encoder.device, dtype=encoder.dtype)
        passed = 0
        for index in indices:
            moved: Motion = next(islice(motions, index - passed, None))
            passed = index + 1
            time_s = float(index / fps)
            yield _Moment(
                index,
                time_s,
                timeline.at(time_s),
                noises.at(settings.noise * (DRIFT * time_s + PUSH * moved.onset_s)),
                1 + settings.zoom * moved.loudness,
            )


def count_frames(sound: MeasuredSound, settings: FilmSettings) -> int:
    """How many pictures last as long as the sound, the last one up to a frame longer."""
    # Resampling rounds the length up: a part of a sample is not worth a picture.
    return max(1, math.ceil((sound.sample_count - 1) * settings.frame_rate / SAMPLING_RATE))


@dataclass(frozen=True, eq=False)
class _Moment:
    """What one picture is drawn from."""

    index: int
    time_s: float
    prompt: AudioPrompt  # one row
    latents: Tensor  # (1, C, H, W) of the latents
    zoom: float


def _zoomed(picture: Image, zoom: float) -> Image:
    """The middle of a picture, enlarged to the size of the whole; edges go by parts of a pixel, so nothing jumps."""
    if zoom == 1:
        return picture
    from PIL.Image import Resampling

    width, height = picture.size
    margin_x, margin_y = (width - width / zoom) / 2, (height - height / zoom) / 2
    box = (margin_x, margin_y, width - margin_x, height - margin_y)
    return picture.resize(picture.size, Resampling.BICUBIC, box=box)
