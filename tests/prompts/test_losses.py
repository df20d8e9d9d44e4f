"""Alignment losses: the published formula, hand-worked cases, memory, dtypes and invalid arguments."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from photism.errors import InputError
from photism.prompts import positionwise_loss as positions
from photism.prompts.losses import LearnedTemperature, regression_loss, sequence_contrastive_loss

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
B, S, D, M = 6, 5, 7, 11


def embeds(rows: int, seed: int, *, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(rows, S, D, dtype=dtype, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def published_loss(audio: Tensor, text: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Compute the loss as audio2img does, broadcasting audio against text to (B, M, S, D)."""
    cosine = functional.cosine_similarity(audio[:, None], text[None], dim=-1)  # (B, M, S)
    return functional.cross_entropy(cosine / temperature, targets[:, None].expand(-1, audio.shape[1]))


def assert_same(loss: Tensor, expected: Tensor, *inputs: Tensor, tolerance: float = 1e-10) -> None:
    torch.testing.assert_close(loss, expected, rtol=tolerance, atol=tolerance)
    gradients = torch.autograd.grad(loss, inputs)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, inputs), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("temperature", [0.15, 1.0])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_loss_equals_the_published_formula(dtype: torch.dtype, temperature: float) -> None:
    audio, text = embeds(B, 0, dtype=dtype), embeds(B, 1, dtype=dtype)
    loss = sequence_contrastive_loss(audio, text, temperature=temperature)
    assert_same(
        loss, published_loss(audio, text, torch.arange(B), temperature), audio, text, tolerance=TOLERANCE[dtype]
    )


def test_the_default_temperature_is_the_published_one() -> None:
    audio, text = embeds(B, 0), embeds(B, 1)
    assert_same(sequence_contrastive_loss(audio, text), published_loss(audio, text, torch.arange(B), 0.15), audio)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_bank_of_captions_equals_the_published_formula(dtype: torch.dtype) -> None:
    audio, bank = embeds(B, 0, dtype=dtype), embeds(M, 1, dtype=dtype)
    targets = torch.tensor([3, 0, 10, 3, 7, 1])
    loss = sequence_contrastive_loss(audio, bank, targets=targets)
    assert_same(loss, published_loss(audio, bank, targets, 0.15), audio, bank, tolerance=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32])
def test_targets_may_have_any_integer_dtype(dtype: torch.dtype) -> None:
    audio, bank, targets = embeds(B, 0), embeds(M, 1), torch.tensor([3, 0, 10, 3, 7, 1])
    loss = sequence_contrastive_loss(audio, bank, targets=targets.to(dtype))
    assert torch.equal(loss, sequence_contrastive_loss(audio, bank, targets=targets))


def test_hand_worked_with_a_wrong_prediction() -> None:
    # At temperature 1 the logits are the cosines. Recording 0 points to caption 0, logits (1, 0), which is correct.
    # Recording 1 points to caption 0 too, and its own caption has logit 0.
    audio = torch.tensor([[[2.0, 0.0]], [[3.0, 0.0]]])
    text = torch.tensor([[[1.0, 0.0]], [[0.0, 5.0]]])
    correct, wrong = math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))
    loss = sequence_contrastive_loss(audio, text, temperature=1.0)
    assert loss.item() == pytest.approx((correct + wrong) / 2, abs=1e-6)
    # From captions to recordings, both recordings have equal logits.
    both = sequence_contrastive_loss(audio, text, temperature=1.0, symmetric=True)
    assert both.item() == pytest.approx(((correct + wrong) / 2 + math.log(2)) / 2, abs=1e-6)


def test_symmetric_loss_is_the_average_of_both_directions() -> None:
    audio, text = embeds(B, 0), embeds(B, 1)
    both = (sequence_contrastive_loss(audio, text) + sequence_contrastive_loss(text, audio)) / 2
    assert_same(sequence_contrastive_loss(audio, text, symmetric=True), both, audio, text)


def test_equal_captions_are_not_negatives_of_each_other() -> None:
    # Recordings 0 and 1 have the same caption: their only negative is caption 2. Recording 2 has two negatives.
    audio = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]])
    text = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]])
    loss = sequence_contrastive_loss(audio, text, temperature=1.0, caption_ids=torch.tensor([7, 7, 4]))
    first = math.log(1 + math.exp(-1))
    second = math.log(1 + math.exp(1))
    third = math.log(1 + 2 * math.exp(1))
    assert loss.item() == pytest.approx((first + second + third) / 3, abs=1e-6)


