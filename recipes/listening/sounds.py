"""Recordings for the recipes of the heads: human and synthetic captions, and Asterisk's telephone prompts.

Human recordings are those of `recipes/tiny` (Tux Paint stamps). Clips are written to the cache as WAV files with the
`metadata.csv` that `photism finetune` reads. The prompts are Debian's `asterisk-core-sounds-*-wav`: other speakers, at
8 kHz, for testing only.
"""

from __future__ import annotations

import csv
import hashlib
import os
import random
import shutil
import subprocess
import wave
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import soxr

from photism.audio.waveform import SAMPLING_RATE, load_waveform
from recipes.tiny.corpus import cache_folder, read_recordings, read_stamps
from recipes.tiny.speech import PITCH, RATE_WPM, VOICE_VARIANTS, synthesize

TELEPHONE_RATE = 8_000  # Hz
PROMPT_LANGUAGES = ("en", "es", "fr", "it", "ru")
PROMPTS_VERSION = "1.6.1-1"
EMPTY_BYTES = 1000  # one prompt is an empty file
NOISE_DB = (3.0, 30.0)
"""Range of the signal-to-noise ratio, in dB."""
COLUMNS = ("label", "split", "text", "speaker")


@dataclass(frozen=True)
class Synthesis:
    """A text for espeak-ng to synthesise, with its voice.

    Attributes:
        text: the text, in the language of the voice.
        voice: language and variant, such as "el+f2".
        rate_wpm: speaking rate in words per minute.
        pitch: pitch, 0 to 99.
    """

    text: str
    voice: str
    rate_wpm: int
    pitch: int


Source: TypeAlias = Path | Synthesis | tuple[str, str, int]


@dataclass(frozen=True)
class Clip:
    """A clip to write, with its labels.

    Attributes:
        source: a file, a text with its voice, or (text, espeak-ng's language, seed) for a random voice.
        name: path of the clip in its folder.
        label: its class.
        split: "train", "validation" or "test".
        telephone: resample to 8 kHz, the rate of a telephone.
        text: the transcript, if it is a target.
        speaker: the speaker, if it is a target.
        speed: playback speed, which changes tempo, pitch and formants.
        noise_db: signal-to-noise ratio of added noise in dB; None for no noise.
    """

    source: Source
    name: str
    label: str
    split: str
    telephone: bool = False
    text: str = ""
    speaker: str = ""
    speed: float = 1.0
    noise_db: float | None = None


def work_folder() -> Path:
    """Return the folder of the clips and trained models of these recipes."""
    return cache_folder().parent / "listening"


def people(labels: dict[str, str]) -> list[Clip]:
    """Return the human recordings whose language has a label; a tenth is the test set, a tenth for validation."""
    found: list[Clip] = []
    for recording in read_recordings():
        if recording.language not in labels:
            continue
        digest = int(hashlib.sha256(f"{recording.stamp}|{recording.language}".encode()).hexdigest(), 16)
        split = "test" if recording.is_test else "validation" if digest % 10 == 1 else "train"
        name = f"people/{recording.language}/{recording.stamp}.wav"
        found.append(Clip(recording.path, name, labels[recording.language], split))
    return found


def voices(labels: dict[str, str], *, each: int) -> list[Clip]:
    """Return captions synthesised by espeak-ng with random variants, rates and pitches.

    Args:
        labels: label of each language.
        each: number of captions of each language.
    """
    found: list[Clip] = []
    for language, label in labels.items():
        stamps = [stamp for stamp in read_stamps() if language in stamp.captions]
        chosen = random.Random(f"{language}|0").choices(stamps, k=each)
        for number, stamp in enumerate(chosen):
            source = (stamp.captions[language], language, number)
            found.append(Clip(source, f"voices/{language}/{number}.wav", label, "train"))
    return found


def telephoned(clips: Iterable[Clip]) -> list[Clip]:
    """Return copies of clips as a telephone transmits them."""
    return [replace(each, name=f"telephone/{each.name}", telephone=True) for each in clips]


