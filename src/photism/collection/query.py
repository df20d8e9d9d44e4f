"""Turn what is searched for, texts, recordings and vectors, into one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.collection.search_settings import NOT_WEIGHT
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.listening.audio_embedder import AudioEmbedder


def query_vector(
    embedder: AudioEmbedder | None,
    *,
    texts: Sequence[str] = (),
    sounds: Sequence[SoundFile] = (),
    vectors: Sequence[NDArray[np.floating[Any]]] = (),
    not_texts: Sequence[str] = (),
    not_sounds: Sequence[SoundFile] = (),
    not_weight: float = NOT_WEIGHT,
    literal: bool = False,
) -> NDArray[np.float64]:
    """Return a vector (D,) whose dot product with the unit vector of a row is the row's score.

    The wanted texts, recordings and vectors, each of unit length, are averaged, and the mean is scaled to unit length;
    so are the excluded ones. With u and v these two, the score of a row x is cos(x, u) - not_weight * cos(x, v): what
    is excluded moves down in proportion to its similarity, and the order of rows that are equally similar to it stays.

    Args:
        embedder: model of the vectors that are searched; None if only vectors are given.
        texts: wanted texts.
        sounds: wanted recordings.
        vectors: wanted vectors (D,), of any length.
        not_texts: excluded texts.
        not_sounds: excluded recordings.
        not_weight: weight of the similarity to what is excluded.
        literal: take texts as they are, not for captions of the model in another language.

    Raises:
        InputError: nothing is wanted, a text is blank, a recording cannot be read, or a vector is zero or not finite.
    """
    check_wanted([*texts, *sounds, *vectors], [*texts, *not_texts])
    wanted = [
        *(_unit(np.asarray(vector, np.float64)) for vector in vectors),
        *_embedded(embedder, texts, sounds, literal),
    ]
    excluded = _embedded(embedder, not_texts, not_sounds, literal)
    if len({vector.shape for vector in wanted}) > 1:
        raise InputError(f"the vectors of a query must have one shape; got {[vector.shape for vector in wanted]}")
    query = _unit(np.mean(wanted, axis=0))
    return query - not_weight * _unit(np.mean(excluded, axis=0)) if excluded else query


def check_wanted(wanted: Sequence[object], texts: Sequence[str]) -> None:
    """Check that something is searched for, and that no text is blank.

    Raises:
        InputError: nothing is searched for, or a text is blank.
    """
    if not wanted:
        raise InputError("nothing is searched for; give a text or --sound")
    if any(not text.strip() for text in texts):
        raise InputError("a text to search for is blank; write what the recordings are of")


def _embedded(
    embedder: AudioEmbedder | None, texts: Sequence[str], sounds: Sequence[SoundFile], literal: bool
) -> list[NDArray[np.float64]]:
    """Return a vector of unit length for each text and recording."""
    if not (texts or sounds):
        return []
    if embedder is None:
        raise InputError("texts and recordings need a model; give an embedder")
    rows = [embedder.embed_texts(list(texts), literal=literal)] if texts else []
    rows += [embedder.embed(list(sounds))] if sounds else []
    return [_unit(row.astype(np.float64)) for each in rows for row in each]


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    norm = float(np.linalg.norm(vector))
    if not 0 < norm < np.inf:
        raise InputError("a vector of a query must be finite and not zero")
    return vector / norm
