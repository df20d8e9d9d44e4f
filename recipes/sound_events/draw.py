"""Draw the stamps' sounds with the models of `train.py`, count what is right, and save a sheet of the first.

    python -m recipes.sound_events.draw [FOLD ...]

An image shows the stamp that it is nearest to, by the mean squared error of 32×32 pixels. For a recording of the
training it is right if that stamp has the caption of the recording. A thing that was held out cannot be known by its
name, but by its kind: another bird is right for a crow.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from photism import AudioPromptEncoder, AudioToImagePipeline
from photism.drawing.pipeline import BUNDLED_GUIDANCE_SCALE
from photism.prompts.diffusion.loading import load_diffusion
from photism.training.data.captions import captions_of_labels
from recipes.sound_events.captions import ANNOTATIONS, PLAIN, TEMPLATES, fill, label_list
from recipes.sound_events.corpus import FOLDS, STAMPS, Recording
from recipes.sound_events.labels import labels_of_stamp
from recipes.sound_events.text_encoder import diffusion_folder
from recipes.sound_events.train import TOKENS, held_out_recordings, model_folder, model_name, training_recordings
from recipes.tiny.corpus import read_pictures, read_stamps
from recipes.tiny.evaluate import thumbnails

DRAWN = 8
"""Recordings of each fold that are drawn, of those held out and of those of the training."""
STEPS = 8
SHEET_PIXELS = 96

Images = list[Image.Image]


class Stamps:
    """The images of the stamps, with captions and kinds, to name what an image shows."""

    def __init__(self) -> None:
        stamps = [stamp for stamp in read_stamps() if stamp.picture]
        self.pictures = [Image.fromarray(pixels) for pixels in read_pictures().pixels]
        self.captions = [stamp.caption for stamp in stamps]
        labels = [labels_of_stamp(stamp.name, stamp.caption) for stamp in stamps]
        self.kinds = [own[-2] if own else "" for own in labels]
        self.thumbnails = thumbnails(self.pictures)

    def nearest(self, images: Images) -> list[int]:
        """Return the number of the stamp that each image shows."""
        return torch.cdist(thumbnails(images), self.thumbnails).argmin(1).tolist()


def caption_of(recording: Recording) -> str:
    return fill(PLAIN, recording.labels[0])


def chosen(recordings: Sequence[Recording], stamps: Stamps) -> list[Recording]:
    """Return `DRAWN` of the recordings of stamps, evenly spaced."""
    own = [each for each in recordings if each.name.startswith(STAMPS) and caption_of(each) in stamps.captions]
    return [own[index] for index in np.linspace(0, len(own) - 1, DRAWN).round().astype(int)]


def draw_text(diffusion: Any, annotation: str, recordings: Sequence[Recording]) -> Images:
    """Draw what the recordings are annotated with, the ceiling of the models that learned it."""
    if annotation == "labels":
        captions = [captions_of_labels(label_list(each.labels))[0] for each in recordings]
    else:
        captions = [fill(TEMPLATES[1], each.labels[0]) for each in recordings]
    generators = [torch.Generator().manual_seed(0) for _ in captions]
    drawn = diffusion(captions, num_inference_steps=STEPS, guidance_scale=BUNDLED_GUIDANCE_SCALE, generator=generators)
    return drawn.images


def draw_sounds(diffusion: Any, model: Path, recordings: Sequence[Recording]) -> Images:
    """Draw recordings with a model."""
    pipeline = AudioToImagePipeline(
        AudioPromptEncoder.from_pretrained(model), diffusion, guidance_scale=BUNDLED_GUIDANCE_SCALE
    )
    drawn = pipeline([each.path for each in recordings], num_inference_steps=STEPS, batch_size=DRAWN)
    return [images[0] for images in drawn.images]


def save_sheet(rows: Sequence[Images]) -> None:
    """Save rows of images as one JPEG."""
    sheet = Image.new("RGB", (SHEET_PIXELS * DRAWN, SHEET_PIXELS * len(rows)))
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet.paste(image.convert("RGB").resize((SHEET_PIXELS, SHEET_PIXELS)), (SHEET_PIXELS * x, SHEET_PIXELS * y))
    path = Path(__file__).with_name("drawn.jpg")
    sheet.save(path, quality=80)
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folds", nargs="*", type=int, default=range(FOLDS), help="folds to draw; by default all")
    folds = parser.parse_args().folds
    diffusion = load_diffusion(diffusion_folder(), device=torch.device("cpu"), dtype=torch.float32)
    diffusion.set_progress_bar_config(disable=True)
    stamps = Stamps()
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    sheet: list[Images] = []
    for fold in folds:
        for group, recordings in (
            ("trained", chosen(training_recordings(fold), stamps)),
            ("held out", chosen(held_out_recordings(fold), stamps)),
        ):
            drawn = {f"{each}, text": draw_text(diffusion, each, recordings) for each in ANNOTATIONS}
            for annotation in ANNOTATIONS:
                for tokens in TOKENS:
                    model = model_folder(model_name(annotation, tokens, fold))
                    drawn[f"{annotation}, {tokens} tokens"] = draw_sounds(diffusion, model, recordings)
            for name, images in drawn.items():
                shown = stamps.nearest(images)
                pairs = list(zip(shown, recordings, strict=True))
                right[name, f"{group}: caption"] += [stamps.captions[i] == caption_of(each) for i, each in pairs]
                right[name, f"{group}: kind"] += [stamps.kinds[i] == each.kind for i, each in pairs]
            if fold == folds[0]:
                sheet.append([stamps.pictures[stamps.captions.index(caption_of(each))] for each in recordings])
                sheet += drawn.values()
                print(group, [caption_of(each) for each in recordings])
        for (name, group), values in right.items():
            print(f"up to fold {fold}: {name}, {group}: {sum(values)} of {len(values)}", flush=True)
    save_sheet(sheet)


if __name__ == "__main__":
    main()
