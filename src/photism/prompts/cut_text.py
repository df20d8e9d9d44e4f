"""Texts that are longer than a prompt: which words a tokenizer cuts off, reported in one line."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from photism.errors import ModelWarning
from photism.library_logging import quiet_libraries

SHOWN_CHARACTERS = 60


def cut_words(tokenizer: Any, text: str, limit: int) -> str:
    """Return the end of a text that a tokenizer cuts off; empty if the text fits.

    Args:
        tokenizer: tokenizer of transformers.
        text: text of a prompt.
        limit: number of tokens that are kept, without BOS and EOS.
    """
    has_offsets = bool(tokenizer.is_fast)
    with quiet_libraries:  # transformers warns of what is about to be found
        encoded = tokenizer(text, add_special_tokens=False, truncation=False, return_offsets_mapping=has_offsets)
    if len(encoded.input_ids) <= limit:
        return ""
    if not has_offsets:
        return str(tokenizer.decode(encoded.input_ids[limit:])).strip()
    start = encoded.offset_mapping[limit][0]
    begun = text[:start].rpartition(" ")[2]  # of a word in the middle of which the text is cut
    return text[start - (len(begun) if len(begun) < SHOWN_CHARACTERS else 0) :].strip()


def report_cut_texts(tokenizer: Any, texts: Sequence[str], *, limit: int, name: str, remedy: str = "") -> None:
    """Warn of texts of which the tokenizer cuts off words, in one line for all of them.

    Args:
        tokenizer: tokenizer of transformers.
        texts: texts of prompts.
        limit: number of tokens that are kept, without BOS and EOS.
        name: what the warning calls a text.
        remedy: what to do, as the end of the warning.
    """
    cut = [words for text in texts if (words := cut_words(tokenizer, text, limit))]
    if not cut:
        return
    subject = f"{name} is" if len(cut) == 1 else f"{len(cut)} of {len(texts)} {name}s are"
    shown = cut[0] if len(cut[0]) <= SHOWN_CHARACTERS else f"{cut[0][: SHOWN_CHARACTERS - 1]}…"
    message = f"{subject} longer than {limit} tokens; cut off: {shown!r}{remedy and f'; {remedy}'}"
    warnings.warn(message, ModelWarning, stacklevel=3)
