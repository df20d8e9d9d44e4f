"""A job that decodes recordings and measures their level, without a model, for the tests of clusters."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from photism.audio.long_recording import load_recording
from photism.audio.reading_settings import ReadingSettings
from photism.audio.writing import write_waveform
from photism.errors import InputError, RecordingWarning
from photism.jobs.job import Outcome
from photism.listening.settings import EmbedModelSettings

RATE = 16_000


@dataclass(frozen=True)
class LevelJob:
    """A job whose rows have the sum of the absolute samples of a recording.

    Attributes:
        deadly: a recording with this in its name kills the process that reads it.
        buggy: a recording with this in its name meets a bug.
        unloadable: the model cannot be loaded.
    """

    deadly: str | None = None
    buggy: str | None = None
    unloadable: bool = False
    models: EmbedModelSettings = field(default_factory=EmbedModelSettings)
    reading: ReadingSettings = field(default_factory=ReadingSettings)
    verb: ClassVar[str] = "level"
    settings: ClassVar[Mapping[str, Any]] = {}
    columns: ClassVar[Mapping[str, Any]] = {"sum": float}

    def load(self) -> LevelWorker:
        if self.unloadable:
            raise InputError("there is no such model")
        return LevelWorker(self)


@dataclass
class LevelWorker:
    job: LevelJob
    fingerprint: str = "0123456789abcdef"

    def stream(self, recordings, *, on_error, on_progress=None) -> Iterator[Outcome]:
        for number, sound in enumerate(recordings):
            if self.job.deadly is not None and self.job.deadly in sound.name:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.job.buggy is not None and self.job.buggy in sound.name:
                raise KeyError("bug")
            try:
                recording = load_recording(sound)
            except InputError as error:
                on_error(number, error)
                continue
            if recording.level.warnings:
                warnings.warn(f"{sound.name}: silent", RecordingWarning, stacklevel=2)
            yield Outcome(number, {"sum": float(np.abs(recording.samples).sum())}, recording.duration_s, None)


def write_noise(folder: Path, count: int, *, seconds: float = 0.1) -> list[Path]:
    """Write recordings of noise, each with other samples."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04}.wav" for number in range(count)]
    for number, path in enumerate(paths):
        samples = 0.1 * np.random.default_rng(number).standard_normal(round(seconds * RATE)).astype(np.float32)
        write_waveform(samples, path, sampling_rate=RATE, title="", about={})
    return paths
