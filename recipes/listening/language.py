"""Which of eight languages is spoken: the head that `photism label` takes where none is named.

    python -m recipes.listening.language             # writes the sounds, trains, measures: under an hour on two cores
    python -m recipes.listening.language --measure   # measures the bundled head alone

The bundled encoder stays as it is; what is trained is a mean of its layers and two linear layers. It learns from
people, the same people by telephone, and espeak-ng's voices.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from safetensors.torch import load_file, save_file

from photism import AudioClassifier
from photism.hub import bundled_model
from recipes.listening.sounds import Spoken, fetch_prompts, path_of, people, telephoned, voices, work_folder, write

LANGUAGES = {
    "be": "Belarusian",
    "bg": "Bulgarian",
    "ca": "Catalan",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "ro": "Romanian",
    "ru": "Russian",
}
SOUNDS, TRAINED = work_folder() / "language", work_folder() / "language-head"
VOICES_EACH = 800
TRAINING = {"epochs": 2, "batch-size": 64, "learning-rate": 3e-3, "evaluate-every": 100, "mask-time": 0, "mask-mel": 0}
HEAD = ("projector.", "classifier.", "layer_weights")
PARTS = ("config.json", "preprocessor_config.json")


def spoken() -> list[Spoken]:
    own = people(LANGUAGES)
    made = voices(LANGUAGES, each=VOICES_EACH)
    return [*own, *telephoned(own), *made[::2], *telephoned(made[1::2])]


def train(output: Path) -> None:
    flags = [f"--{name}={value}" for name, value in TRAINING.items()]
    command = ["finetune", "classify", str(SOUNDS), "-o", str(output), "--encoder", "tiny", *flags]
    more = ["--frozen-layers=-1", "--weighted-layer-sum", *["--resume"] * (output / "checkpoints").is_dir()]
    subprocess.run([sys.executable, "-m", "photism", *command, *more], check=True)


def export(output: Path, folder: Path) -> None:
    """The head alone: the encoder is the bundled model's."""
    folder.mkdir(exist_ok=True)
    weights = load_file(output / "model.safetensors")
    head = {key: tensor.half() for key, tensor in weights.items() if key.startswith(HEAD)}
    save_file(head, folder / "model.safetensors", metadata={"format": "pt"})
    for name in PARTS:
        shutil.copy(output / name, folder / name)


def measure() -> dict[str, dict[str, object]]:
    """How many of each language are told rightly, and what the others are taken for."""
    classifier = AudioClassifier.from_pretrained(top_k=1)
    groups: dict[str, list[tuple[Path, str]]] = {}
    for each in spoken():
        if each.split == "test":
            kind = "people, by telephone" if each.telephone else "people"
            groups.setdefault(kind, []).append((path_of(SOUNDS, each), each.label))
    for language, paths in fetch_prompts().items():
        groups[f"Asterisk, {language}"] = [(path, LANGUAGES.get(language, "none of them")) for path in paths]
    told: dict[str, dict[str, object]] = {}
    for name, rows in groups.items():
        heard = [labels[0].label for labels in classifier([path for path, _ in rows])]
        right = sum(label == found for (_, label), found in zip(rows, heard, strict=True))
        told[name] = {"recordings": len(rows), "right": right / len(rows), "heard": dict(Counter(heard).most_common(4))}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="no training")
    arguments = parser.parse_args()
    if not arguments.measure:
        write(SOUNDS, spoken())
        train(TRAINED)
        export(TRAINED, bundled_model() / "language")
    told = measure()
    path = bundled_model() / "language" / "evaluation.json"
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf8")
    print(path.read_text())


if __name__ == "__main__":
    main()
