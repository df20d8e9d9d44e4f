"""Settings of AudioLDM 2: what is loaded, and what is generated. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from photism import schedulers
from photism.device import device_setting, dtype_setting
from photism.seeds import check_seeds
from photism.settings import SettingError, setting, settings

CHECKPOINTS = ("cvssp/audioldm2", "cvssp/audioldm2-large", "cvssp/audioldm2-music")
"""Published checkpoints for sound effects and music."""
SPEECH_CHECKPOINTS = ("anhnct/audioldm2_gigaspeech", "anhnct/audioldm2_ljspeech")
"""Published checkpoints for speech."""
LICENCE = (
    "the published weights of AudioLDM 2 are for non-commercial use only; the card of each checkpoint on the hub has "
    "the terms"
)

OFFLOADS = ("model", "sequential", "disk")
FEW_STEPS, MANY_STEPS = 25, 200
FEW_STEP_SCHEDULERS = ("dpm++", "unipc")
"""Second-order solvers, whose result after `FEW_STEPS` is close to that after `MANY_STEPS`."""

MAX_LENGTH_S = 3600.0
MIN_SPAN_S = 0.01


def parse_span(span: str | Sequence[float]) -> tuple[float, float]:
    """Return the start and stop of a span in seconds.

    Args:
        span: two times in seconds, or text such as "1.5:3".

    Raises:
        SettingError: it is not two times, or does not end at least 10 ms after it starts.
    """
    try:
        start, stop = map(float, span.split(":") if isinstance(span, str) else span)
    except (TypeError, ValueError):
        raise SettingError("span_s", f"must be START:STOP in seconds, such as 1.5:3; got {span}") from None
    if not 0 <= start < stop <= MAX_LENGTH_S:
        raise SettingError(
            "span_s", f"must be two times from 0 to {MAX_LENGTH_S:g}, the second one later; got {start:g}:{stop:g}"
        )
    if stop - start < MIN_SPAN_S:
        raise SettingError("span_s", f"must be at least {MIN_SPAN_S:g} s long; got {start:g}:{stop:g}")
    return start, stop


@settings(group="model")
class SoundPipelineSettings:
    """Settings with which an AudioLDM 2 pipeline is loaded."""

    model: str | None = setting(
        None,
        f"Folder or hub id of an AudioLDM 2 checkpoint, such as {CHECKPOINTS[0]}. Default: the bundled model.",
        metavar="FOLDER|ID",
    )
    scheduler: str | None = setting(
        "dpm++",
        schedulers.DESCRIPTION,
        metavar=schedulers.METAVAR,
        group="generation",
    )
    device: str | None = device_setting()
    dtype: str = dtype_setting()
    compile: bool = setting(
        False,
        "Compile the UNet at the first step, which takes minutes, so that later steps are faster; on CUDA with CUDA "
        "graphs.",
        group="speed",
    )
    offload: str | None = setting(
        None,
        "Where weights wait: in CPU memory until their model (model) or layer (sequential) computes on the GPU, or on "
        "disk until their stage begins (disk). The command line uses disk, unless it compiles or generates a corpus.",
        choices=OFFLOADS,
        group="speed",
    )
    variant: str | None = setting(
        None,
        "Variant of the weights, such as fp16; a model that does not have it is loaded without.",
        is_flag=False,
    )
    vae_slicing: bool = setting(
        False, "Decode one waveform at a time, which takes less memory.", is_flag=False, group="speed"
    )
    vae_tiling: bool = setting(
        False, "Decode in overlapping tiles, which takes less memory and more time.", is_flag=False, group="speed"
    )

    def check(self) -> None:
        """Check the scheduler, and refuse to compile a model whose weights come and go.

        Raises:
            SettingError: there is no such scheduler, or `compile` and `offload` exclude each other.
        """
        if self.scheduler is not None:
            schedulers.parse_scheduler(self.scheduler)
        if self.compile and self.offload in ("sequential", "disk"):
            problem = f"cannot be combined with {{}} {self.offload}, which moves weights away"
            raise SettingError("compile", problem, "offload")

    @property
    def num_inference_steps(self) -> int:
        """Default number of denoising steps: 25 with the second-order solvers, 4 with lcm and tcd, else 200."""
        name = None if self.scheduler is None else schedulers.parse_scheduler(self.scheduler).name
        if name in FEW_STEP_SCHEDULERS:
            return FEW_STEPS
        return schedulers.DISTILLED_STEPS if name in schedulers.DISTILLED else MANY_STEPS


@settings(group="generation")
class SoundSettings:
    """Settings with which sound is generated."""

    audio_length_in_s: float | None = setting(
        None,
        "Length of the sound. Default: the length that the UNet was trained on, 10.24 s of the published models and "
        "1.92 s of the bundled one, or the length of the recording to start from.",
        unit="seconds",
        above=0,
        maximum=MAX_LENGTH_S,
        field_maximum=60,
        flag="--seconds",
    )
    num_inference_steps: int | None = setting(
        None,
        "Number of denoising steps. Default: 25 with the schedulers dpm++ and unipc, 4 with lcm and tcd, else 200.",
        minimum=1,
        flag="--steps",
        field_maximum=1000,
    )
    guidance_scale: float | None = setting(
        None,
        "Classifier-free guidance scale; higher values follow the text more closely, 1 and less is without guidance. "
        "Default: the model's, or 3.5.",
        minimum=0,
    )
    negative_prompt: str | Sequence[str] | None = setting(
        None,
        "Negative prompt, which guidance leads away from. Default: the empty text.",
        flag="--negative",
    )
    num_waveforms_per_prompt: int = setting(
        1,
        "Number of candidates to generate for each text; CLAP ranks them by their similarity to the text.",
        minimum=1,
        flag="--candidates",
        field_maximum=16,
    )
    eta: float = setting(
        0.0, "Amount of fresh noise at each step of the scheduler ddim.", minimum=0, maximum=1, is_flag=False
    )
    seed: int | Sequence[int] | None = setting(
        None,
        "Random seed of the first candidate of each text; the next candidates have the next seeds. A list holds the "
        "seed of each candidate, of one text or of all. Default: random seeds.",
    )
    max_new_tokens: int | None = setting(
        None,
        "Number of hidden states that the language model generates. Default: the checkpoint's, or else 8, and 512 for "
        "speech.",
        minimum=1,
        field_maximum=4096,
    )
    transcription: str | Sequence[str] | None = setting(None, "Words to speak, for a checkpoint that generates speech.")
    audio: Any = setting(
        None,
        "Recording to start from: a file or URL.",
        flag="--from",
        metavar="RECORDING",
        file="recording",
        group="input",
    )
    strength: float | None = setting(
        None,
        "How far to depart from the recording, as the fraction of the steps that are taken: 1 keeps nothing of it. "
        "Default: 0.5, or 1 with a span.",
        above=0,
        maximum=1,
        group="input",
    )
    span_s: str | Sequence[float] | None = setting(
        None,
        "Span of the recording to regenerate, in seconds, such as 1.5:3; the rest stays as it is, with its sampling "
        "rate and channels. A span that ends after the recording continues it.",
        flag="--span",
        metavar="START:STOP",
        parse=parse_span,
        group="input",
    )
    loop: bool = setting(
        False, "Continue the end of the sound at its beginning, so that it repeats without a seam.", group="generation"
    )
    batch_size: int | None = setting(
        None,
        "Number of waveforms to denoise at once. Default: all, or one when generating a corpus.",
        minimum=1,
        is_field=False,
        group="speed",
    )

    def check(self) -> None:
        """Check the settings that depend on one another.

        Raises:
            SettingError: seeds are out of range or not as many as the waveforms, the span is not two times, or a
                setting needs or excludes another one.
        """
        check_seeds(self.seed, self.num_waveforms_per_prompt, count_name="num_waveforms_per_prompt")
        if self.span_s is not None:
            parse_span(self.span_s)
            if self.loop:
                raise SettingError(
                    "span_s", "cannot be combined with {}; give one of them", "loop", code="excludes-field"
                )
        if self.audio is None:
            for name, value in (("strength", self.strength), ("span_s", self.span_s)):
                if value is not None:
                    raise SettingError(name, "needs a recording to start from: give {}", "audio", code="needs-field")


@settings(group="generation")
class SeededSoundSettings(SoundSettings):
    """Settings with which sound is generated, with the seed 0 by default, so that the same command gives the same."""

    seed: int = setting(
        0, "Random seed of the first candidate of each text; the next candidates have the next seeds.", minimum=0
    )


@settings(group="input")
class CorpusSettings:
    """Settings of a training corpus, and of what is saved."""

    captions: Path | None = setting(
        None,
        "Text file with a caption in each line: generate a training corpus for `photism align`, with a recording for "
        "each caption.",
        metavar="FILE",
    )
    processes: int = setting(1, "Number of processes that generate a corpus.", minimum=1, group="speed")
    all_candidates: bool = setting(
        False, "Save all candidates, numbered, the best first.", flag="--all", group="output"
    )

    def check(self) -> None:
        """Refuse several processes without a corpus, and several candidates with one.

        Raises:
            SettingError: `processes` needs `captions`, or `all_candidates` excludes it.
        """
        if self.processes > 1 and self.captions is None:
            raise SettingError("processes", "needs {}", "captions")
        if self.all_candidates and self.captions is not None:
            raise SettingError("all_candidates", "cannot be combined with {}", "captions", code="excludes-field")

    def check_generation(self, generation: SoundSettings) -> None:
        """Refuse settings of a single sound.

        Raises:
            SettingError: the sounds of a corpus cannot have one of them.
        """
        for name in ("audio", "transcription", "strength", "span_s"):
            if getattr(generation, name) is not None:
                raise SettingError(name, "cannot be combined with {}", "captions", code="excludes-field")
