"""Make the pictures, the film and the sounds of docs/gallery.md, from the bundled recordings and the bundled model.

    python docs/make_gallery.py docs/gallery
    python docs/make_gallery.py docs/gallery --only words seeds

Each function makes the files of one section of the page, by the commands that the section shows, or by the same calls
in Python. Nothing is chosen from several attempts: the seeds are 0 and up.
"""

import argparse
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from photism import AudioToImagePipeline, CaptionRanker, Waveform, load_waveform, log_mel
from photism.audio.writing import write_waveform
from photism.examples import copy_examples

EXAMPLES = {
    "elephant.en.ogg": "English",
    "banana.es.ogg": "Spanish",
    "butterfly.ca.ogg": "Catalan",
    "dolphin.ro.ogg": "Romanian",
    "strawberry.fr.ogg": "French",
    "tomato.ru.ogg": "Russian",
}
STEPS = (1, 2, 4, 8, 12, 50)
TEXTS = ("a rooster", "a voice says a rooster", "a violin", "a voice says a violin")
SAMPLING_RATE = 16_000
SIDE = 160  # pixels of a column; all lengths below too
GAP = 16
SPECTROGRAM_HEIGHT = 64
LINE_HEIGHT = 20
LINE_LETTERS = 21
QUALITY = 82
PAPER, INK, SOFT = (255, 255, 255), (33, 37, 41), (90, 96, 102)
QUIET, LOUD = np.array([241, 240, 250]), np.array([60, 40, 140])
PAUSE = np.zeros(SAMPLING_RATE // 2, np.float32)


@cache
def pipeline() -> AudioToImagePipeline:
    return AudioToImagePipeline.from_pretrained()


@cache
def ranker() -> CaptionRanker:
    return CaptionRanker.from_pretrained()


def photism(*arguments: str) -> str:
    """Run a command and return what it prints."""
    command = [sys.executable, "-m", "photism", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def spectrogram(waveform: Waveform, width: int = SIDE) -> Image.Image:
    """Draw the log-mel spectrogram: time goes right, and low frequencies are at the bottom."""
    features = log_mel([waveform], stride=1, normalize=False).input_features[0].numpy()
    low, high = np.percentile(features, [30, 99.5])
    loudness = ((features.T[::-1] - low) / (high - low)).clip(0, 1)[..., None]
    image = Image.fromarray((QUIET + (LOUD - QUIET) * loudness).astype(np.uint8))
    return image.resize((width, SPECTROGRAM_HEIGHT), Image.Resampling.LANCZOS)


def column(parts: Sequence[Image.Image], lines: Sequence[str], *, text_lines: int) -> Image.Image:
    """Stack pictures, and below them lines of text, the first of which is darker."""
    height = sum(part.height + GAP // 2 for part in parts) + text_lines * LINE_HEIGHT
    sheet = Image.new("RGB", (parts[0].width, height), PAPER)
    pen, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(15), 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height + GAP // 2
    wrapped = [(piece, INK if line is lines[0] else SOFT) for line in lines for piece in wrap(line)]
    for index, (piece, colour) in enumerate(wrapped[:text_lines]):
        pen.text((sheet.width // 2, top + (index + 0.5) * LINE_HEIGHT), piece, fill=colour, font=font, anchor="mm")
    return sheet


def wrap(line: str) -> list[str]:
    return textwrap.wrap(line, LINE_LETTERS)


def grid(cells: Sequence[Image.Image], columns: int, gap: int = GAP) -> Image.Image:
    """Arrange pictures of one size in rows."""
    width, height = cells[0].size
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), PAPER)
    for index, cell in enumerate(cells):
        sheet.paste(cell, (gap + index % columns * (width + gap), gap + index // columns * (height + gap)))
    return sheet


def drawn(recording: Waveform, *, images: int = 1, side: int = SIDE) -> list[Image.Image]:
    """Draw a recording with the seeds 0 and up."""
    found = pipeline()(recording, seed=0, images_per_sound=images).images[0]
    return [image.resize((side, side), Image.Resampling.LANCZOS) for image in found]


def save(image: Image.Image, folder: Path, name: str) -> None:
    image.save(folder / f"{name}.webp", quality=QUALITY, method=6)


def examples() -> dict[str, Waveform]:
    return {name: load_waveform(name) for name in EXAMPLES}


def joined() -> NDArray[np.float32]:
    """Return the samples of all examples, as loud as one another, with a pause before and after each."""
    parts = [part for each in examples().values() for part in (PAUSE, 0.8 * each.samples / np.abs(each.samples).max())]
    return np.concatenate([*parts, PAUSE])


def words(folder: Path) -> None:
    """Draw the six examples: spectrogram, picture, language and nearest caption."""
    cells = [
        column(
            [spectrogram(recording), *drawn(recording)],
            [EXAMPLES[name], ranker().rank(recording)[0][0]["caption"]],
            text_lines=2,
        )
        for name, recording in examples().items()
    ]
    save(grid(cells, 3), folder, "words")


def seeds(folder: Path) -> None:
    """Draw each example with eight seeds."""
    images = [image for recording in examples().values() for image in drawn(recording, images=8, side=96)]
    save(grid(images, 8, gap=4), folder, "seeds")


def morph(folder: Path) -> None:
    """Draw eight steps from one recording to another."""
    photism("draw", "elephant.en.ogg", "banana.es.ogg", "--morph", "8", "-o", "morph.png")
    save(Image.open("morph.png").convert("RGB"), folder, "morph")


def steps(folder: Path) -> None:
    """Draw a recording in few and many denoising steps."""
    recording = load_waveform("butterfly.ca.ogg")
    cells: list[Image.Image] = []
    for count in STEPS:
        image = pipeline()(recording, seed=0, num_inference_steps=count).images[0][0]
        cells.append(column([image], [f"{count} step{'s' * (count > 1)}"], text_lines=1))
    save(grid(cells, len(STEPS)), folder, "steps")


def film(folder: Path) -> None:
    """Make a film of all examples, and a sheet of twelve of its frames below its spectrogram."""
    photism("film", "words.ogg", "--fps", "12", "-o", f"{folder / 'six.mp4'}", "--force")
    photism("film", "words.ogg", "--fps", "12", "--storyboard", "six.png")
    sheet = Image.open("six.png").convert("RGB")
    sound = spectrogram(load_waveform("words.ogg"), sheet.width)
    both = Image.new("RGB", (sheet.width, sheet.height + sound.height), PAPER)
    both.paste(sound, (0, 0))
    both.paste(sheet, (0, sound.height))
    save(both, folder, "film")


def languages(folder: Path) -> None:
    """Plot the languages that the bundled classifier finds in windows of all examples."""
    photism("label", "words.ogg", "--window", "1", "--hop", "0.25", "--plot", "languages.png")
    plot = Image.open("languages.png").convert("RGB")
    save(plot.resize((960, round(plot.height * 960 / plot.width)), Image.Resampling.LANCZOS), folder, "languages")


def sounds(folder: Path) -> None:
    """Generate sounds of four texts, and draw them again."""
    cells: list[Image.Image] = []
    for text in TEXTS:
        target = folder / f"{text.replace(' ', '-')}.ogg"
        photism("sound", text, "--seed", "0", "-o", str(target), "--force")
        recording = load_waveform(target)
        cells.append(column([spectrogram(recording), *drawn(recording)], [text, recognised(recording)], text_lines=4))
    save(grid(cells, len(TEXTS)), folder, "sounds")


def recognised(recording: Waveform) -> str:
    """Return the nearest caption, and whether it is known."""
    found = next(ranker().stream(recording))
    return found.closest["label"] if found.known else f"not known (closest: {found.closest['label']})"


def failures(folder: Path) -> None:
    """Draw changed recordings of an elephant, and sounds that are none, with what is recognised."""
    elephant = load_waveform("elephant.en.ogg").samples
    banana = load_waveform("banana.es.ogg").samples
    random = np.random.default_rng(0)
    count = min(len(elephant), len(banana))
    changed = {
        "in noise as loud": elephant + random.normal(0, elephant.std(), len(elephant)),
        "at .6 of the speed": speed_up(elephant, 0.6),
        "with a banana": (elephant[:count] + banana[:count]) / 2,
        "backwards": elephant[::-1],
        "1.6 times as fast": speed_up(elephant, 1.6),
        "the first half": elephant[: len(elephant) // 2],
        "noise": random.normal(0, 0.1, SAMPLING_RATE),
        "a tone": 0.3 * np.sin(2 * np.pi * 440 * np.arange(SAMPLING_RATE) / SAMPLING_RATE),
    }
    cells: list[Image.Image] = []
    for name, samples in changed.items():
        recording = Waveform(samples.astype(np.float32))
        cells.append(column([spectrogram(recording), *drawn(recording)], [name, recognised(recording)], text_lines=4))
    save(grid(cells, 4), folder, "failures")


def speed_up(samples: NDArray[np.float32], factor: float) -> NDArray[np.float64]:
    """Play samples faster, and higher by as much."""
    return np.interp(np.arange(0, len(samples) - 1, factor), np.arange(len(samples)), samples)


SECTIONS = {each.__name__: each for each in (words, seeds, morph, steps, film, languages, sounds, failures)}


def main() -> None:
    """Make the files of the page, or those of some of its sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as work:
        os.chdir(work)
        copy_examples()
        write_waveform(joined(), Path("words.ogg"), sampling_rate=SAMPLING_RATE, title="six words", about={})
        for name in arguments.only:
            SECTIONS[name](folder)


if __name__ == "__main__":
    main()
