"""Near-duplicates in a collection: groups of recordings of which one is enough.

Recordings are compared by their audio, or by their vectors alone. Rows are taken in the order in which one would keep
them; each that is no duplicate of an earlier one is kept, and takes its own duplicates out of the rest. So a group
never chains things together that differ, and memory does not grow with the number of pairs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.collection.acoustic_similarity import (
    CANDIDATE_SIMILARITY,
    COPY_CORRELATION,
    MAX_S,
    AcousticSimilarity,
)
from photism.collection.copies import open_segment
from photism.collection.locations import local_path
from photism.collection.search import VECTOR, Hit, vectors_of
from photism.collection.search_settings import VECTOR_SIMILARITY
from photism.collection.where import check_where, explain_where
from photism.display.short_repr import short_repr
from photism.errors import InputError

if TYPE_CHECKING:
    from lance import LanceDataset

MIN_BLOCK_ROWS, BLOCK_VALUES = 16, 2**25
"""Fewest rows of a block, and the similarities that it holds at once: 128 MB."""
MIN_LENGTH_RATIO = 0.8
LOSSLESS = (".wav", ".flac", ".aif", ".aiff", ".w64", ".caf", ".wv", ".ape", ".au")
NOT_NEEDED = (VECTOR, "captions", "labels")


@dataclass(frozen=True)
class Duplicate:
    """A recording, or a segment, that is a copy of another one.

    Attributes:
        found: it, with its similarity as its score.
        original: what it is a duplicate of: the kept recording, or a segment of it.
        is_identical: whether the two files have the same bytes.
    """

    found: Hit
    original: Hit
    is_identical: bool

    def __repr__(self) -> str:
        found, original = self.found.location, self.original.location
        return short_repr(self, found=found, original=original, is_identical=self.is_identical)


@dataclass(frozen=True)
class DuplicateGroup:
    """A recording to keep, and its duplicates.

    Attributes:
        keep: the longest; of recordings that are equally long, one in a lossless format, and the first by its name.
        duplicates: the others.
    """

    keep: Hit
    duplicates: tuple[Duplicate, ...]

    def __repr__(self) -> str:
        return short_repr(self, keep=self.keep.location, duplicates=len(self.duplicates))


def find_duplicates(
    dataset: LanceDataset,
    *,
    where: str | None = None,
    similarity: float | None = None,
    by_vectors: bool = False,
    on_error: Callable[[InputError], None] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[DuplicateGroup]:
    """Return groups of near-duplicates; segments of one recording are not compared with each other.

    Args:
        dataset: table of an index.
        where: condition in SQL; only rows that satisfy it are compared.
        similarity: lowest similarity of duplicates: the correlation of their audio (by default 0.93), or the cosine
            similarity of their vectors (by default 0.9).
        by_vectors: compare vectors, and read no recording. The result is then what the model does not distinguish.
        on_error: called with the error of each recording that cannot be read, which has no duplicates then; None
            raises it.
        on_progress: called with the number of rows that are done, and of all.

    Raises:
        InputError: the condition cannot be used, or a recording cannot be read.
    """
    check_where(dataset, where)
    with explain_where(dataset, where):
        columns = [name for name in dataset.schema.names if name not in NOT_NEEDED]
        table = dataset.to_table(columns=[*columns, VECTOR] if by_vectors else columns, filter=where)
    hits = [Hit.of(row, 1.0) for row in table.select(columns).to_pylist()]
    order = sorted(range(len(hits)), key=lambda number: _preference(hits[number]))
    hits = [hits[number] for number in order]
    is_identical = partial(_is_identical, checksum=cache(_checksum))
    if by_vectors:
        vectors = vectors_of(table.column(VECTOR))[order]
        lengths = np.array([_length_s(hit) for hit in hits])
        lowest = VECTOR_SIMILARITY if similarity is None else similarity
        pairs = _pairs(hits, vectors, lengths, lowest, None, is_identical, on_progress)
    else:
        acoustic = AcousticSimilarity(partial(_samples, hits))
        signatures, lengths = acoustic.signatures(len(hits), on_error, on_progress)
        lowest = COPY_CORRELATION if similarity is None else similarity
        compare, coarse = partial(acoustic, lowest=lowest), min(lowest, CANDIDATE_SIMILARITY)
        pairs = _pairs(hits, signatures, lengths, coarse, compare, is_identical, None)
    return _grouped(list(pairs))


def _preference(hit: Hit) -> tuple[Any, ...]:
    """Return the place of a row in the order of preference; the segments of a recording stay together."""
    is_lossless = Path(hit.location).suffix.lower() in LOSSLESS
    return -round(hit.row.get("duration_s") or 0.0, 1), not is_lossless, hit.location, hit.start_s


def _pairs(
    hits: list[Hit],
    vectors: NDArray[np.float32],
    lengths: NDArray[np.floating[Any]],
    similarity: float,
    compare: Callable[[int, int], float | None] | None,
    is_identical: Callable[[Hit, Hit], bool],
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[Duplicate]:
    """Yield the duplicates of rows by their vectors (N, D) and lengths (N,).

    `compare` returns the similarity of two rows, and None if they are no duplicates; `is_identical` returns whether
    their files have the same bytes.
    """
    count = len(hits)
    codes = {location: code for code, location in enumerate(dict.fromkeys(hit.location for hit in hits))}
    recordings = np.array([codes[hit.location] for hit in hits])
    is_duplicate = np.zeros(count, bool)
    block = max(MIN_BLOCK_ROWS, BLOCK_VALUES // max(1, count))
    for start in range(0, count, block):
        scores = vectors[start : start + block] @ vectors[start:].T
        for kept in range(start, min(start + block, count)):
            if is_duplicate[kept]:
                continue
            row = scores[kept - start]
            near = start + np.flatnonzero(row >= similarity)
            near = near[(near > kept) & (recordings[near] != recordings[kept]) & ~is_duplicate[near]]
            shorter, longer = np.minimum(lengths[near], lengths[kept]), np.maximum(lengths[near], lengths[kept])
            for number in map(int, near[shorter >= MIN_LENGTH_RATIO * longer]):
                score = float(row[number - start]) if compare is None else compare(kept, number)
                if score is not None:
                    is_duplicate[number] = True
                    found = Hit(*_place(hits[number]), score, hits[number].row)
                    yield Duplicate(found, hits[kept], is_identical(hits[kept], found))
        if on_progress is not None:
            on_progress(min(start + block, count), count)


def _samples(hits: list[Hit], number: int) -> NDArray[np.float32]:
    """Return the samples at 16 kHz of a row, of which no more than the first minutes are compared."""
    from photism.audio.waveform import load_waveform

    hit = hits[number]
    if hit.end_s is None and _length_s(hit) <= MAX_S:
        return load_waveform(open_segment(hit)).samples
    end_s = hit.start_s + MAX_S if hit.end_s is None else min(hit.end_s, hit.start_s + MAX_S)
    return load_waveform(open_segment(Hit(hit.location, hit.start_s, end_s, 0, {}))).samples


def _grouped(pairs: list[Duplicate]) -> list[DuplicateGroup]:
    """Group duplicates by the recording that is kept, and join segments that follow each other in both recordings."""
    groups: dict[str, list[Duplicate]] = {}
    for duplicate in pairs:
        found = groups.setdefault(duplicate.original.location, [])
        last = next((each for each in reversed(found) if each.found.location == duplicate.found.location), None)
        joined = last and _joined(last, duplicate)
        if last and joined:
            found[found.index(last)] = joined
        else:
            found.append(duplicate)
    return [DuplicateGroup(_whole_if_joined(found[0].original, found), tuple(found)) for found in groups.values()]


def _joined(one: Duplicate, other: Duplicate) -> Duplicate | None:
    """Return two segments as one, if they overlap or touch in both recordings and are equally far apart."""
    if one.found.end_s is None or one.original.end_s is None:
        return None
    step_s = other.found.start_s - one.found.start_s
    is_parallel = abs(step_s - (other.original.start_s - one.original.start_s)) < 1e-3
    if not is_parallel or not one.found.start_s <= other.found.start_s <= one.found.end_s + 1e-3:
        return None

    def span(first: Hit, second: Hit) -> Hit:
        return Hit(first.location, first.start_s, second.end_s, min(first.score, second.score), first.row)

    original = span(one.original, other.original)
    return Duplicate(span(one.found, other.found), original, one.is_identical and other.is_identical)


def _whole_if_joined(keep: Hit, duplicates: list[Duplicate]) -> Hit:
    """Return the recording to keep, with the extent of what others repeat of it."""
    if keep.end_s is None:
        return keep
    ends = [each.original.end_s for each in duplicates]
    end_s = None if None in ends else max(each for each in ends if each is not None)
    return Hit(keep.location, min(each.original.start_s for each in duplicates), end_s, keep.score, keep.row)


def _place(hit: Hit) -> tuple[str, float, float | None]:
    return hit.location, hit.start_s, hit.end_s


def _length_s(hit: Hit) -> float:
    """Return the duration of a row in seconds."""
    if hit.end_s is not None:
        return hit.end_s - hit.start_s
    return float(hit.row.get("duration_s") or 0.0)


def _is_identical(one: Hit, other: Hit, *, checksum: Callable[[Path], bytes]) -> bool:
    """Return whether two files have the same bytes."""
    paths = local_path(one.location), local_path(other.location)
    if paths[0] is None or paths[1] is None:
        return False
    try:
        sizes = paths[0].stat().st_size, paths[1].stat().st_size
        return sizes[0] == sizes[1] and checksum(paths[0]) == checksum(paths[1])
    except OSError:
        return False


def _checksum(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.digest()
