"""Stage 5: build the phonetic prompt adapter from a pronunciation lexicon, and fit its four parameters.

    python -m recipes.tiny.fit_captions

Nothing is trained by gradient descent. The adapter stores the prompts of all captions and their pronunciations in all
languages, as espeak-ng transcribes them. Four parameters are chosen by the recall of captions for noisy versions of
human training recordings; the test set is not used.
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
from recipes.tiny.train_phonemes import PhonemeRecognizer, encoder_config, load_phoneme_recognizer
from recipes.tiny.train_text_encoder import encode_captions, load_text_encoder

Choice = TypeVar("Choice")

FOLDER = cache_folder() / "runs" / "captions"
"""Folder of the AudioPromptEncoder that this stage saves."""

RECORDINGS = 600
"""Recordings that the parameters are fitted on, and as many others that estimate priors."""
RARE = 1e-3
"""Added to the prior of a symbol, so that division by the prior does not favour rare symbols."""
SYMBOL_WEIGHTS = (0.4, 0.6, 0.8, 1.0)
BLANK_OFFSETS = (0.0, -1.0, -2.0, -3.0)
MEAN_SCORE_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4)
INVERSE_TEMPERATURES = (0.2, 0.3, 0.4, 0.6, 0.8, 1.2)
LOWEST_SCORE = -200.0
"""Lower bound of a pronunciation's score, relative to the best, in the mean scores."""


@dataclass(frozen=True)
class CaptionBank:
    """The prompts of all captions, without BOS.

    Attributes:
        tokens: prompt of each caption, (805, S - 1, D).
        distinct: prompts without duplicates, since captions that differ only in the case of a letter have the same.
        row_of: row of `distinct` for each caption, (805,).
    """

    tokens: Tensor
    distinct: Tensor
    row_of: Tensor


@dataclass(frozen=True)
class Emissions:
    """Phoneme logits (B, F, V) with their mask (B, F), and the rows of the captions' prompts (B,)."""

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
    """Return prompt rows with phoneme sequences: every caption in every language, each pair once."""
    rows = bank.row_of[clips.caption_ids].tolist()
    pairs = {(row, tuple(phonemes.tolist())) for row, phonemes in zip(rows, clips.phonemes, strict=True)}
    return [(row, list(phonemes)) for row, phonemes in sorted(pairs)]


def build_audio_prompt_encoder(
    bank: CaptionBank, recognizer: PhonemeRecognizer, pronunciations: list[tuple[int, list[int]]]
) -> AudioPromptEncoder:
    model = AudioPromptEncoder.for_space(
        build_prompt_space(bank),
        encoder=encoder_config(),
        adapter="phonetic",
        adapter_arguments={
            "symbols": recognizer.head.out_features,
            "pronunciations": len(pronunciations),
            "pronounced": sum(len(phonemes) for _, phonemes in pronunciations),
            "prompts": len(bank.distinct),
        },
        feature_stride=TOKEN_FRAMES,
    )
    model.encoder.load_state_dict(recognizer.encoder.state_dict())
    model.adapter.phonemes.load_state_dict(recognizer.head.state_dict())
    model.adapter.set_prompts(bank.distinct)
    model.adapter.lexicon.set_pronunciations(pronunciations)
    return model.eval()


@torch.no_grad()
def compute_emissions(model: AudioPromptEncoder, clips: SpeechBatches, chosen: Tensor, bank: CaptionBank) -> Emissions:
    """Return the phoneme logits of the chosen clips with noise, since the encoder was trained on the clean ones."""
    generator = torch.Generator().manual_seed(1)
    logits: list[Tensor] = []
    chosen = chosen[clips.lengths[chosen].argsort()]
    for part in chosen.split(128):
        batch = clips.make(part, generator, HARD)
        states = model.encoder(batch.input_features, attention_mask=batch.attention_mask).last_hidden_state
        batch_logits = model.adapter.phonemes(states)
        logits += [row[:length] for row, length in zip(batch_logits, batch.attention_mask.sum(1), strict=True)]
    lengths = torch.tensor([len(row) for row in logits])
    padded = pad_sequence(logits, batch_first=True)
    mask = torch.arange(padded.shape[1]) < lengths[:, None]
    return Emissions(padded, mask.long(), bank.row_of[clips.caption_ids[chosen]])


