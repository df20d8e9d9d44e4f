"""Attention kernels of a GPU, compared with the exact result: FlexAttention also on the CPU, Triton by interpretation.

On the CPU, FlexAttention runs unfused and without gradients; a GPU compiles it.
"""

import json
import os
import subprocess
import sys

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from photism.encoder import flex_attention as flex_module
from photism.encoder import gpu_attention
from photism.encoder.flex_attention import attend_by_flex
from tests.encoder.kernel_inputs import LENGTHS, attend_exactly, make_inputs
from tests.encoder.reference import TOLERANCE, batch, check_gradients, difference, pair


@pytest.fixture
def flex(device, monkeypatch):
    """Run FlexAttention on the device, uncompiled on a CPU."""
    torch.compiler.reset()  # only so many kernels of one function are compiled
    if device.type == "cpu":
        monkeypatch.setattr(flex_module, "compiled_flex_attention", lambda: flex_attention)
    return attend_by_flex


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize(
    ("lengths", "biased", "dtype"),
    [
        ("equal", True, torch.float32),
        ("packed", True, torch.float32),
        ("packed", True, torch.bfloat16),
        ("packed", False, torch.float32),
    ],
)
def test_flex_attention_is_exact(flex, device, lengths, biased, dtype):
    inputs = make_inputs(LENGTHS[lengths], biased=biased, dtype=dtype, device=device)
    assert difference(flex(*inputs), attend_exactly(*inputs)) <= TOLERANCE[dtype]


@pytest.mark.cuda
def test_gradients_of_flex_attention():
    inputs = make_inputs(LENGTHS["packed"], biased=True, dtype=torch.float32, device="cuda")
    query, key, value, biases, _ = inputs
    variables = [each.requires_grad_() for each in (query, key, value, biases.values)]
    weights = torch.randn_like(query)
    found, wanted = (
        torch.autograd.grad((attend(*inputs) * weights).sum(), variables) for attend in (attend_by_flex, attend_exactly)
    )
    for gradient, expected in zip(found, wanted, strict=True):
        assert difference(gradient, expected) <= 1e-4


@pytest.mark.parametrize("lengths", [(128, 256), (7, 130, 1, 299, 65), (500, 12), (640, 640, 1)])
def test_blocks_of_clips_are_those_of_all_pairs(lengths):
    mask = flex_module._clip_mask(lengths, torch.device("cpu"))
    expected = create_block_mask(mask.mask_mod, None, None, sum(lengths), sum(lengths), device="cpu")
    for name in ("kv_num_blocks", "full_kv_num_blocks", "q_num_blocks", "full_q_num_blocks"):
        assert torch.equal(getattr(mask, name), getattr(expected, name)), name
    assert torch.equal(mask.to_dense(), expected.to_dense())
    for name in ("kv", "full_kv"):
        counts, found, wanted = (
            getattr(each, f"{name}_{kind}")[0, 0]
            for each, kind in ((mask, "num_blocks"), (mask, "indices"), (expected, "indices"))
        )
        assert all(torch.equal(found[row, :count], wanted[row, :count]) for row, count in enumerate(counts)), name


def test_the_triton_kernel_is_exact_in_the_interpreter():
    """In a process of its own, since Triton chooses the interpreter when it is imported."""
    pytest.importorskip("triton", reason="needs Triton, which torch for the CPU comes without")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.encoder.kernel_inputs"]
    differences = json.loads(subprocess.check_output(command, env=environment, text=True))
    assert len(differences) == 4
    assert max(differences.values()) <= 1e-5, differences


