import pytest
import torch

from photism.training.data.feature_dataset import FeatureSettings
from photism.training.data.sampler import Piece
from photism.training.heads.augmentation import hide

SETTINGS = FeatureSettings(num_mel_bins=80, stride=2)


def hidden(tokens: int, *, share=0.0, mel_share=0.0, steps=200):
    """(steps, tokens, stride, bins), true where features are hidden."""
    features = torch.ones(steps, tokens, SETTINGS.width)
    for step in range(steps):
        pieces = [Piece(clip=3, start=0, tokens=tokens, text=0)]
        hide(features[step : step + 1], pieces, SETTINGS, share=share, mel_share=mel_share, seed=1, step=step)
    return features.unflatten(2, (2, 80)) == 0


@pytest.mark.parametrize("tokens", [7, 25, 500])
def test_short_and_long_sounds_lose_the_same_share(tokens):
    found = hidden(tokens, share=0.1)
    assert found.float().mean() == pytest.approx(0.1, abs=0.02)
    assert found.float().mean((1, 2, 3)).max() <= 0.3  # never most of a sound
    assert (found == found[..., :1, :1]).all()  # whole tokens


def test_a_band_of_mel_bins():
    found = hidden(9, mel_share=0.1)
    bands = found[:, 0, 0]
    assert (found == bands[:, None, None]).all()
    widths = bands.sum(1)
    assert (widths.min(), widths.max()) == (0, 8)
    assert ((bands[:, 1:] != bands[:, :-1]).sum(1) <= 2).all()


def test_nothing_is_hidden_by_default_or_in_padding_and_others_do_not_matter():
    assert not hidden(9).any()
    pieces = [Piece(0, 0, 40, 0), Piece(5, 0, 10, 0)]
    together, alone = torch.ones(2, 40, 160), torch.ones(1, 10, 160)
    arguments = {"share": 0.3, "mel_share": 0.2, "seed": 0, "step": 4}
    hide(together, pieces, SETTINGS, **arguments)
    hide(alone, pieces[1:], SETTINGS, **arguments)
    assert torch.equal(together[1, :10], alone[0])
