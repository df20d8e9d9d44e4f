"""Stage 5: the prompt adapter learns how captions are said, and what the phonemes that are heard are worth.

    python -m recipes.tiny.fit_captions

Nothing is trained. The adapter is given the prompts of all captions and their pronunciations in all languages, as
espeak-ng transcribes them. Four numbers are chosen by how often recordings of people that were trained on, made noisy,
find their captions; the recordings for testing are not looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.metrics import retrieval, sequence_similarity
from photism.prompts.prompt_space import PromptSpace
from recipes.tiny.corpus import LANGUAGES, cache_folder, read_captions
from recipes.tiny.speech import read_speech
from recipes.tiny.speech_batches import BLANK, HARD, TOKEN_FRAMES, SpeechBatches
from recipes.tiny.train_phonemes import PhonemeWriter, encoder_config, load_phoneme_writer
from recipes.tiny.train_text_encoder import encode_captions, load_text_encoder

Choice = TypeVar("Choice")

FOLDER = cache_folder() / "runs" / "captions"
"""Where the audio side of the bundled model goes."""

RECORDINGS = 600
"""That the numbers are chosen on, and as many others that say what is usual."""
RARE = 1e-3
"""Added to how common a symbol is: those that people hardly ever say do not become likely by that."""
SYMBOL_WEIGHTS = (0.4, 0.6, 0.8, 1.0)
BLANK_OFFSETS = (0.0, -1.0, -2.0, -3.0)
USUAL_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4)
SHARPNESSES = (0.2, 0.3, 0.4, 0.6, 0.8, 1.2)
FARTHEST = -200.0
"""A pronunciation that is less likely than the likeliest by more is as unlikely as that."""


@dataclass(frozen=True)
class CaptionBank:
    """The token sequences of all captions: `tokens` (805, S - 1, D); `distinct` are the rows that differ (some captions
    differ only in the case of a letter, which the tokenizer does not keep), `row_of` (805,) says which one each is."""

    tokens: Tensor
    distinct: Tensor
    row_of: Tensor


@dataclass(frozen=True)
class Heard:
    """Logits of phonemes (B, F, V) with their mask (B, F), and the rows of the captions' prompts (B,)."""

    logits: Tensor
    attention_mask: Tensor
    prompts: Tensor


def build_caption_bank() -> CaptionBank:
    tokens = encode_captions(load_text_encoder(), read_captions())[:, 1:]
    similarity = sequence_similarity(tokens, tokens)
    first_equal = (similarity > 1 - 1e-6).int().argmax(dim=1)
    rows = first_equal.unique()
    return CaptionBank(tokens, tokens[rows], torch.searchsorted(rows, first_equal))


def build_prompt_space(bank: CaptionBank) -> PromptSpace:
    empty = encode_captions(load_text_encoder(), [""])[0]
    return PromptSpace("tiny", bos=empty[0], negative=empty, norm=float(bank.tokens.norm(dim=-1).mean()))


def read_pronunciations(clips: SpeechBatches, bank: CaptionBank) -> list[tuple[int, list[int]]]:
    """The prompts' rows and how they are said: every caption in every language, each sequence of phonemes once."""
    rows = bank.row_of[clips.caption_ids].tolist()
    said = {(row, tuple(phonemes.tolist())) for row, phonemes in zip(rows, clips.phonemes, strict=True)}
    return [(row, list(phonemes)) for row, phonemes in sorted(said)]


def build_audio_prompt_encoder(
    bank: CaptionBank, writer: PhonemeWriter, pronunciations: list[tuple[int, list[int]]]
) -> AudioPromptEncoder:
    model = AudioPromptEncoder.for_space(
        build_prompt_space(bank),
        encoder=encoder_config(),
        adapter="phonetic",
        adapter_arguments={
            "symbols": writer.head.out_features,
            "pronunciations": len(pronunciations),
            "pronounced": sum(len(phonemes) for _, phonemes in pronunciations),
            "prompts": len(bank.distinct),
        },
        feature_stride=TOKEN_FRAMES,
    )
    model.encoder.load_state_dict(writer.encoder.state_dict())
    model.adapter.phonemes.load_state_dict(writer.head.state_dict())
    model.adapter.set_prompts(bank.distinct)
    model.adapter.lexicon.set_pronunciations(pronunciations)
    return model.eval()


