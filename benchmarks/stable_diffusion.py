"""Compare a denoising step and a VAE's decoding with diffusers, on Stable Diffusion of full size.

    python -m benchmarks.draw --diffusion [--runs 2] [--threads 2] [--only NAME] [--folder FOLDER] [--keep-memory]

The UNets of Stable Diffusion 1.5 and XL, and their VAE, have random weights in float32, which are written once, in
`--folder` if it is given (14 GB), and mapped into memory by each side. A step is one call of the UNet with guidance, on
two latents. XL runs at 512×512 pixels too, since at 1024×1024 a step takes minutes on two cores. The sides run in
turns, each in a process of its own. The table has the median of each in seconds, and the largest difference of its
output from that of diffusers as a fraction of the range. With `--keep-memory` both sides keep freed memory, as the
commands of Photism do (`photism.device.keep_freed_memory`).
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.report import Report
from benchmarks.turns import Case, measure_runs, summary

LATENT_SIDE = 64
"""Height and width of the latents of 512×512 pixels."""
TOKENS = 77
REFERENCE, OURS, HALF = "diffusers", "Photism", "Photism, bfloat16"
NOTE = (
    "Random weights, 512×512 pixels, float32 unless stated otherwise. A step is one call of the UNet with guidance. "
    "Memory is that of the calls, with float32 weights, which are mapped from a file when they are first used."
)
SD = {
    "down_block_types": (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
XL = {
    "down_block_types": ("DownBlock2D", *["CrossAttnDownBlock2D"] * 2),
    "up_block_types": (*["CrossAttnUpBlock2D"] * 2, "UpBlock2D"),
    "block_out_channels": (320, 640, 1280),
    "transformer_layers_per_block": (1, 2, 10),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
}
CASES = {
    "Stable Diffusion 1.5, a step": ("unet", SD, (OURS, REFERENCE, HALF)),
    "VAE, decode": ("vae", VAE, (OURS, REFERENCE, HALF)),
    "Stable Diffusion XL, a step": ("unet", XL, (OURS, REFERENCE, HALF)),
}


def empty_model(name: str) -> Any:
    """Return the model of a case without weights."""
    import diffusers

    kind, config, _ = CASES[name]
    with torch.device("meta"):
        model: Any = diffusers.AutoencoderKL(**config) if kind == "vae" else diffusers.UNet2DConditionModel(**config)
    return model.eval()


def weights_file(folder: Path, name: str) -> Path:
    """Return the path of a model's weights."""
    return folder / f"{name.partition(',')[0].lower().replace(' ', '-')}.safetensors"


def write_weights(folder: Path, name: str) -> None:
    """Write random weights with which the states keep their size: as torch initialises them."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tensors: dict[str, Tensor] = {}
    for key, weight in empty_model(name).named_parameters():
        if weight.dim() > 1:
            tensors[key] = torch.empty(weight.shape).uniform_(-1, 1).div_(weight[0].numel() ** 0.5)
        else:
            tensors[key] = torch.full(weight.shape, float(key.endswith("weight")))
    save_file(tensors, weights_file(folder, name))


def build(side: str, options: argparse.Namespace, *, name: str) -> Callable[[], object]:
    """Return the function that a side repeats: it returns the output of a step or of the decoder."""
    from safetensors.torch import load_file

    from photism.device import keep_freed_memory
    from photism.drawing.faster_layers import faster_copy

    if options.keep_memory:
        keep_freed_memory()
    model = empty_model(name)
    model.load_state_dict(load_file(weights_file(options.folder, name)), assign=True)
    model.requires_grad_(requires_grad=False)
    if side == HALF:
        model.to(torch.bfloat16)
    given = inputs(model)

    def work() -> None:
        # As a call of the pipeline does: a copy for the time of a call.
        computing: nn.Module = model if side == REFERENCE else faster_copy(model)
        with torch.no_grad():
            output = computing(**given).sample if "timestep" in given else computing.decode(given["sample"]).sample
        torch.save(output.float(), options.folder / f"{side}.pt")

    return work


def inputs(model: Any) -> dict[str, Any]:
    """Return the arguments of a step with guidance, or the latents that the VAE decodes."""
    generator, dtype = torch.Generator().manual_seed(1), model.dtype
    latents = torch.randn(2, 4, LATENT_SIDE, LATENT_SIDE, generator=generator).to(dtype)
    if not hasattr(model.config, "cross_attention_dim"):
        return {"sample": latents[:1]}
    text = torch.randn(2, TOKENS, model.config.cross_attention_dim, generator=generator).to(dtype)
    added = {"text_embeds": torch.randn(2, 1280, generator=generator).to(dtype), "time_ids": torch.ones(2, 6)}
    return {"sample": latents, "timestep": 500, "encoder_hidden_states": text, "added_cond_kwargs": added}


def differences(folder: Path, sides: tuple[str, ...]) -> dict[str, float]:
    """Return the largest difference of each side's output from that of diffusers, as a fraction of its range."""
    outputs = {side: torch.load(folder / f"{side}.pt") for side in sides}
    reference = outputs[REFERENCE]
    extent = float(reference.max() - reference.min())
    return {side: float((output - reference).abs().max()) / extent for side, output in outputs.items()}


def compare(options: argparse.Namespace) -> None:
    """Measure the cases and print a table of each."""
    options.device = "cpu"
    report = Report("Stable Diffusion of full size", options, NOTE)
    with tempfile.TemporaryDirectory() as temporary:
        options.folder = options.folder or Path(temporary)
        for name, (_, _, sides) in CASES.items():
            if options.only and options.only not in name:
                continue
            if not weights_file(options.folder, name).is_file():
                # In a process of its own, since the measured processes inherit the peak memory of this one.
                context = multiprocessing.get_context("spawn")
                writer = context.Process(target=write_weights, args=(options.folder, name))
                writer.start()
                writer.join()
            runs = measure_runs(Case(name, sides, partial(build, name=name)), options)
            report.compare(name, runs)
            results, apart = summary(runs), differences(options.folder, sides)
            table = Table("side", "s", "diffusers / side", "largest difference / range", "MB", title=name)
            for side, (seconds, megabytes) in results.items():
                ratio = results[REFERENCE][0] / seconds
                table.add_row(side, f"{seconds:.2f}", f"{ratio:.2f}", f"{apart[side]:.1e}", f"{megabytes:.0f}")
            Console().print(table)
