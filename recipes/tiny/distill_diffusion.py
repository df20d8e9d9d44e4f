"""Stage 9: distil the twelve guided steps of the exported UNet into an LCM-LoRA, with which it draws in one to four.

    python -m recipes.tiny.teacher_solutions    # what the UNet draws in twelve steps
    python -m recipes.tiny.distill_diffusion [--steps N]

A latent consistency model (https://arxiv.org/abs/2310.04378) predicts clean latents from noisy ones, guidance included;
to draw in several steps, noise is added to the prediction again. Here the teacher's latents are known, so that the
student learns them by regression: from the noise that the teacher began with, and from its own prediction with new
noise, which is what a second step is given.

Writes `lcm/` of the bundled model, which `photism draw --scheduler lcm` merges into the UNet, and which diffusers loads
with `load_lora_weights`.
"""

from __future__ import annotations

import argparse

import torch
from diffusers import LCMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor

from photism.files import apply_umask
from photism.prompts.diffusion.lcm import FILE, STEPS
from recipes.tiny.export import FOLDER
from recipes.tiny.teacher_solutions import DIFFUSION, TeacherSolutions, load_teacher
from recipes.tiny.training import Training, autocast, best_device, load_averaged

NAME = "distillation"
RANK = 22
"""1.9 million parameters, 3.8 MB in float16."""
LAYERS = [
    *("conv_in", "conv_out", "conv1", "conv2", "conv_shortcut", "conv", "proj_in", "proj_out"),
    *("linear_1", "linear_2", "time_emb_proj", "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"),
]
"""All convolutions and linear layers."""

FIRST = 999
"""Timestep of pure noise."""
LATER = (759, 499, 499, 499, 499, 259)
"""Timesteps of a later step: mostly LCM's second of two, and those of four."""


def add_lora(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Add a trainable LoRA, in float32, to a frozen UNet."""
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=LAYERS))
    unet.set_attn_processor(AttnProcessor())  # on a CPU its gradient takes half the time of the fused attention's
    return unet.to(memory_format=torch.channels_last)


def predict(unet: UNet2DConditionModel, latents: Tensor, timesteps: Tensor, prompts: Tensor, amounts: Tensor) -> Tensor:
    """Return the clean latents that the predicted velocity amounts to: float32 (B, C, H, W).

    Args:
        unet: predicts velocity.
        latents: noisy latents, (B, C, H, W).
        timesteps: how noisy they are, (B,).
        prompts: prompt embeddings, (B, S, D).
        amounts: of signal and noise in `latents`, from `signal_and_noise`.
    """
    with autocast(latents.device):
        velocity = unet(latents, timesteps, prompts).sample
    signal, noise = amounts
    return signal * latents - noise * velocity.float()


def signal_and_noise(scheduler: LCMScheduler, timesteps: Tensor) -> Tensor:
    """Return the factors of signal and noise in noisy latents: (2, B, 1, 1, 1)."""
    signal = scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
    return torch.stack([signal, 1 - signal]).sqrt()[..., None, None, None]


def save_lora(unet: UNet2DConditionModel) -> None:
    """Write the LoRA of a UNet in float16, with the number of steps that it is for."""
    tensors = {f"unet.{name}": tensor.half().contiguous() for name, tensor in get_peft_model_state_dict(unet).items()}
    path = FOLDER / FILE
    path.parent.mkdir(exist_ok=True)
    save_file(tensors, path, {"format": "pt", STEPS: "2"})
    apply_umask([path])
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1800)
    parser.add_argument("--batch-size", type=int, default=28, help="prompts, each of which is drawn in two steps")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    arguments = parser.parse_args()

    device = best_device()
    torch.manual_seed(0)
    student = add_lora(load_teacher(device))
    solutions = TeacherSolutions(device)
    scheduler = LCMScheduler.from_pretrained(DIFFUSION / "scheduler")
    training = Training(NAME, student, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.998)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        size = arguments.batch_size
        prompts, start, end = solutions(size, generator)
        timesteps = torch.full((size,), FIRST, device=device)
        first = predict(student, start, timesteps, prompts, signal_and_noise(scheduler, timesteps))

        timesteps = torch.tensor(LATER)[torch.randint(len(LATER), (size,), generator=generator)].to(device)
        signal, noise = amounts = signal_and_noise(scheduler, timesteps)
        fresh = torch.randn(start.shape, generator=generator).to(device)
        second = predict(student, signal * first.detach() + noise * fresh, timesteps, prompts, amounts)

        losses = {"first": (first - end).square().mean(), "second": (second - end).square().mean()}
        return {"loss": losses["first"] + losses["second"], **losses}

    training.run(loss_function)
    load_averaged(NAME, student)
    save_lora(student)


if __name__ == "__main__":
    main()
