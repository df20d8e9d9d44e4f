"""When somebody speaks: speech among silence, noise, and animals, bells and hammers.

    python -m recipes.listening.speaking             # mixes the sounds, trains, measures; goes on after a kill
    python -m recipes.listening.speaking --measure   # measures what was trained alone
    python -m recipes.listening.speaking --silero    # measures instead Silero's detector, of `photism transcribe --vad`

A mixture is some seconds of people or espeak-ng's voices saying captions with pauses between, the stamps' own sounds
over them and alone, and noise. Where speech is, in RTTM, is known from where it was put: of a recording, the stretches
that are at most 30 dB below its loudest 20 ms, pauses shorter than 0.2 s among them.

Test mixtures are made of recordings and of effects that no training hears.
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
from photism.listening.diarization import TurnRules, as_rttm, read_rttm
from photism.listening.metrics import diarization_error
from photism.listening.windows import Segment
from photism.training.heads.turns import activity
from recipes.listening.sounds import Spoken, fetch_prompts, in_noise, people, samples_of, voices, work_folder, write_wav
from recipes.tiny.corpus import LANGUAGES, UNHEARD_LANGUAGES, fetch, read_stamps

SOUNDS, TRAINED = work_folder() / "speaking", work_folder() / "speaking-head"
VOICES_EACH = 400

WINDOW_S, HOP_S = 0.02, 0.01
FLOOR_DB = -30.0  # of the loudest window
SHORTEST_PAUSE_S, SHORTEST_SPEECH_S = 0.2, 0.05

NOT_EFFECTS = (
    "symbols/alphabets", "symbols/math", "symbols/faces", "seasonal/hanukkah", "seasonal/christmas/santahat",
    "space/apollo_lander",
)  # fmt: skip
"""Stamps whose own sound is somebody speaking, or may be taken for it."""

DURATION_S = (6.0, 14.0)
PAUSE_S = (0.2, 2.5)
SILENT_SHARE = 0.1
"""Of the mixtures, in which nobody speaks."""
MOST_EFFECTS = 5
EFFECT_DB = (-5.0, 20.0)
"""Of speech above an effect, between which it is drawn."""
NOISE_DB = (5.0, 30.0)
NOISE_SHARE = 0.5
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
class Kind:
    """Of mixtures.

    Attributes:
        name: of their folder.
        count: how many.
        speech: what may be said in them.
        split: of the mixtures, and of their effects.
    """

    name: str
    count: int
    speech: Sequence[Spoken]
    split: str


@cache
def kinds() -> dict[str, Kind]:
    everybody = {language: language for language in LANGUAGES}
    own = people(everybody)
    made = voices(everybody, each=VOICES_EACH)
    known = [each for each in own if each.split == "test" and each.label not in UNHEARD_LANGUAGES]
    unheard = [each for each in own if each.split == "test" and each.label in UNHEARD_LANGUAGES]
    prompts = [
        Spoken(path, f"{language}/{path.stem}", language, "test")
        for language, paths in fetch_prompts().items()
        for path in paths
    ]
    train = [each for each in own if each.split == "train"]
    listed = [
        Kind("train", 1000, [*train, *made], "train"),
        Kind("validation", 100, [each for each in own if each.split == "validation"], "validation"),
        Kind("known people", 120, known, "test"),
        Kind("unheard people", 120, unheard, "test"),
        Kind("Asterisk's prompts", 120, prompts, "test"),
    ]
    return {kind.name: kind for kind in listed}


@cache
def effects() -> dict[str, list[Path]]:
    """The stamps' own sounds by split, a fifth each to test and to validate; equal files are in one."""
    found: dict[str, dict[str, Path]] = {"train": {}, "validation": {}, "test": {}}
    for stamp in read_stamps():
        path = fetch() / f"{stamp.name}.ogg"
        if path.exists() and not stamp.name.startswith(NOT_EFFECTS):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            split = {0: "test", 1: "validation"}.get(int(digest, 16) % 5, "train")
            found[split].setdefault(digest, path)
    return {split: list(paths.values()) for split, paths in found.items()}


def speech_in(samples: npt.NDArray[np.float32]) -> list[tuple[int, int]]:
    """Where somebody speaks in a recording of somebody speaking: stretches of samples."""
    window, hop = int(WINDOW_S * SAMPLING_RATE), int(HOP_S * SAMPLING_RATE)
    padded = np.pad(samples, (window // 2, window))
    power = np.array([np.square(padded[start : start + window]).mean() for start in range(0, len(samples), hop)])
    loud = power > power.max() * 10 ** (FLOOR_DB / 10)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]])))
    found: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2) * hop:
        if found and start - found[-1][1] < SHORTEST_PAUSE_S * SAMPLING_RATE:
            found[-1] = (found[-1][0], int(end))
        else:
            found.append((int(start), int(end)))
    found = [(start, min(end, len(samples))) for start, end in found]
    return [each for each in found if each[1] - each[0] >= SHORTEST_SPEECH_S * SAMPLING_RATE]


