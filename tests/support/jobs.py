"""A job without a model, for the tests of what runs around one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from photism.audio.reading_settings import ReadingSettings
from photism.errors import InputError, NotFiniteError
from photism.jobs.job import Outcome, Vector
from photism.jobs.outputs.text_format import TextFormat
from photism.listening.settings import EmbedModelSettings
from photism.manifest.entry import Entry

LENGTH_S = 1.5


@dataclass(frozen=True)
class NameJob:
    """A job whose rows have the length of the name of a recording, which is not read.

    Recordings with "broken" in their name are in error, as are those with "infinite", by the model.

    Attributes:
        setting: a setting that determines rows.
        windows: number of rows of a recording; None for one without a window.
        mended: no recording is in error.
        on_recording: called for each recording that is processed.
    """

    setting: int = 1
    windows: int | None = None
    mended: bool = False
    weights: str = "a"
    models: EmbedModelSettings = field(default_factory=EmbedModelSettings)
    reading: ReadingSettings = field(default_factory=ReadingSettings)
    on_recording: Callable[[str], None] = lambda _: None
    verb: ClassVar[str] = "name"
    columns: ClassVar[Mapping[str, Any]] = {
        "duration_s": float,
        "letters": int,
        "parts": [{"text": str, "at": float}],
        "vector": Vector,
    }

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"setting": self.setting, "windows": self.windows}

    def text_format(self, name: str) -> TextFormat:
        suffix = f".{name}"
        if name == "csv":
            return TextFormat(suffix, lambda row, _, __: f"{row['file']},{row['letters']}\n", header="file,letters\n")
        if name == "json":
            return TextFormat(suffix, lambda row, _, __: json.dumps({"file": row["file"]}) + "\n", is_list=True)
        if name in ("srt", "jsonl"):
            return TextFormat(suffix, lambda row, _, name: f"{name} {row['letters']}\n", is_joint=False)
        raise InputError(f"no format {name}")

    def load(self) -> NameWorker:
        return NameWorker(self)


class NameWorker:
    def __init__(self, job: NameJob) -> None:
        self.job, self.fingerprint = job, job.weights.encode().hex().ljust(16, "0")

    def stream(self, recordings, *, on_error, on_progress=None) -> Iterator[Outcome]:
        for number, sound in enumerate(recordings):
            self.job.on_recording(sound.name)
            if "broken" in sound.name and not self.job.mended:
                on_error(number, InputError(f"{sound.name}: broken"))
            elif "infinite" in sound.name and not self.job.mended:
                on_error(number, NotFiniteError(f"{sound.name}: not finite"))
            else:
                vector = np.full(4, len(sound.name), np.float32)
                fields = {"duration_s": LENGTH_S, "letters": len(sound.name), "parts": [], "vector": vector}
                windows = None
                if self.job.windows is not None:
                    times = range(self.job.windows)
                    windows = [{"start_s": float(each), "end_s": each + 1.0} for each in times]
                yield Outcome(number, fields, LENGTH_S, sound.name, windows)


def entries(*names: str, version: str = "1", **columns: Any) -> list[Entry]:
    """Return recordings that are not read."""
    return [Entry(name, version, Path(name).name, columns=columns) for name in names]


def newer(entry: Entry) -> Entry:
    """Return a recording whose content has changed."""
    return replace(entry, version=f"{entry.version}+")


def json_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of JSON Lines."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
