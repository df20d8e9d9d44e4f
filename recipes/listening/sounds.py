"""What the recipes of the heads listen to: people saying captions, espeak-ng saying them, and a telephone's prompts.

Recordings are those of `recipes/tiny` (Tux Paint stamps); what is made of them goes to the cache as WAV files with a
`metadata.csv`, as `photism finetune` reads it. The prompts are Debian's `asterisk-core-sounds-*-wav`: other people, at
8 kHz, for testing alone.
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
EMPTY_BYTES = 1000  # one prompt has no sound in it
NOISE_DB = (3.0, 30.0)
"""Of speech above noise, between which it is drawn."""
COLUMNS = ("label", "split", "text", "speaker")


@dataclass(frozen=True)
class Said:
    """What espeak-ng is to say, and as whom.

    Attributes:
        text: in the voice's language.
        voice: language and variant, such as "el+f2".
        rate_wpm: words a minute.
        pitch: 0 to 99.
    """

    text: str
    voice: str
    rate_wpm: int
    pitch: int


Source: TypeAlias = Path | Said | tuple[str, str, int]


@dataclass(frozen=True)
class Spoken:
    """A recording with what is to be learned from it.

    Attributes:
        source: a file; what is to be said; or (text, espeak-ng's language, seed), whose voice is drawn.
        name: of the file that is made of it.
        label: its class.
        split: "train", "validation", or "test", which no training sees.
        telephone: as a telephone would carry it, 8 kHz.
        text: what is said, where that is learned.
        speaker: who says it, where that matters.
        speed: at which it is played.
        noise_db: of it above the noise that is mixed in; None for no noise.
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
    """Where sounds and trainings of these recipes go."""
    return cache_folder().parent / "listening"


def people(labels: dict[str, str]) -> list[Spoken]:
    """People's recordings whose language has a label; a tenth is to test, one to validate."""
    found: list[Spoken] = []
    for recording in read_recordings():
        if recording.language not in labels:
            continue
        digest = int(hashlib.sha256(f"{recording.stamp}|{recording.language}".encode()).hexdigest(), 16)
        split = "test" if recording.is_test else "validation" if digest % 10 == 1 else "train"
        name = f"people/{recording.language}/{recording.stamp}.wav"
        found.append(Spoken(recording.path, name, labels[recording.language], split))
    return found


def voices(labels: dict[str, str], *, each: int) -> list[Spoken]:
    """espeak-ng's voices, variants, rates and pitches, drawn at random, saying captions.

    Args:
        labels: of the languages to speak in.
        each: captions of a language.
    """
    found: list[Spoken] = []
    for language, label in labels.items():
        stamps = [stamp for stamp in read_stamps() if language in stamp.captions]
        chosen = random.Random(f"{language}|0").choices(stamps, k=each)
        for number, stamp in enumerate(chosen):
            source = (stamp.captions[language], language, number)
            found.append(Spoken(source, f"voices/{language}/{number}.wav", label, "train"))
    return found


def telephoned(spoken: Iterable[Spoken]) -> list[Spoken]:
    """The same once more, by telephone."""
    return [replace(each, name=f"telephone/{each.name}", telephone=True) for each in spoken]


def write(folder: Path, spoken: Sequence[Spoken]) -> None:
    """WAV files, those that are not there yet, and `metadata.csv` of all but the test's, with the columns in use."""
    columns = [column for column in COLUMNS if any(getattr(each, column) for each in spoken)]
    with ProcessPoolExecutor() as pool:
        paths = list(pool.map(_write, [folder] * len(spoken), spoken, chunksize=32))
    part = folder / "metadata.part"
    with part.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", *columns])
        for path, each in zip(paths, spoken, strict=True):
            if each.split != "test":
                rows.writerow([path, *(getattr(each, column) for column in columns)])
    part.rename(folder / "metadata.csv")


def samples_of(spoken: Spoken) -> npt.NDArray[np.float32]:
    """(T,) at 16 kHz, before a telephone."""
    samples = load_waveform(_said(spoken.source)).samples
    if spoken.speed != 1:
        samples = soxr.resample(samples, SAMPLING_RATE * spoken.speed, SAMPLING_RATE)
    if spoken.noise_db is not None:
        samples = in_noise(samples, spoken.noise_db, seed=spoken.name)
    return samples


def in_noise(samples: npt.NDArray[np.float32], above_db: float, *, seed: str) -> npt.NDArray[np.float32]:
    """Sound with noise between white and brown mixed in.

    Args:
        samples: (T,) at 16 kHz.
        above_db: of the sound's mean power above the noise's.
        seed: of the noise and its colour.
    """
    generator = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()))
    spectrum = np.fft.rfft(generator.standard_normal(len(samples)))
    colour = generator.uniform(0, 2)  # by which the power falls with the frequency
    noise = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** (colour / 2), len(samples))
    power = float(np.square(samples).mean()) / 10 ** (above_db / 10)
    return (samples + noise * np.sqrt(power / max(float(np.square(noise).mean()), 1e-12))).astype(np.float32)


def path_of(folder: Path, spoken: Spoken) -> Path:
    """Where a recording lies, once it is written."""
    is_changed = spoken.telephone or spoken.speed != 1 or spoken.noise_db is not None
    return spoken.source if isinstance(spoken.source, Path) and not is_changed else folder / spoken.name


def fetch_prompts() -> dict[str, list[Path]]:
    """Asterisk's prompts by language."""
    found: dict[str, list[Path]] = {}
    for language in PROMPT_LANGUAGES:
        unpacked = work_folder() / "asterisk" / language
        fetch_package(f"asterisk-core-sounds-{language}-wav", PROMPTS_VERSION, unpacked)
        paths = sorted(path for path in unpacked.rglob("*.wav") if "silence" not in path.parts)
        found[language] = [path for path in paths if path.stat().st_size > EMPTY_BYTES]
    return found


def fetch_package(name: str, version: str, unpacked: Path) -> None:
    """Downloads one of Debian's packages and unpacks it, where it is not there yet."""
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


def _write(folder: Path, spoken: Spoken) -> Path:
    path = path_of(folder, spoken)
    if path.is_file():
        return path
    samples = samples_of(spoken)
    if spoken.telephone:
        samples = soxr.resample(samples, SAMPLING_RATE, TELEPHONE_RATE)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    write_wav(part, samples, TELEPHONE_RATE if spoken.telephone else SAMPLING_RATE)
    part.rename(path)
    return path


def _said(source: Source) -> Path | bytes:
    if isinstance(source, Path):
        return source
    if isinstance(source, Said):
        return synthesize(source.text, source.voice, source.rate_wpm, source.pitch)
    text, language, seed = source
    choice = random.Random(f"{text}|{language}|{seed}")
    voice = language + choice.choice(VOICE_VARIANTS)
    return synthesize(text, voice, choice.randint(*RATE_WPM), choice.randint(*PITCH))


def write_wav(path: Path, samples: npt.NDArray[np.float32], rate: int = SAMPLING_RATE) -> None:
    """16-bit PCM of samples (T,) in [-1, 1]."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
