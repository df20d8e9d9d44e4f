"""Stage 6: the UNet goes on with the prompts that sounds give.

    python recipes/tiny/train_sounds.py [--steps N]

A sound's prompt is a blend of what it may be. Taught by text alone the UNet draws a blend of pictures; taught by sounds
it draws one of those that the sound may be. The audio side knows its own training clips too well for that: their
prompts are made of clips that are hard to hear. Text goes on being drawn beside it.
"""

from __future__ import annotations

import argparse

import torch
from corpus import read_captions, read_pictures
from speech import read_speech
from speech_batches import HARD, SpeechBatches
from torch import Tensor
from train_autoencoder import patch_code, to_signal
from train_captions import NAME as CAPTIONS
from train_captions import Aligner, build_caption_bank
from train_diffusion import NAME as DIFFUSION
from train_diffusion import all_wordings, build_unet, diffusion_loss, text_prompts
from training import Training, autocast, best_device, load_averaged

NAME = "sounds"
HUMAN_VIEWS = 5
"""Of a person's recording; of synthetic speech one of every third clip, so that two prompts in three are a person's."""

TEXT_SHARE = 0.25


def sound_prompts(speech: SpeechBatches, device: torch.device) -> tuple[Tensor, Tensor]:
    """Prompts (N, S, D) in half precision of clips that are hard to hear, and their captions (N,)."""
    aligner = Aligner(build_caption_bank(device), len(speech.symbols)).to(device)
    load_averaged(CAPTIONS, aligner)
    aligner.eval()
    generator = torch.Generator().manual_seed(2)
    human, synthetic = speech.human.nonzero()[:, 0], (~speech.human).nonzero()[::3, 0]
    prompts: list[Tensor] = []
    captions: list[Tensor] = []
    for clips in (*[human] * HUMAN_VIEWS, synthetic):
        for part in clips[speech.lengths[clips].argsort()].split(128):
            batch = speech.make(part, generator, HARD)
            with torch.no_grad(), autocast(device):
                output = aligner.model(batch.input_features.to(device), batch.attention_mask.to(device))
            prompts.append(output.prompt_embeds.half())
            captions.append(batch.caption_ids)
    return torch.cat(prompts), torch.cat(captions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=6e-4)
    parser.add_argument("--voices", type=int, default=4)
    arguments = parser.parse_args()

    device = best_device()
    pictures = read_pictures()
    latents = patch_code().encode(to_signal(torch.from_numpy(pictures.pixels))).to(device)
    ids = {caption: index for index, caption in enumerate(read_captions())}
    caption_ids = torch.tensor([ids[caption] for caption in pictures.captions])
    # Pictures in the order of their captions: those of caption c are `count[c]` from `start[c]` on.
    by_caption, count = caption_ids.argsort(), caption_ids.bincount(minlength=len(ids))
    start = count.cumsum(0) - count
    prompts, spoken = sound_prompts(SpeechBatches(read_speech(arguments.voices)), device)
    drawable = count[spoken] > 0
    prompts, spoken = prompts[drawable.to(device)], spoken[drawable]
    tokens, empty = all_wordings(device)
    torch.manual_seed(0)
    unet = build_unet().to(device, memory_format=torch.channels_last)
    load_averaged(DIFFUSION, unet)
    training = Training(NAME, unet, steps=arguments.steps, learning_rate=arguments.learning_rate)
    texts = round(TEXT_SHARE * arguments.batch_size)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        sounds = torch.randint(len(prompts), (arguments.batch_size - texts,), generator=generator)
        said = spoken[sounds]
        heard = by_caption[start[said] + (torch.rand(len(said), generator=generator) * count[said]).long()]
        read = torch.randint(len(latents), (texts,), generator=generator)
        prompt = torch.cat([prompts[sounds.to(device)].float(), text_prompts(tokens, caption_ids[read], generator)])
        clean = latents[torch.cat([heard, read]).to(device)]
        loss = diffusion_loss(unet, clean, prompt, empty, generator)
        return {"loss": loss.mean(), "sounds": loss[: len(sounds)].mean(), "texts": loss[len(sounds) :].mean()}

    training.run(loss_function)


if __name__ == "__main__":
    main()
