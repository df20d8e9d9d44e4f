"""Train spoken language identification for eight languages, the default classifier of `photism label`.

    python -m recipes.listening.language             # write the clips, train, evaluate: under an hour on two cores
    python -m recipes.listening.language --measure   # evaluate the bundled head

The bundled encoder is frozen; a weighted sum of its layers and two linear layers are trained, on human recordings, the
same recordings by telephone, and espeak-ng's voices.
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
from photism.files import atomic_path
from photism.hub import bundled_model
from recipes.listening.sounds import Clip, fetch_prompts, path_of, people, telephoned, voices, work_folder, write

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


def clips() -> list[Clip]:
    human = people(LANGUAGES)
    synthetic = voices(LANGUAGES, each=VOICES_EACH)
    return [*human, *telephoned(human), *synthetic[::2], *telephoned(synthetic[1::2])]


def train(output: Path) -> None:
    flags = [f"--{name}={value}" for name, value in TRAINING.items()]
    command = ["finetune", "classify", str(SOUNDS), "-o", str(output), "--encoder", "tiny", *flags]
    more = ["--frozen-layers=-1", "--weighted-layer-sum", *["--resume"] * (output / "checkpoints").is_dir()]
    subprocess.run([sys.executable, "-m", "photism", *command, *more], check=True)


def export(output: Path, folder: Path) -> None:
    """Save the head without the encoder, which is the bundled model's."""
    folder.mkdir(exist_ok=True)
    weights = load_file(output / "model.safetensors")
    head = {key: tensor.half() for key, tensor in weights.items() if key.startswith(HEAD)}
    with atomic_path(folder / "model.safetensors") as unfinished:
        save_file(head, unfinished, metadata={"format": "pt"})
    for name in PARTS:
        shutil.copy(output / name, folder / name)


def evaluate() -> dict[str, dict[str, object]]:
    """Return the accuracy and the most frequent predictions for each group of recordings."""
    classifier = AudioClassifier.from_pretrained(top_k=1)
    groups: dict[str, list[tuple[Path, str]]] = {}
    for each in clips():
        if each.split == "test":
            kind = "people, by telephone" if each.telephone else "people"
            groups.setdefault(kind, []).append((path_of(SOUNDS, each), each.label))
    for language, paths in fetch_prompts().items():
        groups[f"Asterisk, {language}"] = [(path, LANGUAGES.get(language, "none of them")) for path in paths]
    results: dict[str, dict[str, object]] = {}
    for name, rows in groups.items():
        predicted = [labels[0]["label"] for labels in classifier([path for path, _ in rows])]
        correct = sum(label == found for (_, label), found in zip(rows, predicted, strict=True))
        frequent = dict(Counter(predicted).most_common(4))
        results[name] = {"recordings": len(rows), "accuracy": correct / len(rows), "predicted": frequent}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="evaluate only")
    arguments = parser.parse_args()
    if not arguments.measure:
        write(SOUNDS, clips())
        train(TRAINED)
        export(TRAINED, bundled_model() / "language")
    results = evaluate()
    path = bundled_model() / "language" / "evaluation.json"
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf8")
    print(path.read_text())


if __name__ == "__main__":
    main()
