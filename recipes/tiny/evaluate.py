"""Stage 7: measures the bundled model as it is shipped, on the recordings that it was never trained on.

    python -m recipes.tiny.evaluate [--write]

Prints one table and writes it as `evaluation.json` of the bundled model; with `--write` also between the evaluation
marks of the README and of the model card.

hear: the right caption among all 805. Captions that differ only in the case of a letter (30 pairs: "The letter a.",
"The letter A.") are one prompt to the text encoder, which knows no case, and count as one answer.
"Known voices" are divided by the stamp, but some stamps share a recording: "new files" are those of which no equal one
was trained on.
draw: a picture is right when the nearest of all stamps on white, by mean squared difference of 32×32 RGB, has the right
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
from recipes.tiny.corpus import UNHEARD_LANGUAGES, Recording, read_captions, read_pictures, read_recordings
from recipes.tiny.export import FOLDER

ROOT = Path(__file__).parents[2]
THUMBNAIL = 32
DRAWN = 200
STEPS = 20
GROUPS = {
    "known voices": "speakers seen in training",
    "known voices, new files": "speakers seen in training, no duplicate files",
    "unheard voices": "speakers not seen in training",
}
"""Names of groups in `evaluation.json`, and in the table of the documents."""
START, END = "<!-- evaluation:start -->", "<!-- evaluation:end -->"


def hear(pipeline: AudioToImagePipeline, recordings: Sequence[Recording]) -> dict[str, dict[str, float]]:
    """Recalls by language and for known and unheard voices together, as fractions."""
    captions = read_captions()
    prompts = pipeline.encoder.encode([recording.path for recording in recordings], batch_size=32)
    similarity = CaptionRanker.of(pipeline).score_prompts(prompts, captions=captions)
    lowered = [caption.lower() for caption in captions]
    relevant = torch.tensor([[caption == r.caption.lower() for caption in lowered] for r in recordings])

    trained_on = {digest(recording) for recording in read_recordings() if not recording.is_test}
    groups: dict[str, list[int]] = defaultdict(list)
    for index, recording in enumerate(recordings):
        unheard = recording.language in UNHEARD_LANGUAGES
        groups["unheard voices" if unheard else "known voices"].append(index)
        if not unheard and digest(recording) not in trained_on:
            groups["known voices, new files"].append(index)
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
    """Equal for equal files: stamps of the same thing often share one."""
    return hashlib.sha256(recording.path.read_bytes()).hexdigest()


def thumbnails(pictures: Sequence[Image.Image]) -> Tensor:
    """float32 (N, 32 · 32 · 3) in [0, 1]."""
    small = [
        np.asarray(picture.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)) for picture in pictures
    ]
    return torch.from_numpy(np.stack(small)).flatten(1).float() / 255


def share_right(pictures: Sequence[Image.Image], captions: Sequence[str]) -> float:
    """The share of pictures whose nearest stamp has the right caption."""
    stamps = read_pictures()
    nearest = torch.cdist(
        thumbnails(pictures), thumbnails([Image.fromarray(pixels) for pixels in stamps.pixels])
    ).argmin(1)
    right = [stamps.captions[i].lower() == caption.lower() for i, caption in zip(nearest, captions, strict=True)]
    return sum(right) / len(right)


def draw(pipeline: AudioToImagePipeline, recordings: Sequence[Recording]) -> dict[str, float]:
    """Shares of right pictures, from sound and from text, with the bundled defaults but for the steps."""
    captions = [recording.caption for recording in recordings]
    drawn = pipeline([recording.path for recording in recordings], num_inference_steps=STEPS, batch_size=20)
    from_sound = [images[0] for images in drawn.images]
    pipeline.diffusion.set_progress_bar_config(disable=True)
    from_text: list[Image.Image] = []
    for start in range(0, len(captions), 20):
        from_text += pipeline.diffusion(
            captions[start : start + 20],
            num_inference_steps=STEPS,
            guidance_scale=pipeline.guidance_scale,
            generator=[torch.Generator().manual_seed(0) for _ in captions[start : start + 20]],
        ).images
    sheet(from_sound, from_text, captions)
    return {
        "recordings": len(recordings),
        "from sound": share_right(from_sound, captions),
        "from text": share_right(from_text, captions),
    }


def sheet(from_sound: Sequence[Image.Image], from_text: Sequence[Image.Image], captions: Sequence[str]) -> None:
    """A sample sheet to look at: stamp, drawn from sound, drawn from text, in columns of the first 36."""
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
    print(f"stamps, drawn from sound, drawn from text: {path}")


def markdown(hearing: dict[str, dict[str, float]], drawing: dict[str, float]) -> str:
    """Both tables for a document."""
    lines = ["| zero-shot classification | recordings | R@1 | R@5 | R@10 |", "|---|---|---|---|---|"]
    for name, row in hearing.items():
        recalls = " | ".join(f"{100 * row[key]:.1f} %" for key in ("R@1", "R@5", "R@10"))
        lines.append(f"| {GROUPS.get(name, name)} | {row['recordings']} | {recalls} |")
    lines += ["", "| image generation | recordings | correct |", "|---|---|---|"]
    for name in ("from sound", "from text"):
        lines.append(f"| {name}, {STEPS} steps | {drawing['recordings']} | {100 * drawing[name]:.1f} % |")
    return "\n".join(lines)


def write_between_marks(path: Path, text: str) -> None:
    before, _, rest = path.read_text().partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"evaluate: {path} has no {START} … {END}")
    path.write_text(f"{before}{START}\n{text}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into the README and the model card")
    arguments = parser.parse_args()

    logging.set_verbosity_error()  # captions beyond 16 tokens are cut: diffusers would say so for each
    pipeline = AudioToImagePipeline.from_pretrained()
    recordings = [recording for recording in read_recordings() if recording.is_test]
    hearing = hear(pipeline, recordings)
    known = [recording for recording in recordings if recording.language not in UNHEARD_LANGUAGES]
    with_picture = set(read_pictures().captions)
    known = [recording for recording in known if recording.caption in with_picture]
    drawing = draw(pipeline, [known[i] for i in np.linspace(0, len(known) - 1, DRAWN).round().astype(int)])
    table = markdown(hearing, drawing)
    print(table)
    (FOLDER / "evaluation.json").write_text(json.dumps({"hear": hearing, "draw": drawing}, indent=1) + "\n")
    if arguments.write:
        for path in (ROOT / "README.md", FOLDER.parents[1] / "README.md"):
            write_between_marks(path, table)


if __name__ == "__main__":
    main()
