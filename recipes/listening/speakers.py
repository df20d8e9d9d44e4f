"""Whose voice it is: vectors by which voices are told apart that nobody trained on.

    python -m recipes.listening.speakers             # writes the sounds, trains, measures; goes on after a kill
    python -m recipes.listening.speakers --measure   # measures what was trained alone

A speaker is one of espeak-ng's variants at one of three pitches, in all twelve languages; or the person who recorded a
language, each at five speeds, which count as five. All are heard as they are, in noise, and by telephone.

Kept from training: a fifth of the variants, with all that are numbered alike; and people by whole languages.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from photism import SpeakerVerifier
from photism.listening.metrics import equal_error_rate, min_detection_cost
from recipes.listening.sounds import NOISE_DB, Said, Spoken, fetch_prompts, path_of, telephoned, work_folder, write
from recipes.tiny.corpus import LANGUAGES, read_recordings, read_stamps
from recipes.tiny.speech import RATE_WPM

SOUNDS, TRAINED = work_folder() / "speakers", work_folder() / "speakers-head"
TEST_PEOPLE, VALIDATION_PEOPLE = ("da", "el", "lt", "nl"), ("en",)
PITCHES = {"low": (20, 30), "middle": (45, 55), "high": (70, 80)}
SPEEDS = (0.8, 0.9, 1.0, 1.1, 1.25)
CLIPS, TEST_CLIPS = 15, 60
"""Of each speaker, to train on: with four times as many of some, all vectors become alike. Of a person, to test."""
TRAINING = {
    "epochs": 8,
    "batch-size": 64,
    "learning-rate": 1e-3,
    "frozen-layers": -1,
    "dropout": 0,
    "mask-mel": 0,
    "evaluate-every": 100,
    "checkpoint-every-s": 120,
    "mask-time": 0,
}


def spoken() -> list[Spoken]:
    return [*synthetic(), *people()]


def synthetic() -> list[Spoken]:
    """Captions in all languages, said by every variant at every pitch."""
    found: list[Spoken] = []
    for variant in variants():
        split = {0: "test", 1: "validation"}.get(number_of(family(variant)) % 5, "train")
        for pitch, band in PITCHES.items():
            speaker = f"{variant}/{pitch}"
            choice = random.Random(speaker)
            for number in range(CLIPS if split == "train" else 10):
                language = choice.choice(LANGUAGES)
                text = choice.choice(
                    [stamp.captions[language] for stamp in read_stamps() if language in stamp.captions]
                )
                source = Said(text, f"{language}+{variant}", choice.randint(*RATE_WPM), choice.randint(*band))
                found.append(heard(Spoken(source, f"voices/{speaker}/{number}.wav", speaker, split)))
    return found


def people() -> list[Spoken]:
    """Recordings of each language, some of them, by one person as far as is known; of equal files, one."""
    found: list[Spoken] = []
    for language in LANGUAGES:
        own = list({each.path.read_bytes(): each for each in read_recordings() if each.language == language}.values())
        if language in TEST_PEOPLE + VALIDATION_PEOPLE:
            split = "test" if language in TEST_PEOPLE else "validation"
            chosen = random.Random(language).sample(own, min(TEST_CLIPS, len(own)))
            found += [Spoken(each.path, f"people/{language}/{each.stamp}.wav", language, split) for each in chosen]
            continue
        own = [each for each in own if not each.is_test]
        for speed in SPEEDS:
            speaker = f"{language}/{speed}"
            for each in random.Random(speaker).sample(own, CLIPS):
                name = f"people/{speaker}/{each.stamp}.wav"
                found.append(heard(Spoken(each.path, name, speaker, "train", speed=speed)))
    return found


def heard(spoken: Spoken) -> Spoken:
    """As it is, in noise, or by telephone."""
    if spoken.split != "train":
        return spoken
    choice = random.Random(spoken.name)
    way = choice.randrange(3)
    return replace(spoken, telephone=way == 1, noise_db=choice.uniform(*NOISE_DB) if way == 2 else None)


def variants() -> list[str]:
    """espeak-ng's, by the names that its voices take."""
    listed = subprocess.run(["espeak-ng", "--voices=variant"], capture_output=True, text=True, check=True).stdout
    files = [line.split("!v/")[1].split("  ")[0].strip() for line in listed.splitlines() if "!v/" in line]
    return sorted(file for file in set(files) if " " not in file)


def family(variant: str) -> str:
    """Variants that are numbered alike sound alike, but for the males and females, which have no other names."""
    name = variant.rstrip("0123456789")
    return variant if len(name) == 1 else name


def number_of(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)


def train() -> None:
    flags = [f"--{name}={value}" for name, value in TRAINING.items()]
    command = ["finetune", "speaker", str(SOUNDS), "-o", str(TRAINED), "--encoder", "tiny", "--weighted-layer-sum"]
    more = ["--resume"] * (TRAINED / "checkpoints").is_dir()
    subprocess.run([sys.executable, "-m", "photism", *command, *flags, *more], check=True)


def tests() -> dict[str, tuple[list[Spoken], list[Spoken]]]:
    """What is compared with what, by who speaks."""
    held = [each for each in spoken() if each.split == "test"]
    made = [each for each in held if isinstance(each.source, Said)]
    persons = [each for each in held if not isinstance(each.source, Said)]
    by_telephone = telephoned(persons)
    write(SOUNDS / "telephoned", by_telephone)
    readers: list[Spoken] = []
    for language, paths in fetch_prompts().items():
        chosen = random.Random(language).sample(paths, TEST_CLIPS)
        readers += [Spoken(path, f"{language}/{path.stem}", language, "test") for path in chosen]
    return {
        "espeak-ng's voices": (made, made),
        "people": (persons, persons),
        "people, one of two by telephone": (persons, by_telephone),
        "Asterisk's readers": (readers, readers),
    }


def measure() -> dict[str, dict[str, float]]:
    """Equal error rate and detection cost of all pairs of recordings of one speaker and of two.

    Of espeak-ng's voices, variants that are numbered alike are compared with others alone.
    """
    verifier = SpeakerVerifier.from_pretrained(TRAINED, batch_size=32)
    told: dict[str, dict[str, float]] = {}
    for name, (ones, others) in tests().items():
        vectors = [verifier.embed([_path(each) for each in side]) for side in (ones, others)]
        first, second = np.triu_indices(len(ones), 1)
        pairs = [(ones[one], others[other]) for one, other in zip(first, second, strict=True)]
        is_same = np.array([one.label == other.label for one, other in pairs])
        counts = is_same | np.array([family(_voice(one)) != family(_voice(other)) for one, other in pairs])
        scores = (vectors[0] @ vectors[1].T)[first, second]
        told[name] = {
            "speakers": len({each.label for each in ones}),
            "recordings": len(ones),
            "pairs of one": int(is_same.sum()),
            "pairs of two": int((counts & ~is_same).sum()),
            "EER": equal_error_rate(scores[counts], is_same[counts]).rate,
            "minDCF": min_detection_cost(scores[counts], is_same[counts]),
        }
    return told


def _voice(spoken: Spoken) -> str:
    return spoken.label.split("/")[0]


def _path(spoken: Spoken) -> Path:
    return path_of(SOUNDS / "telephoned" if spoken.telephone else SOUNDS, spoken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="no training")
    if not parser.parse_args().measure:
        write(SOUNDS, spoken())
        train()
    print(json.dumps(measure(), indent=1))


if __name__ == "__main__":
    main()
