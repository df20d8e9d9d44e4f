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
    for dtype in (torch.bfloat16, torch.float16):
        convolution = DepthwiseConvolution(width, width, 15, groups=width, bias=False).to(dtype)
        features = torch.randn(1, 60, width, dtype=dtype).transpose(1, 2)
        found = convolution(features)
        found.sum().backward()
        wanted = torch.nn.functional.conv1d(features.float(), convolution.weight.float(), groups=width)
        torch.testing.assert_close(found, wanted.to(dtype))
        with torch.autocast("cpu", dtype):
            autocast = convolution.float()(features.float())
        torch.testing.assert_close(autocast, wanted, atol=0.02, rtol=0.02, check_dtype=False)
"""


def test_narrow_encoders_in_half_precision():
    """Run in a process of its own: a kernel of oneDNN that does not return cannot be interrupted."""
    subprocess.run([sys.executable, "-c", NARROW], check=True, timeout=120)


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("width", [1, 16, 17])
def test_depthwise_convolution(width, gradients):
    convolution = DepthwiseConvolution(width, width, 7, groups=width, bias=False)
    features = torch.randn(2, 30, width, generator=torch.Generator().manual_seed(0)).transpose(1, 2)
    wanted = torch.nn.Conv1d.forward(convolution, features)
    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(convolution(features), wanted)
