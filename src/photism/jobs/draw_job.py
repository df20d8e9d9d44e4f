"""Job of `photism draw`: generate images from recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from photism.audio.reading_settings import ReadingSettings
from photism.drawing.metadata import describe_models
from photism.drawing.settings import DrawSettings
from photism.errors import InputError
from photism.jobs.in_flight import InFlight
from photism.jobs.job import Outcome
from photism.jobs.outputs.text_format import TextFormat
from photism.jobs.provenance import determining
from photism.prompts.settings import MixSettings, PipelineSettings

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.listening.batching import OnError, OnProgress
    from photism.listening.zero_shot import CaptionRanker

COLUMNS: Mapping[str, Any] = {
    "known": bool,
    "heard": [{"caption": str, "score": float}],
    "pictures": [{"width": int, "height": int, "seed": int, "nsfw_content_detected": bool}],
    "warnings": [str],
}
"""Columns that rows may have, with their types."""


@dataclass(frozen=True)
class DrawJob:
    """Generate images from recordings: `photism draw`.

    Attributes:
        models: the models.
        drawing: how images are generated. Without a seed, each recording has another one.
        reading: how recordings are read.
    """

    models: PipelineSettings = field(default_factory=PipelineSettings)
    drawing: DrawSettings = field(default_factory=DrawSettings)
    reading: ReadingSettings = field(default_factory=ReadingSettings)

    verb: ClassVar[str] = "draw"
    columns: ClassVar[Mapping[str, Any]] = COLUMNS

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that determine the images."""
        return {**determining(self.drawing), **determining(self.reading), **describe_models(self.models)}

    def text_format(self, name: str) -> TextFormat:
        """Raise an error: images have no text format."""
        raise InputError(f"draw writes images, and has no format {name}; give a folder")

    def load(self) -> DrawWorker:
        """Load the models."""
        from photism.jobs.drawn_recordings import load_drawing

        return DrawWorker(self, *load_drawing(self.models, steps=self.drawing.num_inference_steps))


class Drawn(NamedTuple):
    """Images of a recording.

    Attributes:
        images: the PNG files, which hold their seed, model and settings.
    """

    images: Sequence[bytes]


class DrawWorker:
    """A pipeline that makes images and rows.

    Args:
        job: the job.
        pipeline: the pipeline.
        ranker: ranks captions for recordings; None if the model has none.

    Attributes:
        fingerprint: fingerprint of the encoder and of all models of the diffusers pipeline.
    """

    def __init__(self, job: DrawJob, pipeline: AudioToImagePipeline, ranker: CaptionRanker | None) -> None:
        from torch import nn

        from photism.fingerprint import combine, model_fingerprint

        self._job, self._pipeline, self._ranker = job, pipeline, ranker
        self._drawing = job.drawing.decoded()
        parts = sorted(pipeline.diffusion.components.items())
        modules = [pipeline.encoder, *(part for _, part in parts if isinstance(part, nn.Module))]
        self.fingerprint = combine(*map(model_fingerprint, modules))

    def stream(
        self, recordings: Iterable[SoundFile], *, on_error: OnError, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome]:
        """Draw recordings in batches, and yield the outcomes in order."""
        from photism.jobs.drawn_recordings import draw_prompts, encode_and_rank
        from photism.listening.batching import read_ahead

        job, files = self._job, InFlight(recordings)
        read = read_ahead(files, on_error=files.skipping(on_error))
        while batch := list(islice(read, self._drawing.batch_size)):
            named = [(files.pop(number).name, recording) for number, recording in batch]
            prompts, ranked = encode_and_rank(self._pipeline, self._ranker, named, batch_size=self._drawing.batch_size)
            drawn = draw_prompts(
                self._pipeline,
                prompts,
                ranked,
                given=job.drawing,
                decoded=self._drawing,
                mixing=MixSettings(),
                models=describe_models(job.models),
            )
            for (number, recording), each in zip(batch, drawn, strict=True):
                fields = each.as_dict()
                del fields["file"]
                if on_progress is not None:  # before the outcome, with which the recording is finished
                    on_progress(number, recording.duration_s, recording.duration_s)
                yield Outcome(number, fields, recording.duration_s, Drawn([image.png for image in each.images]))
