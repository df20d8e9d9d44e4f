"""Compare `AudioClassifier` with the audio-classification pipeline of transformers: same checkpoint, same recordings.

    python -m benchmarks.label FOLDER [--recordings 500] [--runs 3] [--layers 2] [--only WORD] [--processor]

FOLDER is searched for recordings, and --recordings of them are selected at even distances;
`python -m recipes.tiny.corpus` downloads those of the Tux Paint corpus. The checkpoints have random weights: a
Wav2Vec2-BERT of the published width with --layers layers, and a wav2vec2-base of the published size. Each side runs in
a process of its own, in turns. The pipeline receives the samples that Photism's decoder reads from each file, since its
own decoding through the program ffmpeg would take longer. Prints the median seconds of each side, the ratio (above 1:
ours is faster), and the largest difference between the scores. With --processor it measures the CPU time of one thread,
with the sides in turns in one process, for a machine that other programs use.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from benchmarks.report import Report, add_output_option
from benchmarks.turns import Case, Run, measure_runs

OURS, ONE, EIGHT = "Photism", "pipeline", "pipeline, batch_size=8"
ENDINGS = (".ogg", ".wav", ".flac", ".mp3", ".opus", ".m4a")
CLASSES = 8
COMPARED = 24
"""Number of recordings whose scores are compared."""


def make_checkpoints(folder: Path, layers: int) -> dict[str, Path]:
    """Write the checkpoints and return their folders by name."""
    names = {index: f"class {index}" for index in range(CLASSES)}
    labels = {"id2label": names, "label2id": {name: index for index, name in names.items()}}
    made: dict[str, tuple[Any, Any, Any]] = {
        f"Wav2Vec2-BERT, {layers} layers": (
            transformers.Wav2Vec2BertForSequenceClassification,
            transformers.Wav2Vec2BertConfig(num_hidden_layers=layers, **labels),
            transformers.SeamlessM4TFeatureExtractor(padding_value=1),
        ),
        "wav2vec2-base": (
            transformers.Wav2Vec2ForSequenceClassification,
            transformers.Wav2Vec2Config(**labels),
            transformers.Wav2Vec2FeatureExtractor(),
        ),
    }
    for name, (kind, config, extractor) in made.items():
        torch.manual_seed(0)
        kind(config).save_pretrained(folder / name)
        extractor.save_pretrained(folder / name)
    return {name: folder / name for name in made}


def recordings(folder: Path, number: int) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS)
    if len(found) < number:
        raise SystemExit(f"{folder} holds {len(found)} recordings, not {number}")
    return [found[index * len(found) // number] for index in range(number)]


def samples(paths: list[Path]) -> Iterator[np.ndarray]:
    from photism import load_waveform

    for path in paths:
        yield load_waveform(path).samples


def labelling(checkpoint: Path, paths: list[Path], side: str, options: argparse.Namespace) -> Callable[[], object]:
    """Return a function for the scores of all classes of all recordings, (B, C)."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if side == OURS:
        from photism import AudioClassifier

        classifier = AudioClassifier.from_pretrained(checkpoint, device=options.device, top_k=None)
        return lambda: in_full(classifier(iter(paths)))
    pipe = transformers.pipeline("audio-classification", model=str(checkpoint), device=options.device)
    batch_size = 8 if side == EIGHT else 1
    return lambda: in_full(pipe(samples(paths), batch_size=batch_size, top_k=None))


def in_full(answers: Iterable[list[dict[str, Any]]]) -> np.ndarray:
    """Return scores (B, C) in the order of the labels."""
    ordered = (sorted(answer, key=itemgetter("label")) for answer in answers)
    return np.array([[each["score"] for each in answer] for answer in ordered])


def cpu_runs(
    checkpoint: Path, paths: list[Path], sides: tuple[str, ...], options: argparse.Namespace
) -> dict[str, list[Run]]:
    """Return the CPU time of each run of each side, as `turns.measure_runs` does, and 0 in place of the memory."""
    works = {side: labelling(checkpoint, paths, side, options) for side in sides}
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for _ in range(options.runs):
        for side, work in works.items():
            start = time.process_time()
            work()
            runs[side].append(Run(time.process_time() - start, 0.0))
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recordings", type=int, default=500)
    parser.add_argument("--layers", type=int, default=2, help="layers of Wav2Vec2-BERT; the published one has 24")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--processor", action="store_true", help="measure the CPU time of one thread")
    parser.add_argument("--only", default="", metavar="WORD", help="run the checkpoints whose name contains WORD")
    add_output_option(parser)
    options = parser.parse_args()
    if options.processor:
        options.threads = 1
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()

    paths = recordings(options.folder, options.recordings)
    seconds = sum(len(each) for each in samples(paths)) / 16_000
    clock = "CPU time" if options.processor else "time"
    report = Report(f"Classification of {len(paths)} recordings, {seconds:.0f} s: {clock}", options)
    with tempfile.TemporaryDirectory() as folder:
        for name, checkpoint in make_checkpoints(Path(folder), options.layers).items():
            if options.only not in name:
                continue
            sides = (OURS, ONE, EIGHT)
            if options.processor:
                runs = cpu_runs(checkpoint, paths, sides, options)
            else:
                runs = measure_runs(Case(name, sides, partial(labelling, checkpoint, paths)), options)
            report.compare(name, runs)
            some = paths[:: max(1, len(paths) // COMPARED)]
            scores = {side: labelling(checkpoint, some, side, options)() for side in sides}
            for side in sides[1:]:
                print(f"{name}: scores of {side} differ by {np.abs(scores[OURS] - scores[side]).max():.1g} at most")
    report.print()


if __name__ == "__main__":
    main()
