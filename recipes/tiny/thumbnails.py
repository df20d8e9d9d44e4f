"""Draw a thumbnail of every caption with the exported model, and describe them for lists of what the model can draw.

    python -m recipes.tiny.thumbnails

writes `caption_catalogue.json` and `caption_thumbnails.webp`. A thumbnail is the image that the model draws from the
text of the caption in its default steps, always with the same seed: what it draws, not what it was trained on.
"""

from __future__ import annotations

import json
import math

from PIL import Image

from photism import AudioToImagePipeline
from photism.prompts.model_files import CATALOGUE, THUMBNAILS, load_captions
from recipes.tiny.corpus import LANGUAGES
from recipes.tiny.export import FOLDER

SEED = 7
TILE_PIXELS = 80
COLUMNS = 32
QUALITY = 75
"""Quality of the WebP file, 0 to 100."""
BATCH_SIZE = 23


def draw_sheet(captions: tuple[str, ...]) -> Image.Image:
    """Return the thumbnails of captions on one sheet, row by row."""
    pipeline = AudioToImagePipeline.from_pretrained(FOLDER)
    sheet = Image.new("RGB", (COLUMNS * TILE_PIXELS, math.ceil(len(captions) / COLUMNS) * TILE_PIXELS), "white")
    for start in range(0, len(captions), BATCH_SIZE):
        prompts = pipeline.encode_text(captions[start : start + BATCH_SIZE])
        images = pipeline(prompts, seed=SEED, batch_size=BATCH_SIZE).images
        for index, (image,) in enumerate(images, start):
            row, column = divmod(index, COLUMNS)
            tile = image.resize((TILE_PIXELS, TILE_PIXELS), Image.Resampling.LANCZOS)
            sheet.paste(tile, (column * TILE_PIXELS, row * TILE_PIXELS))
        print(f"{min(start + BATCH_SIZE, len(captions))} of {len(captions)} captions", flush=True)
    return sheet


def main() -> None:
    draw_sheet(load_captions(FOLDER)).save(FOLDER / THUMBNAILS, quality=QUALITY, method=6)
    catalogue = {"languages": LANGUAGES, "thumbnails": {"tile_pixels": TILE_PIXELS, "columns": COLUMNS}}
    (FOLDER / CATALOGUE).write_text(json.dumps(catalogue, indent=1) + "\n")
    print(f"{FOLDER / THUMBNAILS}: {(FOLDER / THUMBNAILS).stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