def mixture(kind: Kind, number: int) -> tuple[npt.NDArray[np.float32], list[Segment]]:
    """Samples at 16 kHz, and when somebody speaks in them."""
    choice = random.Random(f"{kind.name}|{number}")
    samples = np.zeros(int(choice.uniform(*DURATION_S) * SAMPLING_RATE), np.float32)
    turns: list[Segment] = []
    start = int(choice.uniform(0, PAUSE_S[1]) * SAMPLING_RATE)
    is_silent = choice.random() < SILENT_SHARE
    while not is_silent:
        said = samples_of(choice.choice(kind.speech))
        stretches = speech_in(said)
        if not stretches:
            continue
        first, last = stretches[0][0], stretches[-1][1]
        if start + last - first > len(samples):
            break
        gain_db = choice.uniform(-4, 4)
        samples[start : start + last - first] += at_level(said[first:last], gain_db)
        turns += [
            Segment((start + begin - first) / SAMPLING_RATE, (start + end - first) / SAMPLING_RATE, "speech", 1.0)
            for begin, end in stretches
        ]
        start += last - first + int(choice.uniform(*PAUSE_S) * SAMPLING_RATE)
    for _ in range(choice.randint(0 if turns else 1, MOST_EFFECTS)):
        effect = Spoken(choice.choice(effects()[kind.split]), "", "", "", speed=choice.uniform(0.75, 1.33))
        sound = samples_of(effect)
        place = choice.randrange(-len(sound) // 4, len(samples) - len(sound) // 4)
        sound, place = sound[max(0, -place) :], max(0, place)
        sound = at_level(sound[: len(samples) - place], -choice.uniform(*EFFECT_DB))
        samples[place : place + len(sound)] += sound
    if choice.random() < NOISE_SHARE:
        samples = in_noise(samples, choice.uniform(*NOISE_DB), seed=f"{kind.name}|{number}")
    return samples * choice.uniform(0.1, 0.9) / max(float(np.abs(samples).max()), 1e-6), turns


def at_level(samples: npt.NDArray[np.float32], level_db: float) -> npt.NDArray[np.float32]:
    """Of that mean power, with ends that do not click."""
    fade = np.minimum(1, np.arange(1, len(samples) + 1) / (0.005 * SAMPLING_RATE)).astype(np.float32)
    power = float(np.square(samples).mean())
    return samples * fade * fade[::-1] * np.float32(np.sqrt(10 ** (level_db / 10) / max(power, 1e-12)))


def write_mixtures() -> None:
    """WAV files with RTTM beside them, those that are not there yet; metadata.csv of those to train and validate on."""
    tasks = [(name, number) for name, kind in kinds().items() for number in range(kind.count)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_write, tasks, chunksize=16))
    rows = [f"{path_of(*task)},{kinds()[task[0]].split}" for task in tasks if kinds()[task[0]].split != "test"]
    part = SOUNDS / "metadata.part"
    part.write_text("\n".join(["file_name,split", *rows, ""]))
    part.rename(SOUNDS / "metadata.csv")


def path_of(kind: str, number: int) -> Path:
    return SOUNDS / kind / f"{number:04}.wav"


def _write(task: tuple[str, int]) -> None:
    path = path_of(*task)
    if path.is_file():
        return
    samples, turns = mixture(kinds()[task[0]], task[1])
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


Tell: TypeAlias = Callable[[Sequence[Path]], Iterator[Sequence[Segment]]]


def trained(paths: Sequence[Path]) -> Iterator[Sequence[Segment]]:
    return (found.turns for found in SpeakerTimeline.from_pretrained(TRAINED).stream(list(paths)))


def silero(paths: Sequence[Path]) -> Iterator[Sequence[Segment]]:
    """By the same rules: a probability of .5, and no pause or turn of less than 0.1 s."""
    from photism.audio.voice_activity import BLOCK_SAMPLES, speech_probabilities

    for path in paths:
        waveform = load_waveform(path)
        speech = speech_probabilities(waveform)[:, None]
        block_s = BLOCK_SAMPLES / SAMPLING_RATE
        yield TurnRules().turns(speech, ["speech"], token_s=block_s, duration_s=waveform.duration_s)


def measure(tell: Tell) -> dict[str, dict[str, float]]:
    """F1 of 40 ms each and diarization error rate, without and with NIST's collar, by kind of mixture."""
    told: dict[str, dict[str, float]] = {}
    for kind in kinds().values():
        if kind.split != "test":
            continue
        paths = [path_of(kind.name, number) for number in range(kind.count)]
        counts = np.zeros(3)  # tokens that are right, said, true
        errors, spoken = np.zeros((2, 3)), np.zeros(2)
        silent_s = wrongly_s = seconds = 0.0
        for path, found in zip(paths, tell(paths), strict=True):
            turns = read_rttm(path.with_suffix(".rttm").read_text()).get(path.stem, [])
            duration_s = load_waveform(path).duration_s
            tokens = int(duration_s / TOKEN_S)
            said, true = (activity(each, ["speech"], tokens=tokens, token_s=TOKEN_S) for each in (found, turns))
            counts += [(said & true).sum(), said.sum(), true.sum()]
            seconds += duration_s
            if not turns:
                silent_s += duration_s
                wrongly_s += sum(turn.end_s - turn.start_s for turn in found)
            for row, collar_s in enumerate((0, COLLAR_S)):
                error = diarization_error(turns, found, collar_s=collar_s)
                errors[row] += [error.missed_s, error.false_alarm_s, error.confused_s]
                spoken[row] += error.spoken_s
        told[kind.name] = {
            "minutes": seconds / 60,
            "frame F1": 2 * counts[0] / (counts[1] + counts[2]),
            "precision": counts[0] / counts[1],
            "recall": counts[0] / counts[2],
            "DER": errors[0].sum() / spoken[0],
            "missed": errors[0, 0] / spoken[0],
            "false alarm": errors[0, 1] / spoken[0],
            f"DER, collar {COLLAR_S} s": errors[1].sum() / spoken[1],
            "taken for speech where nobody speaks": wrongly_s / silent_s,
        }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="no training")
    parser.add_argument("--silero", action="store_true", help="nor the trained model, but Silero's detector")
    arguments = parser.parse_args()
    if not (arguments.measure or arguments.silero):
        write_mixtures()
        train()
    print(json.dumps(measure(silero if arguments.silero else trained), indent=1))


if __name__ == "__main__":
    main()
