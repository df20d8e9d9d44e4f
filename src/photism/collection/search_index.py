"""Search an index by texts, recordings and vectors, with the model that its rows were computed with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from photism.audio.sources import SoundFile
from photism.collection.query import check_wanted, query_vector
from photism.collection.search import Hit, check_query, search_rows
from photism.collection.search_settings import SearchSettings
from photism.collection.where import check_where
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.collection.index import Index
    from photism.listening.audio_embedder import AudioEmbedder

Sound: TypeAlias = "str | Path | bytes | SoundFile"


def search_index(
    index: Index,
    settings: SearchSettings,
    *,
    text: str | Sequence[str] = (),
    sound: Sound | Sequence[Sound] = (),
    vector: NDArray[np.floating[Any]] | None = None,
    not_: str | Sequence[str] = (),
    not_sound: Sound | Sequence[Sound] = (),
    model: str | None = None,
    embedder: AudioEmbedder | None = None,
) -> list[Hit]:
    """Return the recordings that are the most similar to a query, the most similar first.

    Args:
        index: the index.
        settings: settings of the search.
        text: texts that describe what is wanted, with a model that compares recordings with texts.
        sound: recordings that are similar to what is wanted.
        vector: (D,) vector of the index's model; what is given by text, sound and vector counts alike.
        not_: texts of what is not wanted.
        not_sound: recordings of what is not wanted.
        model: folder or hub id of the index's model, if it is not where it was.
        embedder: that model, if it is loaded already.

    Raises:
        InputError: nothing is searched for, the vectors cannot be compared with texts, the condition or a recording
            cannot be used, or the model is not the one that the rows were computed with.
    """
    texts, not_texts = _as_list(text), _as_list(not_)
    sounds, not_sounds = _as_files(sound), _as_files(not_sound)
    check_wanted([*texts, *sounds, *([] if vector is None else [vector])], [*texts, *not_texts])
    check_where(index.dataset, settings.where)
    if (texts or not_texts) and index.kind != "prompt":
        raise InputError(
            f"{index.table.uri} has {index.kind} vectors, which cannot be compared with texts; search it by --sound"
        )
    if vector is not None:
        check_query(index.dataset, vector)
    needs_model = bool(texts or not_texts or sounds or not_sounds)
    query = query_vector(
        (embedder or index.load_embedder(model)) if needs_model else None,
        texts=texts,
        sounds=sounds,
        vectors=[] if vector is None else [vector],
        not_texts=not_texts,
        not_sounds=not_sounds,
        not_weight=settings.not_weight,
        literal=settings.literal,
    )
    return search_rows(
        index.dataset,
        query,
        where=settings.where,
        top_k=settings.top_k,
        all_windows=settings.all_windows,
        exact=settings.exact,
    )


def _as_list(text: str | Sequence[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def _as_files(sound: Sound | Sequence[Sound]) -> list[SoundFile]:
    """Return recordings as files, which are opened at once, so that a missing one is reported before models load."""
    given = [sound] if isinstance(sound, str | Path | bytes | SoundFile) else list(sound)
    return [SoundFile.of(each) for each in given]
