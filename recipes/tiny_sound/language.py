"""Stage 4: train T5, the projection and GPT-2, which generates a hidden state for each latent frame.

    python -m recipes.tiny_sound.language [--steps N]

As in AudioLDM 2 the language model is trained by regression on the target: there on AudioMAE features, here on the
latents of each frame, so that its states already hold most of what the UNet needs. Word embeddings are initialised with
the principal components of the recordings that they occur with: from random initialisation, 70 epochs learned the
duration of a text's recording, and none of its words.
"""

from __future__ import annotations

import argparse
import random

import torch
from torch import Tensor, nn

from recipes.tiny.training import Training, autocast, best_device, load_averaged
from recipes.tiny_sound.autoencoder import LATENT_CHANNELS, MEL_BINS, PATCH, patch_code, read_mels
from recipes.tiny_sound.clap import embed_texts, load_clap
from recipes.tiny_sound.targets import draw_targets, read_targets
from recipes.tiny_sound.texts import GPT_WIDTH, TextStates, seeded_choice, tokenize_letters, tokenize_words, wording

NAME = "sound-language"
EMPTY_PROB = 0.05
"""Probability of the empty text, which learns what all targets have in common."""

WORD_COMPONENTS = 160
"""Principal components in the initial embedding of a word; 128 keep 80 % of the variance, and 73 % of R@5."""

WORD_RIDGE = 0.3
"""Regularisation of the ridge regression."""


class LanguageTask(nn.Module):
    """Text encoders with a linear readout of a frame's latents from its state."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = TextStates()
        self.read = nn.Linear(GPT_WIDTH, LATENT_CHANNELS * MEL_BINS // PATCH)


def load_texts() -> TextStates:
    model = LanguageTask()
    load_averaged(NAME, model)
    return model.texts.eval().requires_grad_(False)


def initialise_words(texts: TextStates) -> None:
    """Initialise T5's word embeddings such that their sum over a text approximates the components of its target."""
    choice, targets, latents = random.Random(0), read_targets()[0], read_latents().flatten(1)
    left, sizes, _ = torch.linalg.svd(latents - latents.mean(0), full_matrices=False)
    components = left[:, :WORD_COMPONENTS] * sizes[:WORD_COMPONENTS]
    effect_captions = {target.caption for target in targets if target.is_effect}
    worded = [
        wording(target, choice, is_only=target.caption not in effect_captions) for target in targets for _ in range(4)
    ]
    ids, mask = tokenize_words(worded)
    words = texts.t5.shared.weight
    counts = torch.zeros(len(ids), len(words)).scatter_add_(1, ids, mask.float())
    repeated = components.repeat_interleave(4, 0)
    # Ridge regression in its dual form, since there are about as many words as texts, or more.
    dual = torch.linalg.solve(counts @ counts.T + WORD_RIDGE * torch.eye(len(counts)), repeated)
    codes = counts.T @ dual
    with torch.no_grad():
        words[:, :WORD_COMPONENTS] = codes * (0.1 / codes.std())
        # Equal in all words, so that T5's norm keeps the small embeddings of common words small.
        words[:, WORD_COMPONENTS:] = 0.3
        texts.t5.encoder.final_layer_norm.weight.fill_(1)
    texts.t5.requires_grad_(False)


def read_latents() -> Tensor:
    """Return the latents of all targets: (N, C, frames, bins)."""
    return patch_code().encode(read_mels())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    arguments = parser.parse_args()

    device = best_device()
    targets = read_targets()[0]
    codes = read_latents().permute(0, 2, 1, 3).flatten(2).to(device)  # (N, C, frames, bins) -> (N, frames, C * bins)
    effect_captions = {target.caption for target in targets if target.is_effect}
    clap = load_clap().to(device)
    torch.manual_seed(0)
    model = LanguageTask()
    initialise_words(model.texts)
    model.to(device)
    training = Training(
        NAME, model, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.995, warmup_steps=100
    )

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        choice, chosen = seeded_choice(generator), draw_targets(arguments.batch_size, generator)
        texts = [wording(targets[i], choice, is_only=targets[i].caption not in effect_captions) for i in chosen]
        texts = [text if choice.random() >= EMPTY_PROB else "" for text in texts]
        ids, mask = (tensor.to(device) for tensor in tokenize_words(texts))
        letters = {name: tensor.to(device) for name, tensor in tokenize_letters(texts).items()}
        with autocast(device):
            with torch.no_grad():
                embeds = embed_texts(clap, letters)
            generated, _ = model.texts(embeds, ids, mask)
            predicted = model.read(generated)
        target = codes[chosen.to(device)]
        squared = (predicted.float() - target).square().mean()
        return {"loss": squared, "unexplained variance": squared.detach() / target.var()}

    training.run(loss_function)


if __name__ == "__main__":
    main()
