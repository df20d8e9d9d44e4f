"""Encode captions as the audio encoder's training did: by the text encoder without what a user has added to it.

LoRA weights for a text encoder and tokens of textual inversion are for the words that a user gives, `--text` and
`--negative`. The captions that a recording is compared with are those of training, so that what is recognised does not
depend on the style of an image.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from copy import copy
from threading import RLock
from typing import Any

from photism.prompts.lora_layers import lora_layers

TEXT_ENCODERS = ("text_encoder", "text_encoder_2")

PLAIN_TOKENIZERS = "plain_tokenizers"
"""Attribute of a pipeline with its tokenizers by name, as they were before tokens were added to them."""

_lock = RLock()


@contextmanager
def user_text() -> Generator[None]:
    """Encode a user's words within this block: no thread switches off LoRA weights meanwhile."""
    with _lock:
        yield


@contextmanager
def plain_text(pipeline: Any) -> Generator[Any]:
    """Yield a copy of a pipeline that shares its models, without tokens of textual inversion and LoRA weights for text.

    The LoRA weights of the shared text encoders are switched off within this block; other threads wait for its end.
    """
    plain = copy(pipeline)
    for name, tokenizer in getattr(pipeline, PLAIN_TOKENIZERS, {}).items():
        setattr(plain, name, tokenizer)
    with _lock:
        encoders = [getattr(pipeline, name, None) for name in TEXT_ENCODERS]
        layers = [
            layer
            for encoder in encoders
            if encoder is not None
            for layer in lora_layers(encoder)
            if not layer.disable_adapters
        ]
        for layer in layers:
            layer.enable_adapters(False)
        try:
            yield plain
        finally:
            for layer in layers:
                layer.enable_adapters(True)
