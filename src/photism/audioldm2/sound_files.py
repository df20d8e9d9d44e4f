"""Audio files of generated sound, which hold its text, seed, model and settings in their tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.audio.writing import encode_waveform, write_waveform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photism.audio.writing import SampleType
    from photism.audioldm2.pipeline import AudioLDM2Pipeline, SoundOutput


@dataclass(frozen=True)
class SoundFiles:
    """Files of the sounds of a text.

    Attributes:
        text: text that was generated.
        files: path, seed, length in seconds and, of several candidates, score of each file, for JSON.
    """

    text: str
    files: Sequence[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return the text and its files for JSON."""
        return {"text": self.text, "sounds": list(self.files)}

    def __str__(self) -> str:
        """Return the text, and a line for each file."""
        lines = [
            f"  {each['file']}  {each['seconds']:.2f} s  seed {each['seed']}"
            + (f"  score {each['score']:.3f}" if "score" in each else "")
            for each in self.files
        ]
        return "\n".join([self.text, *lines])


@dataclass(frozen=True, eq=False)
class GeneratedSound:
    """A generated waveform with what its file says about it.

    Attributes:
        text: text that was generated.
        samples: (T,) or (C, T) within ±1.
        sampling_rate: in Hz.
        sample_type: type of samples in a file.
        entry: seed and, of several candidates, score, for JSON.
        seconds: length.
        about: settings that were used.
    """

    text: str
    samples: NDArray[np.floating[Any]]
    sampling_rate: int
    sample_type: SampleType
    entry: Mapping[str, Any]
    seconds: float
    about: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Write the sound to a file, with its text, seed and settings in the tags."""
        write_waveform(
            self.samples,
            path,
            sampling_rate=self.sampling_rate,
            title=self.text,
            about=self.about,
            sample_type=self.sample_type,
        )

    def encode(self, suffix: str) -> bytes:
        """Return the content of a file, whose format is a key of `photism.audio.writing.MEMORY_CODECS`."""
        return encode_waveform(
            self.samples,
            suffix,
            sampling_rate=self.sampling_rate,
            title=self.text,
            about=self.about,
            sample_type=self.sample_type,
        )


def sounds_of(
    text: str,
    row: int,
    count: int,
    generated: SoundOutput,
    pipeline: AudioLDM2Pipeline,
    *,
    model: str | None = None,
) -> list[GeneratedSound]:
    """Return the sounds of a text.

    Args:
        text: text that was generated.
        row: its position among the prompts.
        count: number of its waveforms to return, the best first.
        generated: output of the pipeline.
        pipeline: pipeline that generated it.
        model: name of the model in the tags; by default the folder or hub id that it was loaded from.
    """
    used, default_new_tokens = generated.settings, pipeline.checkpoint.max_new_tokens
    about = {
        "model": model or pipeline.settings.model or "tiny",
        "scheduler": pipeline.settings.scheduler,
        "dtype": None if pipeline.settings.dtype == "float32" else pipeline.settings.dtype,
        "steps": used.num_inference_steps,
        "guidance_scale": used.guidance_scale,
        "negative": used.negative_prompt,
        "transcription": used.transcription,
        "max_new_tokens": None if used.max_new_tokens == default_new_tokens else used.max_new_tokens,
        "from": None if used.audio is None else used.audio.name,
        "strength": used.strength,
        "span": used.span_s,
        "loop": used.loop or None,
    }
    sounds: list[GeneratedSound] = []
    for rank in range(count):
        number = row * used.num_waveforms_per_prompt + rank
        entry: dict[str, Any] = {} if generated.seeds is None else {"seed": generated.seeds[number]}
        if generated.scores is not None:
            entry["score"] = generated.scores[row][rank]
        sounds.append(
            GeneratedSound(
                text=text,
                samples=generated.audios[number],
                sampling_rate=generated.sampling_rate,
                sample_type=generated.sample_type,
                entry=entry,
                seconds=used.audio_length_in_s or 0.0,
                about={"text": text, **entry, **about},
            )
        )
    return sounds


def write_sounds(
    text: str, row: int, paths: Sequence[Path], generated: SoundOutput, pipeline: AudioLDM2Pipeline
) -> SoundFiles:
    """Write the waveforms of a text, with its settings in their tags.

    Args:
        text: text that was generated.
        row: its position among the prompts.
        paths: files for its waveforms, the best first.
        generated: output of the pipeline.
        pipeline: pipeline that generated it.
    """
    files: list[dict[str, Any]] = []
    for path, sound in zip(paths, sounds_of(text, row, len(paths), generated, pipeline), strict=True):
        sound.write(path)
        files.append({"file": str(path), **sound.entry, "seconds": sound.seconds})
    return SoundFiles(text, files)
