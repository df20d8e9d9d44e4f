"""Prompt adapters: shapes, padding, the mixture of memorised prompts, and gradients."""

import pytest
import torch
from torch.nn.functional import pad

from photism import InputError
from photism.prompts.prompt_adapter import ConvPromptAdapter, PhoneticPromptAdapter
from photism.prompts.resampler_adapter import ResamplerPromptAdapter

WIDTH, TOKENS, SPACE_WIDTH = 16, 5, 24
SYMBOLS, PROMPTS = 9, 7
ADAPTERS = ["conv", "resampler", "phonetic"]


def make_adapter(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if name == "conv":
        return ConvPromptAdapter(WIDTH, SPACE_WIDTH, tokens=TOKENS, num_heads=2, intermediate_width=32).eval()
    if name == "resampler":
        return ResamplerPromptAdapter(WIDTH, SPACE_WIDTH, tokens=TOKENS, width=16, num_heads=2).eval()
    adapter = make_phonetic()
    symbols = torch.randint(1, SYMBOLS, (PROMPTS, 3)).tolist()
    adapter.lexicon.set_pronunciations(list(enumerate(symbols)))
    adapter.set_prompts(torch.randn(PROMPTS, TOKENS, SPACE_WIDTH))
    return adapter.eval()


def make_phonetic(**arguments: int) -> PhoneticPromptAdapter:
    """Make an adapter of seven prompts with pronunciations of three symbols."""
    return PhoneticPromptAdapter(
        WIDTH,
        SPACE_WIDTH,
        tokens=TOKENS,
        symbols=SYMBOLS,
        pronunciations=PROMPTS,
        pronounced=3 * PROMPTS,
        prompts=PROMPTS,
        **arguments,
    )


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("frames", [1, 7, 20, 333])
def test_any_number_of_frames_gives_the_same_number_of_tokens(name, frames):
    states = torch.randn(2, frames, WIDTH)
    tokens = make_adapter(name)(states, torch.ones(2, frames, dtype=torch.long))
    assert tokens.shape == (2, TOKENS, SPACE_WIDTH)
    assert tokens.isfinite().all()


@pytest.mark.parametrize("name", ADAPTERS)
def test_tokens_do_not_depend_on_padding(name):
    adapter, states = make_adapter(name), torch.randn(1, 9, WIDTH)
    alone = adapter(states, torch.ones(1, 9, dtype=torch.long))
    mask = torch.tensor([[1] * 9 + [0] * 4])
    torch.testing.assert_close(adapter(pad(states, (0, 0, 0, 4), value=3.0), mask), alone)


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("frames", [1, 2, 7, 20, 101])
def test_states_in_blocks_give_the_tokens_of_the_whole(name, frames):
    adapter = make_adapter(name)
    states = torch.randn(1, frames, WIDTH)
    whole = adapter(states, torch.ones(1, frames, dtype=torch.long))
    for size in (1, 6, 200):
        torch.testing.assert_close(adapter.adapt_blocks(states.split(size, dim=1)), whole)
    assert adapter.passes == (2 if name == "resampler" else 1)


def test_only_the_conv_adapter_crops_to_its_window():
    window = 4 * TOKENS
    states = torch.randn(1, 3 * window, WIDTH)
    changed = states.clone()
    changed[:, window:] += 1.0
    mask = torch.ones(1, 3 * window, dtype=torch.long)
    conv, resampler, phonetic = (make_adapter(name) for name in ADAPTERS)
    torch.testing.assert_close(conv(changed, mask), conv(states, mask))
    assert not torch.allclose(resampler(changed, mask), resampler(states, mask))
    assert not torch.allclose(phonetic(changed, mask), phonetic(states, mask))


def test_the_phonetic_adapter_depends_on_phonemes_only():
    adapter, states = make_adapter("phonetic"), torch.randn(2, 9, WIDTH)
    mask = torch.ones(2, 9, dtype=torch.long)
    # Another voice: a change of the hidden states that the phoneme head does not see.
    unseen = torch.linalg.svd(adapter.phonemes.weight).Vh[SYMBOLS:]
    voice = 10 * torch.randn(2, 9, len(unseen)) @ unseen
    assert voice.abs().max() > 10
    torch.testing.assert_close(adapter(states + voice, mask), adapter(states, mask))


def test_the_phonetic_adapter_averages_its_prompts_by_mixture_weights():
    adapter, states, mask = make_adapter("phonetic"), torch.randn(1, 9, WIDTH), torch.ones(1, 9, dtype=torch.long)
    prompts = torch.randn(PROMPTS, TOKENS, SPACE_WIDTH)
    adapter.set_prompts(prompts)
    weights = adapter.mixture_weights(states, mask)[0]
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0))
    torch.testing.assert_close(adapter(states, mask)[0], torch.einsum("p,psd->sd", weights, prompts))


