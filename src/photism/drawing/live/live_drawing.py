"""Draw a recording while it goes on.

    drawing = LiveDrawing(AudioToImagePipeline.from_pretrained(scheduler="lcm"))
    for samples in microphone_samples():
        drawing.feed(samples)
        picture = drawing.picture()

A picture depends on the samples up to its time, the settings and that time. It depends neither on how the samples
arrived nor on which other pictures are drawn, so that a slow machine draws fewer pictures, and the same ones.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import lru_cache, partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from photism.audio.sampling import SAMPLING_RATE
from photism.audio.voice_activity import BLOCK_SAMPLES
from photism.audio.waveform import check_range
from photism.display.short_repr import short_repr
from photism.drawing.frame_generator import frame_generator
from photism.drawing.live.motion_tracker import LiveMotion, MotionTracker
from photism.drawing.live.prompt_path import Cut, EncodedPart, PromptPath, PromptStep
from photism.drawing.live.settings import LiveSettings
from photism.drawing.live.speech_tracker import BLOCK_S, PartToEncode, SpeechTracker
from photism.drawing.video.frame_effects import zoomed
from photism.drawing.video.noise_path import NoisePath
from photism.errors import InputError
from photism.prompts.audio_prompt import AudioPrompt

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.audio.waveform import Waveform
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.listening.zero_shot import CaptionRanker, RankedCaption

SOUND_FADE_S = 1.0
"""Duration of the cross-fade to the prompt of sound that is not speech."""
MIN_LOG_ODDS = {"paused": 0.0, "speaking": 5.0, "sound": 5.0}
"""Log-odds above which a part moves the prompt. The beginning of a word often is that of another word as well."""


@dataclass(frozen=True, eq=False)
class LivePicture:
    """A picture of a live drawing.

    Attributes:
        time_s: its time from the start of the recording, in seconds.
        image: the picture.
        caption: the caption nearest to what is drawn; None while nothing was recognised, or without a ranker.
        known: whether the model knows the newest part that it has encoded, which is drawn only if it does; None if the
            model cannot tell, or nothing was encoded yet.
        newest_captions: captions nearest to that newest part, with their scores, nearest first; empty without a ranker.
        segment_start_s: start of the word or sound that is drawn, in seconds; None while nothing was recognised.
        is_silent: whether there is neither speech nor other sound now.
        is_flagged: whether the safety checker, if there is one, blacked the picture out.
    """

    time_s: float
    image: Image
    caption: str | None
    known: bool | None
    newest_captions: tuple[RankedCaption, ...]
    segment_start_s: float | None
    is_silent: bool
    is_flagged: bool

    def __repr__(self) -> str:
        return short_repr(self)


class LiveDrawing:
    """Pictures of a recording that goes on.

    While somebody speaks, the speech so far is encoded several times a second, and the prompt moves there if the model
    knows it; it then stays until the next word. Loudness moves the zoom, and onsets the noise and the zoom.

    `feed` may be called from another thread than `picture`.

    Args:
        pipeline: image generation pipeline, best one of few steps; its diffusion pipeline must not be for inpainting.
        settings: settings of the drawing; by default `LiveSettings()`.
        ranker: ranks the captions of what is drawn; None for pictures without captions.

    Attributes:
        settings (LiveSettings): settings that are used, with values in place of defaults that depend on the pipeline.

    Raises:
        InputError: a setting cannot be used with this pipeline, or the library silero-vad is not installed.
    """

    def __init__(
        self,
        pipeline: AudioToImagePipeline,
        settings: LiveSettings | None = None,
        ranker: CaptionRanker | None = None,
    ) -> None:
        encoder = pipeline.encoder
        self._generator, self.settings = frame_generator(pipeline, (settings or LiveSettings()).decoded())
        self._mix_text = pipeline.text_mixing(self.settings)

        @lru_cache(maxsize=2)  # the newest part, and the one that is drawn
        def rank(part: EncodedPart | None) -> tuple[RankedCaption, ...]:
            """Return the captions nearest to a part."""
            return () if part is None or ranker is None else tuple(ranker.rank_prompts(part.prompt)[0])

        self._rank = rank
        noise_of = partial(self._generator.noise, prompt=encoder.empty_prompt)
        self._noise = NoisePath(self.settings.seed, noise_of, device=encoder.device, dtype=encoder.dtype)

        def encode(waveform: Waveform) -> AudioPrompt:
            """Encode a waveform into a prompt of one row."""
            return encoder.encode([waveform], batch_size=1)

        self._prompts = PromptPath(encode, encoder.empty_prompt)
        self._speech, self._motion = SpeechTracker(self.settings.window_s), MotionTracker()
        self._lock = Lock()
        self._fed: deque[NDArray[np.float32]] = deque()  # samples that are not followed yet
        self._fed_count = 0  # of all samples
        self._blocks: deque[NDArray[np.float32]] = deque(maxlen=math.ceil(self.settings.window_s / BLOCK_S))
        self._block_count = 0
        self._now: LiveMotion = self._motion.motion
        self._time_s = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures in pixels."""
        height, width = self._generator.size
        return width, height

    @property
    def duration_s(self) -> float:
        """Duration of the samples so far, in seconds."""
        return self._fed_count / SAMPLING_RATE

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Append samples, which takes no time; `picture` follows them.

        Args:
            samples: (T,) float32 at 16 kHz, nominally within ±1, of any length. They are copied.

        Raises:
            InputError: they have another shape or type, or are not finite.
        """
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise InputError(f"samples must be (T,) float32 at 16 kHz; got {samples.shape} {samples.dtype}")
        check_range(samples)
        with self._lock:
            self._fed.append(samples.copy())
            self._fed_count += len(samples)

    def follow(self, time_s: float | None = None) -> float:
        """Follow the samples up to a time without a picture, which is quick, and frees those that are not needed.

        Args:
            time_s: as that of `picture`.

        Returns:
            The time, at most the end of the samples so far.

        Raises:
            InputError: the time is before that of the last picture.
        """
        time_s = self.duration_s if time_s is None else min(time_s, self.duration_s)
        if time_s < self._time_s:
            raise InputError(f"time_s must be at least that of the last picture, {self._time_s:g}; got {time_s:g}")
        self._time_s = time_s
        count = math.floor(time_s / BLOCK_S + 1e-9)
        for block in self._take_blocks(count - self._block_count):
            self._blocks.append(block)
            self._block_count += 1
            part = self._speech(block)
            self._now = self._motion(block)
            if part is not None:
                self._prompts.append(self._step(part))
        return time_s

    def picture(self, time_s: float | None = None) -> LivePicture:
        """Draw the picture of a time.

        While nothing was recognised, it is that of the empty text.

        Args:
            time_s: time in seconds from the start of the recording, at least that of the picture before; by default,
                and at most, the end of the samples so far.

        Raises:
            InputError: the time is before that of the last picture.
        """
        time_s = self.follow(time_s)
        prompt, drawn = self._prompts.at(time_s)
        noise = self._noise.at(self._now.noise(self.settings.noise, time_s))
        ((image, is_flagged),) = self._generator(self._mix_text(prompt), [self.settings.seed], noise=noise)
        newest = self._prompts.newest
        return LivePicture(
            time_s,
            zoomed(image, self._now.zoom(self.settings.zoom)),
            next((each["caption"] for each in self._rank(drawn)), None),
            None if newest is None else newest.known,
            self._rank(newest),
            None if drawn is None else drawn.start_s,
            not self._speech.is_active,
            is_flagged,
        )

    def _take_blocks(self, count: int) -> list[NDArray[np.float32]]:
        """Take whole blocks (512,) from the samples that were fed."""
        if count <= 0:
            return []
        with self._lock:
            samples = np.concatenate(self._fed)
            stop = min(count, len(samples) // BLOCK_SAMPLES) * BLOCK_SAMPLES
            self._fed = deque([samples[stop:]])
        return list(samples[:stop].reshape(-1, BLOCK_SAMPLES))

    def _step(self, part: PartToEncode) -> PromptStep:
        """Return a part with its samples, those of its starts that are held."""
        held = np.concatenate(self._blocks)
        cuts = tuple(Cut(start * BLOCK_S, held[(start - part.stop) * BLOCK_SAMPLES :]) for start in part.starts)
        fade_s = SOUND_FADE_S if part.kind == "sound" else self.settings.fade_s
        is_open = self.settings.unknown and part.kind != "speaking"
        return PromptStep(part.stop * BLOCK_S, fade_s, None if is_open else MIN_LOG_ODDS[part.kind], cuts)
