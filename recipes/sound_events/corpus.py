"""Recordings of things from four Debian packages, with labels, and a split in which no thing is on both sides.

    python -m recipes.sound_events.corpus    # download, check, and print the counts

- `tuxpaint-stamps-default`: the sounds of the stamps (animals, instruments, tools), without those that are speech;
- `sonic-pi-samples`: instruments, drums, effects, most of them from freesound.org, as FSD50K is;
- `lmms-common`: instruments, drums, effects;
- `hydrogen-data`: two drum kits.

Recordings are of the same thing if their names differ in a number or in how hard it was struck, or if they sound the
same. All recordings of a thing are in one of three folds.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from photism.audio.waveform import SAMPLING_RATE, load_waveform
from photism.errors import InputError
from recipes.listening.sounds import fetch_package, write_wav
from recipes.sound_events.labels import KINDS, labels_of_sample, labels_of_stamp
from recipes.tiny.corpus import cache_folder, fetch, read_stamps

PACKAGES = {
    "sonic-pi-samples": ("3.2.2~repack-8", "usr/share/sonic-pi/samples"),
    "lmms-common": ("1.2.2+dfsg1-6", "usr/share/lmms/samples"),
    "hydrogen-data": ("1.2.0~beta1+dfsg-1", "usr/share/hydrogen/data/drumkits"),
}
"""Version and folder of each package besides the stamps."""
STAMPS = "tuxpaint-stamps"

SUFFIXES = (".flac", ".ogg", ".wav")
NOT_THINGS = ("shapes", "waveforms")
"""Folders of LMMS with periods of waveforms."""

FOLDS = 3
NEVER = -1
"""Fold of the things that are never held out, because there is no other of their kind."""

MAX_DURATION_S = 2.0
"""Longer recordings are cropped to their beginning."""

VARIANTS = frozenset((
    "hardest", "hard", "med", "soft", "softest", "long", "short", "hi", "lo", "high", "low", "mid",
    "open", "opened", "closed", "semi", "foot", "pedal", "full", "distorted", "heavy", "medium", "slight",
    "dhec", "ghe", "ke", "na", "o", "s", "re", "tas", "te", "m", "ne", "tun",
))  # fmt: skip
"""Words by which the names of recordings of one thing differ: strokes, registers, and the strokes of a tabla."""

COMPARED_S = 0.5
"""Time from the onset of a recording that is compared with the others."""
ONSET = 0.05  # fraction of the peak
SAME_THING, SAME_SOUND = 0.75, 0.99
"""Cross-correlation of the waveforms from which two recordings of a kind count as the same thing, and from which two
recordings are one."""


@dataclass(frozen=True)
class Recording:
    """A recording of a thing.

    Attributes:
        path: WAV file, mono at 16 kHz.
        name: package and name, such as `sonic-pi-samples/misc_crow`.
        labels: labels with articles, from the thing to its family.
        kind: the label that retrieval is evaluated on.
        thing: name that all recordings of one thing share.
        fold: number of the fold that holds out the thing, or `NEVER`.
    """

    path: Path
    name: str
    labels: tuple[str, ...]
    kind: str
    thing: str = ""
    fold: int = NEVER


def work_folder() -> Path:
    """Return the folder of the recordings, lists and trained models of these recipes."""
    return cache_folder().parent / "sound_events"


@cache
def read_recordings() -> tuple[Recording, ...]:
    """Return all recordings, ordered by name."""
    found = sorted([*_stamps(), *_samples()], key=lambda each: each.name)
    similarity = correlations([load_waveform(each.path).samples for each in found])
    kinds = np.array([each.kind for each in found])
    # Which of several kinds an identical sound is of, nobody knows.
    kept = np.flatnonzero(~((similarity >= SAME_SOUND) & (kinds[:, None] != kinds)).any(1))
    names = np.array([thing_of(each) for each in found])
    same = (names[:, None] == names) | (similarity >= SAME_THING) & (kinds[:, None] == kinds)
    things = names[_smallest_connected(same[np.ix_(kept, kept)], kept)]
    folds = _folds(things.tolist())
    return tuple(
        replace(found[index], thing=thing, fold=folds[thing])
        for index, thing in zip(kept, things.tolist(), strict=True)
    )


def correlations(sounds: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Return the largest cross-correlation of the beginnings of N waveforms, from 0 to 1: (N, N)."""
    length = int(COMPARED_S * SAMPLING_RATE)
    rows = np.zeros((len(sounds), 2 * length), dtype=np.float32)
    for row, samples in zip(rows, sounds, strict=True):
        onset = int((abs(samples) >= ONSET * abs(samples).max()).argmax())
        beginning = samples[onset : onset + length]
        row[: len(beginning)] = beginning / np.linalg.norm(beginning)
    spectra = np.fft.rfft(rows).astype(np.complex64)
    return np.stack([abs(np.fft.irfft(spectrum * spectra.conj())).max(1) for spectrum in spectra]).astype(np.float32)


