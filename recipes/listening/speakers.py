"""Train speaker embeddings (x-vectors) for speaker verification, and evaluate them on unseen speakers.

    python -m recipes.listening.speakers             # write the clips, train, evaluate; resumes after a kill
    python -m recipes.listening.speakers --measure   # evaluate the trained model

A speaker is one of espeak-ng's variants at one of three pitches, in all twelve languages, or the person who recorded a
language, at five speeds that count as five speakers. Clips are clean, in noise, or by telephone.

The test set is a fifth of the families of variants, and the human speakers of four languages.
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
from recipes.listening.sounds import NOISE_DB, Clip, Synthesis, fetch_prompts, path_of, telephoned, work_folder, write
from recipes.tiny.corpus import LANGUAGES, read_recordings, read_stamps
from recipes.tiny.speech import RATE_WPM

SOUNDS, TRAINED = work_folder() / "speakers", work_folder() / "speakers-head"
TEST_PEOPLE, VALIDATION_PEOPLE = ("da", "el", "lt", "nl"), ("en",)
PITCHES = {"low": (20, 30), "middle": (45, 55), "high": (70, 80)}
SPEEDS = (0.8, 0.9, 1.0, 1.1, 1.25)
CLIPS, TEST_CLIPS = 15, 60
"""Clips of each training speaker, and of each human test speaker. With 60 of some in training, embeddings collapse."""
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


def clips() -> list[Clip]:
    return [*synthetic(), *people()]


def synthetic() -> list[Clip]:
    """Return captions in all languages, by every variant at every pitch."""
    found: list[Clip] = []
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
                source = Synthesis(text, f"{language}+{variant}", choice.randint(*RATE_WPM), choice.randint(*band))
                found.append(degraded(Clip(source, f"voices/{speaker}/{number}.wav", speaker, split)))
    return found


def people() -> list[Clip]:
    """Return some recordings of each language, which has one human speaker as far as is known, without duplicates."""
    found: list[Clip] = []
    for language in LANGUAGES:
        recordings = list(
            {each.path.read_bytes(): each for each in read_recordings() if each.language == language}.values()
        )
        if language in TEST_PEOPLE + VALIDATION_PEOPLE:
            split = "test" if language in TEST_PEOPLE else "validation"
            chosen = random.Random(language).sample(recordings, min(TEST_CLIPS, len(recordings)))
            found += [Clip(each.path, f"people/{language}/{each.stamp}.wav", language, split) for each in chosen]
            continue
        recordings = [each for each in recordings if not each.is_test]
        for speed in SPEEDS:
            speaker = f"{language}/{speed}"
            for each in random.Random(speaker).sample(recordings, CLIPS):
                name = f"people/{speaker}/{each.stamp}.wav"
                found.append(degraded(Clip(each.path, name, speaker, "train", speed=speed)))
    return found


def degraded(clip: Clip) -> Clip:
    """Return a training clip at random as it is, by telephone, or in noise; other clips as they are."""
    if clip.split != "train":
        return clip
    choice = random.Random(clip.name)
    kind = choice.randrange(3)
    return replace(clip, telephone=kind == 1, noise_db=choice.uniform(*NOISE_DB) if kind == 2 else None)


def variants() -> list[str]:
    """Return the names of espeak-ng's voice variants."""
    listed = subprocess.run(["espeak-ng", "--voices=variant"], capture_output=True, text=True, check=True).stdout
    files = [line.split("!v/")[1].split("  ")[0].strip() for line in listed.splitlines() if "!v/" in line]
    return sorted(file for file in set(files) if " " not in file)


def family(variant: str) -> str:
    """Return the name of a variant without its number, since such variants sound similar; m1, f1 and so on do not."""
    name = variant.rstrip("0123456789")
    return variant if len(name) == 1 else name


def number_of(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16)


def train() -> None:
    flags = [f"--{name}={value}" for name, value in TRAINING.items()]
    command = ["finetune", "speaker", str(SOUNDS), "-o", str(TRAINED), "--encoder", "tiny", "--weighted-layer-sum"]
    more = ["--resume"] * (TRAINED / "checkpoints").is_dir()
    subprocess.run([sys.executable, "-m", "photism", *command, *flags, *more], check=True)


def tests() -> dict[str, tuple[list[Clip], list[Clip]]]:
    """Return the clips that are compared with each other, by kind of speaker."""
    test = [each for each in clips() if each.split == "test"]
    synthetic_clips = [each for each in test if isinstance(each.source, Synthesis)]
    human = [each for each in test if not isinstance(each.source, Synthesis)]
    by_telephone = telephoned(human)
    write(SOUNDS / "telephoned", by_telephone)
    readers: list[Clip] = []
    for language, paths in fetch_prompts().items():
        chosen = random.Random(language).sample(paths, TEST_CLIPS)
        readers += [Clip(path, f"{language}/{path.stem}", language, "test") for path in chosen]
    return {
        "espeak-ng's voices": (synthetic_clips, synthetic_clips),
        "people": (human, human),
        "people, one of two by telephone": (human, by_telephone),
        "Asterisk's readers": (readers, readers),
    }


def evaluate() -> dict[str, dict[str, float]]:
    """Return the equal error rate and minimum detection cost over all pairs of recordings.

    Different variants of one family are not compared with each other.
    """
    verifier = SpeakerVerifier.from_pretrained(TRAINED, batch_size=32)
    results: dict[str, dict[str, float]] = {}
    for name, (ones, others) in tests().items():
        vectors = [verifier.embed([_path(each) for each in side]) for side in (ones, others)]
        first, second = np.triu_indices(len(ones), 1)
        pairs = [(ones[one], others[other]) for one, other in zip(first, second, strict=True)]
        is_same = np.array([one.label == other.label for one, other in pairs])
        counts = is_same | np.array([family(_voice(one)) != family(_voice(other)) for one, other in pairs])
        scores = (vectors[0] @ vectors[1].T)[first, second]
        results[name] = {
            "speakers": len({each.label for each in ones}),
            "recordings": len(ones),
            "same-speaker pairs": int(is_same.sum()),
            "different-speaker pairs": int((counts & ~is_same).sum()),
            "EER": equal_error_rate(scores[counts], is_same[counts]).rate,
            "minDCF": min_detection_cost(scores[counts], is_same[counts]),
        }
    return results


def _voice(clip: Clip) -> str:
    return clip.label.split("/")[0]


def _path(clip: Clip) -> Path:
    return path_of(SOUNDS / "telephoned" if clip.telephone else SOUNDS, clip)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="evaluate only")
    if not parser.parse_args().measure:
        write(SOUNDS, clips())
        train()
    print(json.dumps(evaluate(), indent=1))


if __name__ == "__main__":
    main()
