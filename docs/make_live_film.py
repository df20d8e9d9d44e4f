"""Make the film of a live drawing for the documentation: spoken words, and the pictures that follow them.

    python docs/make_live_film.py docs/live.webp packages/photism-tiny/src/photism_tiny/examples/elephant.en.ogg …

The recordings follow one another with a pause. Each frame is the picture of the sound up to its time, as
`photism live` shows it on a machine that is quick enough: the picture, the recognised caption, and below them the
waveform of the last seconds, whose right edge is now.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from photism import load_waveform
from photism.audio.sampling import SAMPLING_RATE
from photism.cli.startup import load_pipeline
from photism.drawing.live.live_drawing import LiveDrawing
from photism.drawing.live.settings import LiveSettings
from photism.prompts.settings import PipelineSettings

SIDE = 256  # pixels; all lengths below too
CAPTION_HEIGHT = 32
WAVEFORM_HEIGHT = 48
PAPER, INK, SOFT = (255, 255, 255), (33, 37, 41), (91, 63, 214)
FPS = 8
PAUSE_S = 1.0
SHOWN_S = 3.0
"""Duration of the waveform that is shown."""
QUALITY = 70


def spoken(recordings: Sequence[Path]) -> NDArray[np.float32]:
    """Return the samples of recordings, each with a pause before it, and one at the end. Their peak is 1."""
    pause = np.zeros(round(PAUSE_S * SAMPLING_RATE), np.float32)
    parts = [part for path in recordings for part in (pause, load_waveform(path).samples)]
    samples = np.concatenate([*parts, pause])
    return samples / np.abs(samples).max()


def draw_waveform(pen: ImageDraw.ImageDraw, samples: NDArray[np.float32], top: int) -> None:
    """Draw the peaks of samples, the last of which is at the right edge."""
    per_pixel = round(SHOWN_S * SAMPLING_RATE / SIDE)
    padded = np.concatenate([np.zeros(SIDE * per_pixel, np.float32), samples])[-SIDE * per_pixel :]
    peaks = np.abs(padded).reshape(SIDE, per_pixel).max(axis=1)
    middle = top + WAVEFORM_HEIGHT // 2
    for x, peak in enumerate(peaks.tolist()):
        half = max(0.5, peak * (WAVEFORM_HEIGHT / 2 - 2))
        pen.line([(x, middle - half), (x, middle + half)], fill=SOFT)


def frames(samples: NDArray[np.float32], *, seed: int) -> Iterator[Image.Image]:
    """Yield the frames, SIDE pixels wide, generated with the bundled model."""
    pipeline, ranker = load_pipeline(PipelineSettings(scheduler="lcm"))
    drawing = LiveDrawing(pipeline, LiveSettings(fps=FPS, seed=seed), ranker)
    font = ImageFont.load_default(18)
    fed = 0
    for number in range(1, int(len(samples) / SAMPLING_RATE * FPS) + 1):
        now = round(number * SAMPLING_RATE / FPS)
        drawing.feed(samples[fed:now])
        fed = now
        picture = drawing.picture()
        if picture.caption is None:  # the film begins with a picture, which is also what a still of it shows
            continue
        sheet = Image.new("RGB", (SIDE, SIDE + CAPTION_HEIGHT + WAVEFORM_HEIGHT), PAPER)
        pen = ImageDraw.Draw(sheet)
        sheet.paste(picture.image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))
        pen.text((SIDE // 2, SIDE + CAPTION_HEIGHT // 2), picture.caption, fill=INK, font=font, anchor="mm")
        draw_waveform(pen, samples[:now], SIDE + CAPTION_HEIGHT)
        yield sheet


def main() -> None:
    """Write the film of the recordings given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path, help="animated WebP")
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    first, *others = frames(spoken(arguments.recordings), seed=arguments.seed)
    first.save(
        arguments.film, save_all=True, append_images=others, duration=1000 // FPS, loop=0, quality=QUALITY, method=6
    )


if __name__ == "__main__":
    main()
