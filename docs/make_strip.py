"""Draw the figure at the top of the README: recordings, the images generated from them, and their nearest captions.

    python docs/make_strip.py demo/strip.png packages/photism-tiny/src/photism_tiny/examples/*.ogg

The name of a recording states what is said and the language, as in `elephant.en.ogg`. Each recording becomes a card:
its waveform, its spectrogram, the image generated from it, the nearest caption and the language. The cards are white on
a transparent page, so that the figure suits light and dark pages.
"""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from photism import Waveform, load_waveform
from photism.cli.startup import load_pipeline
from photism.prompts.settings import PipelineSettings

CARD = 320  # pixels; all lengths below too
GAP = 20
PADDING = 14
INNER = CARD - 2 * PADDING
WAVE_HEIGHT = 90
SPECTROGRAM_HEIGHT = 100
ARROW_HEIGHT = 40
TEXT_HEIGHT = 96
HEIGHT = PADDING + WAVE_HEIGHT + SPECTROGRAM_HEIGHT + ARROW_HEIGHT + INNER + TEXT_HEIGHT
BAR, BAR_GAP = 4, 2
SMOOTHING = 2  # shapes are drawn at this multiple of their size

PAPER, INK, SOFT, LINE = (255, 255, 255), (31, 35, 40), (101, 109, 118), (216, 222, 228)
SCALE = np.array([[247, 248, 252], [190, 200, 240], [104, 112, 214], [150, 60, 170], [226, 72, 100], [250, 170, 70]])
"""Colours of spectral levels, from quiet to loud."""

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


def colours(levels: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the colour (…, 3) of each level within 0 and 1."""
    places = np.linspace(0, 1, len(SCALE))
    return np.stack([np.interp(levels, places, SCALE[:, channel]) for channel in range(3)], -1).astype(np.uint8)


def spectrogram(waveform: Waveform) -> Image.Image:
    """Return the spectrogram up to 5 kHz over a range of 60 dB, INNER × SPECTROGRAM_HEIGHT pixels."""
    window, hop = 512, 64  # samples at 16 kHz: 32 and 4 ms
    padded = np.pad(waveform.samples, window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames)[:, : 5000 * window // 16_000]) ** 2
    decibels = 10 * np.log10(power / power.max() + 1e-9)
    image = Image.fromarray(colours(np.clip(1 + decibels / 60, 0, 1).T[::-1]))
    return rounded(image.resize((INNER, SPECTROGRAM_HEIGHT), Image.Resampling.LANCZOS), 8)


def wave(waveform: Waveform) -> Image.Image:
    """Return the waveform as rounded bars, INNER × WAVE_HEIGHT pixels."""
    count = INNER // (BAR + BAR_GAP)
    peaks = np.array([np.abs(part).max() for part in np.array_split(waveform.samples, count)])
    peaks = peaks / peaks.max()
    image = Image.new("RGB", (INNER * SMOOTHING, WAVE_HEIGHT * SMOOTHING), PAPER)
    pen = ImageDraw.Draw(image)
    for number, peak in enumerate(peaks):
        left = number * (BAR + BAR_GAP) * SMOOTHING
        half = max(BAR / 2, peak * (WAVE_HEIGHT / 2 - 6)) * SMOOTHING
        middle = WAVE_HEIGHT * SMOOTHING / 2
        box = (left, middle - half, left + BAR * SMOOTHING - 1, middle + half)
        pen.rounded_rectangle(box, radius=BAR * SMOOTHING / 2, fill=tuple(SCALE[2]))
    return image.resize((INNER, WAVE_HEIGHT), Image.Resampling.LANCZOS)


def rounded(image: Image.Image, radius: int) -> Image.Image:
    """Return an image whose corners are rounded and transparent outside."""
    size = (image.width * SMOOTHING, image.height * SMOOTHING)
    mask = Image.new("L", size, 0)
    box = (0, 0, size[0] - 1, size[1] - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius=radius * SMOOTHING, fill=255)
    result = image.convert("RGBA")
    result.putalpha(mask.resize(image.size, Image.Resampling.LANCZOS))
    return result


def card(waveform: Waveform, image: Image.Image, language: str, caption: str) -> Image.Image:
    """Return the card of one recording, CARD × HEIGHT pixels."""
    sheet = Image.new("RGB", (CARD, HEIGHT), PAPER)
    pen = ImageDraw.Draw(sheet)
    middle, top = CARD // 2, PADDING
    sheet.paste(wave(waveform), (PADDING, top))

    top += WAVE_HEIGHT
    seen = spectrogram(waveform)
    sheet.paste(seen, (PADDING, top), seen)

    top += SPECTROGRAM_HEIGHT
    tip = top + ARROW_HEIGHT - 10
    pen.line([(middle, top + 8), (middle, tip - 8)], fill=SOFT, width=4)
    pen.polygon([(middle - 10, tip - 12), (middle + 10, tip - 12), (middle, tip)], fill=SOFT)

    top += ARROW_HEIGHT
    drawn = rounded(image.convert("RGB").resize((INNER, INNER), Image.Resampling.LANCZOS), 12)
    sheet.paste(drawn, (PADDING, top), drawn)

    top += INNER + 12
    lines = textwrap.wrap(f"“{caption}”", 22, max_lines=1, placeholder=" …”")
    pen.text((middle, top), lines[0], fill=INK, font=ImageFont.load_default(28), anchor="ma")
    pen.text((middle, top + 40), f"said in {language}", fill=SOFT, font=ImageFont.load_default(22), anchor="ma")
    result = rounded(sheet, 18)
    ImageDraw.Draw(result).rounded_rectangle((0, 0, CARD - 1, HEIGHT - 1), radius=18, outline=LINE, width=2)
    return result


def strip(recordings: Sequence[Path], *, seed: int) -> Image.Image:
    """Return the cards of all recordings side by side, generated with the bundled model."""
    waveforms = [load_waveform(recording) for recording in recordings]
    pipeline, ranker = load_pipeline(PipelineSettings())
    assert ranker
    images = pipeline(waveforms, seed=seed).images
    sheet = Image.new("RGBA", (len(recordings) * (CARD + GAP) - GAP, HEIGHT), (255, 255, 255, 0))
    for index, (recording, waveform, candidates) in enumerate(zip(recordings, waveforms, images, strict=True)):
        code = recording.suffixes[0].lstrip(".")
        caption = ranker.rank(waveform, top_k=1)[0][0]["caption"]
        drawn = card(waveform, candidates[0], LANGUAGES.get(code, code), caption)
        sheet.paste(drawn, (index * (CARD + GAP), 0))
    return sheet


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG file of 256 colours, one of which is transparent."""
    small = image.convert("RGB").quantize(255, kmeans=2)
    small.putpalette([*(small.getpalette() or [])[: 3 * 255], *PAPER])
    small.paste(255, mask=Image.fromarray(np.asarray(image.getchannel("A")) < 128))
    small.save(path, optimize=True, transparency=255)


def main() -> None:
    """Write the strip of the recordings given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strip", type=Path)
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    save(strip(arguments.recordings, seed=arguments.seed), arguments.strip)


if __name__ == "__main__":
    main()
