"""Generate the frames of a film: prompts of keyframes, interpolated, and noise and zoom that follow the recording."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from photism.audio.waveform import SAMPLING_RATE
from photism.display.markup import block, note, picture
from photism.display.short_repr import short_repr
from photism.drawing.frame_generator import frame_generator
from photism.drawing.video.audio_features import MeasuredRecording, audio_envelopes
from photism.drawing.video.fingerprint import describe_settings
from photism.drawing.video.frame_effects import saturated, zoomed
from photism.drawing.video.key_moments import KeyMomentPrompts, check_key_moments, read_key_moments
from photism.drawing.video.keyframes import KeyframeInterpolator, recording_keyframes, resolve_sync
from photism.drawing.video.motion import Motion, frame_motion
from photism.drawing.video.noise_path import NoisePath
from photism.drawing.video.settings import FilmSettings
from photism.drawing.video.storyboard import clock
from photism.prompts.audio_prompt import AudioPrompt, concatenate
from photism.prompts.mixing import blend, with_strength

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.pipeline import AudioToImagePipeline

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FilmFrame:
    """A frame of a film.

    Attributes:
        index: its number, from 0.
        time_s: its time from the start of the film, in seconds.
        image: the picture, RGB.
    """

    index: int
    time_s: float
    image: Image

    def __repr__(self) -> str:
        return short_repr(self)

    def _repr_html_(self) -> str:
        return block(
            picture(self.image, f"Frame {self.index} of a film"), note(f"frame {self.index}, {clock(self.time_s)}")
        )


class Film:
    """A film of a recording, whose frames are generated when they are requested.

    Words, musical events or windows of the recording are encoded into prompts. The picture changes to that of a
    word when the word begins, and holds until the next one. The latent noise moves slowly from that of one seed to
    that of the next, and faster at onsets. Loudness and onsets control the zoom. Without zoom, the first frame is
    the image that `pipeline` generates from the first window with the same seed. Other recordings may be blended in:
    each has keyframes of its own, and each frame the weighted mean of the prompts of all at its time.

    A frame depends on the recordings, the settings and its number. It does not depend on which other frames are
    requested, except for rounding with another batch size.

    Args:
        pipeline: image generation pipeline; its diffusion pipeline must not be for inpainting.
        sound: recording, from `measure_recording`.
        settings: settings of the film; by default `FilmSettings()`.
        others: recordings whose prompts are blended with those of `sound`, by the weights of `settings.mix`, the first
            of which is that of `sound`. After its end, a recording keeps its last prompt.

    Attributes:
        settings (FilmSettings): settings that are used, with values in place of defaults that depend on the pipeline or
            recording.
        other_settings (list[FilmSettings]): the same for each other recording, whose `sync` and `fade_s` may
            differ.
        frame_count (int): number of frames.

    Raises:
        InputError: a setting cannot be used with this pipeline or recording, or the weights do not fit the recordings.
    """

    def __init__(
        self,
        pipeline: AudioToImagePipeline,
        sound: MeasuredRecording,
        settings: FilmSettings | None = None,
        others: Sequence[MeasuredRecording] = (),
    ) -> None:
        settings = (settings or FilmSettings()).decoded()
        self._weights = settings.weights(1 + len(others))
        self.sound, self.others, self.encoder = sound, others, pipeline.encoder
        self.generator, used = frame_generator(pipeline, settings)
        self.other_settings = [resolve_sync(other, settings) for other in others]
        settings = resolve_sync(sound, used)
        self._mix_text = pipeline.text_mixing(settings)
        if isinstance(settings.moments, str | Path):
            settings = replace(settings, moments=read_key_moments(settings.moments, duration_s=sound.duration_s))
        moments = settings.moments or []
        check_key_moments(moments, duration_s=sound.duration_s)
        self._moments = KeyMomentPrompts(moments, pipeline, long_text=settings.long_text) if moments else None
        self.settings = settings
        self.frame_count = count_frames(sound, settings)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.generator.size
        return width, height

    def extent_of(self, frames: range) -> str:
        """Return the number of frames, their duration, frame rate and size, as a line of text."""
        width, height = self.size
        rate = self.settings.frame_rate
        shown = str(rate) if rate.denominator == 1 else f"{float(rate):.6g}"
        duration_s = min(self.sound.duration_s, float(len(frames) / rate))
        start = f" from {clock(float(frames.start / rate))}" if frames.start else ""
        return f"{len(frames)} frames, {clock(duration_s)}{start} at {shown} frames/s, {width}×{height}"

    def __repr__(self) -> str:
        return short_repr(self, extent=self.extent_of(range(self.frame_count)))

    def as_dict(self) -> dict[str, Any]:
        """Return the number of frames, the duration and the settings for JSON."""
        sound = self.sound
        about = {"frames": self.frame_count, "duration_s": sound.duration_s, "silent": sound.level.is_silent}
        return {**about, **describe_settings(self.settings)}

    def frames(self, indices: Iterable[int]) -> Iterator[FilmFrame]:
        """Generate some of the frames, `settings.batch_size` at a time.

        The first image that a safety checker replaces by a black one is reported as a warning.

        Args:
            indices: ascending frame numbers, from 0 to `frame_count` - 1.

        Yields:
            The frames, one by one.
        """
        inputs = self._inputs(indices)
        warned = False
        while batch := list(islice(inputs, self.settings.batch_size)):
            prompts = concatenate([each.prompt for each in batch])
            # Schedulers that add noise in each step add the same to every frame. Otherwise the film would flicker.
            seeds = [self.settings.seed] * len(batch)
            generated = self.generator(prompts, seeds, noise=torch.cat([each.noise for each in batch]))
            for each, (image, is_flagged) in zip(batch, generated, strict=True):
                if is_flagged and not warned:
                    logger.warning("the safety checker flagged frame %d, which is black", each.index)
                    warned = True  # once, not for each of a thousand frames that follow
                yield FilmFrame(
                    each.index, each.time_s, saturated(zoomed(image, each.motion.zoom), each.motion.saturation)
                )

    def _inputs(self, indices: Iterable[int]) -> Iterator[_FrameInput]:
        settings, frame_rate, encoder = self.settings, self.settings.frame_rate, self.encoder
        envelopes = audio_envelopes(
            self.sound, frame_rate, attack_s=settings.attack_s, release_s=settings.release_s, pulse_s=settings.pulse_s
        )
        recordings = zip([self.sound, *self.others], [settings, *self.other_settings], strict=True)
        prompts = [KeyframeInterpolator(recording_keyframes(each, encoder, used)) for each, used in recordings]
        noise_of = partial(self.generator.noise, prompt=encoder.empty_prompt)
        noise = NoisePath(settings.seed, noise_of, device=encoder.device, dtype=encoder.dtype)
        next_index = 0
        for index in indices:
            envelope = next(islice(envelopes, index - next_index, None))
            next_index = index + 1
            time_s = float(index / frame_rate)
            motion = frame_motion(envelope, time_s, settings)
            mixed = blend([each.at(time_s) for each in prompts], self._weights)
            prompt = with_strength(mixed, encoder.empty_prompt, motion.prompt)
            if self._moments is not None:
                prompt = self._moments.at(time_s, prompt)
            yield _FrameInput(index, time_s, self._mix_text(prompt), noise.at(motion.noise), motion)


def count_frames(sound: MeasuredRecording, settings: FilmSettings) -> int:
    """Return the number of frames that cover a recording; the last may end up to one frame after it."""
    # Resampling rounds the length up: a fraction of a sample does not need another frame.
    return max(1, math.ceil((sound.sample_count - 1) * settings.frame_rate / SAMPLING_RATE))


@dataclass(frozen=True, eq=False)
class _FrameInput:
    """The input from which a frame is generated."""

    index: int
    time_s: float
    prompt: AudioPrompt  # one row
    noise: Tensor  # (1, C, H, W), H and W of the latents
    motion: Motion
