import pytest
import torch

from photism.prompts.losses import regression_loss, sequence_contrastive_loss
from photism.training.alignment_losses import alignment_losses, batch_losses, contrastive_groups, distinct_negatives
from photism.training.data.sampler import Crop
from photism.training.settings import AlignSettings

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


def test_the_losses_of_a_batch_are_the_means_over_its_groups(tokens):
    audio, text = tokens
    settings = AlignSettings(data="d", output="o", batch_size=6, contrastive_group=3)
    targets = {"caption_ids": IDS, "text_embeds": text, "is_padding": PADDING}
    groups = torch.tensor([0, 1, 0, 1, 0, 1])
    found = batch_losses([audio], {**targets, "group": groups}, settings, temperature=0.2)
    parts = [
        batch_losses(
            [audio[groups == number]],
            {name: each[groups == number] for name, each in targets.items()},
            settings,
            temperature=0.2,
        )
        for number in (0, 1)
    ]
    assert set(found) == {"loss", "contrastive", "regression"}
    for name, value in found.items():
        torch.testing.assert_close(value, (parts[0][name] + parts[1][name]) / 2)


def test_groups_and_their_distinct_negatives():
    crops = [Crop(clip, 0, tokens, target) for clip, (tokens, target) in enumerate([(9, 0), (7, 1), (5, 0), (3, 0)])]
    assert contrastive_groups(crops, 2) == [0, 1, 0, 1]  # by length
    assert contrastive_groups([crops[each] for each in (3, 0, 2, 1)], 2) == [1, 0, 0, 1]
    assert distinct_negatives([crops], 2) == 0.5  # captions 0 and 0 in one group, 1 and 0 in the other
    assert distinct_negatives([crops], None) == 1
