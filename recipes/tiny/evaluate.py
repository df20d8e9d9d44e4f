"""Stage 7: evaluate the bundled model on the test recordings.

    python -m recipes.tiny.evaluate [--write]

Prints two tables and writes them as `evaluation.json` of the bundled model; with `--write` also between the evaluation
marks of the README and of the model card.

Zero-shot classification: recall of the correct caption among all 805. The text encoder is not case-sensitive, so that
captions that differ only in case (30 pairs: "The letter a.", "The letter A.") count as one.
Recordings of the speakers seen in training are split by stamp, but some stamps share a recording: "no duplicate files"
leaves out recordings whose file is also in the training set.
Image generation: an image is correct if the nearest stamp, by mean squared error of 32×32 RGB pixels, has the correct
caption.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from diffusers.utils import logging
from PIL import Image
from torch import Tensor

from photism import AudioToImagePipeline, CaptionRanker
from photism.prompts.metrics import retrieval
from recipes.tiny.corpus import UNSEEN_LANGUAGES, Recording, read_captions, read_pictures, read_recordings
from recipes.tiny.export import FOLDER

ROOT = Path(__file__).parents[2]
THUMBNAIL = 32
GENERATED = 200
STEPS = 20


def evaluate_hear(pipeline: AudioToImagePipeline, recordings: Sequence[Recording]) -> dict[str, dict[str, float]]:
    """Return recalls from 0 to 1, by language and for seen and unseen speakers."""
    captions = read_captions()
    prompts = pipeline.encoder.encode([recording.path for recording in recordings], batch_size=32)
    similarity = CaptionRanker(pipeline.encoder, pipeline.diffusion).score_prompts(prompts, captions=captions)
    lowered = [caption.lower() for caption in captions]
    relevant = torch.tensor([[caption == r.caption.lower() for caption in lowered] for r in recordings])

    training_files = {digest(recording) for recording in read_recordings() if not recording.is_test}
    groups: dict[str, list[int]] = defaultdict(list)
    for index, recording in enumerate(recordings):
        unseen = recording.language in UNSEEN_LANGUAGES
        groups[f"speakers {'not ' if unseen else ''}seen in training"].append(index)
        if not unseen and digest(recording) not in training_files:
            groups["speakers seen in training, no duplicate files"].append(index)
        groups[recording.language].append(index)
    table: dict[str, dict[str, float]] = {}
    for name in sorted(groups, key=lambda name: (len(name) == 2, name)):
        metrics = retrieval(similarity[groups[name]], relevant[groups[name]])
        table[name] = {
            "recordings": len(groups[name]),
            "R@1": metrics.recall_at_1,
            "R@5": metrics.recall_at_5,
            "R@10": metrics.recall_at_10,
        }
    return table


def digest(recording: Recording) -> str:
    """Return the SHA-256 of a recording, which finds the stamps that share a file."""
    return hashlib.sha256(recording.path.read_bytes()).hexdigest()


def thumbnails(pictures: Sequence[Image.Image]) -> Tensor:
    """Return images of 32×32 pixels as vectors in [0, 1], float32 (N, 32 · 32 · 3)."""
    small = [
        np.asarray(picture.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)) for picture in pictures
    ]
    return torch.from_numpy(np.stack(small)).flatten(1).float() / 255


def accuracy(pictures: Sequence[Image.Image], captions: Sequence[str]) -> float:
    """Return the fraction of images whose nearest stamp has the correct caption."""
    stamps = read_pictures()
    nearest = torch.cdist(
        thumbnails(pictures), thumbnails([Image.fromarray(pixels) for pixels in stamps.pixels])
    ).argmin(1)
    correct = [stamps.captions[i].lower() == caption.lower() for i, caption in zip(nearest, captions, strict=True)]
    return sum(correct) / len(correct)


def drawn_recordings() -> list[Recording]:
    """Return the test recordings that images are generated of: `GENERATED` of speakers seen in training."""
    captions = set(read_pictures().captions)
    seen = [
        each
        for each in read_recordings()
        if each.is_test and each.language not in UNSEEN_LANGUAGES and each.caption in captions
    ]
    return [seen[i] for i in np.linspace(0, len(seen) - 1, GENERATED).round().astype(int)]


def evaluate_draw(pipeline: AudioToImagePipeline, recordings: Sequence[Recording]) -> dict[str, float]:
    """Return the accuracy of images from sound and from text, with the default settings except for the steps."""
    captions = [recording.caption for recording in recordings]
    generated = pipeline([recording.path for recording in recordings], num_inference_steps=STEPS, batch_size=20)
    from_sound = [images[0] for images in generated.images]
    pipeline.diffusion.set_progress_bar_config(disable=True)
    from_text: list[Image.Image] = []
    for start in range(0, len(captions), 20):
        from_text += pipeline.diffusion(
            captions[start : start + 20],
            num_inference_steps=STEPS,
            guidance_scale=pipeline.guidance_scale,
            generator=[torch.Generator().manual_seed(0) for _ in captions[start : start + 20]],
        ).images
    save_sheet(from_sound, from_text, captions)
    return {
        "recordings": len(recordings),
        "from sound": accuracy(from_sound, captions),
        "from text": accuracy(from_text, captions),
    }


def save_sheet(from_sound: Sequence[Image.Image], from_text: Sequence[Image.Image], captions: Sequence[str]) -> None:
    """Save the first 36 columns of stamp, image from sound and image from text as one image."""
    stamps = read_pictures()
    columns: list[npt.NDArray[np.uint8]] = []
    for sound, text, caption in list(zip(from_sound, from_text, captions, strict=True))[:36]:
        columns.append(
            np.concatenate([stamps.pixels[stamps.captions.index(caption)], np.asarray(sound), np.asarray(text)])
        )
    rows = [np.concatenate(columns[start : start + 12], axis=1) for start in range(0, len(columns), 12)]
    path = ROOT / "demo" / "sheet.png"
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(path)
    print(f"stamps, images from sound, images from text: {path}")


def markdown(classification: dict[str, dict[str, float]], generation: dict[str, float]) -> str:
    """Return both tables in Markdown."""
    lines = ["| zero-shot classification | recordings | R@1 | R@5 | R@10 |", "|---|---|---|---|---|"]
    for name, row in classification.items():
        recalls = " | ".join(f"{100 * row[key]:.1f} %" for key in ("R@1", "R@5", "R@10"))
        lines.append(f"| {name} | {row['recordings']} | {recalls} |")
    lines += ["", "| image generation | recordings | correct |", "|---|---|---|"]
    for name in ("from sound", "from text"):
        lines.append(f"| {name}, {STEPS} steps | {generation['recordings']} | {100 * generation[name]:.1f} % |")
    return "\n".join(lines)


def write_between_marks(path: Path, text: str, *, name: str = "evaluation") -> None:
    """Replace what is between the marks `<!-- NAME:start -->` and `<!-- NAME:end -->` of a file."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, _, rest = path.read_text(encoding="utf8").partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{path} has no {start} … {end}")
    path.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the tables into the model card")
    arguments = parser.parse_args()

    logging.set_verbosity_error()  # diffusers warns of each caption that is truncated to 16 tokens
    pipeline = AudioToImagePipeline.from_pretrained()
    recordings = [recording for recording in read_recordings() if recording.is_test]
    classification = evaluate_hear(pipeline, recordings)
    generation = evaluate_draw(pipeline, drawn_recordings())
    table = markdown(classification, generation)
    print(table)
    (FOLDER / "evaluation.json").write_text(json.dumps({"hear": classification, "draw": generation}, indent=1) + "\n")
    if arguments.write:
        write_between_marks(FOLDER / "README.md", table)


if __name__ == "__main__":
    main()
