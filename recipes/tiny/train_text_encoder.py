"""Stage 2: the tokenizer and the text encoder, a small CLIP taught to match captions with pictures.

    python -m recipes.tiny.train_text_encoder [--steps N]

The text encoder is trained against the pictures first and then frozen, as Stable Diffusion's was: the UNet and the
audio encoder can then both be trained at once, on the same fixed token sequences. The picture encoder only serves to
train it and is thrown away. Matching uses the mean over all positions rather than the end token alone, since the UNet
attends to all of them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from recipes.tiny.corpus import cache_folder, read_captions, read_pictures
from recipes.tiny.train_autoencoder import augment, to_signal
from recipes.tiny.training import Training, autocast, batch_of, best_device, load_averaged

NAME = "text_encoder"
PROMPT_LENGTH = 16
"""Tokens of a prompt, the start token included. Longer captions are cut, as Stable Diffusion cuts at 77."""

WIDTH = 256
MERGES = 1200
START, END = "<|startoftext|>", "<|endoftext|>"
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
PICTURE_SIDE = 64


def train_tokenizer(captions: Sequence[str], folder: Path) -> CLIPTokenizer:
    """Byte-level BPE on the captions, in CLIPTokenizer's format: bytes, bytes that end a word, merges, start, end."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # Pairs that are as frequent are merged in the order of their tokens' numbers. Left to itself the trainer numbers
    # the ends of words as it meets them, in an order that changes from run to run: as special tokens they have theirs.
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(alphabet) + MERGES,
        initial_alphabet=alphabet,
        special_tokens=[*alphabet, *(f"{byte}</w>" for byte in alphabet)],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    merges = [tuple(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"][:MERGES]]
    tokens = [*alphabet, *(f"{byte}</w>" for byte in alphabet), *("".join(merge) for merge in merges), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *(" ".join(merge) for merge in merges)]) + "\n")
    return CLIPTokenizer(vocab=vocabulary, merges=merges, pad_token=END, unk_token=END, model_max_length=PROMPT_LENGTH)


@cache
def read_tokenizer() -> CLIPTokenizer:
    """The tokenizer; trained in seconds and always the same."""
    return train_tokenizer(read_captions(), cache_folder() / "tokenizer")


def tokenize(captions: Sequence[str]) -> Tensor:
    """Token ids, padded with the end token as Stable Diffusion does: int64 (B, S)."""
    tokenizer = read_tokenizer()
    encoded = tokenizer(
        list(captions), padding="max_length", truncation=True, max_length=PROMPT_LENGTH, return_tensors="pt"
    )
    return encoded.input_ids


def build_text_encoder() -> CLIPTextModel:
    tokenizer = read_tokenizer()
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=768,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=PROMPT_LENGTH,
            projection_dim=WIDTH,
            hidden_act="gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def load_text_encoder() -> CLIPTextModel:
    """The trained text encoder, frozen, in evaluation mode."""
    pair = CaptionPictureMatcher()
    load_averaged(NAME, pair)
    return pair.text_encoder.eval().requires_grad_(False)


@torch.no_grad()
def encode_captions(text_encoder: CLIPTextModel, captions: Sequence[str]) -> Tensor:
    """The token sequences that pictures are drawn from and that sounds are aligned to: float32 (B, S, D)."""
    batches = tokenize(captions).split(256)
    return torch.cat([text_encoder(batch.to(text_encoder.device)).last_hidden_state.float() for batch in batches])


def reword(caption: str, choice: random.Random) -> str:
    """The caption as another person might type it: without the article, the full stop or the capital."""
    if choice.random() < 0.4:
        caption = re.sub(r"^(A|An|The) ", "", caption)
    if choice.random() < 0.5:
        caption = caption.rstrip(".!")
    return caption


class CaptionPictureMatcher(nn.Module):
    """The text encoder and a small convolutional picture encoder, into one space of unit vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.text_encoder = build_text_encoder()
        self.text_projection = nn.Linear(WIDTH, WIDTH, bias=False)
        channels = (3, 32, 64, 128, 256)
        layers: list[nn.Module] = []
        for width, next_width in itertools.pairwise(channels):
            layers += [nn.Conv2d(width, next_width, 3, 2, 1), nn.GroupNorm(8, next_width), nn.GELU()]
            layers += [nn.Conv2d(next_width, next_width, 3, 1, 1), nn.GroupNorm(8, next_width), nn.GELU()]
        self.picture_encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * (PICTURE_SIDE // 16) ** 2, WIDTH))
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, input_ids: Tensor, pictures: Tensor) -> Tensor:
        """Scaled cosines between all captions and all pictures of a batch: (B, B)."""
        states = self.text_encoder(input_ids).last_hidden_state[:, 1:]  # (B, S - 1, D)
        text = F.normalize(self.text_projection(states.mean(dim=1)).float(), dim=-1)
        picture = F.normalize(self.picture_encoder(pictures).float(), dim=-1)
        return self.log_scale.clamp(max=4.6).exp() * text @ picture.T


def matching_loss(logits: Tensor, caption_ids: Tensor) -> Tensor:
    """Symmetric cross-entropy, where all pictures with the same caption are right answers."""
    relevant = caption_ids[:, None] == caption_ids[None, :]
    target = relevant / relevant.sum(dim=1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    arguments = parser.parse_args()

    device = best_device()
    pictures = read_pictures()
    signal = F.interpolate(to_signal(torch.from_numpy(pictures.pixels)), PICTURE_SIDE, mode="area")
    ids = {caption: index for index, caption in enumerate(read_captions())}
    caption_ids = torch.tensor([ids[caption] for caption in pictures.captions])
    whole = read_tokenizer()(list(ids), verbose=False).input_ids
    cut = sum(len(tokens) > PROMPT_LENGTH for tokens in whole)
    print(
        f"{len(read_tokenizer())} tokens; {len(ids)} captions, {cut} of them cut at {PROMPT_LENGTH} tokens", flush=True
    )

    torch.manual_seed(0)
    model = CaptionPictureMatcher().to(device)
    training = Training(NAME, model, steps=arguments.steps, learning_rate=arguments.learning_rate)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = batch_of(len(signal), arguments.batch_size, generator)
        choice = random.Random(int(torch.randint(2**31, (), generator=generator)))
        input_ids = tokenize([reword(pictures.captions[index], choice) for index in chosen])
        with autocast(device):
            logits = model(input_ids.to(device), augment(signal[chosen], generator).to(device))
        loss = matching_loss(logits, caption_ids[chosen].to(device))
        right = caption_ids[chosen][logits.argmax(dim=1).cpu()] == caption_ids[chosen]
        return {"loss": loss, "right": right.float().mean()}

    training.run(loss_function)


if __name__ == "__main__":
    main()