@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="Triton interprets its kernels")
@pytest.mark.parametrize(("dtype", "biased"), [("bf16", True), ("fp32", False)])
def test_the_triton_kernel_compiles_for_a_gpu_that_is_not_here(dtype, biased):
    """The interpreter accepts what the compiler does not, such as a variable that changes its shape in a loop."""
    pytest.importorskip("triton", reason="needs Triton, which torch for the CPU comes without")
    from triton import compile
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from photism.encoder import triton_attention

    tile = triton_attention.TILE_FLOAT32 if dtype == "fp32" else triton_attention.TILE
    constants = triton_attention.constants_of(16, 64, 64 if biased else 0, 8 if biased else 0, biased, tile, "ieee")
    pointers = ("query_ptr", "key_ptr", "value_ptr", "bias_ptr", "output_ptr")
    signature = dict.fromkeys(pointers, f"*{dtype}") | {"ends_ptr": "*i64", "scale": "fp32"}
    source = ASTSource(triton_attention._attend, signature | dict.fromkeys(constants, "constexpr"), constants)
    options = {"num_warps": tile.warps, "num_stages": tile.stages}
    compiled = compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    assert ("wgmma" in compiled.asm["ptx"]) == (dtype == "bf16")
    assert compiled.metadata.shared <= 99 * 1024  # of the smallest GPUs since Ampere


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_the_triton_kernel_is_exact_on_a_gpu(lengths, biased, dtype):
    from photism.encoder.triton_attention import attend_by_triton

    inputs = make_inputs(LENGTHS[lengths], biased=biased, dtype=dtype, device="cuda")
    assert difference(attend_by_triton(*inputs), attend_exactly(*inputs)) <= TOLERANCE.get(dtype, 2e-3)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize(
    ("name", "device"),
    [("flex", "cpu"), *(pytest.param(name, "cuda", marks=pytest.mark.cuda) for name in ("flex", "triton"))],
    indirect=["device"],
)
def test_a_model_with_a_kernel_is_that_of_transformers(name, device, monkeypatch, request):
    if name == "flex":
        request.getfixturevalue("flex")
    monkeypatch.setattr(gpu_attention, "GPU_ATTENTION", name)
    monkeypatch.setattr(gpu_attention, "GPUS", ("cuda", "cpu"))
    chosen = []
    choose = gpu_attention.choose_gpu_kernel
    monkeypatch.setattr(
        "photism.encoder.attention.choose_gpu_kernel", lambda *given: chosen.append(choose(*given)) or chosen[-1]
    )
    ours, reference = (model.to(device) for model in pair("Model", hidden_size=64, num_hidden_layers=1))
    features, mask = (each.to(device) for each in batch((37, 12, 25)))
    with torch.no_grad():
        found, wanted = (model(features, attention_mask=mask).last_hidden_state for model in (ours, reference))
    assert [kernel.__name__ for kernel in chosen] == [f"attend_by_{name}"]
    assert difference(found[mask.bool()], wanted[mask.bool()]) <= TOLERANCE[torch.float32]
    if device.type == "cuda":  # with gradients, "triton" attends in blocks
        for model in (ours, reference):
            (model(features, attention_mask=mask).last_hidden_state * mask[..., None]).square().sum().backward()
        check_gradients(ours, reference)


@pytest.mark.cuda
@pytest.mark.parametrize("name", ["blocks", "triton"])
def test_a_forward_pass_can_be_captured_in_a_cuda_graph(name, monkeypatch):
    monkeypatch.setattr(gpu_attention, "GPU_ATTENTION", name)
    ours = pair("Model", hidden_size=64)[0].cuda()
    features, others = (torch.randn(2, 37, 20, device="cuda") for _ in range(2))
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad():
        expected = ours(others).last_hidden_state  # this also fills the caches
        with torch.cuda.graph(graph):
            captured = ours(features).last_hidden_state
        features.copy_(others)
        graph.replay()
    assert difference(captured, expected) <= TOLERANCE[torch.float32]


@pytest.mark.parametrize(
    ("changed", "positions"),
    [({}, "relative"), ({"size": 24}, None), ({"dtype": torch.float64}, None), ({"device": "meta"}, None)],
)
def test_other_queries_are_attended_to_in_blocks(changed, positions, monkeypatch):
    monkeypatch.setattr(gpu_attention, "GPUS", ("cpu",))
    query = torch.zeros(5, 2, changed.pop("size", 16), **changed)
    assert gpu_attention.choose_gpu_kernel(query, positions) is None
    monkeypatch.setattr(gpu_attention, "GPU_ATTENTION", "flex")
    assert gpu_attention.choose_gpu_kernel(query, positions) is None
    assert gpu_attention.choose_gpu_kernel(torch.zeros(5, 2, 16), None) is attend_by_flex
