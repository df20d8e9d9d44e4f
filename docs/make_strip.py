"""The picture at the top of the README: sounds, what Photism heard in them, and what it drew.

    python docs/make_strip.py demo/strip.png packages/photism-tiny/src/photism_tiny/examples/*.ogg

A sound is named for what is said and the language it is said in, as in `elephant.en.ogg`. Each gives a column: its
log-mel picture, an arrow, the picture that was drawn from it, the language and the nearest caption.
"""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from photism import Waveform, load_waveform, log_mel
from photism.cli.startup import load_pipeline

COLUMN = 256  # pixels; all lengths below too
GAP = 24
SOUND_HEIGHT = 80
ARROW_HEIGHT = 44
TEXT_HEIGHT = 92
HEIGHT = SOUND_HEIGHT + ARROW_HEIGHT + COLUMN + TEXT_HEIGHT
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


def sound_picture(waveform: Waveform) -> Image.Image:
    """Time runs to the right and pitch upwards, as in any spectrogram."""
    features = log_mel([waveform])
    stacked = features.input_features[features.attention_mask.bool()].numpy()  # (F, 160), without padding
    levels = stacked.reshape(-1, 80).T[::-1]  # (F, 160) -> (2F, 80) -> (80, 2F), low bins at the bottom
    low, high = np.percentile(levels, [5, 99])
    strength = np.clip((levels - low) / (high - low), 0, 1)[..., None]
    picture = Image.fromarray((QUIET + strength * (LOUD - QUIET)).astype(np.uint8))
    return picture.resize((COLUMN, SOUND_HEIGHT), Image.Resampling.BILINEAR)


def column(waveform: Waveform, drawn: Image.Image, language: str, heard: str) -> Image.Image:
    """One sound from top to bottom, COLUMN × HEIGHT pixels."""
    sheet = Image.new("RGB", (COLUMN, HEIGHT), PAPER)
    pen = ImageDraw.Draw(sheet)
    sheet.paste(sound_picture(waveform))

    middle, tip = COLUMN // 2, SOUND_HEIGHT + ARROW_HEIGHT - 8
    pen.line([(middle, SOUND_HEIGHT + 8), (middle, tip - 8)], fill=SOFT, width=3)
    pen.polygon([(middle - 8, tip - 10), (middle + 8, tip - 10), (middle, tip)], fill=SOFT)

    top = SOUND_HEIGHT + ARROW_HEIGHT
    sheet.paste(drawn.convert("RGB").resize((COLUMN, COLUMN), Image.Resampling.LANCZOS), (0, top))
    pen.rectangle([(0, top), (COLUMN - 1, top + COLUMN - 1)], outline=tuple(QUIET))

    top += COLUMN + 10
    pen.text((middle, top), language, fill=SOFT, font=ImageFont.load_default(17), anchor="ma")
    lines = "\n".join(textwrap.wrap(f"“{heard}”", 24, max_lines=2, placeholder=" …"))
    pen.multiline_text(
        (middle, top + 24), lines, fill=INK, font=ImageFont.load_default(20), anchor="ma", align="center"
    )
    return sheet


def strip(sounds: Sequence[Path], *, seed: int) -> Image.Image:
    """All sounds beside each other, drawn and heard by the bundled model."""
    waveforms = [load_waveform(sound) for sound in sounds]
    pipeline, ranker = load_pipeline(None, diffusion=None, device=None)
    assert ranker
    pictures = pipeline(waveforms, seed=seed).images
    sheet = Image.new("RGB", (len(sounds) * (COLUMN + GAP) - GAP, HEIGHT), PAPER)
    for index, (sound, waveform, picture) in enumerate(zip(sounds, waveforms, pictures, strict=True)):
        code = sound.suffixes[0].lstrip(".")
        heard = ranker.rank(waveform, top_k=1)[0][0].caption
        sheet.paste(column(waveform, picture[0], LANGUAGES.get(code, code), heard), (index * (COLUMN + GAP), 0))
    return sheet


def main() -> None:
    """Write the strip of the sounds given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strip", type=Path)
    parser.add_argument("sounds", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    strip(arguments.sounds, seed=arguments.seed).save(arguments.strip)


if __name__ == "__main__":
    main()
