"""A folder of sounds made from captions, which `photism align` reads as it is.

metadata.jsonl            a row a sound: file_name, text, seed, score
sounds/000017-rain.flac   the sound of the 17th caption
sound.json                what they were made with: only the same goes on in the folder

A sound depends on its caption, its place in the list and the settings, so that a folder that was left unfinished is
finished to the same files, by any number of processes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.audio.writing import CODECS, read_tags, write_waveform
from photism.errors import InputError
from photism.files import atomic_text

if TYPE_CHECKING:
    from photism.audioldm2.pipeline import AudioLDM2Pipeline

SETTINGS, LIST, SOUNDS = "sound.json", "metadata.jsonl", "sounds"
WORDS_IN_NAME = 6


@dataclass(frozen=True, kw_only=True)
class CorpusSettings:
    """What the sounds of a corpus are made with.

    Attributes:
        model: folder or hub id; None for the bundled one.
        seed: of the first caption's first candidate; the next caption has the next ones.
        candidates: made of each caption, of which the best is kept.
        suffix: of the files.
        loading: arguments of `AudioLDM2Pipeline.from_pretrained` but for the device, with the dtype by its name.
        making: arguments of its call.
    """

    model: str | None = None
    seed: int = 0
    candidates: int = 1
    suffix: str = ".flac"
    loading: Mapping[str, Any] = field(default_factory=dict[str, Any])
    making: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if self.suffix not in CODECS:
            raise InputError(f"suffix must be one of {', '.join(CODECS)}; got {self.suffix}")


def make_corpus(
    captions: Sequence[str],
    folder: Path,
    settings: CorpusSettings,
    *,
    processes: int = 1,
    device: str | None = None,
    batch_size: int = 1,
    before_loading: Callable[[], None] | None = None,
    callback_on_sound: Callable[[int, int], None] | None = None,
) -> Path:
    """Makes what is not there yet of a corpus.

    Args:
        captions: one to each sound.
        folder: of the corpus; it is made where it is missing.
        settings: must be the same when a folder is gone on with.
        processes: that make sounds, each with the model loaded.
        device: by default the best there is; of several GPUs each process takes one in turn.
        batch_size: captions that a process works on at once.
        before_loading: is called first in each of several processes.
        callback_on_sound: is given the sounds done and those to do, at first and after each batch.

    Returns:
        The list of the sounds.

    Raises:
        InputError: there is nothing to make, the folder holds something else, or a process broke off.
    """
    if not captions:
        raise InputError("captions must hold at least one caption; got none")
    _begin(folder, settings)
    targets = [folder / SOUNDS / f"{name}{settings.suffix}" for name in _names(captions)]
    missing = [number for number, target in enumerate(targets) if not _is_of(target, captions[number])]
    batches = [missing[start : start + batch_size] for start in range(0, len(missing), batch_size)]
    jobs = [[(number, captions[number], targets[number]) for number in batch] for batch in batches]
    done = len(captions) - len(missing)
    if callback_on_sound is not None:
        callback_on_sound(done, len(captions))
    try:
        for count in _run(jobs, settings, processes=processes, device=device, before_loading=before_loading):
            done += count
            if callback_on_sound is not None:
                callback_on_sound(done, len(captions))
    finally:
        _write_list(folder, captions, targets)
    return folder / LIST


def caption_name(caption: str) -> str:
    """A short name for a file, of letters, digits and hyphens."""
    return "-".join(re.findall(r"\w+", caption.lower())[:WORDS_IN_NAME])[:60] or "sound"


def _names(captions: Sequence[str]) -> list[str]:
    return [f"{number:06d}-{caption_name(caption)}" for number, caption in enumerate(captions, start=1)]


def _is_of(target: Path, caption: str) -> bool:
    """Whether the sound is there, and not that of another caption whose first words are the same."""
    return target.exists() and read_tags(target).get("text") == caption


def _begin(folder: Path, settings: CorpusSettings) -> None:
    about = json.loads(json.dumps(asdict(settings)))
    path = folder / SETTINGS
    if path.is_file():
        found = _read_settings(path)
        differing = ", ".join(name for name in about if found.get(name) != about[name])
        if differing and any((folder / SOUNDS).glob("*")):  # without sounds nothing was made yet, but for a mistake
            raise InputError(
                f"{folder} holds sounds that were made otherwise ({differing}): to go on, give what {SETTINGS} there "
                "says; to make others, give another folder"
            )
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"{folder} must be a new or empty folder, or one that was left unfinished; it holds others' files"
        )
    (folder / SOUNDS).mkdir(parents=True, exist_ok=True)
    with atomic_text(path) as file:
        file.write(json.dumps(about, indent=1, ensure_ascii=False))


def _read_settings(path: Path) -> Mapping[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} must say with what a corpus was made; it cannot be read: {error}") from None


def _run(
    jobs: Sequence[Sequence[tuple[int, str, Path]]],
    settings: CorpusSettings,
    *,
    processes: int,
    device: str | None,
    before_loading: Callable[[], None] | None,
) -> Iterator[int]:
    """The number of sounds of each batch as it is done."""
    if processes == 1 or len(jobs) < 2:
        _load(settings, device, 1, None, None)
        yield from map(_make, jobs)
        return
    context = multiprocessing.get_context("spawn")
    order = context.Value("i", 0)
    with ProcessPoolExecutor(
        min(processes, len(jobs)),
        context,
        initializer=_load,
        initargs=(settings, device, processes, order, before_loading),
    ) as pool:
        futures = [pool.submit(_make, job) for job in jobs]
        try:
            for future in futures:
                yield future.result()
        except BrokenProcessPool:
            raise InputError(
                f"one of {processes} processes broke off; if nothing above says why, the machine was short of memory: "
                "give fewer. What was made stays, and the same command goes on"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_worker: tuple[AudioLDM2Pipeline, CorpusSettings] | None = None
"""Of a process that makes sounds: loaded once, for all batches it is given."""


def _load(
    settings: CorpusSettings, device: str | None, processes: int, order: Any, before_loading: Callable[[], None] | None
) -> None:
    import signal

    if before_loading is not None:
        before_loading()
    import torch

    from photism.audioldm2.pipeline import AudioLDM2Pipeline

    number = 0
    if order is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
        with order.get_lock():
            number, order.value = order.value, order.value + 1
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
        if device is None and torch.cuda.device_count() > 1:
            device = f"cuda:{number % torch.cuda.device_count()}"
    loading = dict(settings.loading)
    dtype = getattr(torch, loading.pop("dtype", "float32"))
    global _worker
    _worker = AudioLDM2Pipeline.from_pretrained(settings.model, device=device, dtype=dtype, **loading), settings


def _make(job: Sequence[tuple[int, str, Path]]) -> int:
    import torch

    if _worker is None:
        raise RuntimeError("_load comes before _make")
    pipeline, settings = _worker
    count = settings.candidates
    seeds = [settings.seed + number * count + one for number, _, _ in job for one in range(count)]
    made = pipeline(
        [caption for _, caption, _ in job],
        num_waveforms_per_prompt=count,
        generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        **settings.making,
    )
    for row, (number, caption, target) in enumerate(job):
        score = None if made.scores is None else made.scores[row][0]
        about = {
            "text": caption,
            "model": settings.model or "tiny",
            "seed": settings.seed + number * count,
            "candidates": count,
            "score": score,
        }
        write_waveform(
            made.audios[row * count],
            target,
            sampling_rate=made.sampling_rate,
            title=caption,
            about={**about, **settings.making},
        )
    return len(job)


def _write_list(folder: Path, captions: Sequence[str], targets: Sequence[Path]) -> None:
    rows: list[str] = []
    for caption, target in zip(captions, targets, strict=True):
        if target.exists():
            about = {name: value for name, value in read_tags(target).items() if name in ("seed", "score")}
            rows.append(
                json.dumps({"file_name": f"{SOUNDS}/{target.name}", "text": caption, **about}, ensure_ascii=False)
            )
    with atomic_text(folder / LIST) as file:
        file.writelines(f"{row}\n" for row in rows)
