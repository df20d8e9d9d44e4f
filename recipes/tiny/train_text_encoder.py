"""Stage 2: train the tokenizer and the text encoder, a small CLIP that matches captions with images.

    python -m recipes.tiny.train_text_encoder [--steps N]

The text encoder is trained contrastively with the images and then frozen, as for Stable Diffusion. The UNet and the
audio encoder can then be trained at the same time on the same fixed prompt embeddings. The image encoder is needed for
training only. The text embedding is the mean over all positions instead of the end token, since the UNet attends to all
positions.
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
"""Tokens of a prompt, including BOS. Longer captions are truncated, as Stable Diffusion does at 77."""

WIDTH = 256
MERGES = 1200
START, END = "<|startoftext|>", "<|endoftext|>"
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
IMAGE_SIZE = 64


def train_tokenizer(captions: Sequence[str], folder: Path) -> CLIPTokenizer:
    """Train byte-level BPE on the captions, with the vocabulary in CLIPTokenizer's order: bytes, word ends, merges."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # Pairs of equal frequency are merged in the order of their token ids. By default the trainer gives ids to word ends
    # in an order that changes from run to run; as special tokens their ids are fixed.
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
    """Return the tokenizer, which is trained in seconds and deterministically."""
    return train_tokenizer(read_captions(), cache_folder() / "tokenizer")


def tokenize(captions: Sequence[str]) -> Tensor:
    """Return token ids, int64 (B, S), padded with EOS as Stable Diffusion does."""
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
    """Return the trained text encoder, frozen and in evaluation mode."""
    model = CaptionImageModel()
    load_averaged(NAME, model)
    return model.text_encoder.eval().requires_grad_(False)


@torch.no_grad()
def encode_captions(text_encoder: CLIPTextModel, captions: Sequence[str]) -> Tensor:
    """Return the prompt embeddings of captions, the targets of the audio encoder: float32 (B, S, D)."""
    batches = tokenize(captions).split(256)
    return torch.cat([text_encoder(batch.to(text_encoder.device)).last_hidden_state.float() for batch in batches])


def reword(caption: str, choice: random.Random) -> str:
    """Rephrase a caption at random as a user might type it: without the article or without the full stop."""
    if choice.random() < 0.4:
        caption = re.sub(r"^(A|An|The) ", "", caption)
    if choice.random() < 0.5:
        caption = caption.rstrip(".!")
    return caption


class CaptionImageModel(nn.Module):
    """The text encoder and a small convolutional image encoder with a common embedding space."""

    def __init__(self) -> None:
        super().__init__()
        self.text_encoder = build_text_encoder()
        self.text_projection = nn.Linear(WIDTH, WIDTH, bias=False)
        channels = (3, 32, 64, 128, 256)
        layers: list[nn.Module] = []
        for width, next_width in itertools.pairwise(channels):
            layers += [nn.Conv2d(width, next_width, 3, 2, 1), nn.GroupNorm(8, next_width), nn.GELU()]
            layers += [nn.Conv2d(next_width, next_width, 3, 1, 1), nn.GroupNorm(8, next_width), nn.GELU()]
        self.image_encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * (IMAGE_SIZE // 16) ** 2, WIDTH))
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, input_ids: Tensor, pictures: Tensor) -> Tensor:
        """Return scaled cosine similarities between all captions and all images of a batch: (B, B)."""
        states = self.text_encoder(input_ids).last_hidden_state[:, 1:]  # (B, S - 1, D)
        text = F.normalize(self.text_projection(states.mean(dim=1)).float(), dim=-1)
        image = F.normalize(self.image_encoder(pictures).float(), dim=-1)
        return self.log_scale.clamp(max=4.6).exp() * text @ image.T


def contrastive_loss(logits: Tensor, caption_ids: Tensor) -> Tensor:
    """Return the symmetric cross-entropy in which all images with the same caption are positives."""
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
    signal = F.interpolate(to_signal(torch.from_numpy(pictures.pixels)), IMAGE_SIZE, mode="area")
    ids = {caption: index for index, caption in enumerate(read_captions())}
    caption_ids = torch.tensor([ids[caption] for caption in pictures.captions])
    whole = read_tokenizer()(list(ids), verbose=False).input_ids
    truncated = sum(len(tokens) > PROMPT_LENGTH for tokens in whole)
    print(f"{len(read_tokenizer())} tokens; {len(ids)} captions, {truncated} of them truncated", flush=True)

    torch.manual_seed(0)
    model = CaptionImageModel().to(device)
    training = Training(NAME, model, steps=arguments.steps, learning_rate=arguments.learning_rate)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = batch_of(len(signal), arguments.batch_size, generator)
        choice = random.Random(int(torch.randint(2**31, (), generator=generator)))
        input_ids = tokenize([reword(pictures.captions[index], choice) for index in chosen])
        with autocast(device):
            logits = model(input_ids.to(device), augment(signal[chosen], generator).to(device))
        loss = contrastive_loss(logits, caption_ids[chosen].to(device))
        correct = caption_ids[chosen][logits.argmax(dim=1).cpu()] == caption_ids[chosen]
        return {"loss": loss, "accuracy": correct.float().mean()}

    training.run(loss_function)


if __name__ == "__main__":
    main()
