"""The stages of a job on Ray: decode short recordings on CPUs, and run the model.

A row of Ray Data is a batch of recordings, pickled, so that the size of a batch is ours to choose. Nothing in this
module imports Ray.
"""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.audio.sampling import SAMPLING_RATE
from photism.audio.sources import SoundFile
from photism.device import keep_freed_memory, limit_kernel_caches
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.audio.waveform import Waveform
    from photism.jobs.job import Job, Outcome, Worker

BATCH_RECORDINGS = 64
"""Most recordings in a batch."""
BATCH_S = 300.0
"""Seconds of decoded sound from which on a batch is complete: 19 MB."""
SHIPPED_S = 300.0
"""Longest recording that another process decodes than that of the model, which reads longer ones block by block, so
that they do not fill the object store."""
COLUMN = "batch"


class Numbered(NamedTuple):
    """A recording, or whatever else the job processes, with its number among those of the job."""

    number: int
    sound: Any


class Finished(NamedTuple):
    """A recording that a worker has finished.

    Attributes:
        number: its number among those of the job.
        result: its outcome, or why it cannot be used.
        warnings: what Python's warnings said meanwhile, to be repeated where the user sees them.
    """

    number: int
    result: Outcome | InputError
    warnings: Sequence[Warning] = ()


class Failure(NamedTuple):
    """An error that ends the job: a bug, lack of memory, or a model that cannot be loaded."""

    error: Exception

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Return an error, or its type and words in a RuntimeError if it cannot be passed on to another process."""
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            return cls(RuntimeError(f"{type(error).__name__}: {error}"))
        return cls(error)


def pack(values: object) -> Any:
    """Return a table of one row, as Ray Data passes it on, that contains a pickled object."""
    import pyarrow as pa

    return pa.table({COLUMN: pa.array([pickle.dumps(values, protocol=5)], pa.large_binary())})


def unpack(table: Any) -> Iterator[Any]:
    """Yield the objects of the rows of a table."""
    for row in table[COLUMN]:
        yield pickle.loads(row.as_buffer())


def in_batches(recordings: Iterable[Numbered], most: int = BATCH_RECORDINGS) -> Iterator[list[Numbered]]:
    """Yield recordings in lists, the first of which are short, so that all processes soon have work."""
    batch: list[Numbered] = []
    size = 1
    for recording in recordings:
        batch.append(recording)
        if len(batch) == size:
            yield batch
            batch, size = [], min(size + 1, most)
    if batch:
        yield batch


def read_batches(table: Any) -> Iterator[Any]:
    """Decode the recordings of a batch, the first stage, and yield tables with at most about `BATCH_S` of sound.

    A recording that is long or cannot be read passes unchanged: the process of the model then finds the error, in the
    words that it has without Ray.
    """
    for batch in unpack(table):
        for part in decoded(batch):
            yield pack(part)


def decoded(batch: Sequence[Numbered]) -> Iterator[list[Numbered]]:
    """Yield the recordings of a batch, decoded unless they are long, in lists of at most about `BATCH_S` of sound."""
    part: list[Numbered] = []
    held_s = 0.0
    for number, sound in batch:
        if not isinstance(sound, SoundFile):
            part.append(Numbered(number, sound))
            continue
        waveform = decode_short(sound)
        part.append(Numbered(number, replace(sound, decoded=waveform)))
        held_s += 0 if waveform is None else waveform.duration_s
        if held_s >= BATCH_S:
            yield part
            part, held_s = [], 0.0
    if part:
        yield part


def decode_short(sound: SoundFile) -> Waveform | None:
    """Return the samples of a recording, or None if it is longer than `SHIPPED_S` or cannot be read."""
    from photism.audio.streaming import stream_samples
    from photism.audio.waveform import Waveform

    if sound.end_s is not None and sound.end_s - sound.start_s > SHIPPED_S:
        return None
    blocks: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    count = 0
    try:
        for block in stream_samples(sound, warnings=[]):
            blocks.append(block)
            count += len(block)
            if count > SHIPPED_S * SAMPLING_RATE:
                return None
        return Waveform(np.concatenate(blocks), sound.warnings)
    except Exception:  # the process of the model meets it again, and reports it
        return None
    finally:
        sound.release()


class Processor:
    """A loaded model that processes batches of recordings, the second stage.

    Args:
        job: the job.
        fingerprint: fingerprint that the model must have, on every node.
        threads: threads of torch.
    """

    def __init__(self, job: Job, fingerprint: str, threads: int) -> None:
        self._worker: Worker | Failure
        limit_kernel_caches()
        keep_freed_memory()
        try:
            self._worker = job.load()
            if self._worker.fingerprint != fingerprint:
                raise InputError(
                    f"model {job.models.model}: the nodes of the cluster have different weights under this name; "
                    "give a path that all nodes share"
                )
            if "torch" in sys.modules:  # otherwise the model does not use it
                sys.modules["torch"].set_num_threads(threads)
        except Exception as error:  # Ray would not pass on the type of an error in a constructor
            self._worker = Failure.of(error)

    def __call__(self, table: Any) -> Any:
        """Return a table of the recordings that were finished (`Finished`), or of the `Failure` that ends the job."""
        if isinstance(self._worker, Failure):
            return pack(self._worker)
        try:
            return pack([each for batch in unpack(table) for each in finish(batch, self._worker)])
        except Exception as error:
            return pack(Failure.of(error))


def finish(batch: Sequence[Numbered], worker: Worker) -> list[Finished]:
    """Return the result of each recording of a batch, in its order."""
    results: dict[int, Outcome | InputError] = {}
    with recorded_warnings() as caught:
        for outcome in worker.stream((each.sound for each in batch), on_error=results.__setitem__):
            results[outcome.number] = outcome
    finished = [Finished(each.number, results[place]) for place, each in enumerate(batch)]
    return [finished[0]._replace(warnings=caught), *finished[1:]]


@contextmanager
def recorded_warnings() -> Generator[list[Warning]]:
    """Record warnings in a list, in place of printing them where nobody reads it."""
    found: list[Warning] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
        found += [each.message for each in caught if isinstance(each.message, Warning)]
