"""Load AudioLDM 2 with the same tiny weights, our pipeline and that of diffusers."""

import diffusers
import torch

from photism.audioldm2.pipeline import AudioLDM2Pipeline

PROMPT = "rain on a tin roof"
NEGATIVE = "a dog on rain roof"  # with as many T5 tokens; else diffusers shifts the positions
SPOKEN = "a dog barks"


def load_ours(folder, **settings):
    return AudioLDM2Pipeline.from_pretrained(folder, **{"scheduler": None, "device": "cpu", **settings})


def load_reference(folder):
    pipeline = diffusers.AudioLDM2Pipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def apart(one, other):
    """Return the largest difference, relative to the largest value of the second tensor."""
    one, other = (torch.as_tensor(each).float() for each in (one, other))
    assert one.shape == other.shape
    return float((one - other).abs().max() / other.abs().max())
