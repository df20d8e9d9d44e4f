"""Layouts of the tokenizers of published CTC checkpoints, as the files that they consist of."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import transformers

PLAIN = ("<pad>", "<s>", "</s>", "<unk>")
PADDED_LAST = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
SPACED = {"word_delimiter_token": " "}


class Layout(NamedTuple):
    """Tokens in order of their numbers, and the contents of the files next to vocab.json."""

    tokens: tuple[str, ...]
    config: dict[str, Any] | None = None
    added: dict[str, int] | None = None
    special: dict[str, Any] | None = None


LAYOUTS = {
    "bar": Layout((*PLAIN, "|", *"abcde'")),
    "space": Layout((*PLAIN, " ", *"abcde'"), SPACED),
    "space first": Layout((" ", *"abcde", "[UNK]", "[PAD]"), SPACED | PADDED_LAST),
    "space in the middle": Layout((*"abc", " ", *"de", "[UNK]", "[PAD]"), SPACED | PADDED_LAST),
    "space, added tokens": Layout(
        (" ", *"abcde", "[UNK]", "[PAD]"),
        SPACED | PADDED_LAST,
        {"<s>": 8, "</s>": 9},
        {"bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": ["<s>", "</s>"], **PADDED_LAST},
    ),
    "space, as transformers 4 saves it": Layout(
        (" ", *"abcde", "[UNK]", "[PAD]"),
        {
            **SPACED,
            **PADDED_LAST,
            "added_tokens_decoder": {
                str(number): {"content": token, "lstrip": True, "normalized": False, "rstrip": True, "special": False}
                for number, token in {6: "[UNK]", 7: "[PAD]", 8: "<s>", 9: "</s>"}.items()
            },
        },
    ),
    "space without a declaration": Layout((*PLAIN, " ", *"abcde")),
    "space and bar": Layout((*PLAIN, " ", "|", *"abcde"), SPACED),
    "bar behind the head": Layout((*"abcde", "[UNK]", "[PAD]"), PADDED_LAST),
    "space behind the head": Layout((*"abcde", "[UNK]", "[PAD]"), SPACED | PADDED_LAST),
    "word as a delimiter": Layout((*PLAIN, "<space>", *"abcde"), {"word_delimiter_token": "<space>"}),
    "no delimiter": Layout((*PLAIN, *"abcde"), {"word_delimiter_token": None}),
    "dash between words": Layout((*PLAIN, "|", *"abcde"), {"replace_word_delimiter_char": "-"}),
    "nothing between words": Layout((*PLAIN, "|", *"天地玄黃"), {"replace_word_delimiter_char": ""}),
    "lower case": Layout((*PLAIN, "|", *"ABCDÉ'"), {"do_lower_case": True}),
    "lower case of Greek": Layout((*PLAIN, "|", *"ΑΟΣ'"), {"do_lower_case": True}),
    "several letters": Layout((*PLAIN, "|", "a", "b", "ch", "sch", "'s")),
    "clean up": Layout((*PLAIN, "|", *"abns'.,?!"), {"clean_up_tokenization_spaces": True}),
    "phonemes": Layout(
        (*PLAIN, "ɛ", "aɪ", "n", "t"), {"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer", "do_phonemize": False}
    ),
    "phonemes and words": Layout(
        (*PLAIN, "|", "aɪ", "n", "t"),
        {
            "tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer",
            "do_phonemize": False,
            "word_delimiter_token": "|",
        },
    ),
}


def load_layout(name: str, folder: Path) -> Any:
    """Write the files of a layout, and load the tokenizer."""
    layout = LAYOUTS[name]
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "vocab.json": {token: number for number, token in enumerate(layout.tokens)},
        "tokenizer_config.json": {"tokenizer_class": "Wav2Vec2CTCTokenizer", **(layout.config or {})},
        "added_tokens.json": layout.added,
        "special_tokens_map.json": layout.special,
    }
    for file, content in files.items():
        if content is not None:
            (folder / file).write_text(json.dumps(content, ensure_ascii=False), encoding="utf8")
    return transformers.AutoTokenizer.from_pretrained(folder)
