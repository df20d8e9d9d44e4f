"""Measure how soon and how steadily live pictures follow a recording, with the bundled model in few steps.

    python -m benchmarks.live [--films 10] [--fps 12] [--real]
    python -m benchmarks.live --music beats.wav [--seconds 10]

Words: the recordings of `benchmarks.film`, of three held-out words each, arrive at their own pace. A picture is seen
when it has been drawn. Prints the time from the end of a word to the first picture whose nearest stamp has its caption,
negative if that is before the end, as the 50th and 95th percentile of the words for which there is one within two
seconds; the fraction of words for which it comes within .6 and 1 s, of all words and of those whose own recording is
drawn correctly; the fraction of the time from there to the next word for which the picture stays right; and the number
of pictures a second. Compared with the usual way: the newest two seconds are drawn, a second apart.

By default the clock is simulated, and a picture takes the CPU time that drawing it has taken, with one thread: nearly
the time on a core without other work; on a busy machine somewhat more. With `--real`, it is the real clock, with all
threads.

Music: prints the correlation of the mean absolute difference between pictures with the onset strength between them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.film import WORDS, StampClassifier, Word, choose_recordings, write_recording
from benchmarks.report import Report, add_output_option
from photism import AudioToImagePipeline, Waveform, load_waveform
from photism.audio.level import measure_level
from photism.audio.sampling import SAMPLING_RATE
from photism.drawing.live.live_drawing import LiveDrawing, LivePicture
from photism.drawing.live.live_runner import LiveRunner
from photism.drawing.live.settings import LiveSettings
from photism.drawing.settings import DrawSettings
from photism.drawing.video.audio_features import audio_envelopes, measure_recording
from photism.drawing.video.settings import FilmSettings

NAIVE, LIVE = "the newest 2 s, every second", "photism live"
NAIVE_WINDOW_S, NAIVE_HOP_S = 2.0, 1.0
LATEST_S = 2.0
"""Longest time after a word at which its picture counts."""
IN_TIME_S = (0.6, 1.0)
BLOCK_SAMPLES = 512


class Seen(NamedTuple):
    """A picture, and when it was seen first."""

    time_s: float
    image: Image.Image


class Drawn(NamedTuple):
    """A recording with its words, and the pictures that were seen."""

    words: Sequence[Word]
    seen: Sequence[Seen]
    duration_s: float


@dataclass(frozen=True)
class Found:
    """When the picture of a word was there, and how long it stayed.

    Attributes:
        latency_s: time from the end of the word; infinite without a picture.
        held: fraction of the time from there to the next word, or the end, in which it was right.
    """

    latency_s: float
    held: float


def simulate(draw: Callable[[float], Image.Image | None], duration_s: float, *, hop_s: float) -> list[Seen]:
    """Draw the newest picture again and again, on a clock that CPU time moves."""
    seen: list[Seen] = []
    now_s, last = 0.0, -1
    while now_s < duration_s:
        number = int(now_s / hop_s + 1e-9)
        if number == last:
            now_s = (number + 1) * hop_s
            continue
        last = number
        start_s = time.process_time()
        image = draw(number * hop_s)
        now_s += time.process_time() - start_s
        if image is not None:
            seen.append(Seen(now_s, image))
    return seen


def follow(drawing: LiveDrawing, samples: NDArray[np.float32]) -> Callable[[float], Image.Image]:
    """Return a function that draws the live picture of a time."""

    def draw(time_s: float) -> Image.Image:
        drawing.feed(samples[round(drawing.duration_s * SAMPLING_RATE) : round(time_s * SAMPLING_RATE)])
        return drawing.picture(time_s).image

    return draw


def redraw(pipeline: AudioToImagePipeline, samples: NDArray[np.float32]) -> Callable[[float], Image.Image | None]:
    """Return a function that draws the newest two seconds before a time, unless they are silent."""
    generator = pipeline.image_generator(DrawSettings())

    def draw(time_s: float) -> Image.Image | None:
        stop = round(time_s * SAMPLING_RATE)
        window = samples[max(0, stop - round(NAIVE_WINDOW_S * SAMPLING_RATE)) : stop]
        if not len(window) or measure_level(window).is_silent:
            return None
        ((image, _),) = generator(pipeline.encoder.encode([Waveform(window)]), [0])
        return image

    return draw


def run_live(drawing: LiveDrawing, samples: NDArray[np.float32]) -> list[Seen]:
    """Draw a recording at its own pace in real time."""
    seen: list[Seen] = []
    start_s = time.monotonic()

    def blocks() -> Generator[NDArray[np.float32]]:
        for stop in range(BLOCK_SAMPLES, len(samples) + 1, BLOCK_SAMPLES):
            time.sleep(max(0.0, start_s + stop / SAMPLING_RATE - time.monotonic()))
            yield samples[stop - BLOCK_SAMPLES : stop]

    def show(picture: LivePicture) -> None:
        seen.append(Seen(time.monotonic() - start_s, picture.image))

    runner = LiveRunner(drawing, blocks(), show)
    runner.start()
    while runner.is_running:
        time.sleep(0.1)
    runner.stop()
    return seen


def find_words(drawn: Drawn, classify: StampClassifier) -> list[Found]:
    """Return for each word when its picture was there."""
    captions = classify([each.image for each in drawn.seen])
    times_s = [each.time_s for each in drawn.seen]
    ends_s = [*times_s[1:], drawn.duration_s]
    found: list[Found] = []
    starts_s = [word.start_s for word in drawn.words]
    for word, next_s in zip(drawn.words, [*starts_s[1:], drawn.duration_s], strict=True):
        right = [
            number
            for number, (caption, time_s) in enumerate(zip(captions, times_s, strict=True))
            if caption == word.caption and word.start_s < time_s < word.stop_s + LATEST_S
        ]
        if not right:
            found.append(Found(np.inf, np.nan))
            continue
        first_s, last_s = times_s[right[0]], max(next_s, times_s[right[0]] + 1e-3)
        held_s = sum(max(0.0, min(last_s, ends_s[number]) - times_s[number]) for number in right)
        found.append(Found(first_s - word.stop_s, held_s / (last_s - first_s)))
    return found


def add_words(report: Report, name: str, all_drawn: Sequence[Drawn], classify: StampClassifier) -> None:
    """Record latency, words in time, steadiness and rate."""
    found = [each for drawn in all_drawn for each in find_words(drawn, classify)]
    recognised = [word.is_recognised for drawn in all_drawn for word in drawn.words]
    latencies_s = np.array([each.latency_s for each in found])
    there = latencies_s[np.isfinite(latencies_s)]
    p50, p95 = np.percentile(there, [50, 95])
    rate = sum(len(each.seen) for each in all_drawn) / sum(each.duration_s for each in all_drawn)
    values = {"p50 s": float(p50), "p95 s": float(p95)}
    for limit_s in IN_TIME_S:
        values[f"within {limit_s:g} s %"] = 100 * float(np.mean(latencies_s <= limit_s))
        values[f"within {limit_s:g} s, drawn correctly %"] = 100 * float(np.mean(latencies_s[recognised] <= limit_s))
    held = 100 * float(np.nanmean([each.held for each in found]))
    report.add(name, None, **values, **{"right until the next word %": held, "pictures/s": rate})


def measure_words(pipeline: AudioToImagePipeline, chosen: argparse.Namespace) -> None:
    """Print how soon the pictures of words are there, for both ways."""
    rng = np.random.default_rng(chosen.seed)
    classify = StampClassifier()
    films = choose_recordings(chosen.films, rng)
    shown = classify([images[0] for images in pipeline([each.path for film in films for each in film]).images])
    drawn: dict[str, list[Drawn]] = {NAIVE: [], LIVE: []}
    with tempfile.TemporaryDirectory() as folder:
        for number, recordings in enumerate(films):
            path = Path(folder, "words.wav")
            recognised = [shown[WORDS * number + k] == each.caption.lower() for k, each in enumerate(recordings)]
            words = write_recording(path, recordings, recognised, rng)
            samples = load_waveform(path).samples
            duration_s = len(samples) / SAMPLING_RATE
            drawing = LiveDrawing(pipeline, LiveSettings(fps=chosen.fps))
            if chosen.real:
                seen = run_live(drawing, samples)
            else:
                seen = simulate(follow(drawing, samples), duration_s, hop_s=1 / chosen.fps)
                naive = simulate(redraw(pipeline, samples), duration_s, hop_s=NAIVE_HOP_S)
                drawn[NAIVE].append(Drawn(words, naive, duration_s))
            drawn[LIVE].append(Drawn(words, seen, duration_s))
    every = [word for each in drawn[LIVE] for word in each.words]
    print(f"{len(every)} words; {sum(word.is_recognised for word in every)} are drawn correctly from their recordings")
    report = Report(f"Live pictures of words{', real clock' * chosen.real}", chosen)
    for name, each in drawn.items():
        if each:
            add_words(report, name, each, classify)
    report.print()


def measure_music(pipeline: AudioToImagePipeline, chosen: argparse.Namespace) -> None:
    """Print how well live pictures follow music."""
    for path in chosen.music:
        recording, settings, samples = measure_recording(path), FilmSettings(), load_waveform(path).samples
        draw = follow(LiveDrawing(pipeline, LiveSettings(fps=chosen.fps)), samples)
        count = int(min(recording.duration_s, chosen.seconds) * chosen.fps)
        images = [np.asarray(draw(number / chosen.fps), np.int16) for number in range(1, count)]
        differences = [float(np.abs(two - one).mean()) for one, two in pairwise(images)]
        times = {"attack_s": settings.attack_s, "release_s": settings.release_s, "pulse_s": settings.pulse_s}
        envelopes = list(islice(audio_envelopes(recording, chosen.fps, **times), 1, count))
        onsets = np.diff([envelope.onset_integral for envelope in envelopes])
        print(f"{Path(path).stem:16} correlation {np.corrcoef(differences, onsets)[0, 1]:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=10)
    parser.add_argument("--fps", type=float, default=LiveSettings().fps, help="highest number of pictures a second")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of words, and of their pauses")
    parser.add_argument("--real", action="store_true", help="draw in real time")
    parser.add_argument("--music", nargs="+", metavar="FILE", help="recordings of music to measure in place of words")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each recording of music")
    add_output_option(parser)
    chosen = parser.parse_args()
    if not chosen.real:
        torch.set_num_threads(1)  # the CPU time of several is their sum
    chosen.threads = torch.get_num_threads()
    pipeline = AudioToImagePipeline.from_pretrained(scheduler="lcm")
    LiveDrawing(pipeline).picture()  # the first call takes longer
    if chosen.music:
        measure_music(pipeline, chosen)
    else:
        measure_words(pipeline, chosen)


if __name__ == "__main__":
    main()
