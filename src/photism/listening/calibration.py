"""Calibration of speaker verification: labelled pairs of recordings, and the threshold found on them."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from photism.display.markup import block, note
from photism.display.short_repr import short_repr
from photism.errors import InputError, os_error_message
from photism.files import atomic_path
from photism.json_files import read_json_object

PAIR_COLUMNS = ("one", "other", "same")
BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True)
class Calibration:
    """A threshold, and the errors it makes on the pairs it was calibrated on.

    Attributes:
        threshold: minimum cosine of two recordings of the same speaker.
        equal_error_rate: equal error rate (EER) of the pairs, 0 to 1.
        min_detection_cost: minimum detection cost (minDCF) of the pairs, for a prior of 0.01.
        same: number of pairs of one speaker.
        different: number of pairs of two speakers.
    """

    threshold: float
    equal_error_rate: float
    min_detection_cost: float
    same: int
    different: int

    def __repr__(self) -> str:
        return short_repr(self, threshold=self.threshold, EER=self.equal_error_rate, minDCF=self.min_detection_cost)

    def _repr_html_(self) -> str:
        return block(note(str(self)))

    def __str__(self) -> str:
        """Return the threshold and its errors as a line."""
        return (
            f"threshold {self.threshold:.3f}  EER {self.equal_error_rate:.1%}  minDCF {self.min_detection_cost:.3f}  "
            f"on {self.same} pairs of the same speaker and {self.different} of different speakers"
        )

    def save(self, target: str | Path) -> None:
        """Write the calibration to a JSON file."""
        with atomic_path(Path(target)) as unfinished:
            unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf8")

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what `save` wrote.

        Raises:
            InputError: the file is not a calibration.
        """
        about = read_json_object(Path(path), f"calibration {path}")
        threshold = about.get("threshold")
        is_number = isinstance(threshold, int | float) and threshold == threshold  # NaN does not equal itself
        if about.keys() != cls.__annotations__.keys() or not is_number:
            raise InputError(
                f"{path} cannot be read as a calibration: {', '.join(cls.__annotations__)} must be numbers"
            )
        return cls(**about)


def read_pairs(path: Path) -> list[tuple[str, str, bool]]:
    """Read labelled pairs of recordings from a CSV file with the columns one, other and same.

    Args:
        path: the file. Paths in it are relative to its folder.

    Raises:
        InputError: the file is unreadable, or a row does not name two recordings and whether their speaker is the same.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a byte order mark
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = os_error_message(error) if isinstance(error, OSError) else f"{path} cannot be read: {error}"
        raise InputError(reason) from None
    pairs: list[tuple[str, str, bool]] = []
    for number, row in enumerate(rows, start=2):
        one, other, same = (str(row.get(column) or "").strip() for column in PAIR_COLUMNS)
        if not one or not other or same.lower() not in BOOLEANS:
            raise InputError(f"{path}, line {number}: must have {', '.join(PAIR_COLUMNS)}, the last 1 or 0; got {row}")
        files = [each if "://" in each else str(path.parent / each) for each in (one, other)]
        pairs.append((files[0], files[1], BOOLEANS[same.lower()]))
    return pairs
