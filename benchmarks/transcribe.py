"""Compare `Transcriber` with the speech recognition pipeline of transformers: same checkpoint, same files.

    python -m benchmarks.transcribe [--runs 3] [--layers 2] [--only WORD]

Random weights of the published widths with few layers, so that decoding, features, padding and windows matter, and
noise in WAV files. Each side of a case runs in a process of its own, in turns. Prints the median of each side in
seconds, their ratio (above 1: ours is faster), and the peak memory above what the process held with its model.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import wave
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.report import Report, add_output_option
from benchmarks.turns import Case, measure_runs

OURS, PIPELINE = "Photism", "pipeline"
KINDS = {"wav2vec2-bert": "Wav2Vec2-BERT", "wav2vec2": "wav2vec2"}
TOKENS = ("<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOINSHRDLUCMWFGYPBVKJXQZ'")
SHORT_S = (0.6, 0.8, 0.9, 1.0, 1.2, 1.4, 1.7, 2.1, 2.8, 4.9)
"""Durations of short recordings, repeated: roughly those of the speech recordings in the Tux Paint corpus."""
SHORT = 100
BATCH = 8
CHUNK_S = 30
"""Length of the windows of the transformers pipeline."""


def make_checkpoint(kind: str, folder: Path, layers: int) -> None:
    import transformers

    torch.manual_seed(0)
    settings: dict[str, Any] = {"vocab_size": len(TOKENS), "num_hidden_layers": layers, "layerdrop": 0.0}
    if kind == "wav2vec2-bert":
        model = transformers.Wav2Vec2BertForCTC(transformers.Wav2Vec2BertConfig(**settings))
        extractor: Any = transformers.SeamlessM4TFeatureExtractor()
    else:
        model = transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(**settings))
        extractor = transformers.Wav2Vec2FeatureExtractor()
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(TOKENS)}))
    transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)


def make_recordings(folder: Path, seconds: tuple[float, ...]) -> list[str]:
    noise = np.random.default_rng(0)
    paths = []
    for number, duration_s in enumerate(seconds):
        path = folder / f"{number}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes((3000 * noise.standard_normal(round(16_000 * duration_s))).astype("<i2").tobytes())
        paths.append(str(path))
    return paths


def transcribe(
    kind: str, seconds: tuple[float, ...], settings: dict[str, Any], side: str, options: argparse.Namespace
) -> Callable[[], object]:
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folder = Path(options.folder, f"{kind}-{len(seconds)}-{side}")
    folder.mkdir()
    make_checkpoint(kind, folder, options.layers)
    paths = make_recordings(folder, seconds)
    if side == OURS:
        from photism import Transcriber

        transcriber = Transcriber.from_pretrained(folder)
        return lambda: [each.text for each in transcriber(paths, batch_size=BATCH, **settings)]
    loader = transformers.AutoModelForCTC.from_pretrained(folder)
    pipeline = transformers.pipeline(
        "automatic-speech-recognition",
        model=loader,
        tokenizer=transformers.AutoTokenizer.from_pretrained(folder),
        feature_extractor=transformers.AutoFeatureExtractor.from_pretrained(folder),
        device="cpu",
    )
    # Without windows the pipeline would need some 58 GB per layer for 5 minutes.
    chunk_s = CHUNK_S if max(seconds) > CHUNK_S else 0
    samples = [read(path) for path in paths]  # the pipeline itself can decode files only through the program ffmpeg
    return lambda: [
        each["text"]
        for each in pipeline(
            [each.copy() for each in samples], batch_size=BATCH if not chunk_s else 1, chunk_length_s=chunk_s
        )
    ]


def read(path: str) -> np.ndarray:
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def cases() -> list[Case]:
    short = (SHORT_S * (SHORT // len(SHORT_S)))[:SHORT]
    found = []
    for kind, spelled in KINDS.items():
        for name, seconds, settings in (
            ("5 min in one pass", (300.0,), {}),
            ("5 min, windows of 30 s", (300.0,), {"window_s": float(CHUNK_S)}),
            (f"{SHORT} short files", short, {}),
        ):
            work = partial(transcribe, kind, seconds, settings)
            found.append(Case(f"{spelled}, {name}", (OURS, PIPELINE), work))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", default="", metavar="WORD", help="run the cases whose name contains WORD")
    add_output_option(parser)
    options = parser.parse_args()
    options.device = "cpu"
    report = Report(f"Speech recognition, {options.layers} layers", options, note="Random weights, noise in WAV files.")
    for case in cases():
        if options.only in case.name:
            with tempfile.TemporaryDirectory() as options.folder:
                report.compare(case.name, measure_runs(case, options))
    report.print()


if __name__ == "__main__":
    main()
