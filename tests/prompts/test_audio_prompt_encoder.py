"""`AudioPromptEncoder`: prompts, independence of the batch, saving and loading, and invalid arguments."""

from pathlib import Path

import numpy as np
import pytest
import torch

from photism import AudioPromptEncoder, InputError, Waveform
from photism.prompts.audio_prompt_encoder import AudioPromptEncoderConfig
from photism.prompts.prompt_space import PromptSpace
from tests.support.tiny_checkpoint import make_encoder

SPACE_WIDTH = 24


def make_space(pooled_width: int | None = None) -> PromptSpace:
    noise = torch.Generator().manual_seed(3)
    return PromptSpace(
        "tiny",
        bos=torch.randn(SPACE_WIDTH, generator=noise),
        negative=torch.randn(14, SPACE_WIDTH, generator=noise),
        norm=4.0,
        pooled_negative=torch.randn(pooled_width, generator=noise) if pooled_width else None,
    )


@pytest.fixture
def model() -> AudioPromptEncoder:
    torch.manual_seed(0)
    return make_encoder(make_space(pooled_width=6)).eval()


@pytest.fixture
def waveforms() -> list[Waveform]:
    noise = np.random.default_rng(0)
    return [Waveform((0.1 * noise.standard_normal(length)).astype(np.float32)) for length in (4000, 9111, 16_000)]


def test_a_prompt_begins_with_bos_and_does_not_depend_on_the_batch(model, waveforms):
    prompt = model.encode(waveforms)
    assert prompt.prompt_embeds.shape == (3, 1 + model.config.tokens, SPACE_WIDTH)
    assert prompt.pooled_prompt_embeds.shape == (3, 6)
    assert prompt.windows == (1, 1, 1)
    assert (prompt.prompt_embeds[:, 0] == make_space().bos).all()
    for batch_size in (1, 2):
        again = model.encode(waveforms, batch_size=batch_size)
        torch.testing.assert_close(again.prompt_embeds, prompt.prompt_embeds)
        torch.testing.assert_close(again.pooled_prompt_embeds, prompt.pooled_prompt_embeds)


def test_a_saved_model_loads_with_equal_weights(model, waveforms, tmp_path: Path):
    model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    loaded = AudioPromptEncoder.from_pretrained(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert torch.equal(loaded.prompt_space.negative, model.negative)
    torch.testing.assert_close(loaded.encode(waveforms).prompt_embeds, model.encode(waveforms).prompt_embeds)


@pytest.mark.parametrize("saved", [torch.float16, torch.bfloat16])
def test_a_checkpoint_in_half_precision_computes_in_float32_unless_a_dtype_is_given(model, saved, tmp_path: Path):
    model.to(saved).save_pretrained(tmp_path)
    loaded, report = AudioPromptEncoder.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    for name, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, model.state_dict()[name].float()), name
    for argument in ({"dtype": saved}, {"dtype": "auto"}, {"torch_dtype": saved}):
        assert AudioPromptEncoder.from_pretrained(tmp_path, **argument).dtype == saved


def test_encoding_restores_training_mode_even_after_an_error(model, waveforms, tmp_path: Path):
    model.train()
    model.encode(waveforms)
    assert model.training
    with pytest.raises(InputError, match="missing"):
        model.encode([waveforms[0], tmp_path / "missing.wav"])
    assert model.training


def test_invalid_arguments_are_refused(model, waveforms):
    with pytest.raises(InputError, match="recordings must hold at least one"):
        model.encode([])
    with pytest.raises(InputError, match="batch_size must be at least 1; got 0"):
        model.encode(waveforms, batch_size=0)
    with pytest.raises(InputError, match="adapter must be one of conv, resampler, phonetic; got 'mean'"):
        AudioPromptEncoderConfig(adapter="mean")
    with pytest.raises(InputError, match="tokens must be from 1 to 76"):
        AudioPromptEncoderConfig(tokens=77)
