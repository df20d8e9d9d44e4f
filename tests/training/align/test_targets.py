import pytest
import torch

from photism.errors import InputError
from photism.prompts.diffusion import load_diffusion
from photism.prompts.text import encode_text
from photism.training.align.targets import prepare_targets, text_digest
from tests.support.tiny_checkpoint import CAPTIONS

LONG = "a caption of far more letters than this tokenizer takes"


@pytest.fixture(scope="module", params=["sd", "sd2", "xl"])
def pipeline(request, models, parts):
    source = parts / "sd2" if request.param == "sd2" else models / request.param / "diffusion"
    return load_diffusion(source, device=torch.device("cpu"), dtype=torch.float32, text_only=True)


def test_targets_are_what_the_pipeline_draws_from(pipeline, tmp_path):
    targets = prepare_targets([*CAPTIONS, LONG], pipeline, tmp_path, name="test")
    numbers = torch.tensor(targets.numbers([LONG, CAPTIONS[2]]))
    tokens, pooled = encode_text(pipeline, [LONG, CAPTIONS[2]])
    torch.testing.assert_close(targets.tokens(numbers, 19).float(), tokens[:, 1:], atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(targets.tokens(numbers, 5).float(), tokens[:, 1:6], atol=2e-3, rtol=1e-3)
    found = targets.pooled(numbers)
    if pooled is None:
        assert found is None
    else:
        torch.testing.assert_close(found.float(), pooled, atol=2e-3, rtol=1e-3)
    space = targets.space
    negative, _ = encode_text(pipeline, [""])
    torch.testing.assert_close(space.negative, negative[0])
    torch.testing.assert_close(space.bos, negative[0, 0])
    assert space.name == "test"


def test_what_is_known_is_not_encoded_again(pipeline, tmp_path, monkeypatch):
    first = prepare_targets(CAPTIONS[:3], pipeline, tmp_path, name="test")
    encoded = []
    encode = type(pipeline).encode_prompt
    monkeypatch.setattr(
        type(pipeline), "encode_prompt", lambda self, prompt, **kw: encoded.append(prompt) or encode(self, prompt, **kw)
    )
    counts = []
    second = prepare_targets([CAPTIONS[4], *CAPTIONS[:3]], pipeline, tmp_path, name="test", on_captions=counts.append)
    assert encoded == [[CAPTIONS[4]]]
    assert counts == [3, 4]
    numbers = torch.arange(3)
    assert torch.equal(first.tokens(numbers, 19), second.tokens(numbers, 19))
    assert second.captions == (*CAPTIONS[:3], CAPTIONS[4])


def test_what_was_cut_off_is_written_again(pipeline, tmp_path):
    whole = prepare_targets(CAPTIONS, pipeline, tmp_path / "whole", name="test")
    prepare_targets(CAPTIONS[:4], pipeline, tmp_path / "part", name="test")
    folder = tmp_path / "part" / text_digest(pipeline)
    with (folder / "tokens").open("ab") as file:
        file.write(b"half of a row")
    with (folder / "index.jsonl").open("ab") as file:
        file.write(b'{"caption": "half of a li')
    part = prepare_targets(CAPTIONS, pipeline, tmp_path / "part", name="test")
    numbers = torch.arange(len(CAPTIONS))
    assert part.captions == whole.captions
    assert torch.equal(part.tokens(numbers, 19), whole.tokens(numbers, 19))


def test_lengths_padding_and_cuts(pipeline, tmp_path):
    targets = prepare_targets(["rain", LONG], pipeline, tmp_path, name="test")
    # Letters are tokens here: opening, r, a, i, n, end.
    assert targets.lengths.tolist() == [6, 20]
    assert targets.is_cut == (False, True)
    padding = targets.is_padding(torch.tensor([0, 1]), 7)
    assert padding.tolist() == [[False] * 5 + [True] * 2, [False] * 7]


def test_another_text_encoder_has_a_folder_of_its_own(pipeline, tmp_path):
    before = text_digest(pipeline)
    prepare_targets(["rain"], pipeline, tmp_path, name="test")
    weight = next(pipeline.text_encoder.parameters())
    with torch.no_grad():
        weight[0, 0] += 1
    try:
        assert text_digest(pipeline) != before
        prepare_targets(["rain"], pipeline, tmp_path, name="test")
        assert len(list(tmp_path.iterdir())) == 2
    finally:
        with torch.no_grad():
            weight[0, 0] -= 1


def test_numbers_beyond_float16_are_refused(pipeline, tmp_path, monkeypatch):
    from photism.training.align import targets

    monkeypatch.setattr(targets, "encode_text", lambda _, captions: (torch.full((len(captions), 20, 16), 1e5), None))
    with pytest.raises(InputError, match="within ±65504"):
        targets._append(tmp_path, pipeline, ["rain"])
