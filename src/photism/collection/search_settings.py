"""Settings of a search, without torch and numpy."""

from __future__ import annotations

from typing import Literal

from photism.device import device_setting
from photism.settings import setting, settings

HitFormat = Literal["table", "json", "csv"]
HIT_FORMATS: tuple[HitFormat, ...] = ("table", "json", "csv")
MAX_HITS = 100_000
NOT_WEIGHT = 0.5
"""Weight of the similarity to what is excluded: a row as similar to it as to the query loses half its score."""
VECTOR_SIMILARITY = 0.9
"""Cosine similarity of vectors from which on they are near-duplicates."""


@settings(group="query")
class SearchSettings:
    """Settings of a search."""

    where: str | None = setting(
        None,
        'Condition in SQL on the columns of the index, which applies before the search, such as "duration_s < 5" or '
        "\"location LIKE '%.ogg'\".",
        metavar="SQL",
    )
    top_k: int = setting(10, "Number of results.", minimum=1, maximum=MAX_HITS, field_maximum=1000)
    all_windows: bool = setting(
        False, "List all windows of a recording. Without it, a recording is listed once, with its best window."
    )
    not_weight: float = setting(
        NOT_WEIGHT,
        "Weight of what is excluded: the score is the similarity to the query less this weight times the similarity to "
        "what is excluded.",
        minimum=0,
        maximum=10,
    )
    literal: bool = setting(
        False, "Take texts as they are, also those that look like a caption of the model in another language."
    )
    exact: bool = setting(False, "Compare all rows even if the index has a vector index.")


@settings(group="model")
class QueryModelSettings:
    """Model of the texts and recordings that are searched for."""

    model: str | None = setting(
        None,
        "Folder or hub id where the model of the index is now. Default: where it was when the index was made.",
        metavar="FOLDER|ID",
    )
    device: str | None = device_setting()


@settings(group="analysis")
class DuplicateSettings:
    """Settings of the search for near-duplicates."""

    similarity: float | None = setting(
        None,
        "Lowest similarity of near-duplicates, with --duplicates. Default: a correlation of the audio of 0.93, or with "
        "--by-vectors a cosine similarity of 0.9.",
        minimum=-1,
        maximum=1,
    )
    by_vectors: bool = setting(
        False,
        "With --duplicates, compare vectors, and do not read the recordings. This finds what the model does not "
        "distinguish, such as one word in two voices.",
    )
