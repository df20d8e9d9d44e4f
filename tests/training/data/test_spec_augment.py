import pytest
import torch

from photism.training.data.feature_dataset import FeatureSettings
from photism.training.data.sampler import Crop
from photism.training.data.spec_augment import spec_augment_
from photism.training.settings import ClassifySettings

FEATURES = FeatureSettings(num_mel_bins=80, stride=2)


def settings_of(mask_time=0.0, mask_mel=0.0, seed=1):
    return ClassifySettings(data="-", output="-", mask_time=mask_time, mask_mel=mask_mel, seed=seed)


def masked(tokens: int, *, steps=200, **fractions):
    """Return a mask (steps, tokens, stride, bins), true where features are 0."""
    features = torch.ones(steps, tokens, FEATURES.width)
    for step in range(steps):
        crops = [Crop(clip=3, start=0, tokens=tokens, target=0)]
        spec_augment_(features[step : step + 1], crops, FEATURES, settings_of(**fractions), step=step)
    return features.unflatten(2, (2, 80)) == 0


@pytest.mark.parametrize("tokens", [7, 25, 500])
def test_the_same_fraction_of_short_and_long_clips_is_masked(tokens):
    found = masked(tokens, mask_time=0.1)
    assert found.float().mean() == pytest.approx(0.1, abs=0.02)
    assert found.float().mean((1, 2, 3)).max() <= 0.3  # never most of a clip
    assert (found == found[..., :1, :1]).all()  # whole tokens


def test_a_band_of_mel_bins():
    found = masked(9, mask_mel=0.1)
    bands = found[:, 0, 0]
    assert (found == bands[:, None, None]).all()
    widths = bands.sum(1)
    assert (widths.min(), widths.max()) == (0, 8)
    assert ((bands[:, 1:] != bands[:, :-1]).sum(1) <= 2).all()


def test_the_mask_of_a_clip_does_not_depend_on_its_batch():
    assert not masked(9).any()
    crops = [Crop(0, 0, 40, 0), Crop(5, 0, 10, 0)]
    together, alone = torch.ones(2, 40, 160), torch.ones(1, 10, 160)
    settings = settings_of(mask_time=0.3, mask_mel=0.2, seed=0)
    spec_augment_(together, crops, FEATURES, settings, step=4)
    spec_augment_(alone, crops[1:], FEATURES, settings, step=4)
    assert torch.equal(together[1, :10], alone[0])