def _smallest_connected(same: npt.NDArray[np.bool_], numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return, for each row of an adjacency matrix (N, N), the smallest number that is connected with it: (N,)."""
    largest = numbers.max()
    while ((smallest := np.where(same, numbers, largest).min(1)) != numbers).any():
        numbers = smallest
    return numbers


def thing_of(recording: Recording) -> str:
    """Return the name of a recording without what distinguishes recordings of one thing, after its kind."""
    *folders, name = recording.name.split("/")
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    return "/".join([recording.kind, *folders, " ".join(word for word in words if word not in VARIANTS)])


def _folds(things: Iterable[str]) -> dict[str, int]:
    """Return the fold of each thing: those of a kind are dealt in the order of a hash."""
    of_kind: dict[str, set[str]] = defaultdict(set)
    for thing in things:
        of_kind[thing.partition("/")[0]].add(thing)
    return {
        thing: (digest(kind) + number) % FOLDS if len(own) > 1 else NEVER
        for kind, own in of_kind.items()
        for number, thing in enumerate(sorted(own, key=digest))
    }


def digest(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def _stamps() -> Iterator[Recording]:
    root = fetch()
    for stamp in read_stamps():
        labels = labels_of_stamp(stamp.name, stamp.caption)
        sound = root / f"{stamp.name}.ogg"
        if labels and sound.exists():
            yield from _recording(sound, f"{STAMPS}/{stamp.name}", labels)


def _samples() -> Iterator[Recording]:
    for package, (version, folder) in PACKAGES.items():
        unpacked = work_folder() / "packages" / package
        fetch_package(package, version, unpacked)
        root = unpacked / folder
        for sound in sorted(path for path in root.rglob("*") if path.suffix in SUFFIXES):
            name = sound.relative_to(root).with_suffix("").as_posix()
            labels = labels_of_sample(name)
            if labels and not name.startswith(NOT_THINGS):
                yield from _recording(sound, f"{package}/{name}", labels)


def _recording(sound: Path, name: str, labels: tuple[str, ...]) -> Iterator[Recording]:
    """Yield a recording, whose beginning is written as a WAV file unless it is there; none if it is too short."""
    path = work_folder() / "sounds" / f"{name}.wav"
    if not path.exists():
        try:
            samples = load_waveform(sound).samples[: int(MAX_DURATION_S * SAMPLING_RATE)]
        except InputError as error:  # five samples of LMMS are Ogg Vorbis in WAVE
            print(f"left out: {error}")
            return
        if not samples.any():
            print(f"left out: {sound} is silent")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_wav(part := path.with_suffix(".part"), samples)
        part.rename(path)
    yield Recording(path, name, labels, labels[-2])


def main() -> None:
    recordings = read_recordings()
    seconds = sum(load_waveform(each.path).duration_s for each in recordings)
    things = {each.thing for each in recordings}
    print(f"{len(recordings)} recordings of {len(things)} things, {seconds / 60:.1f} min")
    print("  ".join(f"fold {fold}: {count}" for fold, count in sorted(Counter(r.fold for r in recordings).items())))
    for kind in KINDS:
        own = [each for each in recordings if each.kind == kind]
        print(f"  {kind}: {len(own)} recordings of {len({each.thing for each in own})} things")


if __name__ == "__main__":
    main()
