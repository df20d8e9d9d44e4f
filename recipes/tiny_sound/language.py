"""Stage 4: T5, the projection and GPT-2, which continues a text with a state for each latent frame of its sound.

    python -m recipes.tiny_sound.language [--steps N]

As in AudioLDM 2 the language model learns by regression what the sound is about to be, there AudioMAE's features, here
the code of each frame, and the UNet is then told by states that say most of it already. Words begin with the principal
components of what is heard with them: from random beginnings, 70 epochs learnt how long a text sounds, and no word of
it.
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
from recipes.tiny_sound.texts import GPT_WIDTH, TextStates, letters_of, torch_choice, wording, words_of

NAME = "sound-language"
EMPTY_SHARE = 0.05
"""Of the texts say nothing: what is common to all sounds."""


WORD_COMPONENTS = 160
"""Of whole sounds, that a word begins with; 128 of them keep 80 % of the variance, and 73 % of R@5."""

WORD_RIDGE = 0.3


class LanguageLearner(nn.Module):
    """The text side, and what reads the code of a frame from its state."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = TextStates()
        self.read = nn.Linear(GPT_WIDTH, LATENT_CHANNELS * MEL_BINS // PATCH)


def load_texts() -> TextStates:
    model = LanguageLearner()
    load_averaged(NAME, model)
    return model.texts.eval().requires_grad_(False)


def begin_words(texts: TextStates) -> None:
    """Sets what T5 knows of each word: codes that, added up over a text, come near the components of its sound."""
    choice, targets, sounds = random.Random(0), read_targets()[0], read_latents().flatten(1)
    left, sizes, _ = torch.linalg.svd(sounds - sounds.mean(0), full_matrices=False)
    components = left[:, :WORD_COMPONENTS] * sizes[:WORD_COMPONENTS]
    with_effect = {target.caption for target in targets if target.is_effect}
    texts_of = [
        wording(target, choice, is_only=target.caption not in with_effect) for target in targets for _ in range(4)
    ]
    ids, mask = words_of(texts_of)
    words = texts.t5.shared.weight
    counts = torch.zeros(len(ids), len(words)).scatter_add_(1, ids, mask.float())
    wanted = components.repeat_interleave(4, 0)
    # Ridge regression in its dual form, where there are more words than texts or about as many.
    dual = torch.linalg.solve(counts @ counts.T + WORD_RIDGE * torch.eye(len(counts)), wanted)
    codes = counts.T @ dual
    with torch.no_grad():
        words[:, :WORD_COMPONENTS] = codes * (0.1 / codes.std())
        # The same in all words, so that T5's norm leaves the faint codes of common words faint.
        words[:, WORD_COMPONENTS:] = 0.3
        texts.t5.encoder.final_layer_norm.weight.fill_(1)
    texts.t5.requires_grad_(False)


def read_latents() -> Tensor:
    """(N, C, frames, bins) of all targets."""
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
    with_effect = {target.caption for target in targets if target.is_effect}
    clap = load_clap().to(device)
    torch.manual_seed(0)
    model = LanguageLearner()
    begin_words(model.texts)
    model.to(device)
    training = Training(
        NAME, model, steps=arguments.steps, learning_rate=arguments.learning_rate, ema_decay=0.995, warmup_steps=100
    )

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        choice, chosen = torch_choice(generator), draw_targets(arguments.batch_size, generator)
        texts = [wording(targets[i], choice, is_only=targets[i].caption not in with_effect) for i in chosen]
        texts = [text if choice.random() >= EMPTY_SHARE else "" for text in texts]
        ids, mask = (tensor.to(device) for tensor in words_of(texts))
        letters = {name: tensor.to(device) for name, tensor in letters_of(texts).items()}
        with autocast(device):
            with torch.no_grad():
                embeds = embed_texts(clap, letters)
            generated, _ = model.texts(embeds, ids, mask)
            told = model.read(generated)
        wanted = codes[chosen.to(device)]
        squared = (told.float() - wanted).square().mean()
        return {"loss": squared, "of variance": squared.detach() / wanted.var()}

    training.run(loss_function)


if __name__ == "__main__":
    main()
