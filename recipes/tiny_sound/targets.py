"""Stage 0: what each caption sounds like: the thing's own sound where the corpus has one, and a voice that says it.

    python -m recipes.tiny_sound.targets

Written to the cache once, as the model is trained on it: 16 kHz, without its mean, with a peak of .5, from a moment
before the sound begins, faded out where it is longer than a window, and silent after its end.
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
"""Of the peak: what is below it before and after is not the sound."""

SILENT = 0.001

EFFECT_SHARE = 1 / 3
"""Of what is learnt from are things' own sounds: an eighth of the targets, and the more various ones."""


@dataclass(frozen=True)
class Target:
    """A sound and the caption that it belongs to.

    Attributes:
        caption: in English.
        source: the file of the thing's own sound; None for a voice that says the caption.
    """

    caption: str
    source: str | None

    @property
    def is_effect(self) -> bool:
        return self.source is not None


def list_targets() -> list[Target]:
    """The voices of all captions, then the things' own sounds, the first of each caption."""
    effects: dict[str, Target] = {}
    for stamp in read_stamps():
        path = stamp_sound(stamp.name)
        if path.exists():
            effects.setdefault(stamp.caption, Target(stamp.caption, str(path)))
    return [*(Target(caption, None) for caption in read_captions()), *effects.values()]


def stamp_sound(name: str) -> Path:
    """Where a stamp has the sound of the thing itself, if it has one."""
    return cache_folder() / "corpus/usr/share/tuxpaint/stamps" / f"{name}.ogg"


def make(target: Target) -> npt.NDArray[np.int16] | None:
    """(WINDOW_SAMPLES,): the sound as it is trained on; None where a file is silent, as some are."""
    torch.set_num_threads(1)
    said = synthesize(target.caption, VOICE, RATE_WPM, PITCH) if target.source is None else target.source
    samples = load_waveform(said).samples
    return as_trained(samples) if np.abs(samples).max() > SILENT else None


def as_trained(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    loud = np.flatnonzero(np.abs(samples) > QUIET * np.abs(samples).max())
    samples = np.pad(samples[loud[0] : loud[-1] + 1], (LEAD_SAMPLES, 0))[:WINDOW_SAMPLES]
    if len(samples) == WINDOW_SAMPLES:
        samples[-FADE_SAMPLES:] *= np.linspace(1, 0, FADE_SAMPLES, dtype=np.float32)
    gained, _, _ = normalize_waveform(torch.from_numpy(samples))
    return np.pad((gained.numpy() * 32767).astype(np.int16), (0, WINDOW_SAMPLES - len(samples)))


def paths() -> tuple[Path, Path]:
    folder = cache_folder() / "sound-targets"
    return folder / "targets.npy", folder / "targets.json"


@cache
def read_targets() -> tuple[Sequence[Target], torch.Tensor]:
    """All targets and their waveforms: float32 (N, WINDOW_SAMPLES)."""
    sounds, table = paths()
    if not table.exists():
        sys.exit("targets: missing; run 'python -m recipes.tiny_sound.targets' first")
    targets = [Target(**row) for row in json.loads(table.read_text())]
    return targets, torch.from_numpy(np.load(sounds)).float() / 32767


@cache
def target_weights() -> torch.Tensor:
    """How much each target counts: float32 (N,), together 1."""
    is_effect = torch.tensor([target.is_effect for target in read_targets()[0]])
    effects = is_effect.sum()
    return torch.where(is_effect, EFFECT_SHARE / effects, (1 - EFFECT_SHARE) / (len(is_effect) - effects))


def draw_targets(size: int, generator: torch.Generator) -> torch.Tensor:
    """Targets to learn from, as often as each counts: int64 (size,)."""
    return torch.multinomial(target_weights(), size, replacement=True, generator=generator)


def main() -> None:
    with ProcessPoolExecutor() as pool:
        listed = list_targets()
        found = list(zip(listed, pool.map(make, listed, chunksize=16), strict=True))
    targets = [target for target, sound in found if sound is not None]
    made = np.stack([sound for _, sound in found if sound is not None])
    sounds, table = paths()
    sounds.parent.mkdir(parents=True, exist_ok=True)
    with (unfinished := sounds.with_suffix(".part")).open("wb") as file:
        np.save(file, made)
    unfinished.rename(sounds)
    table.write_text(json.dumps([asdict(target) for target in targets], ensure_ascii=False, indent=0))
    whole = np.mean(made[:, -1600:].any(1))
    print(f"{len(targets)} sounds, {sum(target.is_effect for target in targets)} of the things themselves")
    print(f"{100 * whole:.0f} % fill the window of {WINDOW_SAMPLES / SAMPLING_RATE:g} s")


if __name__ == "__main__":
    main()
