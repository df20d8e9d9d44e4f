"""After a drawing, everything that it did not import is what it would be when somebody imports it."""

import builtins
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from photism.deferred_imports.context import deferred_imports

DRAW = """
import sys
from photism.cli.app import app
from photism.hub import bundled_model
elephant = str(bundled_model() / "examples" / "elephant.en.ogg")
app(["draw", elephant, "-o", sys.argv[1], "--steps", "1"], standalone_mode=False, obj={})
"""

AFTERWARDS = """
import builtins, importlib.metadata, torch
assert type(builtins.__import__).__name__ == "builtin_function_or_method"
assert importlib.metadata.packages_distributions.__module__ == "importlib.metadata"
assert torch.empty_like.__module__ == "torch" and torch.nn.init.normal_.__module__ == "torch.nn.init"
assert "_dynamo" not in vars(torch)

from diffusers.utils import torch_utils
from diffusers.models.attention import BasicTransformerBlock
from diffusers.pipelines import pipeline_loading_utils
from transformers.loss import loss_for_object_detection
from transformers.integrations import eager_paged

assert not pipeline_loading_utils.is_compiled_module(torch.nn.Linear(1, 1))
block = BasicTransformerBlock(8, 1, 8).eval()
compiled = torch.compile(block, backend="eager")
assert pipeline_loading_utils.is_compiled_module(compiled)
assert torch.equal(compiled(torch.ones(1, 2, 8)), block(torch.ones(1, 2, 8)))
from torch._dynamo import trace_rules
assert trace_rules.is_callable_allowed(BasicTransformerBlock)
disabled = eager_paged.eager_paged_attention_forward
assert torch._dynamo.eval_frame.innermost_fn(disabled.__closure__[0].cell_contents[0]) is disabled.__wrapped__

import scipy.optimize, scipy.stats
assert loss_for_object_detection.linear_sum_assignment is scipy.optimize.linear_sum_assignment
from scipy.stats import norm
assert abs(norm.cdf(0) - 0.5) < 1e-9 and "beta" in dir(scipy.stats)
from scipy import integrate
assert abs(integrate.quad(lambda x: x, 0, 1)[0] - 0.5) < 1e-9

from transformers.distributed import checkpoint, fsdp
import torch.distributed.checkpoint.hf_storage, torch.distributed.fsdp
assert fsdp.CPUOffloadPolicy is torch.distributed.fsdp.CPUOffloadPolicy
assert checkpoint.HuggingFaceStorageReader is torch.distributed.checkpoint.hf_storage.HuggingFaceStorageReader

from diffusers import AutoencoderDC, FluxTransformer2DModel, models
from diffusers.models.autoencoders import AutoencoderKL, AutoencoderTiny
from diffusers.models.unets import UNet2DConditionModel
assert models.autoencoders.AutoencoderDC is AutoencoderDC and "AutoencoderTiny" in dir(models.autoencoders)
assert type(models.autoencoders) is type(torch.nn) and models.UNet2DConditionModel is UNet2DConditionModel
assert models.transformers.FluxTransformer2DModel is FluxTransformer2DModel

import peft
from diffusers.hooks import layerwise_casting
assert pipeline_loading_utils._unwrap_model(block) is block
assert layerwise_casting.BaseTunerLayer is peft.tuners.tuners_utils.BaseTunerLayer
model = peft.get_peft_model(block, peft.LoraConfig(target_modules=["to_q"]))
assert pipeline_loading_utils._unwrap_model(model) is block

from transformers import BertConfig, BertModel
small = BertConfig(hidden_size=8, num_attention_heads=1, num_hidden_layers=1, intermediate_size=8, vocab_size=9)
BertModel(small)(torch.ones(1, 2, dtype=torch.long))
"""


def run(script: str, folder: Path) -> str:
    command = [sys.executable, "-c", script, str(folder / "image.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_of_another_library_that_replaces_it_as_well_is_kept():
    original = builtins.__import__

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return found(*args, **kwargs)

    try:
        with deferred_imports:
            found = builtins.__import__
            builtins.__import__ = wrapped
        with deferred_imports:
            assert __import__("json") is json
        assert builtins.__import__ is wrapped
        builtins.__import__ = found
        with deferred_imports:
            assert __import__("json") is json
    finally:
        builtins.__import__ = original


@pytest.mark.slow
def test_after_a_drawing_the_libraries_are_complete(tmp_path: Path):
    run(DRAW + AFTERWARDS, tmp_path)
