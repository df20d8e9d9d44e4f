"""Files of the package onnx-asr next to a CTC model: its vocabulary and configuration.

The layout is that of the type `wav2vec2-ctc`, https://istupakov.github.io/onnx-asr/conversion/.
"""

from __future__ import annotations

import json
from pathlib import Path

from photism.audio.log_mel import FRAMES_PER_S
from photism.errors import InputError
from photism.files import atomic_text
from photism.listening.transcription.vocabulary import SENTENCEPIECE_SPACE, SPACE, Vocabulary

MODEL_TYPE = "wav2vec2-ctc"
BLANK = "<blk>"
MODEL_FILES = {"float32": "model.onnx", "int8": "model.int8.onnx"}
"""File of the model by its data type."""
VOCABULARY_FILE, CONFIG_FILE = "vocab.txt", "config.json"


def check_vocabulary(vocabulary: Vocabulary) -> None:
    """Raise InputError if a token cannot be written as a line."""
    broken = [token for token in vocabulary.tokens if "\n" in token]
    if broken:
        raise InputError(f"onnx-asr cannot read the vocabulary: the token {broken[0]!r} has a line break")


def write_files(folder: Path, vocabulary: Vocabulary, *, frame_s: float) -> None:
    """Write vocab.txt and config.json into a folder.

    Args:
        folder: folder of the model.
        vocabulary: its tokens.
        frame_s: seconds from one frame to the next.
    """
    with atomic_text(folder / VOCABULARY_FILE) as file:
        for index, token in enumerate(vocabulary.tokens):
            name = BLANK if index == vocabulary.blank_id else token.replace(SPACE, SENTENCEPIECE_SPACE)
            file.write(f"{name} {index}\n")
    # onnx-asr multiplies it by 10 ms for the times of tokens.
    config = {"model_type": MODEL_TYPE, "subsampling_factor": round(frame_s * FRAMES_PER_S)}
    with atomic_text(folder / CONFIG_FILE) as file:
        json.dump(config, file, indent=2)
