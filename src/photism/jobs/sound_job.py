"""Generate the recordings of a corpus, `photism sound --captions`, on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from photism.audioldm2.dataset import Batch, generate_batch
from photism.audioldm2.settings import SoundPipelineSettings, SoundSettings
from photism.errors import InputError
from photism.files import atomic_path
from photism.jobs.job import Outcome

if TYPE_CHECKING:
    from photism.audioldm2.pipeline import AudioLDM2Pipeline
    from photism.listening.batching import OnError, OnProgress


@dataclass(frozen=True)
class SoundJob:
    """Generate the batches of captions of a corpus: `photism sound --captions`.

    Attributes:
        models: settings that the pipeline is loaded with.
        generation: settings of each recording.
        threads: number of threads, which determines how sums are rounded.
    """

    models: SoundPipelineSettings
    generation: SoundSettings
    threads: int

    def load(self) -> SoundWorker:
        """Load the pipeline."""
        from photism.audioldm2.pipeline import AudioLDM2Pipeline

        pipeline = AudioLDM2Pipeline.from_pretrained(settings=self.models)
        pipeline.set_progress_bar_config(disable=True)
        return SoundWorker(self, pipeline)


class SoundWorker:
    """A pipeline that generates batches of captions.

    Args:
        job: the job.
        pipeline: the pipeline.

    Attributes:
        fingerprint: digest of the model's name, since weights are read when they are used.
    """

    def __init__(self, job: SoundJob, pipeline: AudioLDM2Pipeline) -> None:
        from photism.fingerprint import combine

        self._job, self._pipeline = job, pipeline
        self.fingerprint = combine(job.models.model)

    def stream(
        self, recordings: Iterable[Batch], *, on_error: OnError, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome]:
        """Generate batches, and yield the bytes of the files of each by their path."""
        import torch

        for number, batch in enumerate(recordings):
            torch.set_num_threads(self._job.threads)
            with TemporaryDirectory() as folder:
                paths = {item.number: Path(folder, item.target.name) for item in batch.items}
                items = [item._replace(target=paths[item.number]) for item in batch.items]
                generate_batch(Batch(items, batch.missing), self._pipeline, self._job.generation)
                written = [item for item in batch.items if item.number in batch.missing]
                files = {item.target: paths[item.number].read_bytes() for item in written}
            yield Outcome(number, {}, 0.0, files)


def run_on_ray(
    batches: Sequence[Batch],
    generation: SoundSettings,
    threads: int,
    *,
    pipeline: SoundPipelineSettings,
    address: str,
    workers: int | None,
) -> Iterator[int]:
    """Generate batches on a Ray cluster, write their files here, and yield the number of each batch's recordings.

    Args:
        batches: batches with a recording that is missing.
        generation: settings of each recording.
        threads: number of threads of each process.
        pipeline: settings that the pipeline is loaded with.
        address: as in `ray_worker`.
        workers: as in `ray_worker`.

    Raises:
        InputError: there is no such cluster, or the pipeline cannot be loaded.
        MemoryError: a batch killed its process at each attempt.
    """
    from photism.jobs.ray_worker import ray_worker

    job = SoundJob(pipeline, generation, threads)

    def end(number: int, error: InputError) -> None:
        """End the job: a caption cannot be skipped, unlike a recording."""
        raise MemoryError(f"captions {[item.number + 1 for item in batches[number].items]}: {error}")

    with ray_worker(job, address, device=pipeline.device, workers=workers, batch_recordings=1) as worker:
        for outcome in worker.stream(batches, on_error=end):
            for target, content in outcome.result.items():
                with atomic_path(target) as unfinished:
                    unfinished.write_bytes(content)
            yield len(outcome.result)