@pytest.mark.parametrize("symmetric", [False, True])
def test_masked_duplicates_contribute_neither_loss_nor_gradient(symmetric: bool) -> None:
    audio, text = embeds(B, 0), embeds(B, 1)
    distinct = torch.arange(B)
    plain = sequence_contrastive_loss(audio, text, symmetric=symmetric)
    assert_same(sequence_contrastive_loss(audio, text, caption_ids=distinct, symmetric=symmetric), plain, audio, text)
    all_equal = sequence_contrastive_loss(audio, text, caption_ids=torch.zeros_like(distinct), symmetric=symmetric)
    assert all_equal.item() == 0
    assert not any(gradient.any() for gradient in torch.autograd.grad(all_equal, (audio, text)))


@pytest.mark.parametrize("loss", [sequence_contrastive_loss, regression_loss])
def test_position_weights_are_the_weights_of_a_mean(loss: Callable[..., Tensor]) -> None:
    audio, text = embeds(B, 0), embeds(B, 1)
    assert_same(loss(audio, text, position_weights=torch.full((S,), 3.0)), loss(audio, text), audio, text)
    only_two = loss(audio, text, position_weights=torch.tensor([0.0, 2.0, 0.0, 6.0, 0.0]))
    expected = (loss(audio[:, 1:2], text[:, 1:2]) + 3 * loss(audio[:, 3:4], text[:, 3:4])) / 4
    assert_same(only_two, expected, audio, text)


