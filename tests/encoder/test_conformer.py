"""The depthwise convolution, in the widths and dtypes that need a kernel of their own."""

import subprocess
import sys

import pytest
import torch

from photism.encoder.conformer import DepthwiseConvolution

NARROW = """
import torch
from photism.encoder.conformer import DepthwiseConvolution

for width in (4, 16, 17):
    convolution = DepthwiseConvolution(width, width, 15, groups=width, bias=False)
    features = torch.randn(1, 60, width).transpose(1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        wanted = convolution(features)
    found = convolution.to(torch.bfloat16)(features.to(torch.bfloat16))
    found.sum().backward()
    torch.testing.assert_close(found, wanted)
"""


def test_narrow_encoders_in_bfloat16():
    """Run in a process of its own: a kernel of oneDNN that does not return cannot be interrupted."""
    subprocess.run([sys.executable, "-c", NARROW], check=True, timeout=120)


@pytest.mark.parametrize("width", [1, 16, 17])
def test_depthwise_convolution(width):
    convolution = DepthwiseConvolution(width, width, 7, groups=width, bias=False)
    features = torch.randn(2, 30, width, generator=torch.Generator().manual_seed(0)).transpose(1, 2)
    wanted = torch.nn.Conv1d.forward(convolution, features)
    torch.testing.assert_close(convolution(features), wanted)
