"""Tokenizers and text encoders: T5, the projection and GPT-2.

CLAP's tokens are bytes, so that it has no unknown words; T5's are the words of the captions, and letters for other
words. Both tokenizers are built from the captions only, and are the same in every run.
"""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from diffusers import AudioLDM2ProjectionModel
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import GPT2Config, GPT2Model, RobertaTokenizer, T5Config, T5EncoderModel, T5Tokenizer

from photism.audioldm2.gpt2 import generate_hidden_states
from recipes.tiny.corpus import cache_folder, read_captions
from recipes.tiny.train_text_encoder import reword
from recipes.tiny_sound.autoencoder import PATCH
from recipes.tiny_sound.targets import WINDOW_FRAMES, Target

MAX_LETTERS, MAX_WORDS = 94, 24
"""Maximum lengths of a text in tokens of CLAP and of T5; longer ones are truncated."""

CLAP_WIDTH, T5_WIDTH, GPT_WIDTH = 128, 192, 192
NEW_STATES = WINDOW_FRAMES // PATCH
"""Number of states that the language model generates: one for each latent frame."""

VOICE_WORDS = "a voice says"
SOUND_WORDS = "the sound of"


def wording(target: Target, choice: random.Random, *, is_only: bool) -> str:
    """Return the text of a target as somebody might type it.

    Args:
        target: target recording.
        choice: random generator of the wording.
        is_only: whether no other target has its caption, so that the caption alone selects it.
    """
    words = target.caption.split()
    if len(words) > 2 and choice.random() < 0.2:
        del words[choice.randrange(1, len(words) - 1)]
    text = reword(" ".join(words), choice)
    case = choice.random()
    if case < 0.3:
        text = text.lower()
    elif case < 0.5:
        text = text[:1].upper() + text[1:]
    if target.is_effect:
        return f"{SOUND_WORDS} {text}" if choice.random() < 0.3 else text
    return f"{VOICE_WORDS} {text}" if not is_only or choice.random() < 0.3 else text


def save_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=0))


@cache
def clap_tokenizer() -> RobertaTokenizer:
    """Build CLAP's tokenizer: bytes of UTF-8, without merges."""
    special = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    special |= {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "<mask>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    folder = tokenizer_folder("clap")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    save_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n")
    save_json(
        folder / "tokenizer_config.json",
        {
            "model_max_length": MAX_LETTERS,
            "tokenizer_class": "RobertaTokenizer",
            "add_prefix_space": False,
            **special,
        },
    )
    return RobertaTokenizer.from_pretrained(folder)


@cache
def t5_tokenizer() -> T5Tokenizer:
    """Build T5's tokenizer: a token for each word of the captions, lower-case and capitalised, and for each letter."""
    texts = [*read_captions(), VOICE_WORDS, SOUND_WORDS]
    words = sorted({word.lower() for text in texts for word in re.findall(r"\w+", text)})
    words += [word.capitalize() for word in words if word[0].isalpha()]
    letters = sorted({*"".join(texts), *string.ascii_letters, *string.digits, *string.punctuation} - {" "})
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in letters] + [(f"▁{word}", -1.0) for word in words]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"], special_tokens=[("</s>", 1)]
    )
    folder = tokenizer_folder("t5")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    config = {"model_max_length": MAX_WORDS, "tokenizer_class": "T5Tokenizer", "extra_ids": 0}
    save_json(folder / "tokenizer_config.json", {**config, **special})
    return T5Tokenizer.from_pretrained(folder)


def tokenizer_folder(name: str) -> Path:
    return cache_folder() / "sound-tokenizers" / name


class TextStates(nn.Module):
    """T5, the projection and GPT-2, which compute what the UNet attends to as `photism.audioldm2` does."""

    def __init__(self) -> None:
        super().__init__()
        self.t5 = T5EncoderModel(
            T5Config(
                vocab_size=len(t5_tokenizer()),
                d_model=T5_WIDTH,
                d_kv=48,
                d_ff=384,
                num_layers=2,
                num_heads=4,
                dropout_rate=0.0,
                feed_forward_proj="gated-gelu",
                initializer_factor=0.1,  # so that the initial word embeddings outweigh the output of the layers
            )
        )
        self.projection = AudioLDM2ProjectionModel(CLAP_WIDTH, T5_WIDTH, GPT_WIDTH)
        self.gpt2 = GPT2Model(
            GPT2Config(
                vocab_size=1,
                n_embd=GPT_WIDTH,
                n_positions=MAX_WORDS + NEW_STATES + 8,
                n_layer=2,
                n_head=6,
                initializer_range=0.07,
                n_inner=1536,  # wide, since a word has another effect in each frame
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=0,
                eos_token_id=0,
                max_new_tokens=NEW_STATES,
            )
        )
        self.gpt2.wte.requires_grad_(False)  # its input is hidden states, not tokens

    def forward(self, clap: Tensor, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encode CLAP embeddings (B, P) and word ids (B, S) to hidden states of GPT-2 (B, G, D) and T5 (B, S, E)."""
        encoded = self.t5(ids, attention_mask=mask)[0]
        joined = self.projection(
            hidden_states=clap[:, None],
            hidden_states_1=encoded,
            attention_mask=mask.new_ones(len(mask), 1),
            attention_mask_1=mask,
        )
        return generate_hidden_states(self.gpt2, joined.hidden_states, joined.attention_mask, count=NEW_STATES), encoded


def tokenize_words(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return the token ids (B, S) of T5 and their mask."""
    found = t5_tokenizer()(list(texts), padding=True, truncation=True, max_length=MAX_WORDS, return_tensors="pt")
    return found.input_ids, found.attention_mask


def tokenize_letters(texts: Sequence[str]) -> dict[str, Tensor]:
    """Return the token ids (B, S) of CLAP and their mask, as its text tower takes them."""
    found = clap_tokenizer()(list(texts), padding=True, truncation=True, max_length=MAX_LETTERS, return_tensors="pt")
    return {"input_ids": found.input_ids, "attention_mask": found.attention_mask}


def seeded_choice(generator: torch.Generator) -> random.Random:
    """Return a random generator of Python, seeded by that of a training step."""
    return random.Random(int(torch.randint(2**31, (), generator=generator)))
