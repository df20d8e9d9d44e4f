"""Collections of recordings: index them in a Lance table, search it by words or by sound, find near-duplicates."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photism.collection.index import Index as Index


def __getattr__(name: str) -> Any:
    """Import the index when it is needed, since it imports NumPy, and the command line imports settings from here."""
    if name != "Index":
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from photism.collection.index import Index

    return Index
