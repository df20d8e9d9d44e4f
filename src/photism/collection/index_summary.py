"""Summary of what was changed in an index."""

from __future__ import annotations

from dataclasses import dataclass

from photism.jobs.run import Summary


@dataclass
class IndexSummary:
    """Changes that were made to an index.

    Attributes:
        run: numbers of the recordings that were listed.
        rows: number of rows afterwards.
        changed: number of recordings that were processed again, since they have changed.
        repeated: number of recordings that were processed again, although they have not changed.
        removed: number of recordings that were removed, since they are gone.
        doubtful: number of recordings that are gone, but stay in the index, since a disk may be missing.
    """

    run: Summary
    rows: int
    changed: int = 0
    repeated: int = 0
    removed: int = 0
    doubtful: int = 0

    def __str__(self) -> str:
        """Return the numbers as a sentence."""
        changes = [f"{self.run.processed - self.changed - self.repeated:,} new"]
        for count, word in ((self.changed, "changed"), (self.repeated, "again"), (self.removed, "removed")):
            changes += [f"{count:,} {word}"] if count else []
        return f"{self.run}; {', '.join(changes)}; {self.rows:,} rows"
