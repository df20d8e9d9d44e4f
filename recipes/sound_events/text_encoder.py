"""The target of the comparison: the bundled text encoder, continued from 16 to 77 positions.

    python -m recipes.sound_events.text_encoder [--steps N]

The prompts of `tiny` have 16 tokens, so that neither 47 nor 76 can be learned from its text encoder as it is. Here the
positions from 17 to 77 begin as copies of the sixteenth. Since the text encoder is causal, nothing changes before, and
after the end of a caption all positions are nearly equal, so that the UNet draws from 77 as it drew from 16.

It knows the captions of the stamps, and neither the sentences of `captions.py` nor the names of most sounds. A CLIP
knows both. So it is trained to encode a sentence about a thing as it encodes "A thing.", at every position, while
plain captions and lists of labels stay as they are. The result, with the other parts of the bundled diffusion model,
is a Stable Diffusion in the cache.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from photism.hub import bundled_model
from photism.training.data.captions import captions_of_labels
from recipes.sound_events.captions import PLAIN, TEMPLATES, UNSEEN, WITH_KIND, fill, label_list
from recipes.sound_events.corpus import read_recordings, work_folder
from recipes.tiny.corpus import read_captions
from recipes.tiny.training import Training, load_averaged

NAME = "sound_events_text_encoder"
LENGTH = 77
"""Tokens of a prompt of Stable Diffusion, BOS included."""
POSITIONS = "embeddings.position_embedding.weight"
STAMP = re.compile(r"(A|An) [\w -]+\.")
BATCH_SIZE = 48


def diffusion_folder() -> Path:
    """Return the folder of the diffusion model whose prompts have 77 tokens."""
    return work_folder() / "diffusion"


def continued_text_encoder() -> CLIPTextModel:
    """Return the bundled text encoder with 77 positions, untrained beyond the sixteenth."""
    own = CLIPTextModel.from_pretrained(bundled_model() / "diffusion/text_encoder", dtype=torch.float32)
    own.config.max_position_embeddings = LENGTH
    model = CLIPTextModel(own.config)
    weights = own.state_dict()
    first = weights[POSITIONS]
    weights[POSITIONS] = torch.cat([first, first[-1:].expand(LENGTH - len(first), -1)])
    weights.pop("embeddings.position_ids", None)
    model.load_state_dict(weights, strict=False)
    return model


def lessons() -> list[tuple[str, str]]:
    """Return pairs of a caption and the caption it is to be encoded as."""
    labels = [each.labels for each in read_recordings()]
    stamps = [caption[0].lower() + caption[1:-1] for caption in read_captions() if STAMP.fullmatch(caption)]
    things = dict.fromkeys([*stamps, *(label for own in labels for label in own)])
    pairs = [(fill(template, thing), fill(PLAIN, thing)) for thing in things for template in (*TEMPLATES, UNSEEN)]
    pairs += [(fill(WITH_KIND, *own[:2]), fill(PLAIN, own[0])) for own in labels]
    lists = [captions_of_labels(label_list(own))[0] for own in labels]
    return list(dict.fromkeys([*pairs, *((caption, caption) for caption in lists)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()

    folder, bundled = diffusion_folder(), bundled_model() / "diffusion"
    shutil.copytree(bundled, folder, dirs_exist_ok=True)
    tokenizer = CLIPTokenizer.from_pretrained(bundled / "tokenizer", model_max_length=LENGTH)
    tokenizer.save_pretrained(folder / "tokenizer")
    teacher, student = continued_text_encoder().eval(), continued_text_encoder()
    pairs = lessons()

    def encode(model: CLIPTextModel, captions: list[str]) -> Tensor:
        encoded = tokenizer(captions, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
        return model(encoded.input_ids).last_hidden_state  # (B, S, D)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        choice = random.Random(int(torch.randint(2**31, (), generator=generator)))
        captions, references = zip(*choice.sample(pairs, BATCH_SIZE), strict=True)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                target = encode(teacher, list(references))
            predicted = encode(student, list(captions))
        return {"loss": 1 - F.cosine_similarity(predicted.float(), target.float(), dim=-1).mean()}

    print(f"{len(pairs)} pairs of captions", flush=True)
    training = Training(NAME, student, steps=arguments.steps, learning_rate=5e-4, warmup_steps=20, ema_decay=0.98)
    training.run(loss_function)
    load_averaged(NAME, student)
    student.save_pretrained(folder / "text_encoder")
    print(f"saved {folder}")


if __name__ == "__main__":
    main()
