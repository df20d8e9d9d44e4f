"""Job of `photism draw`: when its progress is reported."""

from types import SimpleNamespace

import numpy as np
from torch import nn

from photism.audio.sources import SoundFile
from photism.drawing.image_files import DrawnImages
from photism.jobs import drawn_recordings
from photism.jobs.draw_job import DrawJob, DrawWorker


class Encoder(nn.Module):
    def encode(self, recordings, *, batch_size):
        return SimpleNamespace(known=[None] * len(recordings))


def test_progress_is_reported_before_the_outcome(sounds, monkeypatch):
    diffusion = SimpleNamespace(components={})
    pipeline = SimpleNamespace(encoder=Encoder(), diffusion=diffusion)
    worker, events = DrawWorker(DrawJob(), pipeline, None), []
    monkeypatch.setattr(
        drawn_recordings,
        "draw_prompts",
        lambda _, prompts, ranked, **settings: [DrawnImages([each], [], {}) for each in ranked],
    )
    for outcome in worker.stream(
        [SoundFile(each) for each in sounds],
        on_error=lambda *_: None,
        on_progress=lambda number, *_: events.append(("progress", number)),
    ):
        events.append(("finished", outcome.number))
    numbers = np.repeat(range(len(sounds)), 2)
    assert events == list(zip(["progress", "finished"] * len(sounds), numbers, strict=True))
