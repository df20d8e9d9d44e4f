"""Write a folder of captioned recordings."""

import csv
import wave
from pathlib import Path

import numpy as np

CAPTIONS = ("a koala", "an elephant", "a red bicycle", "rain", "a snake", "the moon")
COUNT = 18


def write_sound(path: Path, seed: int, *, seconds: float = 0.5) -> None:
    """Write a tone whose pitch depends on the caption, in noise that depends on the seed."""
    noise = np.random.default_rng(seed)
    time = np.arange(int(16_000 * seconds)) / 16_000
    tone = np.sin(2 * np.pi * 300 * (1 + seed % len(CAPTIONS)) * time)
    samples = (8000 * tone + 800 * noise.standard_normal(len(time))).astype("<i2")
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())


def make_captioned(folder: Path) -> None:
    """Write 18 recordings of 0.5 to 1.35 s with six captions and their metadata.csv; three are for validation."""
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "text", "split"])
        for seed in range(COUNT):
            write_sound(folder / f"{seed}.wav", seed, seconds=0.5 + 0.05 * seed)
            rows.writerow([f"{seed}.wav", CAPTIONS[seed % 6], "test" if seed % 6 == seed // 6 else "train"])
