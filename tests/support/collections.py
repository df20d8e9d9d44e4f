"""An index without models, for the tests of what is added to it and removed from it.

    python -m tests.support.collections FOLDER SOUNDS...

adds recordings to the index in a folder, in blocks of three rows.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from photism.audio.sources import SoundFile
from photism.collection.index import Index
from photism.collection.index_job import IndexJob
from photism.collection.settings import IndexSettings
from photism.errors import InputError
from photism.jobs.job import Outcome
from photism.jobs.outputs import table_rows
from photism.lance_table import import_lance

WIDTH = 4


class Embedder:
    """A model of vectors that is not called."""

    kind, width = "prompt", WIDTH

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint


class Worker:
    """Models that describe a recording by the number that is its content; -1 cannot be read."""

    def __init__(self, window_s: float | None = None, fingerprint: str = "a" * 16) -> None:
        self.fingerprint, self.embedder = fingerprint, Embedder(fingerprint)
        self.window_s, self.processed = window_s, list[str]()

    def stream(self, recordings, *, on_error, on_progress=None):
        for number, sound in enumerate(recordings):
            with sound.open() as file:
                value = float(file.read())
            if value < 0:
                on_error(number, InputError(f"{sound.name}: no audio stream"))
                continue
            self.processed.append(Path(sound.name).name)
            fields = {
                "duration_s": value,
                "vector": np.full(WIDTH, value, np.float32),
                "captions": [{"caption": "an owl", "score": 0.5}],
                "known": True,
                "labels": None,
                "loudness_lufs": -20.0,
            }
            if self.window_s is None:
                yield Outcome(number, fields, value, None)
            else:
                starts = np.arange(0, value, self.window_s).tolist()
                windows = [{"start_s": start, "end_s": start + self.window_s} for start in starts]
                yield Outcome(number, fields, value, None, windows)


def open_index(folder: Path, *, window_s: float | None = None, fingerprint: str = "a" * 16, force=False) -> Index:
    """Return the index of a folder, as `photism index` opens it."""
    folder.mkdir(exist_ok=True)
    job = IndexJob(rows=IndexSettings(window_s=window_s))
    return Index.for_job(folder / "i.lance", job, Worker(window_s, fingerprint), force=force)


def before_next_call(monkeypatch, cls: type, name: str, act) -> None:
    """Let a function act once, right before a method is called, as another process may."""
    method = getattr(cls, name)

    def call(*args, **kwargs):
        monkeypatch.setattr(cls, name, method)
        act()
        return method(*args, **kwargs)

    monkeypatch.setattr(cls, name, call)


if __name__ == "__main__":
    table_rows.BLOCK_ROWS = 3
    import_lance()
    sound_open = SoundFile.open
    SoundFile.open = lambda sound: time.sleep(0.05) or sound_open(sound)  # so that a kill comes between two commits
    print("started", flush=True)
    sys.stdin.readline()
    open_index(Path(sys.argv[1])).add(sys.argv[2:])
