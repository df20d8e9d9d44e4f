"""Draw the figure at the top of the README: recordings, the images generated from them, and their nearest captions.

    python docs/make_strip.py demo/strip.png packages/photism-tiny/src/photism_tiny/examples/*.ogg

The name of a recording states what is said and the language, as in `elephant.en.ogg`. Each recording becomes a column:
its log-mel spectrogram, an arrow, the image generated from it, the language and the nearest caption.
"""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from photism import Waveform, load_waveform, log_mel
from photism.cli.startup import load_pipeline
from photism.prompts.settings import PipelineSettings

COLUMN = 256  # pixels; all lengths below too
GAP = 24
SPECTROGRAM_HEIGHT = 80
ARROW_HEIGHT = 44
TEXT_HEIGHT = 92
HEIGHT = SPECTROGRAM_HEIGHT + ARROW_HEIGHT + COLUMN + TEXT_HEIGHT
PAPER, INK, SOFT = (255, 255, 255), (33, 37, 41), (108, 117, 125)
QUIET, LOUD = np.array([241, 243, 245]), np.array([46, 64, 128])

LANGUAGES = {
    "be": "Belarusian",
    "bg": "Bulgarian",
    "ca": "Catalan",
    "da": "Danish",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "lt": "Lithuanian",
    "nl": "Dutch",
    "ro": "Romanian",
    "ru": "Russian",
}


def spectrogram(waveform: Waveform) -> Image.Image:
    """Return the log-mel spectrogram, time to the right and frequency upwards, COLUMN × SPECTROGRAM_HEIGHT pixels."""
    features = log_mel([waveform])
    stacked = features.input_features[features.attention_mask.bool()].numpy()  # (F, 160), without padding
    levels = stacked.reshape(-1, 80).T[::-1]  # (F, 160) -> (2F, 80) -> (80, 2F), low bins at the bottom
    low, high = np.percentile(levels, [5, 99])
    strength = np.clip((levels - low) / (high - low), 0, 1)[..., None]
    image = Image.fromarray((QUIET + strength * (LOUD - QUIET)).astype(np.uint8))
    return image.resize((COLUMN, SPECTROGRAM_HEIGHT), Image.Resampling.BILINEAR)


def column(waveform: Waveform, image: Image.Image, language: str, caption: str) -> Image.Image:
    """Return the column of one recording, COLUMN × HEIGHT pixels."""
    sheet = Image.new("RGB", (COLUMN, HEIGHT), PAPER)
    pen = ImageDraw.Draw(sheet)
    sheet.paste(spectrogram(waveform))

    middle, tip = COLUMN // 2, SPECTROGRAM_HEIGHT + ARROW_HEIGHT - 8
    pen.line([(middle, SPECTROGRAM_HEIGHT + 8), (middle, tip - 8)], fill=SOFT, width=3)
    pen.polygon([(middle - 8, tip - 10), (middle + 8, tip - 10), (middle, tip)], fill=SOFT)

    top = SPECTROGRAM_HEIGHT + ARROW_HEIGHT
    sheet.paste(image.convert("RGB").resize((COLUMN, COLUMN), Image.Resampling.LANCZOS), (0, top))
    pen.rectangle([(0, top), (COLUMN - 1, top + COLUMN - 1)], outline=tuple(QUIET))

    top += COLUMN + 10
    pen.text((middle, top), language, fill=SOFT, font=ImageFont.load_default(17), anchor="ma")
    lines = "\n".join(textwrap.wrap(f"“{caption}”", 24, max_lines=2, placeholder=" …"))
    pen.multiline_text(
        (middle, top + 24), lines, fill=INK, font=ImageFont.load_default(20), anchor="ma", align="center"
    )
    return sheet


def strip(recordings: Sequence[Path], *, seed: int) -> Image.Image:
    """Return the columns of all recordings side by side, generated with the bundled model."""
    waveforms = [load_waveform(recording) for recording in recordings]
    pipeline, ranker = load_pipeline(PipelineSettings())
    assert ranker
    images = pipeline(waveforms, seed=seed).images
    sheet = Image.new("RGB", (len(recordings) * (COLUMN + GAP) - GAP, HEIGHT), PAPER)
    for index, (recording, waveform, candidates) in enumerate(zip(recordings, waveforms, images, strict=True)):
        code = recording.suffixes[0].lstrip(".")
        caption = ranker.rank(waveform, top_k=1)[0][0]["caption"]
        sheet.paste(column(waveform, candidates[0], LANGUAGES.get(code, code), caption), (index * (COLUMN + GAP), 0))
    return sheet


def main() -> None:
    """Write the strip of the recordings given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strip", type=Path)
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    strip(arguments.recordings, seed=arguments.seed).save(arguments.strip)


if __name__ == "__main__":
    main()
