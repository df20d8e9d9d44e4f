"""The text side: two tokenizers, a small CLAP, T5 and GPT-2, and the projection between them.

CLAP reads letters, so that no word is unknown to it; T5 reads the words of the captions, and letters where there is no
such word. Both tokenizers are made from the captions alone, and are the same in every run.
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

LONGEST_LETTERS, LONGEST_WORDS = 94, 24
"""Texts, in tokens of CLAP and of T5; longer ones are cut."""

CLAP_WIDTH, T5_WIDTH, GPT_WIDTH = 128, 192, 192
NEW_STATES = WINDOW_FRAMES // PATCH
"""That the language model makes: one for each latent frame, which it learns to tell."""

VOICE_WORDS = "a voice says"
SOUND_WORDS = "the sound of"


def wording(target: Target, choice: random.Random, *, is_only: bool) -> str:
    """The text of a target as somebody might type it.

    Args:
        target: what is to be heard.
        choice: of the wording.
        is_only: nothing else has its caption, so that the caption alone asks for it.
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
    """The bytes of UTF-8, without merges."""
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
            "model_max_length": LONGEST_LETTERS,
            "tokenizer_class": "RobertaTokenizer",
            "add_prefix_space": False,
            **special,
        },
    )
    return RobertaTokenizer.from_pretrained(folder)


@cache
def t5_tokenizer() -> T5Tokenizer:
    """A token a word of the captions, in small letters and with a capital, and one a letter."""
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
    config = {"model_max_length": LONGEST_WORDS, "tokenizer_class": "T5Tokenizer", "extra_ids": 0}
    save_json(folder / "tokenizer_config.json", {**config, **special})
    return T5Tokenizer.from_pretrained(folder)


def tokenizer_folder(name: str) -> Path:
    return cache_folder() / "sound-tokenizers" / name


class TextStates(nn.Module):
    """T5, the projection and GPT-2: what the UNet attends to, as `photism.audioldm2` computes it."""

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
                initializer_factor=0.1,  # so that what words begin with outweighs what layers make of it
            )
        )
        self.projection = AudioLDM2ProjectionModel(CLAP_WIDTH, T5_WIDTH, GPT_WIDTH)
        self.gpt2 = GPT2Model(
            GPT2Config(
                vocab_size=1,
                n_embd=GPT_WIDTH,
                n_positions=LONGEST_WORDS + NEW_STATES + 8,
                n_layer=2,
                n_head=6,
                initializer_range=0.07,
                n_inner=1536,  # wide: what a word's code says is another thing in each frame
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=0,
                eos_token_id=0,
                max_new_tokens=NEW_STATES,
            )
        )
        self.gpt2.wte.requires_grad_(False)  # it reads states, and no tokens

    def forward(self, clap: Tensor, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P) of CLAP, (B, S) words and their mask -> (B, G, D) generated states, (B, S, E) of T5."""
        encoded = self.t5(ids, attention_mask=mask)[0]
        joined = self.projection(
            hidden_states=clap[:, None],
            hidden_states_1=encoded,
            attention_mask=mask.new_ones(len(mask), 1),
            attention_mask_1=mask,
        )
        return generate_hidden_states(self.gpt2, joined.hidden_states, joined.attention_mask, count=NEW_STATES), encoded


def words_of(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(B, S) ids of T5 and their mask."""
    found = t5_tokenizer()(list(texts), padding=True, truncation=True, max_length=LONGEST_WORDS, return_tensors="pt")
    return found.input_ids, found.attention_mask


def letters_of(texts: Sequence[str]) -> dict[str, Tensor]:
    """(B, S) ids of CLAP and their mask, as its text tower takes them."""
    found = clap_tokenizer()(
        list(texts), padding=True, truncation=True, max_length=LONGEST_LETTERS, return_tensors="pt"
    )
    return {"input_ids": found.input_ids, "attention_mask": found.attention_mask}


def torch_choice(generator: torch.Generator) -> random.Random:
    """Python's choices, from a step's generator."""
    return random.Random(int(torch.randint(2**31, (), generator=generator)))
