"""The stages of the pipeline as methods, compared with those of diffusers."""

import pytest
import torch

from photism import InputError
from photism.audioldm2.gpt2 import generate_hidden_states
from tests.audioldm2.peers import NEGATIVE, PROMPT, SPOKEN, apart

CLOSE = 1e-5


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("is_guided", [True, False])
@torch.no_grad()
def test_encode_prompt(ours, reference, speech, speech_reference, count, is_guided):
    prompts, negatives = [PROMPT, NEGATIVE], [NEGATIVE, PROMPT]
    cases = [(ours, reference, {}), (speech, speech_reference, {"transcription": [SPOKEN, "rain"]})]
    for mine, theirs, spoken in cases:
        arguments = (prompts, "cpu", count, is_guided)
        found = mine.encode_prompt(*arguments, negative_prompt=negatives, **spoken)
        expected = theirs.encode_prompt(*arguments, negative_prompt=negatives, **spoken)
        for one, other in zip(found, expected, strict=True):
            assert apart(one, other) < CLOSE


def test_encode_prompt_of_embeddings_and_by_default(ours):
    encoded = ours.encode_texts(PROMPT, negative_prompt=NEGATIVE)
    found = ours.encode_prompt(None, **encoded._asdict())
    for one, other in zip(found, ours.encode_prompt(PROMPT, negative_prompt=NEGATIVE), strict=True):
        assert torch.equal(one, other)
    (states, mask, generated) = ours.encode_prompt(PROMPT, do_classifier_free_guidance=False)
    assert (len(states), mask.all(), generated.shape[1]) == (1, True, 8)
    assert ours.encode_prompt(PROMPT, max_new_tokens=3)[2].shape == (2, 3, 16)
    with pytest.raises(InputError, match="prompt and prompt_embeds exclude each other"):
        ours.encode_prompt(PROMPT, **encoded._asdict())


@torch.no_grad()
def test_generate_language_model(ours, reference):
    embeds = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 6, dtype=torch.long)
    expected = reference.generate_language_model(embeds, attention_mask=mask, max_new_tokens=4)
    assert apart(ours.generate_language_model(embeds, max_new_tokens=4), expected) < CLOSE
    assert apart(ours.generate_language_model(embeds, 4, attention_mask=mask), expected) < CLOSE
    assert ours.generate_language_model(embeds, None).shape == (2, 8, 16)


class _RenamedCache(torch.nn.Module):
    """GPT-2 whose argument `past_key_values` has the name that it has since transformers 5.24."""

    def __init__(self, model):
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, input_ids, cache, *, inputs_embeds, attention_mask, position_ids, use_cache):
        return self.model(
            input_ids,
            cache,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=use_cache,
        )


@torch.no_grad()
def test_the_cache_of_the_language_model_goes_by_any_name(ours):
    embeds = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(0))
    with ours.models.on_device("language_model") as (model,):
        found = generate_hidden_states(_RenamedCache(model), embeds, torch.ones(1, 6), count=4)
        assert torch.equal(found, generate_hidden_states(model, embeds, torch.ones(1, 6), count=4))


def test_prepare_latents(ours, reference):
    arguments = (2, 8, 32, torch.float32, "cpu")
    found, expected = (each.prepare_latents(*arguments, torch.Generator().manual_seed(0)) for each in (ours, reference))
    assert torch.equal(found, expected)
    latents = torch.randn(2, 8, 8, 8)
    assert torch.equal(ours.prepare_latents(*arguments, None, latents), latents * ours.scheduler.init_noise_sigma)
    with pytest.raises(InputError, match="generator must be one, or one for each of 2 waveforms; got 1"):
        ours.prepare_latents(*arguments, [torch.Generator()])
    assert ours.vae_scale_factor == reference.vae_scale_factor


@torch.no_grad()
@pytest.mark.parametrize("shape", [(2, 1, 20, 32), (2, 20, 32)])
def test_mel_spectrogram_to_waveform(ours, reference, shape):
    mel = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert apart(ours.mel_spectrogram_to_waveform(mel), reference.mel_spectrogram_to_waveform(mel)) < CLOSE


def test_score_waveforms_sorts_those_of_each_prompt(ours):
    output = ours(
        [PROMPT, "a dog"],
        num_inference_steps=2,
        audio_length_in_s=0.4,
        num_waveforms_per_prompt=2,
        seed=0,
        output_type="pt",
    )
    swapped = output.audios[[1, 0, 3, 2]]
    assert torch.equal(ours.score_waveforms([PROMPT, "a dog"], swapped, 2, "cpu", torch.float32), output.audios)
    with pytest.raises(InputError, match="audio must be 3 waveforms for each of 1 prompts; got 4"):
        ours.score_waveforms(PROMPT, swapped, 3)


def test_vae_slicing_and_tiling_on_and_off(built_vae):
    pipe, vae = built_vae
    for name, flag in (("slicing", "use_slicing"), ("tiling", "use_tiling")):
        for switch in ("enable", "disable"):
            getattr(pipe, f"{switch}_vae_{name}")()
            assert getattr(vae, flag) == (switch == "enable")


@pytest.fixture
def built_vae(sound_models):
    from tests.audioldm2.peers import load_ours

    pipe = load_ours(sound_models / "sound")
    return pipe, pipe.vae
