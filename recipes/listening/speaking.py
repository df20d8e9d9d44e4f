"""Train voice activity detection: speech among silence, noise and sound effects.

    python -m recipes.listening.speaking             # mix the recordings, train, evaluate; resumes after a kill
    python -m recipes.listening.speaking --measure   # evaluate the trained model
    python -m recipes.listening.speaking --silero    # evaluate Silero's detector, that of `photism transcribe --vad`

A mixture is some seconds of human or synthetic captions with pauses between them, sound effects over them and in the
pauses, and noise. The reference, in RTTM, follows from where a recording was mixed in: its segments that are at most
30 dB below its loudest 20 ms, including pauses shorter than 0.2 s.

Test mixtures consist of recordings and effects that do not occur in training.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from photism import SpeakerTimeline
from photism.audio.waveform import SAMPLING_RATE, load_waveform
from photism.listening.diarization import find_turns
from photism.listening.metrics import diarization_error
from photism.listening.segments import Segment
from photism.listening.settings import TimelineSettings
from photism.listening.turn_formats import as_rttm, read_rttm
from photism.training.data.turns import activity
from recipes.listening.sounds import Clip, add_noise, fetch_prompts, people, samples_of, voices, work_folder, write_wav
from recipes.tiny.corpus import LANGUAGES, UNSEEN_LANGUAGES, fetch, read_stamps

SOUNDS, TRAINED = work_folder() / "speaking", work_folder() / "speaking-head"
VOICES_EACH = 400

WINDOW_S, HOP_S = 0.02, 0.01
FLOOR_DB = -30.0  # relative to the loudest window
MIN_PAUSE_S, MIN_SPEECH_S = 0.2, 0.05

NOT_EFFECTS = (
    "symbols/alphabets", "symbols/math", "symbols/faces", "seasonal/hanukkah", "seasonal/christmas/santahat",
    "space/apollo_lander",
)  # fmt: skip
"""Stamps whose sound is speech or resembles it."""

DURATION_S = (6.0, 14.0)
PAUSE_S = (0.2, 2.5)
SILENT_PROB = 0.1
"""Probability of a mixture without speech."""
MAX_EFFECTS = 5
EFFECT_DB = (-5.0, 20.0)
"""Range of the level of speech relative to an effect, in dB."""
NOISE_DB = (5.0, 30.0)
NOISE_PROB = 0.5
COLLAR_S, TOKEN_S = 0.25, 0.04

TRAINING = {
    "epochs": 2,
    "batch-size": 16,
    "learning-rate": 1e-3,
    "encoder-rate": 1,
    "frozen-layers": 2,
    "dropout": 0,
    "mask-time": 0,
    "evaluate-every": 70,
    "checkpoint-every-s": 120,
}


@dataclass(frozen=True)
class Subset:
    """A set of mixtures.

    Attributes:
        name: name of its folder, and the seed of its mixtures.
        count: number of mixtures.
        speech: clips of speech to choose from.
        split: split of the mixtures and of their effects.
    """

    name: str
    count: int
    speech: Sequence[Clip]
    split: str


@cache
def subsets() -> dict[str, Subset]:
    labels = {language: language for language in LANGUAGES}
    human = people(labels)
    synthetic = voices(labels, each=VOICES_EACH)
    seen = [each for each in human if each.split == "test" and each.label not in UNSEEN_LANGUAGES]
    unseen = [each for each in human if each.split == "test" and each.label in UNSEEN_LANGUAGES]
    prompts = [
        Clip(path, f"{language}/{path.stem}", language, "test")
        for language, paths in fetch_prompts().items()
        for path in paths
    ]
    train = [each for each in human if each.split == "train"]
    listed = [
        Subset("train", 1000, [*train, *synthetic], "train"),
        Subset("validation", 100, [each for each in human if each.split == "validation"], "validation"),
        Subset("known people", 120, seen, "test"),
        Subset("unheard people", 120, unseen, "test"),
        Subset("Asterisk's prompts", 120, prompts, "test"),
    ]
    return {subset.name: subset for subset in listed}


@cache
def effects() -> dict[str, list[Path]]:
    """Return the stamps' sound effects by split, a fifth each for test and validation, without duplicates."""
    found: dict[str, dict[str, Path]] = {"train": {}, "validation": {}, "test": {}}
    for stamp in read_stamps():
        path = fetch() / f"{stamp.name}.ogg"
        if path.exists() and not stamp.name.startswith(NOT_EFFECTS):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            split = {0: "test", 1: "validation"}.get(int(digest, 16) % 5, "train")
            found[split].setdefault(digest, path)
    return {split: list(paths.values()) for split, paths in found.items()}


