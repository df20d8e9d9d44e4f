"""Make tiny Wav2Vec2-BERTs with x-vector and frame classification heads and random weights, saved by transformers.

    python -m tests.support.speaker_models FOLDER

writes FOLDER/XVector and FOLDER/AudioFrameClassification.
"""

import sys
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.support.classifiers import WIDTH, make_extractor

SMALL = {
    **WIDTH,
    "left_max_position_embeddings": 6,
    "right_max_position_embeddings": 2,
    "tdnn_dim": [8, 8, 12],
    "tdnn_kernel": [3, 3, 1],
    "tdnn_dilation": [1, 2, 1],
    "xvector_output_dim": 10,
    "id2label": {0: "Anna", 1: "Ben", 2: "Clara"},
    "label2id": {"Anna": 0, "Ben": 1, "Clara": 2},
}


def make_speaker_model(folder: Path, head: str, **changes: Any) -> Path:
    """Write a model to a folder and return the folder."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = getattr(transformers, f"Wav2Vec2BertFor{head}")(transformers.Wav2Vec2BertConfig(**(SMALL | changes)))
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    make_extractor("bert").save_pretrained(folder)
    return folder


if __name__ == "__main__":
    for each in ("XVector", "AudioFrameClassification"):
        make_speaker_model(Path(sys.argv[1]) / each, each)
