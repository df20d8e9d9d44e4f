"""Generate a training corpus from captions, in the format that `photism align` reads.

metadata.jsonl            a row for each recording: file_name, text, seed, score
sounds/000017-rain.flac   recording of the 17th caption
sound.json                settings of the corpus: it is continued with the same settings only

A recording depends on its caption, its seed and the settings. An interrupted run is completed to the same files to the
bit, by any number of processes: the same captions are generated together, with the same number of threads.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from photism.audio.writing import CODECS, read_tags, write_waveform
from photism.audioldm2.settings import SoundPipelineSettings, SoundSettings
from photism.errors import InputError
from photism.files import atomic_text
from photism.json_files import read_json_object
from photism.settings import SettingError

if TYPE_CHECKING:
    from photism.audioldm2.pipeline import AudioLDM2Pipeline

SETTINGS_FILE, METADATA_FILE, FOLDER = "sound.json", "metadata.jsonl", "sounds"
WORDS_IN_NAME = 6
LOADING = ("dtype", "scheduler", "compile", "offload", "vae_slicing", "vae_tiling")
"""Settings of the pipeline in sound.json; another device may continue a corpus."""
NOT_GENERATION = ("seed", "num_waveforms_per_prompt", "batch_size")
"""Settings that sound.json holds by other names."""
THREADS = "threads"
"""Name in sound.json of the number of threads of each process, which determines how sums are rounded."""


class Item(NamedTuple):
    """A recording of a corpus.

    number: position of its caption, from 0.
    caption: text that is generated.
    seed: seed of its first candidate.
    target: file that is written.
    """

    number: int
    caption: str
    seed: int
    target: Path


class Batch(NamedTuple):
    """Recordings that are generated together, and the numbers of those that are written."""

    items: Sequence[Item]
    missing: Sequence[int]


RunBatches: TypeAlias = "Callable[[Sequence[Batch], SoundSettings, int], Iterator[int]]"
"""Function that generates batches with settings and a number of threads, and yields the number of recordings of each
batch when they are written."""


def generate_dataset(
    captions: Sequence[str],
    folder: Path,
    pipeline_settings: SoundPipelineSettings,
    settings: SoundSettings,
    *,
    suffix: str = ".flac",
    processes: int = 1,
    before_loading: Callable[[], None] | None = None,
    run_batches: RunBatches | None = None,
    callback_on_recording: Callable[[int, int], None] | None = None,
) -> Path:
    """Generate the recordings of a corpus that do not exist yet.

    Args:
        captions: caption of each recording.
        folder: folder of the corpus; it is created if it does not exist.
        pipeline_settings: settings to load the pipeline with. Without a device, each process takes one of several GPUs
            in turn.
        settings: settings of each recording. `seed`, by default 0, has the meaning of a call of the pipeline: it is
            that of the first candidate of each caption. A caption that is repeated has the next seeds. The best of
            several candidates is kept. `batch_size` captions are generated at once, by default one.
        suffix: suffix of the files, which selects their format.
        processes: number of processes, each of which loads the pipeline.
        before_loading: called first in each of several processes.
        run_batches: generates the batches elsewhere, such as on a cluster; by default they are generated here.
        callback_on_recording: called with the recordings done and all recordings, at first and after each batch.

    Returns:
        the path of metadata.jsonl.

    Raises:
        InputError: there are no captions, or the folder holds something else.
        BrokenProcessPool: a process was killed.
    """
    if not captions:
        raise InputError("captions must hold at least one caption; got none")
    if suffix not in CODECS:
        raise InputError(f"suffix must be one of {', '.join(CODECS)}; got {suffix}")
    if settings.seed is None:
        settings = replace(settings, seed=0)
    if not isinstance(settings.seed, int):
        raise SettingError("seed", f"must be one number for a corpus; got {settings.seed}")
    threads = _write_settings(folder, _as_json(pipeline_settings, settings, suffix), processes)
    items = _items(captions, folder / FOLDER, settings.seed, settings.num_waveforms_per_prompt, suffix)
    size = settings.batch_size or 1
    # A batch with a missing recording is generated as a whole: what is alone in a batch is rounded differently.
    batches = [
        Batch(items[start : start + size], missing)
        for start in range(0, len(items), size)
        if (missing := [item.number for item in items[start : start + size] if not _is_generated(item)])
    ]
    done = len(items) - sum(len(batch.missing) for batch in batches)
    if run_batches is None:
        counts = _run(batches, (pipeline_settings, settings), processes, threads, before_loading)
    else:
        counts = run_batches(batches, settings, threads)
    try:
        for count in chain([0], counts):
            done += count
            if callback_on_recording is not None:
                callback_on_recording(done, len(items))
    finally:
        _write_metadata(folder, items)
    return folder / METADATA_FILE


def caption_name(caption: str) -> str:
    """Return a short name for the file of a caption, of letters, digits and hyphens."""
    return "-".join(re.findall(r"\w+", caption.lower())[:WORDS_IN_NAME])[:60] or "sound"


def _items(captions: Sequence[str], folder: Path, seed: int, candidates: int, suffix: str) -> list[Item]:
    """Return the recordings of captions; a caption that is repeated has the next seeds."""
    seen: Counter[str] = Counter()
    items: list[Item] = []
    for number, caption in enumerate(captions):
        target = folder / f"{number + 1:06d}-{caption_name(caption)}{suffix}"
        items.append(Item(number, caption, seed + seen[caption] * candidates, target))
        seen[caption] += 1
    return items


def _is_generated(item: Item) -> bool:
    """Return whether the file exists, and is not that of another caption with the same first words or another seed."""
    if not item.target.exists():
        return False
    tags = read_tags(item.target)
    return (tags.get("text"), tags.get("seed")) == (item.caption, item.seed)


def _as_json(pipeline_settings: SoundPipelineSettings, settings: SoundSettings, suffix: str) -> dict[str, Any]:
    """Return the content of sound.json: of the generation, `loop` and what differs from its default."""
    generation = {
        each.name: getattr(settings, each.name)
        for each in fields(settings)
        if each.name == "loop" or (each.name not in NOT_GENERATION and getattr(settings, each.name) != each.default)
    }
    content = {
        "model": pipeline_settings.model,
        "seed": settings.seed,
        "candidates": settings.num_waveforms_per_prompt,
        "batch_size": settings.batch_size or 1,
        "suffix": suffix,
        "loading": {name: getattr(pipeline_settings, name) for name in LOADING},
        "making": generation,
    }
    return json.loads(json.dumps(content, default=str))


def _write_settings(folder: Path, content: Mapping[str, Any], processes: int) -> int:
    """Write sound.json, if the folder is new or holds a corpus with the same settings.

    Returns:
        the number of threads of each process: that of the first run.

    Raises:
        InputError: the folder holds something else.
    """
    import torch

    threads = max(1, (os.cpu_count() or 1) // processes) if processes > 1 else torch.get_num_threads()
    path = folder / SETTINGS_FILE
    has_recordings = any((folder / FOLDER).glob("[!.]*"))  # the temporary file of a killed run begins with a dot
    if path.is_file():
        found = read_json_object(path, f"the corpus {folder}")
        differing = ", ".join(name for name in content if found.get(name) != content[name])
        if differing and has_recordings:  # without recordings an earlier run failed at once
            raise InputError(
                f"{folder} holds a corpus with other settings ({differing}): to continue it, use those in "
                f"{SETTINGS_FILE}; to generate another corpus, choose another folder"
            )
        if has_recordings and isinstance(found.get(THREADS), int):
            threads = found[THREADS]
    elif has_recordings or any(other.name != FOLDER for other in folder.glob("[!.]*")):
        raise InputError(f"{folder} is not empty and was not created by an unfinished run; choose another folder")
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    with atomic_text(path) as file:
        file.write(json.dumps({**content, THREADS: threads}, indent=1, ensure_ascii=False))
    return threads


def _run(
    batches: Sequence[Batch],
    settings: tuple[SoundPipelineSettings, SoundSettings],
    processes: int,
    threads: int,
    before_loading: Callable[[], None] | None,
) -> Iterator[int]:
    """Yield the number of recordings of each batch when it is written."""
    if processes == 1 or len(batches) < 2:
        import torch

        own_threads = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            _load(*settings)
            yield from map(_generate, batches)
        finally:
            torch.set_num_threads(own_threads)
        return
    context = multiprocessing.get_context("spawn")
    started = context.Value("i", 0)
    workers = min(processes, len(batches))
    arguments = (*settings, threads, started, before_loading)
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=arguments) as pool:
        futures = [pool.submit(_generate, batch) for batch in batches]
        try:
            for future in futures:
                yield future.result()
        except BrokenProcessPool:
            raise BrokenProcessPool(
                f"one of {processes} worker processes was killed, probably by the out-of-memory killer; with fewer "
                "processes, the same command resumes"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_worker: tuple[AudioLDM2Pipeline, SoundSettings] | None = None
"""Pipeline of a process that generates recordings: loaded once, for all its batches."""


def _start_worker(
    pipeline_settings: SoundPipelineSettings,
    settings: SoundSettings,
    threads: int,
    started: Any,
    before_loading: Callable[[], None] | None,
) -> None:
    """Load the pipeline in one of several processes, on a GPU of its own if there are several."""
    import signal

    if before_loading is not None:
        before_loading()
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process stops the others
    with started.get_lock():
        number, started.value = started.value, started.value + 1
    torch.set_num_threads(threads)
    if pipeline_settings.device is None and torch.cuda.device_count() > 1:
        pipeline_settings = replace(pipeline_settings, device=f"cuda:{number % torch.cuda.device_count()}")
    _load(pipeline_settings, settings)


def _load(pipeline_settings: SoundPipelineSettings, settings: SoundSettings) -> None:
    from photism.audioldm2.pipeline import AudioLDM2Pipeline

    global _worker
    pipeline = AudioLDM2Pipeline.from_pretrained(settings=pipeline_settings)
    pipeline.set_progress_bar_config(disable=True)
    _worker = pipeline, settings


def _generate(batch: Batch) -> int:
    """Generate the recordings of a batch and write those that are missing; return their number."""
    if _worker is None:
        raise RuntimeError("_load must be called before _generate")
    generate_batch(batch, *_worker)
    return len(batch.missing)


def generate_batch(batch: Batch, pipeline: AudioLDM2Pipeline, settings: SoundSettings) -> None:
    """Generate the recordings of a batch and write those that are missing."""
    count = settings.num_waveforms_per_prompt
    seeds = [item.seed + candidate for item in batch.items for candidate in range(count)]
    arguments: dict[str, Any] = {**vars(settings), "seed": seeds, "batch_size": None}
    output = pipeline([item.caption for item in batch.items], **arguments)
    used = {
        each.name: getattr(output.settings, each.name)
        for each in fields(settings)
        if each.name not in NOT_GENERATION and each.name != "audio"
    }
    for row, item in enumerate(batch.items):
        if item.number not in batch.missing:
            continue
        about = {
            "text": item.caption,
            "model": pipeline.settings.model or "tiny",
            "seed": item.seed,
            "candidates": count,
            "score": None if output.scores is None else output.scores[row][0],
        }
        write_waveform(
            output.audios[row * count],
            item.target,
            sampling_rate=output.sampling_rate,
            title=item.caption,
            about={**about, **used},
        )


def _write_metadata(folder: Path, items: Sequence[Item]) -> None:
    """Write metadata.jsonl with a row for each recording that exists and is that of its caption."""
    rows: list[str] = []
    for item in items:
        if _is_generated(item):
            about = {name: value for name, value in read_tags(item.target).items() if name in ("seed", "score")}
            row = {"file_name": f"{FOLDER}/{item.target.name}", "text": item.caption, **about}
            rows.append(json.dumps(row, ensure_ascii=False))
    with atomic_text(folder / METADATA_FILE) as file:
        file.writelines(f"{row}\n" for row in rows)
