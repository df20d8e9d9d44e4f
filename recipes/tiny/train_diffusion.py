"""Stage 3: train the UNet to generate latents from prompt embeddings, with classifier-free guidance.

    python -m recipes.tiny.train_diffusion [--steps N]

Latents and prompt embeddings are fixed, so they are computed once and a step costs the UNet alone. The UNet predicts
velocity under a schedule that ends in pure noise (https://arxiv.org/abs/2305.08891), which gives a white background and
the correct overall colour; noise prediction does not.
"""

from __future__ import annotations

import argparse
import random

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor

from recipes.tiny.corpus import read_captions, read_pictures
from recipes.tiny.train_autoencoder import LATENT_CHANNELS, build_autoencoder, patch_code, to_signal
from recipes.tiny.train_autoencoder import NAME as AUTOENCODER
from recipes.tiny.train_text_encoder import WIDTH, encode_captions, load_text_encoder, read_tokenizer, reword
from recipes.tiny.training import Training, autocast, batch_of, best_device, load_averaged

NAME = "diffusion"
EMPTY_PROB = 0.1
"""Probability of the empty prompt, which classifier-free guidance needs."""

TOKEN_NOISE = 0.15
"""Maximum noise on a prompt token, relative to its standard deviation, since prompts from sound are not exact."""

WORDINGS = 6
"""Rephrased versions of each caption, the caption itself included."""


def build_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(128, 192),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=32,
    )


def build_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


def load_autoencoder() -> AutoencoderKL:
    model = build_autoencoder()
    load_averaged(AUTOENCODER, model)
    return model.eval().requires_grad_(False)


def build_pipeline(device: torch.device, unet: UNet2DConditionModel) -> StableDiffusionPipeline:
    """Return the text-to-image pipeline in Stable Diffusion's layout."""
    return StableDiffusionPipeline(
        vae=load_autoencoder().to(device),
        text_encoder=load_text_encoder().to(device),
        tokenizer=read_tokenizer(),
        unet=unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def all_wordings(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the prompt embeddings of all captions, (captions, WORDINGS, S, D), and of the empty prompt, (S, D)."""
    text_encoder = load_text_encoder().to(device)
    choice = random.Random(0)
    captions = read_captions()
    worded = [caption if n == 0 else reword(caption, choice) for caption in captions for n in range(WORDINGS)]
    tokens = encode_captions(text_encoder, worded)
    return tokens.unflatten(0, (len(captions), WORDINGS)), encode_captions(text_encoder, [""])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5200)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    arguments = parser.parse_args()

    device = best_device()
    latents = patch_code().encode(to_signal(torch.from_numpy(read_pictures().pixels))).to(device)
    tokens, empty = all_wordings(device)
    ids = {caption: index for index, caption in enumerate(read_captions())}
    caption_ids = torch.tensor([ids[caption] for caption in read_pictures().captions])
    torch.manual_seed(0)
    unet = build_unet().to(device, memory_format=torch.channels_last)
    scheduler = build_scheduler()
    training = Training(NAME, unet, steps=arguments.steps, learning_rate=arguments.learning_rate)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        size = arguments.batch_size
        chosen = batch_of(len(latents), size, generator)
        wording = torch.randint(WORDINGS, (size,), generator=generator)
        prompt = tokens[caption_ids[chosen], wording]  # (B, S, D)
        strength = TOKEN_NOISE * torch.rand(size, 1, 1, generator=generator)
        noise = torch.randn(prompt.shape, generator=generator).to(device)
        prompt = prompt + strength.to(device) * prompt.std(-1, keepdim=True) * noise
        is_empty = torch.rand(size, generator=generator) < EMPTY_PROB
        prompt[is_empty.to(device)] = empty
        timestep = torch.randint(scheduler.config.num_train_timesteps, (size,), generator=generator).to(device)
        clean = latents[chosen.to(device)].contiguous(memory_format=torch.channels_last)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        target = scheduler.get_velocity(clean, noise, timestep)
        with autocast(device):
            output = unet(scheduler.add_noise(clean, noise, timestep), timestep, prompt).sample
        return {"loss": (output.float() - target).square().mean()}

    def sample_sheet(step: int) -> None:
        pipeline = build_pipeline(device, unet)
        pipeline.set_progress_bar_config(disable=True)
        captions = [read_pictures().captions[index] for index in range(7, len(latents), len(latents) // 16)][:16]
        generator = torch.Generator().manual_seed(0)
        output = pipeline(captions, num_inference_steps=20, guidance_scale=3.0, generator=generator, output_type="pt")
        training.writer.add_images("generated from text", output.images, step)
        training.writer.add_text("generated from text", ", ".join(captions), step)

    training.run(loss_function, evaluate=sample_sheet)


if __name__ == "__main__":
    main()