@pytest.mark.parametrize("loss", [sequence_contrastive_loss, regression_loss])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(loss: Callable[..., Tensor], dtype: torch.dtype) -> None:
    audio, text = embeds(B, 0).detach().to(dtype), embeds(B, 1).detach().to(dtype)
    assert torch.equal(loss(audio, text), loss(audio.float(), text.float()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(audio, text), loss(audio.float(), text.float()))


def test_a_low_temperature_does_not_overflow() -> None:
    audio = embeds(B, 0, dtype=torch.bfloat16)
    loss = sequence_contrastive_loss(audio, -audio.detach(), temperature=1e-3)
    (gradient,) = torch.autograd.grad(loss, audio)
    assert loss.isfinite()
    assert gradient.isfinite().all()


class LargestTensor(TorchDispatchMode):
    """Record the size of the largest tensor that any operation returns, backward included."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for output in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(output, Tensor):
                self.numel = max(self.numel, output.numel())
        return result


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("rows", "width"), [(32, 8), (4, 64)])
def test_memory_grows_with_pairs_and_not_with_pairs_times_width(rows: int, width: int, symmetric: bool) -> None:
    audio, text = torch.randn(2, rows, S, width).requires_grad_().unbind()
    with LargestTensor() as largest:
        loss = sequence_contrastive_loss(audio, text, caption_ids=torch.arange(rows) // 2, symmetric=symmetric)
        torch.autograd.grad(loss, (audio, text))
    assert largest.numel == max(rows * rows * S, rows * S * width)


def test_memory_with_a_bank_grows_with_pairs() -> None:
    audio, bank = torch.randn(8, S, 16, requires_grad=True), torch.randn(64, S, 16)
    with LargestTensor() as largest:
        sequence_contrastive_loss(audio, bank, targets=torch.arange(8)).backward()
    assert largest.numel == max(8 * 64 * S, 64 * S * 16)


def test_largest_tensor_records_a_broadcast() -> None:
    audio, text = embeds(B, 0), embeds(B, 1)
    with LargestTensor() as largest:
        published_loss(audio, text, torch.arange(B), 0.15)
    assert largest.numel >= B * B * S * D


def test_learned_temperature_starts_at_the_published_value_and_gets_a_gradient() -> None:
    learned = LearnedTemperature()
    audio, text = embeds(B, 0), embeds(B, 1)
    assert learned().shape == ()
    assert learned().item() == pytest.approx(0.15)
    sequence_contrastive_loss(audio, text, temperature=learned()).backward()
    # The derivative by the logarithm, from a central difference.
    step = 1e-4
    above, below = (sequence_contrastive_loss(audio, text, temperature=0.15 * math.exp(e)) for e in (step, -step))
    assert learned.log_temperature.grad is not None
    assert learned.log_temperature.grad.item() == pytest.approx((above - below).item() / (2 * step), rel=1e-4)


@pytest.mark.parametrize(("moved_to", "bound"), [(1e-6, 0.01), (50.0, 1.0)])
def test_learned_temperature_is_clamped_and_keeps_its_gradient(moved_to: float, bound: float) -> None:
    learned = LearnedTemperature()
    with torch.no_grad():
        learned.log_temperature.fill_(math.log(moved_to))
    assert learned().item() == pytest.approx(bound)
    learned().backward()
    assert learned.log_temperature.grad is not None
    assert learned.log_temperature.grad.item() == pytest.approx(bound)


@pytest.mark.parametrize(
    ("initial", "minimum", "maximum"), [(0.15, 0.0, 1.0), (0.15, 0.2, 1.0), (2.0, 0.01, 1.0), (0.1, 0.1, 0.1)]
)
def test_learned_temperature_refuses_bounds_that_exclude_the_initial_value(
    initial: float, minimum: float, maximum: float
) -> None:
    with pytest.raises(InputError, match=f"initial must be between .* got initial={initial}, minimum={minimum}"):
        LearnedTemperature(initial, minimum=minimum, maximum=maximum)


def test_regression_by_hand() -> None:
    # Same direction and twice the norm: (1 - 1) + 0.5 · (2 - 1)². Orthogonal and of equal norm: 1 + 0. Opposite and of
    # half the norm: 2 + 0.5 · 0.5².
    text = torch.tensor([[[3.0, 4.0]], [[3.0, 4.0]], [[3.0, 4.0]]])
    audio = torch.tensor([[[6.0, 8.0]], [[-4.0, 3.0]], [[-1.5, -2.0]]])
    assert regression_loss(audio, text).item() == pytest.approx((0.5 + 1 + 2.125) / 3, abs=1e-6)
    assert regression_loss(audio, text, norm_weight=0).item() == pytest.approx((0 + 1 + 2) / 3, abs=1e-6)
    assert regression_loss(audio, text, norm_weight=4).item() == pytest.approx((4 + 1 + 3) / 3, abs=1e-6)


def test_regression_is_half_the_relative_squared_distance_where_norms_are_equal() -> None:
    text = embeds(B, 1).detach()
    audio = embeds(B, 0).detach()
    audio = audio * text.norm(dim=-1, keepdim=True) / audio.norm(dim=-1, keepdim=True)
    relative = (audio - text).square().sum(dim=-1) / text.square().sum(dim=-1)
    torch.testing.assert_close(regression_loss(audio, text), relative.mean() / 2, rtol=0, atol=1e-10)


def test_regression_is_invariant_to_the_scale_of_the_prompt_space() -> None:
    audio, text = embeds(B, 0).detach(), embeds(B, 1).detach()
    torch.testing.assert_close(regression_loss(28 * audio, 28 * text), regression_loss(audio, text))
    assert regression_loss(text, text).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("loss", [sequence_contrastive_loss, regression_loss])
@pytest.mark.parametrize(
    ("audio_shape", "text_shape", "message"),
    [
        (
            (2, 3, 4),
            (2, 3, 5),
            r"the same number of tokens and the same width; got \(2, 3, 4\) and \(2, 3, 5\): use an audio",
        ),
        ((2, 2, 4), (2, 3, 4), r"the same number of tokens and the same width; got \(2, 2, 4\) and \(2, 3, 4\)"),
        ((2, 3, 4), (3, 3, 4), "one row per pair; got 2 and 3 rows"),
        ((2, 4), (2, 4), r"be \(batch, tokens, width\), none of them 0; got \(2, 4\) and \(2, 4\)"),
        ((), (), r"be \(batch, tokens, width\), none of them 0; got \(\) and \(\)"),
        ((0, 3, 4), (0, 3, 4), r"none of them 0; got \(0, 3, 4\) and \(0, 3, 4\)"),
    ],
)
def test_shapes_that_differ_are_refused(
    loss: Callable[..., Tensor], audio_shape: tuple[int, ...], text_shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match="audio_embeds and text_embeds must .*" + message):
        loss(torch.ones(audio_shape), torch.ones(text_shape))


def test_at_least_two_captions_are_needed() -> None:
    one, two = embeds(1, 0), embeds(2, 0)
    with pytest.raises(InputError, match="text_embeds must hold at least 2 captions; got 1: use a larger batch"):
        sequence_contrastive_loss(one, one)
    assert sequence_contrastive_loss(two, two).isfinite()
    assert sequence_contrastive_loss(one, two, targets=torch.tensor([1])).isfinite()


@pytest.mark.parametrize(
    ("temperature", "given"),
    [(0.0, "0.0"), (-0.15, "-0.15"), (math.nan, "nan"), (math.inf, "inf"), (torch.tensor(0.0), "0.0")],
)
def test_temperature_must_be_above_zero(temperature: float | Tensor, given: str) -> None:
    with pytest.raises(
        InputError, match=f"temperature must be finite and above 0; got {given}; the usual value is 0.15"
    ):
        sequence_contrastive_loss(embeds(B, 0), embeds(B, 1), temperature=temperature)


def test_temperature_must_be_one_number() -> None:
    with pytest.raises(InputError, match=r"temperature must be one number; got a tensor of shape \(5,\)"):
        sequence_contrastive_loss(embeds(B, 0), embeds(B, 1), temperature=torch.ones(S))


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0, 1, 2, 3, 4, 11], "from 0 to 10, the last candidate; got 0 to 11"),
        ([0, 1, 2, 3, 4, -100], "from 0 to 10, the last candidate; got -100 to 4"),
        ([0, 1, 2, 3, 4], r"one integer for each of the 6 rows; got torch.int64 of shape \(5,\)"),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], r"one integer for each of the 6 rows; got torch.float32 of shape \(6,\)"),
    ],
)
def test_targets_must_be_rows_of_the_bank(targets: list[float], message: str) -> None:
    with pytest.raises(InputError, match="targets must be " + message):
        sequence_contrastive_loss(embeds(B, 0), embeds(M, 1), targets=torch.tensor(targets))


def test_targets_exclude_caption_ids_and_symmetric() -> None:
    audio, text, each = embeds(B, 0), embeds(B, 1), torch.arange(B)
    with pytest.raises(InputError, match="cannot be combined with targets; got caption_ids"):
        sequence_contrastive_loss(audio, text, targets=each, caption_ids=each)
    with pytest.raises(InputError, match="cannot be combined with targets; got symmetric=True"):
        sequence_contrastive_loss(audio, text, targets=each, symmetric=True)


def test_caption_ids_must_be_one_per_recording() -> None:
    with pytest.raises(
        InputError, match=r"caption_ids must be one number for each of the 6 recordings; got shape \(5,\)"
    ):
        sequence_contrastive_loss(embeds(B, 0), embeds(B, 1), caption_ids=torch.arange(5))


@pytest.mark.parametrize("loss", [sequence_contrastive_loss, regression_loss])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0] * 4, r"one number for each of the 5 positions, or that for each of the 6 recordings; got shape \(4,\)"),
        ([0.0] * 5, "finite, at least 0 and not all 0; got 0 to 0"),
        ([-1.0, 1, 1, 1, 1], "finite, at least 0 and not all 0; got -1 to 1"),
        ([math.nan, 1, 1, 1, 1], "finite, at least 0 and not all 0; got nan to nan"),
        ([math.inf, 1, 1, 1, 1], "finite, at least 0 and not all 0; got 1 to inf"),
    ],
)
def test_invalid_position_weights_are_refused(loss: Callable[..., Tensor], weights: list[float], message: str) -> None:
    with pytest.raises(InputError, match="position_weights must be " + message):
        loss(embeds(B, 0), embeds(B, 1), position_weights=torch.tensor(weights))


@pytest.mark.parametrize("norm_weight", [-0.1, math.nan, math.inf])
def test_norm_weight_must_be_at_least_zero(norm_weight: float) -> None:
    with pytest.raises(InputError, match=f"norm_weight must be finite and at least 0; got {norm_weight}"):
        regression_loss(embeds(B, 0), embeds(B, 1), norm_weight=norm_weight)


def test_a_text_token_of_norm_zero_is_refused() -> None:
    text = embeds(B, 1).detach()
    text[2, 3] = 0
    with pytest.raises(InputError, match="text_embeds must not hold a token of norm 0"):
        regression_loss(embeds(B, 0), text)


@pytest.mark.parametrize("loss", [sequence_contrastive_loss, regression_loss])
def test_position_weights_may_differ_between_recordings(loss: Callable[..., Tensor]) -> None:
    audio, text = embeds(B, 0), embeds(B, 1)
    shared = torch.tensor([1.0, 0.5, 0.0, 2.0, 1.0])
    everywhere = loss(audio, text, position_weights=shared.expand(B, S))
    assert_same(everywhere, loss(audio, text, position_weights=shared), audio, text)
    # The loss of each recording at each position, and its weight.
    weights = torch.rand(B, S, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    single = torch.eye(B * S, dtype=torch.float64).view(-1, B, S)
    expected = sum(
        weight * loss(audio, text, position_weights=one) for weight, one in zip(weights.flatten(), single, strict=True)
    )
    assert_same(loss(audio, text, position_weights=weights), expected / weights.sum(), audio, text)


@pytest.mark.parametrize("loss", [sequence_contrastive_loss, regression_loss])
def test_blocks_of_positions_give_the_same_result(loss: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    audio, text = embeds(B, 0), embeds(B, 1)
    weights = torch.tensor([1.0, 0.5, 0.0, 2.0, 1.0])
    whole = loss(audio, text, position_weights=weights)
    monkeypatch.setattr(positions, "BLOCK_NUMBERS", 2 * (B * B + 2 * B * D))  # two positions, then two, then one
    assert_same(loss(audio, text, position_weights=weights), whole, audio, text)
