"""Stage 0: make the target recordings: for each caption a voice that says it, and its sound effect if there is one.

    python -m recipes.tiny_sound.targets

They are written to the cache as the models are trained on them: 16 kHz, without their mean, with a peak of 0.5,
beginning 50 ms before the onset, faded out at the end of the window if they are longer, and padded with silence.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from photism.audio.waveform import SAMPLING_RATE, load_waveform
from photism.audioldm2.mel_vae import normalize_waveform
from recipes.tiny.corpus import cache_folder, read_captions, read_stamps
from recipes.tiny.speech import synthesize

HOP_SAMPLES = 160
WINDOW_FRAMES = 192  # of 10 ms
WINDOW_SAMPLES = WINDOW_FRAMES * HOP_SAMPLES
VOICE, RATE_WPM, PITCH = "en+f3", 170, 50
LEAD_SAMPLES = SAMPLING_RATE // 20
FADE_SAMPLES = SAMPLING_RATE // 10
QUIET = 0.01
"""Level, relative to the peak, below which the beginning and the end are trimmed."""

SILENT = 0.001
"""Peak below which a file is skipped as silent."""

EFFECT_WEIGHT = 1 / 3
"""Weight of the sound effects in training: they are an eighth of the targets, and more varied."""


@dataclass(frozen=True)
class Target:
    """A target recording.

    Attributes:
        caption: caption in English.
        source: file of the sound effect; None for a voice that says the caption.
    """

    caption: str
    source: str | None

    @property
    def is_effect(self) -> bool:
        return self.source is not None


def list_targets() -> list[Target]:
    """Return the voices of all captions, then the first sound effect of each caption that has one."""
    effects: dict[str, Target] = {}
    for stamp in read_stamps():
        path = stamp_sound(stamp.name)
        if path.exists():
            effects.setdefault(stamp.caption, Target(stamp.caption, str(path)))
    return [*(Target(caption, None) for caption in read_captions()), *effects.values()]


def stamp_sound(name: str) -> Path:
    """Return the path of a stamp's sound effect, which may not exist."""
    return cache_folder() / "corpus/usr/share/tuxpaint/stamps" / f"{name}.ogg"


def make_target(target: Target) -> npt.NDArray[np.int16] | None:
    """Return the samples (WINDOW_SAMPLES,) of a target; None if the file is silent, as some are."""
    torch.set_num_threads(1)
    recording = synthesize(target.caption, VOICE, RATE_WPM, PITCH) if target.source is None else target.source
    samples = load_waveform(recording).samples
    return prepare(samples) if np.abs(samples).max() > SILENT else None


def prepare(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Trim, fade out, normalize and pad a recording to the length of a window."""
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max())
    samples = np.pad(samples[loud[0] : loud[-1] + 1], (LEAD_SAMPLES, 0))[:WINDOW_SAMPLES]
    if len(samples) == WINDOW_SAMPLES:
        samples[-FADE_SAMPLES:] *= np.linspace(1, 0, FADE_SAMPLES, dtype=np.float32)
    normalized, _, _ = normalize_waveform(torch.from_numpy(samples))
    return np.pad((normalized.numpy() * 32767).astype(np.int16), (0, WINDOW_SAMPLES - len(samples)))


def target_paths() -> tuple[Path, Path]:
    folder = cache_folder() / "sound-targets"
    return folder / "targets.npy", folder / "targets.json"


@cache
def read_targets() -> tuple[Sequence[Target], torch.Tensor]:
    """Return all targets and their waveforms: float32 (N, WINDOW_SAMPLES)."""
    samples_path, table_path = target_paths()
    if not table_path.exists():
        sys.exit("targets: missing; run 'python -m recipes.tiny_sound.targets' first")
    targets = [Target(**row) for row in json.loads(table_path.read_text())]
    return targets, torch.from_numpy(np.load(samples_path)).float() / 32767


@cache
def target_weights() -> torch.Tensor:
    """Return the weight of each target in training: float32 (N,), with a sum of 1."""
    is_effect = torch.tensor([target.is_effect for target in read_targets()[0]])
    effects = is_effect.sum()
    return torch.where(is_effect, EFFECT_WEIGHT / effects, (1 - EFFECT_WEIGHT) / (len(is_effect) - effects))


def draw_targets(size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw targets with the probabilities of their weights: int64 (size,)."""
    return torch.multinomial(target_weights(), size, replacement=True, generator=generator)


def main() -> None:
    with ProcessPoolExecutor() as pool:
        listed = list_targets()
        found = list(zip(listed, pool.map(make_target, listed, chunksize=16), strict=True))
    targets = [target for target, sound in found if sound is not None]
    samples = np.stack([sound for _, sound in found if sound is not None])
    samples_path, table_path = target_paths()
    samples_path.parent.mkdir(parents=True, exist_ok=True)
    with (unfinished := samples_path.with_suffix(".part")).open("wb") as file:
        np.save(file, samples)
    unfinished.rename(samples_path)
    table_path.write_text(json.dumps([asdict(target) for target in targets], ensure_ascii=False, indent=0))
    whole = np.mean(samples[:, -1600:].any(1))
    print(f"{len(targets)} recordings, {sum(target.is_effect for target in targets)} of them sound effects")
    print(f"{100 * whole:.0f} % fill the window of {WINDOW_SAMPLES / SAMPLING_RATE:g} s")


if __name__ == "__main__":
    main()
