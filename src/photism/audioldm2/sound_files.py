"""Audio files of generated sound, which hold its text, seed, model and settings in their tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.audio.writing import write_waveform

if TYPE_CHECKING:
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
    used, default_new_tokens = generated.settings, pipeline.checkpoint.max_new_tokens
    about = {
        "model": pipeline.settings.model or "tiny",
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
    files: list[dict[str, Any]] = []
    for rank, path in enumerate(paths):
        number = row * used.num_waveforms_per_prompt + rank
        entry: dict[str, Any] = {} if generated.seeds is None else {"seed": generated.seeds[number]}
        if generated.scores is not None:
            entry["score"] = generated.scores[row][rank]
        tags = {"text": text, **entry, **about}
        write_waveform(
            generated.audios[number],
            path,
            sampling_rate=generated.sampling_rate,
            title=text,
            about=tags,
            sample_type=generated.sample_type,
        )
        files.append({"file": str(path), **entry, "seconds": used.audio_length_in_s})
    return SoundFiles(text, files)
