"""Stage 5: train the UNet to generate latents from the hidden states of texts, with classifier-free guidance.

    python -m recipes.tiny_sound.diffusion [--steps N]

The hidden states are fixed, so they are computed once and a step costs the UNet alone. It predicts velocity under the
schedule of the published checkpoints. Noisy timesteps are drawn more often, since the text determines the sound almost
completely.
"""

from __future__ import annotations

import argparse
import random

import torch
from diffusers import AudioLDM2UNet2DConditionModel, DDIMScheduler
from torch import Tensor

from recipes.tiny.training import Training, autocast, best_device, load_averaged
from recipes.tiny_sound.autoencoder import LATENT_CHANNELS, MEL_BINS, PATCH
from recipes.tiny_sound.clap import embed_texts, load_clap
from recipes.tiny_sound.language import load_texts, read_latents
from recipes.tiny_sound.targets import WINDOW_FRAMES, draw_targets, read_targets
from recipes.tiny_sound.texts import GPT_WIDTH, T5_WIDTH, tokenize_letters, tokenize_words, wording

NAME = "sound-diffusion"
EMPTY_PROB = 0.1
"""Probability of the empty text, which classifier-free guidance needs."""

STATE_NOISE = 0.1
"""Maximum noise on a hidden state, relative to the standard deviation: a new text is at best close to a known one."""

WORDINGS = 8
"""Rephrased versions of each caption."""


def build_unet() -> AudioLDM2UNet2DConditionModel:
    widths = [None, GPT_WIDTH, T5_WIDTH]  # self-attention, cross-attention to GPT-2, and to T5
    return AudioLDM2UNet2DConditionModel(
        sample_size=[WINDOW_FRAMES // PATCH, MEL_BINS // PATCH],
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(128, 144),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=[widths, widths],
        attention_head_dim=8,
        norm_num_groups=16,
    )


def build_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


def load_unet() -> AudioLDM2UNet2DConditionModel:
    unet = build_unet()
    load_averaged(NAME, unet)
    return unet.eval().requires_grad_(False)


@torch.no_grad()
def encode_texts(texts: list[str], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the hidden states (B, G, D) of GPT-2 and (B, S, E) of T5, and the mask (B, S) of T5's."""
    clap, text_states = load_clap().to(device), load_texts().to(device)
    ids, mask = tokenize_words(texts)
    found: list[tuple[Tensor, Tensor]] = []
    for start in range(0, len(texts), 256):
        some = slice(start, start + 256)
        letters = {name: tensor.to(device) for name, tensor in tokenize_letters(texts[some]).items()}
        found.append(text_states(embed_texts(clap, letters), ids[some].to(device), mask[some].to(device)))
    generated, encoded = (torch.cat(parts) for parts in zip(*found, strict=True))
    return generated, encoded, mask.bool().to(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--batch-size", type=int, default=48)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    arguments = parser.parse_args()

    device, choice = best_device(), random.Random(0)
    targets, latents = read_targets()[0], read_latents().to(device)
    effect_captions = {target.caption for target in targets if target.is_effect}
    texts = [
        wording(each, choice, is_only=each.caption not in effect_captions) for each in targets for _ in range(WORDINGS)
    ]
    generated, encoded, mask = encode_texts([*texts, ""], device)
    std = generated.std(), encoded[mask].std()
    torch.manual_seed(0)
    unet = build_unet().to(device, memory_format=torch.channels_last)
    scheduler = build_scheduler()
    training = Training(
        NAME, unet, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.998, warmup_steps=100
    )

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        size = arguments.batch_size
        chosen = draw_targets(size, generator)
        rows = chosen * WORDINGS + torch.randint(WORDINGS, (size,), generator=generator)
        rows[torch.rand(size, generator=generator) < EMPTY_PROB] = len(texts)
        rows = rows.to(device)
        longest = int(mask[rows].sum(1).max())
        states = [generated[rows], encoded[rows, :longest]]
        noisy = [
            each + STATE_NOISE * scale * torch.rand(size, 1, 1, generator=generator).to(device) * torch.randn_like(each)
            for each, scale in zip(states, std, strict=True)
        ]
        fraction = 1 - torch.rand(size, generator=generator).square()
        timestep = (fraction * scheduler.config.num_train_timesteps).long().clamp(max=999).to(device)
        clean = latents[chosen.to(device)].contiguous(memory_format=torch.channels_last)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        target = scheduler.get_velocity(clean, noise, timestep)
        with autocast(device):
            output = unet(
                scheduler.add_noise(clean, noise, timestep),
                timestep,
                encoder_hidden_states=noisy[0],
                encoder_hidden_states_1=noisy[1],
                encoder_attention_mask_1=mask[rows, :longest],
            ).sample
        squared = (output.float() - target).square().mean((1, 2, 3))
        return {"loss": squared.mean(), "noisy": squared[timestep > 800].mean()}

    training.run(loss_function)


if __name__ == "__main__":
    main()
