import pytest
import torch

from photism.errors import InputError
from photism.prompts.diffusion.loading import load_diffusion
from photism.prompts.text import encode_text
from photism.training.data import text_embeddings
from photism.training.data.text_embeddings import prepare_text_embeddings, text_encoder_digest
from tests.support.tiny_checkpoint import CAPTIONS

LONG = "a caption of far more letters than this tokenizer takes"


@pytest.fixture(scope="module", params=["sd", "sd2", "xl"])
def pipeline(request, models, parts):
    source = parts / "sd2" if request.param == "sd2" else models / request.param / "diffusion"
    return load_diffusion(source, device=torch.device("cpu"), dtype=torch.float32, text_only=True)


def test_embeddings_are_those_of_the_pipeline(pipeline, tmp_path):
    embeddings = prepare_text_embeddings([*CAPTIONS, LONG], pipeline, tmp_path, name="test")
    numbers = torch.tensor(embeddings.ids([LONG, CAPTIONS[2]]))
    tokens, pooled = encode_text(pipeline, [LONG, CAPTIONS[2]])
    torch.testing.assert_close(embeddings.tokens(numbers, 19).float(), tokens[:, 1:], atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(embeddings.tokens(numbers, 5).float(), tokens[:, 1:6], atol=2e-3, rtol=1e-3)
    found = embeddings.pooled(numbers)
    if pooled is None:
        assert found is None
    else:
        torch.testing.assert_close(found.float(), pooled, atol=2e-3, rtol=1e-3)
    space = embeddings.space
    negative, _ = encode_text(pipeline, [""])
    torch.testing.assert_close(space.negative, negative[0])
    torch.testing.assert_close(space.bos, negative[0, 0])
    assert space.name == "test"


def test_known_captions_are_not_encoded_again(pipeline, tmp_path, monkeypatch):
    first = prepare_text_embeddings(CAPTIONS[:3], pipeline, tmp_path, name="test")
    encoded = []
    encode = type(pipeline).encode_prompt
    monkeypatch.setattr(
        type(pipeline), "encode_prompt", lambda self, prompt, **kw: encoded.append(prompt) or encode(self, prompt, **kw)
    )
    counts = []
    second = prepare_text_embeddings(
        [CAPTIONS[4], *CAPTIONS[:3]], pipeline, tmp_path, name="test", on_captions=counts.append
    )
    assert encoded == [[CAPTIONS[4]]]
    assert counts == [3, 4]
    numbers = torch.arange(3)
    assert torch.equal(first.tokens(numbers, 19), second.tokens(numbers, 19))
    assert second.captions == (*CAPTIONS[:3], CAPTIONS[4])


def test_incomplete_rows_are_written_again(pipeline, tmp_path):
    whole = prepare_text_embeddings(CAPTIONS, pipeline, tmp_path / "whole", name="test")
    prepare_text_embeddings(CAPTIONS[:4], pipeline, tmp_path / "part", name="test")
    folder = tmp_path / "part" / text_encoder_digest(pipeline)
    with (folder / "tokens").open("ab") as file:
        file.write(b"half of a row")
    with (folder / "index.jsonl").open("ab") as file:
        file.write(b'{"caption": "half of a li')
    part = prepare_text_embeddings(CAPTIONS, pipeline, tmp_path / "part", name="test")
    numbers = torch.arange(len(CAPTIONS))
    assert part.captions == whole.captions
    assert torch.equal(part.tokens(numbers, 19), whole.tokens(numbers, 19))


def test_lengths_padding_and_truncation(pipeline, tmp_path):
    embeddings = prepare_text_embeddings(["rain", LONG], pipeline, tmp_path, name="test")
    # Letters are tokens here: BOS, r, a, i, n, EOS.
    assert embeddings.lengths.tolist() == [6, 20]
    assert embeddings.is_truncated == (False, True)
    padding = embeddings.is_padding(torch.tensor([0, 1]), 7)
    assert padding.tolist() == [[False] * 5 + [True] * 2, [False] * 7]


def test_another_text_encoder_has_a_folder_of_its_own(pipeline, tmp_path):
    before = text_encoder_digest(pipeline)
    prepare_text_embeddings(["rain"], pipeline, tmp_path, name="test")
    weight = next(pipeline.text_encoder.parameters())
    with torch.no_grad():
        weight[0, 0] += 1
    try:
        assert text_encoder_digest(pipeline) != before
        prepare_text_embeddings(["rain"], pipeline, tmp_path, name="test")
        assert len(list(tmp_path.iterdir())) == 2
    finally:
        with torch.no_grad():
            weight[0, 0] -= 1


def test_numbers_beyond_float16_are_refused(pipeline, tmp_path, monkeypatch):
    monkeypatch.setattr(
        text_embeddings, "encode_text", lambda _, captions: (torch.full((len(captions), 20, 16), 1e5), None)
    )
    with pytest.raises(InputError, match="beyond ±65504"):
        text_embeddings._append(tmp_path, pipeline, ["rain"])
