"""Which files of a result are published."""

from fnmatch import fnmatch

import pytest

from photism.training.result import published_files
from photism.training.settings import AlignSettings, CtcSettings

GIVEN = {"data": "recordings", "output": "model"}
ALWAYS = ["config.json", "model.safetensors", "model-00001-of-00002.safetensors", "README.md", "curve.png"]
NEVER = ["best.safetensors", "log.jsonl", "measures.jsonl", "checkpoints/step-00000001/weights.safetensors"]


@pytest.mark.parametrize(
    ("settings", "more", "kept"),
    [
        (AlignSettings(**GIVEN), ["captions.json", "align.yaml"], ["report.json", "worst.jsonl"]),
        (CtcSettings(**GIVEN), ["vocab.json", "preprocessor_config.json", "worst.jsonl", "finetune.yaml"], []),
    ],
)
def test_checkpoints_and_logs_are_not_published(settings, more, kept):
    def is_published(file):
        return any(fnmatch(file, pattern) for pattern in published_files(settings))

    assert all(is_published(file) for file in [*ALWAYS, *more])
    assert not any(is_published(file) for file in [*NEVER, *kept])
