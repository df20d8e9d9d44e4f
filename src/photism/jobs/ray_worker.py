"""A worker that passes recordings on to the processes of a Ray cluster, through Ray Data.

Batches of recordings are put into a queue, from which Ray Data reads them as it has room for more. Tasks decode them,
and a pool of actors with the model, which is complete from the start, processes them. Results come in the order in
which they are done.

Ray does not repeat a batch whose process or node is lost, since a recording that kills its process would do so for
ever. What is missing at the end is processed again, each recording alone; one that is missing after the last attempt is
reported as an error of that recording.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from queue import Empty, Full, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any

from photism.audio.sources import SoundFile
from photism.errors import InputError
from photism.jobs.ray_cluster import Layout, alive_nodes, plan_layout, ray_cluster
from photism.jobs.ray_stages import (
    BATCH_RECORDINGS,
    Failure,
    Finished,
    Numbered,
    Processor,
    in_batches,
    pack,
    read_batches,
    unpack,
)

if TYPE_CHECKING:
    from photism.jobs.job import Job, Outcome
    from photism.listening.batching import OnError, OnProgress

ATTEMPTS = 3
"""Times that a recording is processed: with others, and twice alone."""
QUEUED_BATCHES = 8
"""Batches that wait for Ray Data to read them, and results that wait to be written."""
FULL_QUEUE_S = 0.5
"""Longest time in seconds after which a batch is offered again to a queue that was full."""
STOPPED_S = 30.0
"""Longest time in seconds until a batch that is processed when a job ends early is done."""


@contextmanager
def ray_worker(
    job: Any,
    address: str,
    *,
    device: object = None,
    workers: int | None = None,
    batch_recordings: int = BATCH_RECORDINGS,
) -> Generator[RayWorker]:
    """Load the model of a job on a Ray cluster, which processes recordings until the end of the block.

    Args:
        job: the job; all nodes must be able to read its model and the recordings.
        address: "local" for a cluster on this machine that ends with the block, "auto" for the one that the
            environment or this machine has, or HOST:PORT.
        device: device that the user chose; "cpu" leaves GPUs unused.
        workers: number of processes that hold the model; by default one for each GPU or, without GPUs, for four CPUs.
        batch_recordings: most recordings that a process takes at once.

    Raises:
        InputError: Ray is not installed, the cluster cannot be reached or has another version of Photism, or the model
            cannot be loaded.
        MemoryError: the process that loaded the model was killed.
    """
    with ray_cluster(address) as ray:
        yield RayWorker(ray, job, device=device, workers=workers, batch_recordings=batch_recordings)


class RayWorker:
    """A worker that processes recordings on a cluster; `ray_worker` opens it.

    Attributes:
        fingerprint: fingerprint of the model, as a node of the cluster loads it.
    """

    def __init__(
        self, ray: Any, job: Any, *, device: object, workers: int | None, batch_recordings: int = BATCH_RECORDINGS
    ) -> None:
        self._ray, self._job, self._device, self._count = ray, job, device, workers
        self._batch_recordings = batch_recordings
        self.fingerprint = self._load_fingerprint()

    def stream(
        self, recordings: Iterable[Any], *, on_error: OnError, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome]:
        """Yield the outcomes of recordings in the order in which they are done.

        Args:
            recordings: the recordings, or whatever else the job processes, which are taken as the cluster has room.
            on_error: called for each recording that cannot be used.
            on_progress: called with each recording when it is done.

        Raises:
            MemoryError: all processes were killed before any had a result.
        """
        pending: dict[int, Any] = {}
        done = 0

        def numbered() -> Iterator[Numbered]:
            for number, sound in enumerate(recordings):
                pending[number] = sound
                yield Numbered(number, _portable(sound))

        batches: Iterator[Sequence[Numbered]] = in_batches(numbered(), self._batch_recordings)
        for attempt in range(ATTEMPTS):
            for number, result, warned in self._process(batches, alone=attempt > 0):
                for each in warned:
                    warnings.warn(each, stacklevel=2)
                if pending.pop(number, None) is None:
                    continue  # Ray computes a result once more if the node that had it is lost
                done += 1
                if isinstance(result, InputError):
                    on_error(number, result)
                    continue
                if on_progress is not None:
                    on_progress(number, result.duration_s, result.duration_s)
                yield result._replace(number=number)
            if not pending:
                return
            if not done and len(pending) > BATCH_RECORDINGS:
                raise MemoryError("all worker processes were killed")
            batches = iter([[Numbered(number, _portable(sound))] for number, sound in sorted(pending.items())])
        for number, sound in sorted(pending.items()):
            name = f"{sound.name}: its" if isinstance(sound, SoundFile) else "the"
            on_error(number, InputError(f"{name} worker process was killed, {ATTEMPTS} times"))

    def _layout(self) -> Layout:
        nodes = [node["Resources"] for node in alive_nodes(self._ray)]
        return plan_layout(nodes, device=self._device, workers=self._count)

    def _load_fingerprint(self) -> str:
        """Return the fingerprint of the model that a process of the cluster loads."""
        ray, layout = self._ray, self._layout()
        load = ray.remote(num_cpus=layout.worker_cpus, num_gpus=layout.worker_gpus, max_retries=1)(_fingerprint)
        try:
            found = ray.get(load.remote(self._job))
        except ray.exceptions.WorkerCrashedError as error:
            raise MemoryError("the worker process was killed while it loaded the model") from error
        if isinstance(found, Failure):
            raise found.error
        return found

    def _process(self, batches: Iterator[Sequence[Numbered]], *, alone: bool) -> Iterator[Finished]:
        """Yield what is finished; what a lost process had is missing."""
        first = next(batches, None)
        if first is None:  # nothing to do: no process loads the model
            return
        import ray.util.queue

        here = _this_node(ray)  # which is not lost before this process is
        queue = ray.util.queue.Queue(QUEUED_BATCHES, actor_options=here)
        with _data_settings(self._ray):
            results = _Results(self._dataset(queue, here, alone=alone))
        results.start()
        try:
            for table in _exchange(chain([first], batches, [None]), queue, results.tables):
                for finished in unpack(table):
                    if isinstance(finished, Failure):
                        raise finished.error
                    yield from finished
        finally:
            queue.shutdown(force=True)
            results.stop()

    def _dataset(self, queue: Any, here: dict[str, Any], *, alone: bool) -> Any:
        ray, layout = self._ray, self._layout()
        from ray.util.annotations import RayDeprecationWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RayDeprecationWarning)  # there is no other way to limit retries yet
            return (
                ray.data.read_datasource(_queue_source(ray, queue), override_num_blocks=1, ray_remote_args=here)
                .map_batches(
                    read_batches, batch_size=None, batch_format="pyarrow", num_cpus=layout.reader_cpus, max_retries=2
                )
                .map_batches(
                    Processor,
                    fn_constructor_args=(self._job, self.fingerprint, layout.threads),
                    batch_size=None,
                    batch_format="pyarrow",
                    compute=ray.data.ActorPoolStrategy(
                        size=layout.workers, max_tasks_in_flight_per_actor=1 if alone else 2
                    ),
                    num_cpus=layout.worker_cpus,
                    num_gpus=layout.worker_gpus,
                    max_restarts=-1,
                    max_task_retries=0,
                )
            )


class _Results(Thread):
    """A thread that puts the tables of a dataset into a queue, and at the end None or the error that ended them."""

    def __init__(self, dataset: Any) -> None:
        super().__init__(daemon=True)
        self.tables: Queue[Any] = Queue(QUEUED_BATCHES)
        self._dataset, self._is_stopped = dataset, False

    def run(self) -> None:
        """Put the tables into the queue."""
        try:
            for table in self._dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                self._put(table)
                if self._is_stopped:
                    return
            self._put(None)
        except Exception as error:
            self._put(error)

    def stop(self) -> None:
        """Take no more tables, and wait until the dataset is not executed any more."""
        self._is_stopped = True
        self.join(STOPPED_S)

    def _put(self, table: Any) -> None:
        while not self._is_stopped:
            try:
                return self.tables.put(table, timeout=FULL_QUEUE_S)
            except Full:
                continue


def _exchange(batches: Iterator[Sequence[Numbered] | None], queue: Any, tables: Queue[Any]) -> Iterator[Any]:
    """Put batches into a queue as it has room, and yield the tables of results meanwhile.

    Both are done in one thread, in which the recordings are listed too.
    """
    import ray.util.queue

    missing = object()
    batch: Any = next(batches)
    while True:
        is_put = False
        if batch is not missing:
            try:
                queue.put_nowait(batch)
                batch, is_put = next(batches, missing), True
            except ray.util.queue.Full:
                pass
        try:
            table = tables.get(block=not is_put, timeout=None if batch is missing else FULL_QUEUE_S)
        except Empty:
            continue
        if isinstance(table, Exception):
            raise table
        if table is None:
            return
        yield table


def _this_node(ray: Any) -> dict[str, Any]:
    """Return the options of a task or an actor that runs on the node of this process, and needs no CPU."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    node = ray.get_runtime_context().get_node_id()
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}


