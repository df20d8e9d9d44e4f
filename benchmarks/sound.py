"""Compare AudioLDM 2 with the pipeline of diffusers: time and peak memory with the same random weights, in turns.

    python -m benchmarks.sound [--full] [--runs 3] [--steps 5] [--threads 2] [--device cpu] [--dtype float32]
        [--only NAME] [--folder FOLDER]

By default each model has two layers or half the width; `--full` selects the sizes of cvssp/audioldm2. The weights are
created once, in `--folder` if it is given. Memory is the peak of a process in MB above its libraries, including the
weights.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.report import Report, add_output_option
from benchmarks.turns import Case, measure_runs

OURS, OFFLOADED, COMPILED = "Photism", "Photism, offload=disk", "Photism, compiled"
PROMPT = "rain on a tin roof"
LENGTH_S = 10.24


@dataclass(frozen=True)
class Size:
    """Sizes of the models: those of cvssp/audioldm2, or smaller ones of the same architecture."""

    unet: tuple[int, ...]
    heads: tuple[int, ...]
    t5_layers: int
    text_layers: int
    vae: tuple[int, ...]
    vocoder: int


FULL = Size((128, 256, 384, 640), (4, 8, 12, 20), 24, 12, (128, 256, 512), 1024)
REDUCED = Size((64, 128, 192, 320), (2, 4, 6, 10), 2, 2, (64, 128, 256), 256)


def make_checkpoint(folder: Path, size: Size) -> None:
    """Write a checkpoint with random weights, in a layout that diffusers still runs."""
    import diffusers
    import transformers

    from tests.support.tiny_audioldm2 import save_parts

    clap = transformers.ClapConfig(text_config={"num_hidden_layers": size.text_layers}, projection_dim=512)
    gpt2 = transformers.GPT2Config(n_layer=size.text_layers)
    gpt2.max_new_tokens = 8
    t5 = transformers.T5Config(
        d_model=1024, d_kv=64, d_ff=2816, num_layers=size.t5_layers, num_heads=16, feed_forward_proj="gated-gelu"
    )
    parts = {
        "text_encoder": transformers.ClapModel(clap),
        "text_encoder_2": transformers.T5EncoderModel(t5),
        "projection_model": diffusers.AudioLDM2ProjectionModel(512, 1024, 768),
        "language_model": transformers.GPT2LMHeadModel(gpt2),
        "unet": diffusers.AudioLDM2UNet2DConditionModel(
            sample_size=256,
            in_channels=8,
            out_channels=8,
            block_out_channels=size.unet,
            attention_head_dim=size.heads,
            down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * 3),
            up_block_types=(*["CrossAttnUpBlock2D"] * 3, "UpBlock2D"),
            cross_attention_dim=[[None, 768, 1024]] * 4,
        ),
        "vae": diffusers.AutoencoderKL(
            in_channels=1,
            out_channels=1,
            latent_channels=8,
            block_out_channels=size.vae,
            layers_per_block=2,
            down_block_types=["DownEncoderBlock2D"] * 3,
            up_block_types=["UpDecoderBlock2D"] * 3,
        ),
        "vocoder": transformers.SpeechT5HifiGan(
            transformers.SpeechT5HifiGanConfig(
                model_in_dim=64,
                upsample_initial_channel=size.vocoder,
                upsample_rates=[5, 4, 2, 2, 2],
                upsample_kernel_sizes=[16, 16, 8, 4, 4],
                normalize_before=False,
            )
        ),
        "scheduler": diffusers.DDIMScheduler(
            beta_start=0.0015,
            beta_end=0.0195,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        "feature_extractor": transformers.ClapFeatureExtractor(truncation="rand_trunc"),
    }
    save_parts(folder, parts, speech=False)


def build(side: str, options: argparse.Namespace, *, task: str) -> Callable[[], object]:
    """Return the function that a side repeats; it loads the pipeline in its first run."""
    from photism.cli.startup import startup

    with startup():
        import diffusers

        from photism.audioldm2.pipeline import AudioLDM2Pipeline
    dtype = getattr(torch, options.dtype)
    held: list[object] = []

    def pipeline() -> object:
        if not held:
            if side == "diffusers":
                loaded = diffusers.AudioLDM2Pipeline.from_pretrained(options.folder, dtype=dtype)
                held.append(loaded.to(options.device))
                loaded.set_progress_bar_config(disable=True)
            else:
                offload = "disk" if side == OFFLOADED else None
                scheduler = "dpm++" if task == "default" else None
                held.append(
                    AudioLDM2Pipeline.from_pretrained(
                        options.folder,
                        scheduler=scheduler,
                        offload=offload,
                        device=options.device,
                        dtype=dtype,
                        compile=side == COMPILED,
                    )
                )
        return held[0]

    def encode() -> object:
        if side != "diffusers":
            return pipeline().encode_texts(next(prompts))
        with torch.no_grad():
            return pipeline().encode_prompt(next(prompts), options.device, 1, True)

    def make() -> object:
        steps = {"whole": options.steps, "default": 200 if side == "diffusers" else 25}[task]
        return pipeline()(next(prompts), num_inference_steps=steps, audio_length_in_s=LENGTH_S)

    prompts = (
        f"{PROMPT} {number}" for number in range(1_000_000)
    )  # a new prompt for each call, so that none is cached
    return encode if task == "encode" else make


def cases(options: argparse.Namespace) -> list[Case]:
    """Return the cases."""
    sides = (OURS, "diffusers", OFFLOADED)
    if options.compile:
        sides += (COMPILED,)
    return [
        Case("encode a prompt", (OURS, "diffusers"), partial(build, task="encode")),
        Case(f"{options.steps} steps of {LENGTH_S} s, to a waveform", sides, partial(build, task="whole")),
        Case("defaults, 25 steps compared with 200", (OURS, "diffusers"), partial(build, task="default")),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--compile", action="store_true", help="add a side with a compiled UNet")
    parser.add_argument("--only", help="run the cases whose name contains NAME")
    parser.add_argument("--folder", type=Path, help="folder of the weights, which are created if it is empty")
    add_output_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        options.folder = options.folder or Path(temporary)
        if not (options.folder / "model_index.json").is_file():
            # In a process of its own, since the measured processes inherit the peak memory of this one.
            maker = multiprocessing.get_context("spawn").Process(
                target=make_checkpoint, args=(options.folder, FULL if options.full else REDUCED)
            )
            maker.start()
            maker.join()
        report = Report(f"AudioLDM 2{'' if options.full else ', smaller models'}, {options.dtype}", options)
        for case in cases(options):
            if options.only and options.only not in case.name:
                continue
            runs = measure_runs(case, options)
            peer = runs.pop("diffusers")
            for side, own in runs.items():
                name = case.name + side.removeprefix(OURS)
                report.compare(name, {OURS: own, "diffusers": peer})
        report.print()


if __name__ == "__main__":
    main()