def write(folder: Path, clips: Sequence[Clip]) -> None:
    """Write missing WAV files, and `metadata.csv` for all splits but the test set, with the columns in use."""
    columns = [column for column in COLUMNS if any(getattr(each, column) for each in clips)]
    with ProcessPoolExecutor() as pool:
        paths = list(pool.map(_write, [folder] * len(clips), clips, chunksize=32))
    part = folder / "metadata.part"
    with part.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", *columns])
        for path, each in zip(paths, clips, strict=True):
            if each.split != "test":
                rows.writerow([path, *(getattr(each, column) for column in columns)])
    part.rename(folder / "metadata.csv")


def samples_of(clip: Clip) -> npt.NDArray[np.float32]:
    """Return the samples of a clip, (T,) at 16 kHz, before resampling for a telephone."""
    samples = load_waveform(_read_source(clip.source)).samples
    if clip.speed != 1:
        samples = soxr.resample(samples, SAMPLING_RATE * clip.speed, SAMPLING_RATE)
    if clip.noise_db is not None:
        samples = add_noise(samples, clip.noise_db, seed=clip.name)
    return samples


def add_noise(samples: npt.NDArray[np.float32], snr_db: float, *, seed: str) -> npt.NDArray[np.float32]:
    """Add noise with a random colour between white and brown.

    Args:
        samples: (T,) at 16 kHz.
        snr_db: signal-to-noise ratio in dB.
        seed: seed of the noise and its colour.
    """
    generator = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()))
    spectrum = np.fft.rfft(generator.standard_normal(len(samples)))
    colour = generator.uniform(0, 2)  # exponent of the frequency by which the power falls
    noise = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** (colour / 2), len(samples))
    power = float(np.square(samples).mean()) / 10 ** (snr_db / 10)
    return (samples + noise * np.sqrt(power / max(float(np.square(noise).mean()), 1e-12))).astype(np.float32)


def path_of(folder: Path, clip: Clip) -> Path:
    """Return the path of a clip, which is its source where nothing is changed."""
    is_changed = clip.telephone or clip.speed != 1 or clip.noise_db is not None
    return clip.source if isinstance(clip.source, Path) and not is_changed else folder / clip.name


def fetch_prompts() -> dict[str, list[Path]]:
    """Download Asterisk's prompts and return their paths by language."""
    found: dict[str, list[Path]] = {}
    for language in PROMPT_LANGUAGES:
        unpacked = work_folder() / "asterisk" / language
        fetch_package(f"asterisk-core-sounds-{language}-wav", PROMPTS_VERSION, unpacked)
        paths = sorted(path for path in unpacked.rglob("*.wav") if "silence" not in path.parts)
        found[language] = [path for path in paths if path.stat().st_size > EMPTY_BYTES]
    return found


def fetch_package(name: str, version: str, unpacked: Path) -> None:
    """Download and unpack a Debian package, unless the folder exists."""
    if unpacked.is_dir():
        return
    folder = unpacked.parent
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob(f"{name}_*.deb")):
        subprocess.run(["apt-get", "download", f"{name}={version}"], cwd=folder, check=True)
    part = unpacked.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    (package,) = folder.glob(f"{name}_*.deb")
    subprocess.run(["dpkg-deb", "-x", str(package), str(part)], check=True)
    part.rename(unpacked)


def _write(folder: Path, clip: Clip) -> Path:
    path = path_of(folder, clip)
    if path.is_file():
        return path
    samples = samples_of(clip)
    if clip.telephone:
        samples = soxr.resample(samples, SAMPLING_RATE, TELEPHONE_RATE)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    write_wav(part, samples, TELEPHONE_RATE if clip.telephone else SAMPLING_RATE)
    part.rename(path)
    return path


def _read_source(source: Source) -> Path | bytes:
    if isinstance(source, Path):
        return source
    if isinstance(source, Synthesis):
        return synthesize(source.text, source.voice, source.rate_wpm, source.pitch)
    text, language, seed = source
    choice = random.Random(f"{text}|{language}|{seed}")
    voice = language + choice.choice(VOICE_VARIANTS)
    return synthesize(text, voice, choice.randint(*RATE_WPM), choice.randint(*PITCH))


def write_wav(path: Path, samples: npt.NDArray[np.float32], rate: int = SAMPLING_RATE) -> None:
    """Write samples (T,) in [-1, 1] as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
