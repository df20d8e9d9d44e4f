"""What a call of the pipeline returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffusers.pipelines.pipeline_utils import AudioPipelineOutput

from photism.audio.waveform import Waveform, load_waveform
from photism.audio.writing import SampleType
from photism.audioldm2.settings import SoundSettings
from photism.display.short_repr import short_repr


@dataclass(eq=False)
class SoundOutput(AudioPipelineOutput):
    """Generated sound; `output[0]` and `output["audios"]` are its audios too, as diffusers has it.

    Attributes:
        audios: array or tensor (B * n, T), float32 within ±1, n consecutive waveforms for each prompt, the best first
            if they were ranked; or latents (B * n, C, F, W). If a span of a recording was regenerated, at the sampling
            rate of the recording, (B * n, C, T) if it has C channels, and float64 if float32 cannot hold its samples.
        scores: for each prompt the CLAP similarities of its waveforms to it, -1 to 1; None if there is one waveform for
            each prompt, if prompts were given as embeddings, and for latents.
        seeds: seed of each waveform; None if generators were given.
        sampling_rate: sampling rate in Hz.
        settings: settings that were used, defaults included: a call with them gives the same sound again.
        sample_type: type of samples in a file: that of the recording of which a span was regenerated, else int16.
    """

    audios: Any
    scores: list[list[float]] | None
    seeds: list[int] | None
    sampling_rate: int
    settings: SoundSettings
    sample_type: SampleType = "int16"

    @property
    def waveforms(self) -> list[Waveform]:
        """The waveforms at 16 kHz, as the rest of Photism takes recordings."""
        return [load_waveform(audio, sampling_rate=self.sampling_rate) for audio in self.audios]

    def __repr__(self) -> str:
        return short_repr(self, audios=self.audios, seeds=self.seeds, sampling_rate=self.sampling_rate)

    def _repr_html_(self) -> str:
        from photism.audioldm2.output_html import output_html

        return output_html(self.audios, self.sampling_rate, self.seeds, self.scores)
