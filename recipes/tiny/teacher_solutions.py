"""The data of the distillation: latents that the exported UNet makes of prompts and noise in twelve guided steps.

    python -m recipes.tiny.teacher_solutions [--chunks N]

Prompts are wordings of the captions and, as those of recordings are, weighted means of several. Chunks are written one
by one, so that a run that was killed goes on where it stopped. On one core a chunk takes about 15 s.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from photism.drawing.pipeline import BUNDLED_GUIDANCE_SCALE, BUNDLED_STEPS
from recipes.tiny.corpus import cache_folder, read_captions
from recipes.tiny.export import FOLDER
from recipes.tiny.train_diffusion import TOKEN_NOISE, WORDINGS
from recipes.tiny.train_text_encoder import reword
from recipes.tiny.training import autocast, best_device

DIFFUSION = FOLDER / "diffusion"
CHUNK = 128
"""Images in a file."""
MIXED_PROB = 0.5
"""Probability that a prompt is the mean of three captions' prompts, the first of which has at least half the weight."""


def load_teacher(device: torch.device) -> UNet2DConditionModel:
    unet = UNet2DConditionModel.from_pretrained(DIFFUSION / "unet", dtype=torch.float32)
    return unet.to(device).eval().requires_grad_(False)


class PromptSource:
    """Prompts such as text and recordings give.

    Attributes:
        captions: prompt embeddings of all wordings of the captions, float32 (wordings, S, D).
        empty: that of the empty text, (1, S, D).
    """

    def __init__(self, device: torch.device) -> None:
        choice = random.Random(0)
        self.captions = encode_texts(
            [reword(each, choice) for each in read_captions() for _ in range(WORDINGS)], device
        )
        self.empty = encode_texts([""], device)

    def __call__(self, size: int, generator: torch.Generator) -> Tensor:
        """Draw prompt embeddings, float32 (size, S, D)."""
        device = self.captions.device
        chosen = torch.randint(len(self.captions), (size, 3), generator=generator)
        others = 0.5 * torch.rand(size, generator=generator) * (torch.rand(size, generator=generator) < MIXED_PROB)
        share = torch.rand(size, generator=generator)
        weights = torch.stack([1 - others, others * share, others * (1 - share)], dim=1).to(device)
        prompts = torch.einsum("bk,bksd->bsd", weights, self.captions[chosen.to(device)])
        strength = TOKEN_NOISE * torch.rand(size, 1, 1, generator=generator)
        noise = strength * torch.randn(prompts.shape, generator=generator)
        return prompts + prompts.std(-1, keepdim=True) * noise.to(device)


@torch.no_grad()
def encode_texts(texts: list[str], device: torch.device) -> Tensor:
    """Return prompt embeddings by the exported text encoder, float32 (B, S, D)."""
    tokenizer = CLIPTokenizer.from_pretrained(DIFFUSION / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(DIFFUSION / "text_encoder", dtype=torch.float32).to(device).eval()
    length = encoder.config.max_position_embeddings
    ids = tokenizer(texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt").input_ids
    return torch.cat([encoder(batch.to(device)).last_hidden_state for batch in ids.split(256)])


@torch.no_grad()
def solve(teacher: UNet2DConditionModel, prompts: Tensor, empty: Tensor, noise: Tensor) -> Tensor:
    """Return the latents that the teacher makes of noise, with the bundled model's own settings: (B, C, H, W)."""
    scheduler = DPMSolverMultistepScheduler.from_pretrained(DIFFUSION / "scheduler")
    scheduler.set_timesteps(BUNDLED_STEPS)
    both = torch.cat([empty.expand_as(prompts), prompts])
    latents = noise
    for timestep in scheduler.timesteps:
        with autocast(noise.device):
            output = teacher(torch.cat([latents, latents]), timestep, both).sample
        negative, positive = output.float().chunk(2)
        guided = negative + BUNDLED_GUIDANCE_SCALE * (positive - negative)
        latents = scheduler.step(guided, timestep, latents).prev_sample
    return latents


class TeacherSolutions:
    """The chunks that were written; those that are computed during the training are read as they appear."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.chunks: list[dict[str, Tensor]] = []

    def __call__(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw prompts (size, S, D), noise (size, C, H, W) and the teacher's latents for them, in float32."""
        while (path := _chunk_path(len(self.chunks))).exists():
            self.chunks.append(torch.load(path))
        if not self.chunks:
            raise SystemExit("distill_diffusion: run python -m recipes.tiny.teacher_solutions first")
        chosen = torch.randint(CHUNK * len(self.chunks), (size,), generator=generator).tolist()
        prompts, noise, latents = (
            torch.stack([self.chunks[index // CHUNK][name][index % CHUNK] for index in chosen]).to(self.device).float()
            for name in ("prompts", "noise", "latents")
        )
        return prompts, noise, latents


def _chunk_path(index: int) -> Path:
    return cache_folder() / "teacher" / f"{index:04d}.pt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=40, help=f"files of {CHUNK} images")
    arguments = parser.parse_args()

    device = best_device()
    teacher, source = load_teacher(device), PromptSource(device)
    shape = (CHUNK, teacher.config.in_channels, teacher.config.sample_size, teacher.config.sample_size)
    _chunk_path(0).parent.mkdir(parents=True, exist_ok=True)
    for index in range(arguments.chunks):
        path = _chunk_path(index)
        if path.exists():
            continue
        generator = torch.Generator().manual_seed(index)
        prompts = source(CHUNK, generator)
        noise = torch.randn(shape, generator=generator).to(device)
        tensors = {"prompts": prompts, "noise": noise, "latents": solve(teacher, prompts, source.empty, noise)}
        unfinished = path.with_suffix(".part")
        torch.save({name: tensor.half().cpu() for name, tensor in tensors.items()}, unfinished)
        unfinished.rename(path)
        print(f"{index + 1} of {arguments.chunks}", flush=True)


if __name__ == "__main__":
    main()
