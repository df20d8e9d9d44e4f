"""Synthesise the example recordings of the bundled model, with an espeak-ng voice that was not used in training.

python -m recipes.tiny.examples
"""

from __future__ import annotations

import io
from pathlib import Path

import av

from recipes.tiny.corpus import read_stamps
from recipes.tiny.export import FOLDER
from recipes.tiny.speech import synthesize

EXAMPLES = {
    "elephant": ("An elephant.", "en"),
    "strawberry": ("A strawberry.", "fr"),
    "banana": ("A banana.", "es"),
    "dolphin": ("A dolphin.", "ro"),
    "butterfly": ("A butterfly.", "ca"),
    "tomato": ("A ripe, red tomato!", "ru"),
}
"""English caption and spoken language of each example, by file name."""

VOICE = "+linda"
RATE_WPM, PITCH = 150, 50


def write_ogg(wav: bytes, path: Path) -> None:
    """Convert a WAV file to Ogg Opus at 32 kbit/s."""
    with av.open(io.BytesIO(wav)) as source, av.open(str(path), "w", format="ogg") as target:
        stream = target.add_stream("libopus", rate=48_000, layout="mono", bit_rate=32_000)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48_000)
        for frame in [*source.decode(audio=0), None]:
            for resampled in resampler.resample(frame):
                target.mux(stream.encode(resampled))
        target.mux(stream.encode(None))


def main() -> None:
    folder = FOLDER / "examples"
    folder.mkdir(parents=True, exist_ok=True)
    for name, (caption, language) in EXAMPLES.items():
        spoken = next(s.captions[language] for s in read_stamps() if s.caption == caption and language in s.captions)
        write_ogg(synthesize(spoken, language + VOICE, RATE_WPM, PITCH), folder / f"{name}.{language}.ogg")
        print(f"{name}.{language}.ogg: {spoken}")


if __name__ == "__main__":
    main()