def fit_symbols(model: AudioPromptEncoder, tuned: Emissions, prior: Emissions) -> None:
    """Fit the bias of the phoneme head: divide posteriors by a power of the symbols' priors, and lower the blank.

    A posterior divided by the prior of its class is a likelihood up to a constant (Bourlard and Morgan 1994); an
    exponent below one does it in part.
    """
    priors = prior.logits[prior.attention_mask.bool()].softmax(-1).mean(0)

    def bias(weight: float, blank: float) -> Tensor:
        bias = -weight * (priors + RARE).log()
        bias[BLANK] += blank
        return bias

    def recall(choice: tuple[float, float]) -> float:
        scores = model.adapter.lexicon(tuned.logits + bias(*choice), tuned.attention_mask)
        return mean_recall(scores, tuned.prompts)

    choices = ((weight, blank) for weight in SYMBOL_WEIGHTS for blank in BLANK_OFFSETS)
    best = choose("exponent of the priors, offset of the blank", choices, recall)
    model.adapter.phonemes.bias += bias(*best)
    for emissions in (tuned, prior):
        emissions.logits.add_(bias(*best))


def fit_pronunciations(model: AudioPromptEncoder, tuned: Emissions, prior: Emissions) -> None:
    """Fit the bias of the lexicon: subtract a fraction of each pronunciation's mean score over all recordings."""
    lexicon = model.adapter.lexicon
    scores = lexicon.score(prior.logits, prior.attention_mask)
    mean = (scores - scores.amax(1, keepdim=True)).clamp(min=LOWEST_SCORE).mean(0)

    def recall(weight: float) -> float:
        lexicon.bias.copy_(-weight * mean)
        return mean_recall(lexicon(tuned.logits, tuned.attention_mask), tuned.prompts)

    lexicon.bias.copy_(-choose("weight of the mean score", MEAN_SCORE_WEIGHTS, recall) * mean)


def fit_inverse_temperature(model: AudioPromptEncoder, tuned: Emissions, bank: CaptionBank) -> None:
    """Fit the inverse temperature of the mixture weights by the captions nearest to the mixtures."""
    adapter = model.adapter
    scores = adapter.lexicon(tuned.logits, tuned.attention_mask)

    def recall(inverse_temperature: float) -> float:
        mixed = adapter.mix((inverse_temperature * scores).softmax(-1))
        return mean_recall(sequence_similarity(mixed, bank.distinct), tuned.prompts)

    adapter.inverse_temperature.fill_(choose("inverse temperature", INVERSE_TEMPERATURES, recall))


def mean_recall(scores: Tensor, relevant: Tensor) -> float:
    """Return the mean of R@1 and R@5."""
    metrics = retrieval(scores, relevant)
    return (metrics.recall_at_1 + metrics.recall_at_5) / 2


def choose(name: str, choices: Iterable[Choice], recall: Callable[[Choice], float]) -> Choice:
    """Print the recall of each choice and return the best."""
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
    recognizer = load_phoneme_recognizer(len(clips.symbols))
    model = build_audio_prompt_encoder(bank, recognizer, read_pronunciations(clips, bank))
    people = (clips.human & (clips.weights > 0)).nonzero()[:, 0]
    people = people[torch.randperm(len(people), generator=torch.Generator().manual_seed(0))]
    tuned, prior = (compute_emissions(model, clips, part, bank) for part in people[: 2 * RECORDINGS].split(RECORDINGS))
    fit_symbols(model, tuned, prior)
    fit_pronunciations(model, tuned, prior)
    fit_inverse_temperature(model, tuned, bank)
    model.save_pretrained(FOLDER)


if __name__ == "__main__":
    main()
