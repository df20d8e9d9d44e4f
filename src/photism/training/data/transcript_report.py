"""Report on the normalisation of transcripts: some of them before and after it, and which characters it drops."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from photism.listening.transcription.normalization import Normalizer
from photism.training.data.feature_dataset import evenly_spaced

SHOWN_TRANSCRIPTS = 10


@dataclass(frozen=True)
class TranscriptReport:
    """Report on normalised transcripts. The names of its fields are those in report.json.

    Attributes:
        transcripts: number of transcripts.
        changed: how many of them the normalisation changes.
        examples: some transcripts before and after it.
        dropped_characters: how often each character was dropped or replaced by a space, the most frequent first.
        has_dotless_i: whether letters of Turkic alphabets occur, while no language was given.
    """

    transcripts: int
    changed: int
    examples: Sequence[tuple[str, str]]
    dropped_characters: dict[str, int]
    has_dotless_i: bool

    def lines(self) -> list[str]:
        """Return the report as lines; single transcripts are indented."""
        lines = [f"normalisation changes {self.changed} of {self.transcripts} transcripts; before and after:"]
        lines += [f"  {_visible(before)} → {_visible(after) or '(empty)'}" for before, after in self.examples]
        if self.dropped_characters:
            counts = "  ".join(f"{name_of(each)} {count}" for each, count in self.dropped_characters.items())
            lines.append(f"dropped {len(self.dropped_characters)} different characters: {counts}")
        if self.has_dotless_i:
            lines.append(
                "the transcripts contain ı or İ; if I is the capital of ı there, set text_language, such as tr"
            )
        return lines


def report_transcripts(pairs: Sequence[tuple[str, str]], normalizer: Normalizer) -> TranscriptReport:
    """Inspect the normalisation of transcripts; the examples are evenly spaced over them.

    Args:
        pairs: each transcript before and after normalisation.
        normalizer: the normalisation.
    """
    texts = [before for before, _ in pairs]
    dropped: Counter[str] = Counter()
    for text in texts:
        dropped.update(normalizer.dropped(text))
    return TranscriptReport(
        transcripts=len(pairs),
        changed=sum(before != after for before, after in pairs),
        examples=evenly_spaced(list(dict.fromkeys(pairs)), SHOWN_TRANSCRIPTS),
        dropped_characters=dict(dropped.most_common()),
        has_dotless_i=normalizer.lowercase and not normalizer.language and any(set("ıİ") & set(each) for each in texts),
    )


def name_of(character: str) -> str:
    """Return a character, or its code point if it is invisible or a mark."""
    visible = character.isprintable() and not unicodedata.category(character).startswith("M")
    return character if visible else f"U+{ord(character):04X}"


def _visible(text: str) -> str:
    """Return a text with escapes in place of invisible characters, except joiners."""
    joiners = "\u200c\u200d"
    return "".join(each if each.isprintable() or each in joiners else f"\\u{ord(each):04x}" for each in text)
