"""Measure what tells copies of a recording from other recordings: the similarity of vectors, and that of the audio.

Recordings of the corpus of the bundled model are drawn at random and copied: as MP3, as Opus, at a fifth of the
amplitude, at 8 kHz, without their first 126 ms, and after 300 ms of silence. They are compared with their copies, with
recordings of the same thing in other languages, and with others of the same language, mostly the same voice.

    python -m benchmarks.duplicates STAMPS --count 60

STAMPS is the folder of the corpus, `usr/share/tuxpaint/stamps`; photism.collection.duplicates has the thresholds.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from benchmarks.report import Report, add_output_option
from photism import AudioEmbedder, load_waveform
from photism.audio.writing import write_waveform
from photism.collection.acoustic_similarity import (
    CANDIDATE_SIMILARITY,
    COPY_CORRELATION,
    correlation,
    log_mel_energies,
    signature,
)

RATE = 16_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stamps", type=Path)
    parser.add_argument("--count", type=int, default=60)
    add_output_option(parser)
    options = parser.parse_args()
    recordings = sorted(map(str, options.stamps.rglob("*_desc_*.ogg")))
    generator = random.Random(0)
    embedder = AudioEmbedder.from_pretrained()
    results: defaultdict[str, list[tuple[float, float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for path in generator.sample(recordings, options.count):
            samples = load_waveform(path).samples
            compared = [*copies(samples, Path(folder)), *others(path, recordings, generator)]
            vectors = embedder.embed([path, *(other for _, other in compared)])
            energies = log_mel_energies(samples)
            for (kind, other), vector in zip(compared, vectors[1:], strict=True):
                compared_energies = log_mel_energies(load_waveform(other).samples)
                coarse = float(signature(energies) @ signature(compared_energies))
                audio = correlation(energies, compared_energies)
                results[kind].append((float(vector @ vectors[0]), coarse, audio))
    report = Report("Near-duplicates", options)
    for kind, pairs in results.items():
        vectors, signatures, audio = np.array(pairs).T
        found = np.mean((signatures >= CANDIDATE_SIMILARITY) & (audio >= COPY_CORRELATION))
        figures = {"similarity of vectors": vectors, "of signatures": signatures, "correlation": audio}
        columns = {name: each.tolist() for name, each in figures.items()}
        report.add(kind, None, pairs=len(pairs), **columns, **{"found %": 100 * float(found)})
    report.print()


def copies(samples: np.ndarray, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield a kind of copy and its file."""
    silence = np.zeros(round(0.3 * RATE), np.float32)
    for kind, suffix, copy, rate in (
        ("MP3", ".mp3", samples, RATE),
        ("Opus", ".ogg", samples, RATE),
        ("a fifth of the amplitude", ".wav", 0.2 * samples, RATE),
        ("8 kHz", ".wav", soxr.resample(samples, RATE, RATE // 2), RATE // 2),
        ("without the first 126 ms", ".wav", samples[2011:], RATE),
        ("after 300 ms of silence", ".wav", np.concatenate([silence, samples]), RATE),
    ):
        target = folder / f"{kind}{suffix}"
        write_waveform(copy, target, sampling_rate=rate, title="", about={})
        yield kind, str(target)


def others(path: str, recordings: list[str], generator: random.Random) -> Iterator[tuple[str, str]]:
    """Yield recordings of the same thing in other languages, and four others of the same language."""
    stem, _, language = path.rpartition("_desc_")
    yield from (
        ("same thing, other language", each) for each in recordings if each.startswith(f"{stem}_desc_") and each != path
    )
    same = [each for each in recordings if each.endswith(f"_desc_{language}") and each != path]
    yield from (("other thing, same language", each) for each in generator.sample(same, 4))


if __name__ == "__main__":
    main()