@torch.no_grad()
def hear(model: AudioPromptEncoder, clips: SpeechBatches, chosen: Tensor, bank: CaptionBank) -> Heard:
    """The chosen clips, made noisy: the encoder was trained on them, and hears them too well as they are."""
    generator = torch.Generator().manual_seed(1)
    logits: list[Tensor] = []
    chosen = chosen[clips.lengths[chosen].argsort()]
    for part in chosen.split(128):
        batch = clips.make(part, generator, HARD)
        states = model.encoder(batch.input_features, attention_mask=batch.attention_mask).last_hidden_state
        written = model.adapter.phonemes(states)
        logits += [row[:length] for row, length in zip(written, batch.attention_mask.sum(1), strict=True)]
    lengths = torch.tensor([len(row) for row in logits])
    padded = pad_sequence(logits, batch_first=True)
    mask = torch.arange(padded.shape[1]) < lengths[:, None]
    return Heard(padded, mask.long(), bank.row_of[clips.caption_ids[chosen]])


def fit_symbols(model: AudioPromptEncoder, tuned: Heard, usual: Heard) -> None:
    """A symbol that is heard often says less, blank above all: what it is worth beside the others goes to its bias.

    Divided by how common its class is a posterior becomes a likelihood (Bourlard and Morgan 1994); a weight below one
    does it by half.
    """
    common = usual.logits[usual.attention_mask.bool()].softmax(-1).mean(0)

    def bias(weight: float, blank: float) -> Tensor:
        bias = -weight * (common + RARE).log()
        bias[BLANK] += blank
        return bias

    def recall(choice: tuple[float, float]) -> float:
        scores = model.adapter.lexicon(tuned.logits + bias(*choice), tuned.attention_mask)
        return recalls(scores, tuned.prompts)

    best = choose("weight of symbols, blank", ((w, b) for w in SYMBOL_WEIGHTS for b in BLANK_OFFSETS), recall)
    model.adapter.phonemes.bias += bias(*best)
    for heard in (tuned, usual):
        heard.logits.add_(bias(*best))


def fit_pronunciations(model: AudioPromptEncoder, tuned: Heard, usual: Heard) -> None:
    """Some pronunciations are likely to be heard in anything: of each score a part of the usual one is taken away."""
    lexicon = model.adapter.lexicon
    scores = lexicon.score(usual.logits, usual.attention_mask)
    mean = (scores - scores.amax(1, keepdim=True)).clamp(min=FARTHEST).mean(0)

    def recall(weight: float) -> float:
        lexicon.bias.copy_(-weight * mean)
        return recalls(lexicon(tuned.logits, tuned.attention_mask), tuned.prompts)

    lexicon.bias.copy_(-choose("weight of the usual score", USUAL_WEIGHTS, recall) * mean)


def fit_sharpness(model: AudioPromptEncoder, tuned: Heard, bank: CaptionBank) -> None:
    """How much likelier the likeliest is than the rest, by the captions that are nearest to the mixtures."""
    adapter = model.adapter
    scores = adapter.lexicon(tuned.logits, tuned.attention_mask)

    def recall(sharpness: float) -> float:
        mixed = adapter.basis(adapter.mixture((sharpness * scores).softmax(-1))).view(-1, *bank.distinct.shape[1:])
        return recalls(sequence_similarity(mixed, bank.distinct), tuned.prompts)

    adapter.sharpness.fill_(choose("sharpness", SHARPNESSES, recall))


def recalls(scores: Tensor, right: Tensor) -> float:
    """The mean of the recalls at 1 and at 5."""
    metrics = retrieval(scores, right)
    return (metrics.recall_at_1 + metrics.recall_at_5) / 2


def choose(name: str, choices: Iterable[Choice], recall: Callable[[Choice], float]) -> Choice:
    """The choice of the highest recall."""
    found = {choice: recall(choice) for choice in choices}
    for choice, value in found.items():
        print(f"{name}: {choice}: {value:.4f}", flush=True)
    return max(found, key=found.__getitem__)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voices", type=int, default=4)
    arguments = parser.parse_args()

    clips = SpeechBatches(read_speech(dict.fromkeys(LANGUAGES, arguments.voices)))
    bank = build_caption_bank()
    writer = load_phoneme_writer(len(clips.symbols))
    model = build_audio_prompt_encoder(bank, writer, read_pronunciations(clips, bank))
    people = (clips.human & (clips.weights > 0)).nonzero()[:, 0]
    people = people[torch.randperm(len(people), generator=torch.Generator().manual_seed(0))]
    tuned, usual = (hear(model, clips, part, bank) for part in people[: 2 * RECORDINGS].split(RECORDINGS))
    fit_symbols(model, tuned, usual)
    fit_pronunciations(model, tuned, usual)
    fit_sharpness(model, tuned, bank)
    model.save_pretrained(FOLDER)


if __name__ == "__main__":
    main()
