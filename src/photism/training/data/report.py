"""Report on a data set before the training: sizes and lengths, unreadable recordings, and leaks between the splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from photism.training.data.feature_dataset import FeatureDataset

MAX_NAMES = 5


@dataclass(frozen=True)
class SplitReport:
    """Report on a split. The names of its fields are those in report.json.

    Attributes:
        clips: number of clips.
        hours: total length.
        shortest_s: length of the shortest clip in seconds.
        median_s: median length in seconds.
        longest_s: length of the longest clip in seconds.
        texts: number of distinct targets.
    """

    clips: int
    hours: float
    shortest_s: float
    median_s: float
    longest_s: float
    texts: int


@dataclass(frozen=True)
class DatasetReport:
    """Report on a data set. The names of its fields are those in report.json.

    Attributes:
        texts: what its targets are called, such as "classes".
        columns: number of clips whose targets were read from each column.
        unused_columns: columns that hold targets as well, but were not used.
        train: report on the training split; None if it is empty.
        validation: report on the validation split; None if it is empty.
        unreadable: name and reason of each recording that was skipped.
        repeated_sounds: number of clips with the same samples as an earlier one.
        leaked_sounds: names of training clips with the same samples as a validation clip.
        leaked_groups: groups, such as speakers, with clips in both splits.
        cropped: number of training clips that are longer than a crop.
    """

    texts: str
    columns: Mapping[str, int]
    unused_columns: Sequence[str]
    train: SplitReport | None
    validation: SplitReport | None
    unreadable: Sequence[tuple[str, str]]
    repeated_sounds: int
    leaked_sounds: Sequence[str]
    leaked_groups: Sequence[str]
    cropped: int

    def split_lines(self) -> list[str]:
        """Return a line on each split."""
        lines: list[str] = []
        for name, split in (("train", self.train), ("validation", self.validation)):
            if split is None:
                lines.append(f"{name}: no clips")
                continue
            lines.append(
                f"{name}: {split.clips} clips, {split.hours:.2f} h, {split.shortest_s:.1f} to {split.longest_s:.1f} s "
                f"(median {split.median_s:.1f}), {split.texts} distinct {self.texts}"
            )
        return lines

    def column_lines(self) -> list[str]:
        """Return a line on the columns that the targets were read from, if there are columns."""
        if not self.columns:
            return []
        names = [f"{name} ({count} clips)" for name, count in self.columns.items()]
        source = f"columns {' and '.join(names)}" if len(names) > 1 else f"column {next(iter(self.columns))}"
        others = f", and not from {' or '.join(self.unused_columns)}" if self.unused_columns else ""
        return [f"{self.texts} are read from {source}{others}"]

    def problem_lines(self) -> list[str]:
        """Return lines on what may be wrong; names of single recordings are indented."""
        lines: list[str] = []
        if self.validation is None:
            lines.append(
                "no clips for validation: there will be no metrics, and the last weights become the model; "
                "raise validation_share (clips of one speaker stay together), or give the clips a column split"
            )
        if self.cropped:
            lines.append(f"{self.cropped} clips are longer than max_duration_s and are cropped")
        if self.repeated_sounds:
            lines.append(f"{self.repeated_sounds} clips have the same audio as an earlier one")
        if self.leaked_sounds:
            lines.append(f"{len(self.leaked_sounds)} clips are in both splits{first_names(self.leaked_sounds)}")
        if self.leaked_groups:
            lines.append(f"{len(self.leaked_groups)} speakers are in both splits{first_names(self.leaked_groups)}")
        if self.unreadable:
            lines.append(f"skipped {len(self.unreadable)} unreadable recordings:")
            lines += [f"  {name}: {reason}" for name, reason in self.unreadable]
        return lines


def report_dataset(dataset: FeatureDataset, *, target_noun: str, max_duration_s: float) -> DatasetReport:
    """Inspect a data set.

    Args:
        dataset: prepared data set.
        target_noun: what its targets are called.
        max_duration_s: longest training crop; infinity if clips are not cropped.
    """
    digests = Counter(clip.digest for clip in dataset.clips)
    validation_digests = {clip.digest for clip in dataset.clips if clip.split == "validation"}
    train = [clip for clip in dataset.clips if clip.split == "train"]
    groups = [{clip.group for clip in dataset.clips if clip.split == split} for split in ("train", "validation")]
    return DatasetReport(
        texts=target_noun,
        columns=dict(Counter(name for clip in dataset.clips for name in clip.columns)),
        unused_columns=sorted({name for clip in dataset.clips for name in clip.unused_columns}),
        train=_report_split(dataset, "train"),
        validation=_report_split(dataset, "validation"),
        unreadable=dataset.unreadable,
        repeated_sounds=len(dataset) - len(digests),
        leaked_sounds=[clip.name for clip in train if clip.digest in validation_digests],
        leaked_groups=sorted(group for group in groups[0] & groups[1] if group is not None),
        cropped=sum(clip.duration_s > max_duration_s for clip in train),
    )


def first_names(names: Sequence[str]) -> str:
    """Return the first names of a list, after a colon."""
    return ": " + "; ".join(names[:MAX_NAMES]) + ("; …" if len(names) > MAX_NAMES else "")


def _report_split(dataset: FeatureDataset, split: str) -> SplitReport | None:
    clips = [clip for clip in dataset.clips if clip.split == split]
    if not clips:
        return None
    lengths = np.array([clip.duration_s for clip in clips])
    return SplitReport(
        clips=len(clips),
        hours=float(lengths.sum()) / 3600,
        shortest_s=float(lengths.min()),
        median_s=float(np.median(lengths)),
        longest_s=float(lengths.max()),
        texts=len({text for clip in clips for text in clip.texts}),
    )