def find_speech(samples: npt.NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return the segments of a clean recording that contain speech, as (start, end) in samples."""
    window, hop = int(WINDOW_S * SAMPLING_RATE), int(HOP_S * SAMPLING_RATE)
    padded = np.pad(samples, (window // 2, window))
    power = np.array([np.square(padded[start : start + window]).mean() for start in range(0, len(samples), hop)])
    loud = power > power.max() * 10 ** (FLOOR_DB / 10)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]])))
    found: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2) * hop:
        if found and start - found[-1][1] < MIN_PAUSE_S * SAMPLING_RATE:
            found[-1] = (found[-1][0], int(end))
        else:
            found.append((int(start), int(end)))
    found = [(start, min(end, len(samples))) for start, end in found]
    return [each for each in found if each[1] - each[0] >= MIN_SPEECH_S * SAMPLING_RATE]


def mixture(subset: Subset, number: int) -> tuple[npt.NDArray[np.float32], list[Segment]]:
    """Return the samples of a mixture at 16 kHz, and its speech segments."""
    choice = random.Random(f"{subset.name}|{number}")
    samples = np.zeros(int(choice.uniform(*DURATION_S) * SAMPLING_RATE), np.float32)
    turns: list[Segment] = []
    start = int(choice.uniform(0, PAUSE_S[1]) * SAMPLING_RATE)
    is_silent = choice.random() < SILENT_PROB
    while not is_silent:
        speech = samples_of(choice.choice(subset.speech))
        segments = find_speech(speech)
        if not segments:
            continue
        first, last = segments[0][0], segments[-1][1]
        if start + last - first > len(samples):
            break
        gain_db = choice.uniform(-4, 4)
        samples[start : start + last - first] += at_level(speech[first:last], gain_db)
        turns += [
            Segment((start + begin - first) / SAMPLING_RATE, (start + end - first) / SAMPLING_RATE, "speech", 1.0)
            for begin, end in segments
        ]
        start += last - first + int(choice.uniform(*PAUSE_S) * SAMPLING_RATE)
    for _ in range(choice.randint(0 if turns else 1, MAX_EFFECTS)):
        effect = Clip(choice.choice(effects()[subset.split]), "", "", "", speed=choice.uniform(0.75, 1.33))
        sound = samples_of(effect)
        offset = choice.randrange(-len(sound) // 4, len(samples) - len(sound) // 4)
        sound, offset = sound[max(0, -offset) :], max(0, offset)
        sound = at_level(sound[: len(samples) - offset], -choice.uniform(*EFFECT_DB))
        samples[offset : offset + len(sound)] += sound
    if choice.random() < NOISE_PROB:
        samples = add_noise(samples, choice.uniform(*NOISE_DB), seed=f"{subset.name}|{number}")
    return samples * choice.uniform(0.1, 0.9) / max(float(np.abs(samples).max()), 1e-6), turns


def at_level(samples: npt.NDArray[np.float32], level_db: float) -> npt.NDArray[np.float32]:
    """Scale samples to a mean power, with a fade of 5 ms at both ends."""
    fade = np.minimum(1, np.arange(1, len(samples) + 1) / (0.005 * SAMPLING_RATE)).astype(np.float32)
    power = float(np.square(samples).mean())
    return samples * fade * fade[::-1] * np.float32(np.sqrt(10 ** (level_db / 10) / max(power, 1e-12)))


def write_mixtures() -> None:
    """Write missing WAV files with their RTTM files, and metadata.csv for training and validation."""
    tasks = [(name, number) for name, subset in subsets().items() for number in range(subset.count)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_write, tasks, chunksize=16))
    rows = [f"{path_of(*task)},{subsets()[task[0]].split}" for task in tasks if subsets()[task[0]].split != "test"]
    part = SOUNDS / "metadata.part"
    part.write_text("\n".join(["file_name,split", *rows, ""]))
    part.rename(SOUNDS / "metadata.csv")


def path_of(kind: str, number: int) -> Path:
    return SOUNDS / kind / f"{number:04}.wav"


def _write(task: tuple[str, int]) -> None:
    path = path_of(*task)
    if path.is_file():
        return
    samples, turns = mixture(subsets()[task[0]], task[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".rttm").write_text(as_rttm(path.stem, turns))
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    write_wav(part, samples)
    part.rename(path)


def train() -> None:
    flags = [f"--{name}={value}" for name, value in TRAINING.items()]
    command = ["finetune", "frames", str(SOUNDS), "-o", str(TRAINED), "--encoder", "tiny", "--learn", "speech"]
    more = ["--resume"] * (TRAINED / "checkpoints").is_dir()
    subprocess.run([sys.executable, "-m", "photism", *command, *flags, *more], check=True)


Detector: TypeAlias = Callable[[Sequence[Path]], Iterator[Sequence[Segment]]]


def trained(paths: Sequence[Path]) -> Iterator[Sequence[Segment]]:
    return (found.turns for found in SpeakerTimeline.from_pretrained(TRAINED).stream(list(paths)))


def silero(paths: Sequence[Path]) -> Iterator[Sequence[Segment]]:
    """Detect speech with Silero, by the rules of the trained model: probability 0.5, no pause or turn under 0.1 s."""
    from photism.audio.voice_activity import BLOCK_SAMPLES, speech_probabilities

    for path in paths:
        waveform = load_waveform(path)
        speech = speech_probabilities(waveform)[:, None]
        block_s = BLOCK_SAMPLES / SAMPLING_RATE
        yield find_turns(speech, ["speech"], TimelineSettings(), frame_s=block_s, duration_s=waveform.duration_s)


def evaluate(detect: Detector) -> dict[str, dict[str, float]]:
    """Return frame-level F1 and the diarization error rate, without and with NIST's collar, for each test set."""
    results: dict[str, dict[str, float]] = {}
    for subset in subsets().values():
        if subset.split != "test":
            continue
        paths = [path_of(subset.name, number) for number in range(subset.count)]
        counts = np.zeros(3)  # frames that are correct, predicted, in the reference
        errors, spoken = np.zeros((2, 3)), np.zeros(2)
        silent_s = false_alarm_s = seconds = 0.0
        for path, found in zip(paths, detect(paths), strict=True):
            turns = read_rttm(path.with_suffix(".rttm").read_text()).get(path.stem, [])
            duration_s = load_waveform(path).duration_s
            tokens = int(duration_s / TOKEN_S)
            predicted, reference = (
                activity(each, ["speech"], tokens=tokens, token_s=TOKEN_S) for each in (found, turns)
            )
            counts += [(predicted & reference).sum(), predicted.sum(), reference.sum()]
            seconds += duration_s
            if not turns:
                silent_s += duration_s
                false_alarm_s += sum(turn.end_s - turn.start_s for turn in found)
            for row, collar_s in enumerate((0, COLLAR_S)):
                error = diarization_error(turns, found, collar_s=collar_s)
                errors[row] += [error.missed_s, error.false_alarm_s, error.confused_s]
                spoken[row] += error.spoken_s
        results[subset.name] = {
            "minutes": seconds / 60,
            "frame F1": 2 * counts[0] / (counts[1] + counts[2]),
            "precision": counts[0] / counts[1],
            "recall": counts[0] / counts[2],
            "DER": errors[0].sum() / spoken[0],
            "missed": errors[0, 0] / spoken[0],
            "false alarm": errors[0, 1] / spoken[0],
            f"DER, collar {COLLAR_S} s": errors[1].sum() / spoken[1],
            "false alarm without speech": false_alarm_s / silent_s,
        }
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="evaluate only")
    parser.add_argument("--silero", action="store_true", help="evaluate Silero's detector instead")
    arguments = parser.parse_args()
    if not (arguments.measure or arguments.silero):
        write_mixtures()
        train()
    print(json.dumps(evaluate(silero if arguments.silero else trained), indent=1))


if __name__ == "__main__":
    main()
