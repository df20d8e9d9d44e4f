import pytest
import torch

from photism.prompts.losses import regression_loss, sequence_contrastive_loss
from photism.training.settings import AlignSettings
from photism.training.tasks.align import alignment_losses

B, S, D = 6, 4, 5
IDS = torch.tensor([0, 1, 2, 0, 3, 4])
PADDING = torch.arange(S) >= torch.tensor([[1], [2], [3], [4], [4], [2]])


@pytest.fixture
def tokens():
    return torch.randn(2, B, S, D, generator=torch.Generator().manual_seed(0)).unbind()


def losses(audio, text, *, is_padding=None, **given):
    settings = AlignSettings(data="d", output="o", **given)
    return alignment_losses(audio, text, settings, temperature=0.2, caption_ids=IDS, is_padding=is_padding)


def test_the_loss_is_the_weighted_sum_of_its_parts(tokens):
    found = losses(*tokens, contrastive_weight=2.0, regression_weight=3.0, norm_weight=0.1)
    contrastive = sequence_contrastive_loss(*tokens, temperature=0.2, caption_ids=IDS, symmetric=True)
    regression = regression_loss(*tokens, norm_weight=0.1)
    torch.testing.assert_close(found["contrastive"], contrastive)
    torch.testing.assert_close(found["regression"], regression)
    torch.testing.assert_close(found["loss"], 2 * contrastive + 3 * regression)


def test_a_part_of_weight_0_is_not_computed(tokens):
    assert set(losses(*tokens, regression_weight=0)) == {"loss", "contrastive"}
    assert set(losses(*tokens, contrastive_weight=0)) == {"loss", "regression"}
    one_way = losses(*tokens, regression_weight=0, symmetric=False)["loss"]
    torch.testing.assert_close(one_way, sequence_contrastive_loss(*tokens, temperature=0.2, caption_ids=IDS))


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_padding_has_its_weight(tokens, weight):
    found = losses(*tokens, is_padding=PADDING, padding_weight=weight)
    weights = torch.where(PADDING, weight, 1.0)
    expected = regression_loss(*tokens, position_weights=weights)
    torch.testing.assert_close(found["regression"], expected)
    if weight == 0:
        changed = torch.where(PADDING[..., None], torch.randn(B, S, D), tokens[0])
        again = losses(changed, tokens[1], is_padding=PADDING, padding_weight=0)
        torch.testing.assert_close(again["regression"], found["regression"])


def test_equal_captions_are_masked_or_negatives(tokens):
    given = {"regression_weight": 0, "symmetric": False}
    masked = sequence_contrastive_loss(*tokens, temperature=0.2, caption_ids=IDS)
    plain = sequence_contrastive_loss(*tokens, temperature=0.2)
    assert masked < plain
    torch.testing.assert_close(losses(*tokens, **given)["loss"], masked)
    torch.testing.assert_close(losses(*tokens, mask_equal_captions=False, **given)["loss"], plain)