def _fingerprint(job: Job) -> str | Failure:
    try:
        return job.load().fingerprint
    except Exception as error:
        return Failure.of(error)


def _portable(sound: Any) -> Any:
    """Return a recording that can be pickled: what can be read only once is read into memory."""
    if not isinstance(sound, SoundFile) or not hasattr(sound.source, "read"):
        return sound
    with sound.open() as file:
        return replace(sound, source=file.read())


def _queue_source(ray: Any, queue: Any) -> Any:
    """Return a source of Ray Data that yields the batches of a queue, one a block."""

    class QueueSource(ray.data.Datasource):
        def get_read_tasks(self, parallelism: int, **_: Any) -> list[Any]:
            unknown = ray.data.block.BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
            return [ray.data.ReadTask(lambda: _queued(queue), unknown)]

        def estimate_inmemory_data_size(self) -> None:
            return None

    return QueueSource()


def _queued(queue: Any) -> Iterator[Any]:
    while (batch := queue.get()) is not None:
        yield pack(batch)


@contextmanager
def _data_settings(ray: Any) -> Generator[None]:
    """Set how datasets that are made in the block run: each row is a block, lost blocks are no error, no output."""
    context = ray.data.DataContext.get_current()
    own = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "enable_auto_log_stats": False,
        "target_max_block_size": 1,
        "target_min_block_size": 1,
        "max_errored_blocks": -1,
        "execution_no_progress_timeout_s": -1,  # a recording of a day takes hours
    }
    former = {name: getattr(context, name) for name in own}
    for name, value in own.items():
        setattr(context, name, value)
    try:
        yield
    finally:
        for name, value in former.items():
            setattr(context, name, value)
