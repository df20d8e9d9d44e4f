"""Captions of the recordings, in two annotations: their labels alone, and sentences that templates make of the labels.

`labels` is what audio2img trained on: a list of names, as in FSD50K, which `photism align` cleans and joins.
`sentences` puts the thing and its kind into several templates; sentences that are the same count once.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from photism.files import atomic_path
from photism.training.data.captions import captions_of_labels
from recipes.sound_events.corpus import Recording
from recipes.sound_events.labels import FAMILY_OF

FIELD = "{}"
PLAIN = "{}."
TEMPLATES = (PLAIN, "The sound of {}.", "A recording of {}.", "You can hear {}.")
"""Sentences for one label."""
WITH_KIND = "The sound of {}, {}."
"""Sentence for a thing and its kind, or a kind and its family."""
UNSEEN = "This is {}."
"""Sentence that no caption of the training has, for the evaluation."""

ANNOTATIONS = ("labels", "sentences")


def fill(template: str, *labels: str) -> str:
    """Put labels into a template, with a capital letter at the beginning."""
    text = template.format(*labels)
    return text[0].upper() + text[1:]


def label_list(labels: Sequence[str]) -> str:
    """Return labels as FSD50K writes them: "Snare_drum,Percussion_instrument"."""
    names = [label.removeprefix("a ").removeprefix("an ") for label in labels]
    return ",".join((name[0].upper() + name[1:]).replace(" ", "_") for name in names)


def sentences(labels: Sequence[str]) -> dict[str, str]:
    """Return the distinct sentences for the labels of a recording, without the family's own, each with its template."""
    made = {fill(template, label): template for label in labels[:-1] for template in TEMPLATES}
    return made | {fill(WITH_KIND, *pair): WITH_KIND for pair in itertools.pairwise(labels)}


def captions_of_kinds(wording: str) -> tuple[str, ...]:
    """Return a caption of each kind, in the order of `KINDS`, as one of `ANNOTATIONS` or a template words it."""
    if wording == "labels":
        return tuple(captions_of_labels(label_list(pair))[0] for pair in FAMILY_OF.items())
    template = TEMPLATES[1] if wording == "sentences" else wording
    return tuple(fill(template, kind) for kind in FAMILY_OF)


def write_data(folder: Path, annotation: str, captions: Mapping[Recording, Iterable[str]]) -> None:
    """Write `metadata.csv` of recordings for training: a row for each list of labels, or for each sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    column = "labels" if annotation == "labels" else "text"
    with atomic_path(folder / "metadata.csv") as part, part.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "split", column])
        rows.writerows([each.path, "train", caption] for each, own in captions.items() for caption in own)
