"""Encodings of the captions of a model that are kept between processes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from photism import CaptionRanker
from photism.listening import caption_cache
from photism.prompts.text import encode_text

CAPTIONS = [f"Animal {number}." for number in range(caption_cache.MIN_CAPTIONS)]


@pytest.fixture
def ranker(models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CaptionRanker:
    monkeypatch.setenv("PHOTISM_CACHE", str(tmp_path))
    found = CaptionRanker.from_pretrained(models / "sd", device="cpu")
    return CaptionRanker(found.encoder, found.diffusion, CAPTIONS)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """List of the numbers of captions that are encoded."""
    counts: list[int] = []

    def spy(pipeline: Any, captions: Sequence[str]) -> tuple[Tensor, Tensor | None]:
        counts.append(len(captions))
        return encode_text(pipeline, captions)

    monkeypatch.setattr("photism.listening.zero_shot.encode_text", spy)
    return counts


def scores(ranker: CaptionRanker, sounds: list[Path], **arguments: Any) -> Tensor:
    """Return the scores that a new process would compute."""
    new = CaptionRanker(ranker.encoder, ranker.diffusion, ranker.captions)
    return new.score_prompts(new.encoder.encode(sounds), **arguments)


def test_the_captions_of_the_model_are_encoded_once_with_the_same_scores(
    ranker: CaptionRanker, sounds: list[Path], encoded: list[int], tmp_path: Path
) -> None:
    first = scores(ranker, sounds)
    assert sum(encoded) == len(CAPTIONS)
    assert torch.equal(scores(ranker, sounds), first)
    assert sum(encoded) == len(CAPTIONS)
    assert len(list((tmp_path / "captions").iterdir())) == 1


def test_captions_that_a_user_gives_are_not_kept(
    ranker: CaptionRanker, sounds: list[Path], encoded: list[int], tmp_path: Path
) -> None:
    scores(ranker, sounds, captions=[*CAPTIONS[1:], "Mine."])
    scores(ranker, sounds, template="This is {}.")
    assert not (tmp_path / "captions").exists()


def test_another_text_encoder_and_a_damaged_file_are_encoded_again(
    ranker: CaptionRanker, sounds: list[Path], encoded: list[int], tmp_path: Path
) -> None:
    scores(ranker, sounds)
    (kept,) = (tmp_path / "captions").iterdir()
    kept.write_bytes(kept.read_bytes()[:-4])
    scores(ranker, sounds)
    with torch.no_grad():
        ranker.diffusion.text_encoder.get_input_embeddings().weight[0, 0] += 1
    scores(ranker, sounds)
    assert sum(encoded) == 3 * len(CAPTIONS)
    assert len(list((tmp_path / "captions").iterdir())) == 2


def test_large_encodings_are_not_kept(
    ranker: CaptionRanker, sounds: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(caption_cache, "MAX_FILE_BYTES", 1000)
    scores(ranker, sounds)
    assert not (tmp_path / "captions").exists()
