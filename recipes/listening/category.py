"""Which kind of thing is spoken of, in any of twelve languages: the sixteen folders of the stamps.

    python recipes/listening/category.py             # writes the sounds, trains, measures; goes on after a kill
    python recipes/listening/category.py --measure   # measures what was trained alone
    python recipes/listening/category.py --hear      # measures instead what `photism hear` makes of the same

A category depends on words, so the encoder's upper layers learn with the head: first which of the stamps' captions is
said, in whatever language, and then its category. They hear people, the same people at other speeds and in noise, and
espeak-ng's voices in all languages; people's Danish, Dutch and Greek is for testing alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tiny"))

from corpus import LANGUAGES, UNHEARD_LANGUAGES, read_recordings, read_stamps
from sounds import Spoken, altered, people, telephoned, voices, work_folder, write

from photism import AudioClassifier, CaptionRanker

SOUNDS = work_folder() / "category"
CAPTIONS, TRAINED = work_folder() / "caption-head", work_folder() / "category-head"
VOICES_EACH = 800
"""Captions of a language in which people are trained on, said by espeak-ng."""
VOICES_UNHEARD = 3
"""That say each caption of the others."""
TRAINING = {
    "batch-size": 32,
    "learning-rate": 1e-3,
    "frozen-layers": 2,
    "dropout": 0,
    "mask-time": 0,
    "mask-mel": 0,
    "max-duration-s": 4,
    "evaluate-every": 300,
    "checkpoint-every-s": 120,
}
OF_CAPTIONS = {"epochs": 2, "encoder-rate": 1}
OF_CATEGORIES = {"epochs": 0.4, "encoder-rate": 0.3}


def spoken() -> list[Spoken]:
    """With its category as label, and the caption that says so as text."""
    labels = {stamp.name: f"{category_of(stamp.name)}: {stamp.caption.lower()}" for stamp in read_stamps()}
    own = people(labels, by="stamp")
    known = [language for language in LANGUAGES if language not in UNHEARD_LANGUAGES]
    made = voices(labels, by="stamp", languages=known, each=VOICES_EACH)
    more = every_caption(labels, UNHEARD_LANGUAGES)
    again = altered(each for each in own if each.split == "train")
    parts = [*own, *again, *made[::2], *telephoned(made[1::2]), *more[::2], *altered(more[1::2])]
    return [replace(each, label=each.label.split(":")[0], text=each.label) for each in parts]


def every_caption(labels: dict[str, str], languages: Sequence[str]) -> list[Spoken]:
    """All captions of some languages, each by several voices drawn at random."""
    found: list[Spoken] = []
    for language in languages:
        said = [stamp for stamp in read_stamps() if language in stamp.captions]
        meant = {(stamp.captions[language], category_of(stamp.name)): labels[stamp.name] for stamp in said}
        for voice in range(VOICES_UNHEARD):
            for number, ((text, _), label) in enumerate(sorted(meant.items())):
                name = f"voices/{language}/{voice}-{number}.wav"
                found.append(Spoken((text, language, voice), name, label, "train"))
    return found


def category_of(stamp: str) -> str:
    return stamp.split("/")[0]


def train() -> None:
    finetune(CAPTIONS, encoder="tiny", settings={"label-column": "text", **OF_CAPTIONS})
    finetune(TRAINED, encoder=str(CAPTIONS), settings=OF_CATEGORIES)


def finetune(output: Path, *, encoder: str, settings: Mapping[str, str | float]) -> None:
    flags = [f"--{name}={value}" for name, value in {**TRAINING, **settings}.items()]
    command = ["finetune", "classify", str(SOUNDS), "-o", str(output), "--encoder", encoder, *flags]
    more = ["--resume"] * (output / "checkpoints").is_dir()
    subprocess.run([sys.executable, "-m", "photism", *command, *more], check=True)


def classified(paths: Sequence[Path]) -> list[set[str]]:
    classifier = AudioClassifier.from_pretrained(TRAINED, top_k=1)
    return [{labels[0].label} for labels in classifier(list(paths))]


def heard(paths: Sequence[Path]) -> list[set[str]]:
    """What the stamps are whose caption `photism hear` puts first: of several categories where they share it."""
    categories: dict[str, set[str]] = defaultdict(set)
    for stamp in read_stamps():
        categories[stamp.caption.lower()].add(category_of(stamp.name))
    ranked = CaptionRanker.from_pretrained().rank(list(paths), top_k=1)
    return [categories[captions[0].caption.lower()] for captions in ranked]


def measure(tell: Callable[[Sequence[Path]], list[set[str]]]) -> dict[str, dict[str, float]]:
    """The share of test recordings told rightly, by who speaks and by category."""
    trained_on = {digest(each.path) for each in read_recordings() if not each.is_test}
    groups: dict[str, list[bool]] = defaultdict(list)
    tested = [each for each in read_recordings() if each.is_test]
    for each, told in zip(tested, tell([each.path for each in tested]), strict=True):
        right = category_of(each.stamp) in told
        is_known = each.language not in UNHEARD_LANGUAGES
        names = ["all", each.language, category_of(each.stamp), "known people" if is_known else "unheard people"]
        if is_known and digest(each.path) not in trained_on:
            names.append("known people, new files")
        for name in names:
            groups[name].append(right)
    return {name: {"recordings": len(rights), "right": sum(rights) / len(rights)} for name, rights in groups.items()}


def digest(path: Path) -> str:
    """Equal for equal files: stamps of the same thing often share one."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="no training")
    parser.add_argument("--hear", action="store_true", help="nor the trained model, but `photism hear`")
    arguments = parser.parse_args()
    if not (arguments.measure or arguments.hear):
        write(SOUNDS, spoken())
        train()
    print(json.dumps(measure(heard if arguments.hear else classified), indent=1))


if __name__ == "__main__":
    main()
