"""A map of a collection: the vectors of its rows projected to two dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from photism.collection.hit_formats import caption
from photism.collection.search import VECTOR, Hit, vectors_of
from photism.collection.where import check_where, explain_where
from photism.errors import InputError
from photism.extras import require

if TYPE_CHECKING:
    from lance import LanceDataset

MAX_POINTS = 5000
"""Most points of a map; t-SNE of as many takes about half a minute on one core."""
PERPLEXITY = 30.0
COMPONENTS = 50
"""Principal components that t-SNE works on (van der Maaten and Hinton, 2008, section 4.2)."""
MIN_ROWS, MIN_DISTINCT = 10, 3
"""Fewest rows for t-SNE, and for the first two principal components, by which fewer are placed."""


@dataclass(frozen=True, eq=False)
class CollectionMap:
    """The points of a map.

    Attributes:
        hits: their rows.
        points: (N, 2) coordinates between 0 and 1.
        names: what each is: its best caption or label, or "".
        method: how they were projected.
        total: number of rows of which the points are a sample.
    """

    hits: tuple[Hit, ...]
    points: NDArray[np.float64]
    names: tuple[str, ...]
    method: str
    total: int

    @property
    def about(self) -> str:
        """Description of the map in a sentence."""
        shown = f"{len(self.hits):,}" if len(self.hits) == self.total else f"{len(self.hits):,} of {self.total:,}"
        sampled = "" if len(self.hits) == self.total else ", drawn at random"
        return f"{shown} recordings{sampled}; {self.method}"


def project(
    dataset: LanceDataset, *, where: str | None = None, max_points: int = MAX_POINTS, seed: int = 0
) -> CollectionMap:
    """Project the vectors of a table to two dimensions, in which neighbours stay neighbours.

    Args:
        dataset: table of an index.
        where: condition in SQL; only rows that satisfy it are shown.
        max_points: number of rows above which a random sample is shown.
        seed: random seed of the sample and of t-SNE.

    Raises:
        InputError: scikit-learn is not installed, no row satisfies the condition, or it cannot be used.
    """
    check_sklearn()
    check_where(dataset, where)
    with explain_where(dataset, where):
        offsets = dataset.to_table(columns=["_rowoffset"], filter=where).column(0).to_numpy()
    if not len(offsets):
        raise InputError("there are no recordings to show on a map")
    total = len(offsets)
    if total > max_points:
        offsets = np.sort(np.random.default_rng(seed).choice(offsets, max_points, replace=False))
    table = dataset.take(offsets.tolist())
    hits = tuple(Hit.of(row, 0.0) for row in table.drop_columns([VECTOR]).to_pylist())
    points, method = project_vectors(vectors_of(table.column(VECTOR)), seed=seed)
    return CollectionMap(hits, points, tuple(caption(hit.row) for hit in hits), method, total)


def project_vectors(vectors: NDArray[np.float32], *, seed: int = 0) -> tuple[NDArray[np.float64], str]:
    """Return coordinates (N, 2) between 0 and 1 of vectors (N, D), and how they were found."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    # Of equal rows one is projected: t-SNE ends the process with a segmentation fault if all are equal.
    vectors, rows = np.unique(vectors, axis=0, return_inverse=True)
    count, width = vectors.shape
    if count < MIN_DISTINCT or width < 2:
        points = np.stack([np.linspace(0, 1, count), np.full(count, 0.5)], axis=1)
        return points[rows], "rows that differ are side by side"
    components = min(COMPONENTS, width, count)
    reduced = PCA(components, random_state=seed).fit_transform(vectors.astype(np.float64))
    if count < MIN_ROWS:
        return _scaled(reduced[:, :2])[rows], "the first two principal components"
    perplexity = min(PERPLEXITY, (count - 1) / 3)
    points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced.astype(np.float32))
    method = f"t-SNE of {components} principal components, perplexity {perplexity:.3g}"
    return _scaled(points.astype(np.float64))[rows], method


def check_sklearn() -> None:
    """Check that scikit-learn is installed.

    Raises:
        InputError: it is not.
    """
    require("sklearn", "a map", "collection")


def _scaled(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return coordinates between 0 and 1, with the same scale for both axes."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max()) or 1.0
    return (points - (low + high) / 2) / extent + 0.5
