"""Measure how well films follow their recordings, with the bundled model.

    python -m benchmarks.film [--films 10] [--fps 25] [--scheduler lcm] [--sync fixed auto] [--sheets FOLDER]
    python -m benchmarks.film --music loop_amen.flac song.ogg [--fps 25] [--steps 4] [--seconds 5]

Words: films of three spoken words each in seven seconds, with random pauses, made of recordings of the Tux Paint corpus
that the bundled model was not trained on, of speakers whom it was trained on (`recipes.tiny.corpus`). A word is on
screen in a frame whose nearest stamp, as in `recipes.tiny.evaluate`, has its caption. Prints for each way to choose the
windows the fraction of the duration of the words in which they are on screen, and the same for those words alone whose
own recording is drawn correctly. A word lasts from the first to the last 25 ms of its recording within 30 dB of the
loudest.

Music: the first seconds of recordings, such as the loops of Sonic Pi. Prints the correlation of the mean absolute
difference between frames with the onset strength between them, with all that a film does and without new prompts; the
5th to 95th percentile of the followed loudness as a fraction of that of the raw one; and of the pixels that the zoom
cuts off at either side.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.report import Report, add_output_option
from photism import AudioToImagePipeline, load_waveform
from photism.audio.level import HOP_SAMPLES, frame_power, power_to_db
from photism.audio.sampling import FRAME_SAMPLES, SAMPLING_RATE
from photism.drawing.video.audio_features import audio_envelopes, measure_recording
from photism.drawing.video.film import Film
from photism.drawing.video.motion import frame_motion
from photism.drawing.video.settings import FilmSettings
from photism.drawing.video.storyboard import storyboard
from recipes.tiny.corpus import UNSEEN_LANGUAGES, Recording, read_pictures, read_recordings
from recipes.tiny.evaluate import thumbnails

SYNC_NAMES = {"fixed": "fixed windows of 3 s", "auto": "segments by voice activity"}
WORDS = 3  # in a film
DURATION_S = 7.0
SHORTEST_PAUSE_S = 0.3
WORD_RANGE_DB = 30.0


@dataclass(frozen=True)
class Word:
    """A word in a film, from `start_s` to `stop_s`."""

    caption: str
    start_s: float
    stop_s: float
    is_recognised: bool  # whether the image of its own recording is correct


class StampClassifier:
    """Classifier of images by the nearest stamp."""

    def __init__(self) -> None:
        stamps = read_pictures()
        self.captions = [caption.lower() for caption in stamps.captions]
        self.stamps = thumbnails([Image.fromarray(pixels) for pixels in stamps.pixels])

    def __call__(self, images: Sequence[Image.Image]) -> list[str]:
        """Return the caption of the stamp nearest to each image, in lower case."""
        return [self.captions[index] for index in torch.cdist(thumbnails(images), self.stamps).argmin(1)]


def write_recording(
    path: Path, recordings: Sequence[Recording], recognised: Sequence[bool], rng: np.random.Generator
) -> list[Word]:
    """Write recordings one after the other, with random pauses before, between and after them, and return the words."""
    waveforms = [load_waveform(recording.path).samples for recording in recordings]
    total = round(DURATION_S * SAMPLING_RATE)
    spare = total - sum(map(len, waveforms)) - round((len(waveforms) + 1) * SHORTEST_PAUSE_S * SAMPLING_RATE)
    pauses = (SHORTEST_PAUSE_S * SAMPLING_RATE + spare * rng.dirichlet(np.ones(len(waveforms) + 1))).astype(int)
    samples = np.zeros(total, np.float32)
    words: list[Word] = []
    position = 0
    for recording, waveform, pause, is_recognised in zip(recordings, waveforms, pauses[:-1], recognised, strict=True):
        position += int(pause)
        samples[position : position + len(waveform)] = waveform
        start_s, stop_s = (position / SAMPLING_RATE + each for each in extent_s(waveform))
        words.append(Word(recording.caption.lower(), start_s, stop_s, is_recognised))
        position += len(waveform)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLING_RATE)
        file.writeframes((samples * 32767).round().clip(-32768, 32767).astype("<i2").tobytes())
    return words


def extent_s(waveform: NDArray[np.float32]) -> tuple[float, float]:
    """Return the start and the end of a word in its recording, in seconds."""
    level = power_to_db(frame_power(waveform))
    loud = np.flatnonzero(level > level.max() - WORD_RANGE_DB)
    return loud[0] * HOP_SAMPLES / SAMPLING_RATE, (loud[-1] * HOP_SAMPLES + FRAME_SAMPLES) / SAMPLING_RATE


def choose_recordings(count: int, rng: np.random.Generator) -> list[list[Recording]]:
    """Return the recordings of each film: of different captions, and short enough for all pauses."""
    with_image = set(read_pictures().captions)
    recordings = [each for each in read_recordings() if each.is_test and each.language not in UNSEEN_LANGUAGES]
    recordings = [each for each in recordings if each.caption in with_image]
    longest_s = DURATION_S - (WORDS + 1) * SHORTEST_PAUSE_S
    films: list[list[Recording]] = []
    while len(films) < count:
        chosen = [recordings[index] for index in rng.choice(len(recordings), WORDS, replace=False)]
        is_short = sum(load_waveform(each.path).duration_s for each in chosen) <= longest_s
        if is_short and len({each.caption.lower() for each in chosen}) == WORDS:
            films.append(chosen)
    return films


def seconds_on_screen(film: Film, words: Sequence[Word], classify: StampClassifier) -> list[float]:
    """Return for each word the seconds of its duration in which its thing is on screen. Other frames are not drawn."""
    rate = float(film.settings.frame_rate)
    ranges = [range(math.floor(word.start_s * rate), math.ceil(word.stop_s * rate)) for word in words]
    indices = sorted({index for each in ranges for index in each if index < film.frame_count})
    shown = dict(zip(indices, classify([frame.image for frame in film.frames(indices)]), strict=True))
    return [
        sum(
            min(word.stop_s, (index + 1) / rate) - max(word.start_s, index / rate)
            for index in frames
            if shown.get(index) == word.caption
        )
        for word, frames in zip(words, ranges, strict=True)
    ]


def measure_words(pipeline: AudioToImagePipeline, chosen: argparse.Namespace, folder: Path) -> None:
    """Print the fraction of the duration of spoken words in which their things are on screen."""
    rng = np.random.default_rng(0)
    classify = StampClassifier()
    films = choose_recordings(chosen.films, rng)
    alone = pipeline([each.path for film in films for each in film], num_inference_steps=chosen.steps)
    shown = classify([images[0] for images in alone.images])
    written: list[tuple[Path, list[Word]]] = []
    for number, recordings in enumerate(films):
        path = folder / f"{number}.wav"
        recognised = [shown[WORDS * number + k] == each.caption.lower() for k, each in enumerate(recordings)]
        written.append((path, write_recording(path, recordings, recognised, rng)))
    words = [word for _, some in written for word in some]
    print(f"{len(words)} words; {sum(word.is_recognised for word in words)} are drawn correctly from their recordings")
    report = Report("Films: time with the picture of the word", chosen)
    for sync in chosen.sync:
        seconds: list[float] = []
        for path, some in written:
            settings = FilmSettings(fps=chosen.fps, num_inference_steps=chosen.steps, sync=sync)
            film = Film(pipeline, measure_recording(path), settings)
            seconds += seconds_on_screen(film, some, classify)
            if chosen.sheets:
                storyboard(film, 28).save(chosen.sheets / f"{sync}-{path.stem}.png")
        of_all, of_recognised = (
            fraction(seconds, words),
            fraction(
                [each for each, word in zip(seconds, words, strict=True) if word.is_recognised],
                [word for word in words if word.is_recognised],
            ),
        )
        percent = {"all words %": 100 * of_all, "words whose recording is drawn correctly %": 100 * of_recognised}
        report.add(SYNC_NAMES.get(sync, sync), None, **percent)
    report.print()


def measure_music(pipeline: AudioToImagePipeline, chosen: argparse.Namespace) -> None:
    """Print how well the frames of films follow music."""
    for path in chosen.music:
        recording = measure_recording(path)
        settings = FilmSettings(fps=chosen.fps, num_inference_steps=chosen.steps)
        film = Film(pipeline, recording, settings)
        indices = range(min(film.frame_count, round(chosen.seconds * settings.frame_rate)))
        times = {"attack_s": settings.attack_s, "release_s": settings.release_s, "pulse_s": settings.pulse_s}
        followed, raw = (
            list(islice(audio_envelopes(recording, settings.frame_rate, **each), len(indices)))
            for each in (times, {**times, "attack_s": 0.0, "release_s": 0.0})
        )
        onsets = np.diff([envelope.onset_integral for envelope in followed])
        held = replace(settings, sync="fixed", window_s=recording.duration_s, hop_s=recording.duration_s)
        correlations = [
            np.corrcoef(frame_differences(each, indices), onsets)[0, 1]
            for each in (film, Film(pipeline, recording, held))
        ]
        depth = spread([each.loudness for each in followed]) / spread([each.loudness for each in raw])
        zooms = [frame_motion(envelope, 0.0, settings).zoom for envelope in followed]
        pixels = film.size[0] / 2 * spread([1 - 1 / zoom for zoom in zooms])
        print(
            f"{Path(path).stem:16} correlation {correlations[0]:.2f}, with one prompt {correlations[1]:.2f}; "
            f"depth {depth:.2f}; zoom {pixels:.1f} pixels",
            flush=True,
        )


def frame_differences(film: Film, indices: Sequence[int]) -> list[float]:
    """Return the mean absolute difference of each frame to the one before, from the second on."""
    images = [np.asarray(frame.image, np.int16) for frame in film.frames(indices)]
    return [float(np.abs(two - one).mean()) for one, two in pairwise(images)]


def spread(values: Sequence[float]) -> float:
    """Return the difference between the 95th and the 5th percentile."""
    low, high = np.percentile(values, [5, 95])
    return float(high - low)


def fraction(seconds: Sequence[float], words: Sequence[Word]) -> float:
    """Return the mean over words of the fraction of their duration in which they are on screen."""
    return float(np.mean([each / (word.stop_s - word.start_s) for each, word in zip(seconds, words, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=10)
    parser.add_argument(
        "--fps", default="25", help="frames per second; with fewer, each change is later by half of a longer frame"
    )
    parser.add_argument("--steps", type=int, help="denoising steps; default: the model's")
    parser.add_argument("--scheduler", help="default: that of the model; lcm draws in fewer steps")
    parser.add_argument("--sync", nargs="+", default=["fixed", "auto"], help="settings to compare")
    parser.add_argument("--music", nargs="+", metavar="FILE", help="recordings of music to measure in place of words")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each recording of music")
    parser.add_argument("--sheets", type=Path, help="folder for a storyboard of each film")
    add_output_option(parser)
    chosen = parser.parse_args()

    pipeline = AudioToImagePipeline.from_pretrained(scheduler=chosen.scheduler)
    if chosen.music:
        measure_music(pipeline, chosen)
        return
    if chosen.sheets:
        chosen.sheets.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        measure_words(pipeline, chosen, Path(folder))


if __name__ == "__main__":
    main()