def test_a_clear_pronunciation_gets_nearly_all_of_the_mixture_weight():
    adapter = make_adapter("phonetic")
    spoken = [1, 0, 2, 2, 2, 8, 0]  # a CTC path of the pronunciation of prompt 4
    adapter.lexicon.set_pronunciations(
        [(prompt, [1, 2, 8] if prompt == 4 else [1, 3, prompt + 1]) for prompt in range(PROMPTS)]
    )
    with torch.no_grad():
        adapter.phonemes.bias.zero_()
    states = 40 * torch.linalg.pinv(adapter.phonemes.weight)[:, spoken].T[None]
    weights = adapter.mixture_weights(states, torch.ones(1, len(spoken), dtype=torch.long))[0]
    assert weights.argmax() == 4
    assert weights[4] > 0.99


def test_gradients_reach_the_phonetic_adapter_from_its_inverse_temperature_on():
    adapter, mask = make_adapter("phonetic").train(), torch.ones(2, 9, dtype=torch.long)
    adapter(torch.randn(2, 9, WIDTH), mask).square().sum().backward()
    trained = {name for name, parameter in adapter.named_parameters() if parameter.grad is not None}
    assert trained == {"sharpness", "lexicon.bias", "mixture.weight", "basis.weight"}


def test_memorised_prompts_are_the_best_approximation_of_the_rank():
    adapter = make_phonetic(rank=3)
    prompts = torch.randn(PROMPTS, TOKENS, SPACE_WIDTH)
    adapter.set_prompts(prompts)
    memorised = adapter.basis(adapter.mixture(torch.eye(PROMPTS)))
    error = torch.linalg.svdvals(prompts.flatten(1))[3:].square().sum()  # Eckart and Young
    torch.testing.assert_close((memorised - prompts.flatten(1)).square().sum(), error)


def test_invalid_arguments_are_refused():
    with pytest.raises(InputError, match="num_heads must divide the width 16; got 3"):
        ResamplerPromptAdapter(WIDTH, SPACE_WIDTH, tokens=TOKENS, width=16, num_heads=3)
    with pytest.raises(InputError, match=r"prompts to memorise must be of shape \(7, 5, 24\); got \(2, 5, 24\)"):
        make_adapter("phonetic").set_prompts(torch.zeros(2, TOKENS, SPACE_WIDTH))


@pytest.mark.parametrize(
    ("layers", "kernel", "stride"), [(2, 3, 2), (1, 3, 2), (3, 3, 2), (2, 5, 2), (1, 5, 4), (2, 3, 1)]
)
def test_a_conv_adapter_uses_the_largest_window_of_its_convolutions(layers, kernel, stride):
    adapter = ConvPromptAdapter(
        WIDTH,
        SPACE_WIDTH,
        tokens=TOKENS,
        num_heads=2,
        intermediate_width=32,
        num_layers=layers,
        kernel_size=kernel,
        stride=stride,
    ).eval()
    if kernel == 3 and stride == 2:
        assert adapter.window == 2**layers * TOKENS
    for frames, tokens in ((adapter.window, TOKENS), (adapter.window + 1, TOKENS + 1)):
        states = torch.randn(1, frames, WIDTH)
        assert adapter.adapter(states).shape[1] == tokens
