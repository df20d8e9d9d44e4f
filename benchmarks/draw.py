"""Time image generation from a recording: each stage separately, warm. `benchmarks.startup` times whole processes.

    python -m benchmarks.draw [RECORDING] [--model FOLDER] [--runs 9] [--device cpu] [--steps 12] [--scheduler lcm]
    python -m benchmarks.draw --diffusion [--runs 2] [--threads 2] [--only NAME] [--folder FOLDER]

Prints median, minimum and maximum in seconds. The limits apply to two cores of an idle machine: 1 s for an image, .08 s
for one with `--scheduler lcm`. `--diffusion` compares Stable Diffusion of full size with diffusers instead, as
`stable_diffusion.py` describes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.report import Report, add_output_option
from benchmarks.stable_diffusion import compare
from photism import AudioToImagePipeline, CaptionRanker, load_waveform
from photism.hub import bundled_model
from photism.prompts.model_files import find_model, load_captions

IMAGE_LIMIT_S = 1.0
FEW_STEPS_LIMIT_S = 0.08


def time_s(work: Callable[[], object], device: torch.device) -> float:
    """Return the duration of one run."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def stages(
    pipeline: AudioToImagePipeline, recording: Path, steps: int, captions: tuple[str, ...]
) -> dict[str, Callable[[], object]]:
    """Return the stages from a recording to its image, as functions that can be called repeatedly."""
    encoder, diffusion = pipeline.encoder, pipeline.diffusion
    waveform = load_waveform(recording)
    features = encoder.extract_features([waveform])
    prompt = encoder.encode([waveform])
    negative = encoder.prompt_space.negative[None, : prompt.prompt_embeds.shape[1]]
    size = diffusion.unet.config.sample_size
    latents = torch.randn(1, diffusion.unet.config.in_channels, size, size, device=diffusion.device)
    diffusion.set_progress_bar_config(disable=True)

    def diffuse() -> None:
        diffusion(
            prompt_embeds=prompt.prompt_embeds,
            negative_prompt_embeds=negative,
            num_inference_steps=steps,
            guidance_scale=pipeline.guidance_scale,
            latents=latents,
            output_type="latent",
        )

    work: dict[str, Callable[[], object]] = {
        "decode": lambda: load_waveform(recording),
        "log-mel": lambda: encoder.extract_features([waveform]),
        "encoder and adapter": torch.no_grad()(lambda: encoder(*features)),
        f"{steps} diffusion steps": diffuse,
        "VAE decode": torch.no_grad()(lambda: diffusion.vae.decode(latents)),
        "recording to image": lambda: pipeline(recording, num_inference_steps=steps),
    }
    if captions:
        ranker = CaptionRanker(encoder, diffusion, captions)
        name = f"zero-shot classification among {len(captions)} captions"
        work[f"encode {len(captions)} captions, which later processes find in the cache"] = lambda: (
            ranker.encode_captions(captions)
        )
        work[f"{name}, first call"] = lambda: CaptionRanker(encoder, diffusion, captions).rank_prompts(prompt)
        work[f"{name}, next calls"] = lambda: ranker.rank_prompts(prompt)
    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, nargs="?", default=bundled_model() / "examples/elephant.en.ogg")
    parser.add_argument("--model", help="folder or hub id; default: the bundled model")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--device", help="default: the fastest available")
    parser.add_argument("--steps", type=int, help="denoising steps; default: the model's")
    parser.add_argument("--scheduler", help="default: the model's")
    add_output_option(parser)
    parser.add_argument("--diffusion", action="store_true", help="compare full-size models with diffusers")
    parser.add_argument("--threads", type=int, default=2, help="of each side of --diffusion")
    parser.add_argument("--only", help="run the cases of --diffusion whose name contains NAME")
    parser.add_argument("--folder", type=Path, help="folder of the weights of --diffusion, which are created in it")
    parser.add_argument("--keep-memory", action="store_true", help="keep freed memory on both sides of --diffusion")
    chosen = parser.parse_args()
    if chosen.diffusion:
        compare(chosen)
        return

    pipeline = AudioToImagePipeline.from_pretrained(chosen.model, device=chosen.device, scheduler=chosen.scheduler)
    device = pipeline.diffusion.device
    steps = chosen.steps or pipeline.num_inference_steps
    captions = load_captions(find_model(chosen.model))
    threads = chosen.threads = torch.get_num_threads()
    chosen.device = str(device)
    report = Report("From a recording to an image", chosen)
    table = Table(
        "", "median", "minimum", "maximum", title=f"photism draw, {device}, {threads} threads, {chosen.runs} runs, s"
    )

    medians: dict[str, float] = {}
    for name, work in stages(pipeline, chosen.recording, steps, captions).items():
        time_s(work, device)  # warm-up
        times = [time_s(work, device) for _ in range(chosen.runs)]
        medians[name] = statistics.median(times)
        report.add(name, s=times)
        table.add_row(name, *(f"{seconds:.3f}" for seconds in (medians[name], min(times), max(times))))
    Console().print(table)
    limit_s = FEW_STEPS_LIMIT_S if chosen.scheduler == "lcm" else IMAGE_LIMIT_S
    seconds = medians["recording to image"]
    print(f"recording to image: {seconds:.3f} s, {'within' if seconds <= limit_s else 'OVER'} {limit_s:g} s")


if __name__ == "__main__":
    main()
