"""Settings of an index, without torch and numpy."""

from __future__ import annotations

from photism.extras import require
from photism.listening.settings import EmbedSettings
from photism.settings import setting, settings

TOP_K = 5
"""Number of captions, and of labels, of a row."""


@settings(group="model")
class IndexSettings(EmbedSettings):
    """Settings of the rows of an index."""

    label_model: str | None = setting(
        None,
        "Folder or hub id of an audio classifier whose best classes become the column labels. Default: none.",
        metavar="FOLDER|ID",
    )


def check_index_libraries() -> None:
    """Check that what an index needs is installed.

    Raises:
        InputError: it is not.
    """
    for library in ("lance", "pyarrow"):
        require(library, "an index", "collection")
