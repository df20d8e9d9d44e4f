"""The tokenizer of CLIP, which single files of Stable Diffusion do not contain.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021), and its
published byte-pair merges, in `clip_vocabulary` with their licence (MIT). `recipes/clip_vocabulary` wrote the file.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

MERGES = Path(__file__).with_name("clip_vocabulary") / "merges.txt.gz"
VOCABULARY_SIZE = 49_408
PROMPT_LENGTH = 77
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def clip_tokenizer(*, pad_token: str = EOS) -> CLIPTokenizer:
    """Return CLIP's tokenizer, for prompts of 77 tokens.

    Args:
        pad_token: the one that fills a prompt; "!", the token 0, for the text encoders of OpenCLIP.
    """
    from transformers import CLIPTokenizer

    merges = gzip.decompress(MERGES.read_bytes()).decode("utf-8").split("\n")
    characters = _byte_characters()
    # A token's number is its place: bytes, bytes at the end of a word, merges in order of their frequency.
    joined = [merge.replace(" ", "") for merge in merges]
    tokens = [*characters, *(f"{character}</w>" for character in characters), *joined, BOS, EOS]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=cast("Any", [tuple(merge.split(" ")) for merge in merges]),  # its type is that of older versions
        pad_token=pad_token,
        model_max_length=PROMPT_LENGTH,
    )


def _byte_characters() -> list[str]:
    """Return the printable character that stands for each byte in byte-level BPE, in the order of the vocabulary.

    Printable bytes of Latin-1 stand for themselves and come first; the others follow as characters from U+0100 on.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]
