"""Stage 4: train the audio encoder to recognise phonemes, with CTC.

    python -m recipes.tiny.train_phonemes [--steps N]

A classifier of captions learns slowly and memorises its recordings. Phonemes occur in all captions and languages, so
that an encoder that recognises them needs only a few examples of each phrase.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Wav2Vec2BertConfig

from photism.encoder.model import Wav2Vec2BertModel
from recipes.tiny.corpus import LANGUAGES, UNSEEN_LANGUAGES
from recipes.tiny.speech import read_speech
from recipes.tiny.speech_batches import BLANK, TOKEN_FRAMES, Batch, SpeechBatches
from recipes.tiny.training import Training, autocast, best_device, load_averaged

NAME = "phonemes"
EVALUATED_CLIPS = 256


def encoder_config() -> Wav2Vec2BertConfig:
    return Wav2Vec2BertConfig(
        hidden_size=256,
        num_hidden_layers=6,
        num_attention_heads=4,
        intermediate_size=768,
        feature_projection_input_dim=80 * TOKEN_FRAMES,
        conv_depthwise_kernel_size=15,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        # Its random numbers would cost a sixth of a step.
        activation_dropout=0.0,
        layerdrop=0.0,
        # SpeechBatches masks in proportion to the length of the clip.
        apply_spec_augment=False,
        mask_time_prob=0.0,
    )


class PhonemeRecognizer(nn.Module):
    """The encoder with a linear phoneme head."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.encoder = Wav2Vec2BertModel(encoder_config())
        self.head = nn.Linear(self.encoder.config.hidden_size, symbols + 1)


def phoneme_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return the CTC loss per phoneme of logits (B, F, V)."""
    loss = F.ctc_loss(
        logits.float().log_softmax(-1).transpose(0, 1),  # (B, F, V) -> (F, B, V)
        batch.phonemes,
        batch.attention_mask.sum(1),
        batch.phoneme_lengths,
        blank=BLANK,
        reduction="sum",
        zero_infinity=True,
    )
    return loss / batch.phoneme_lengths.sum()


def load_phoneme_recognizer(symbols: int) -> PhonemeRecognizer:
    model = PhonemeRecognizer(symbols)
    load_averaged(NAME, model)
    return model


@torch.no_grad()
def phoneme_error_rate(model: PhonemeRecognizer, test: SpeechBatches, clips: Tensor) -> float:
    """Return the phoneme error rate of greedy decoding on `EVALUATED_CLIPS` of the test clips `clips`, int64 (N,)."""
    model.eval()
    device = next(model.parameters()).device
    chosen = clips[torch.linspace(0, len(clips) - 1, EVALUATED_CLIPS).long()]
    edits = total = 0
    for part in chosen[test.lengths[chosen].argsort()].split(64):
        batch = test.make(part)
        with autocast(device):
            states = model.encoder(
                batch.input_features.to(device), attention_mask=batch.attention_mask.to(device)
            ).last_hidden_state
            best = model.head(states).argmax(-1).cpu()
        references = batch.phonemes.split(batch.phoneme_lengths.tolist())
        for row, length, reference in zip(best, batch.attention_mask.sum(1), references, strict=True):
            predicted = row[:length].unique_consecutive()
            edits += edit_distance(predicted[predicted != BLANK].tolist(), reference.tolist())
            total += len(reference)
    model.train()
    return edits / total


def edit_distance(predicted: list[int], reference: list[int]) -> int:
    """Return the number of insertions, deletions and substitutions between two sequences."""
    previous = list(range(len(reference) + 1))
    for i, symbol in enumerate(predicted, start=1):
        current = [i]
        for j, expected in enumerate(reference, start=1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (symbol != expected)))
        previous = current
    return previous[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--batch-tokens", type=int, default=1600)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--voices", type=int, default=4)
    arguments = parser.parse_args()

    device = best_device()
    speech = read_speech(dict.fromkeys(LANGUAGES, arguments.voices))
    train, test = SpeechBatches(speech), SpeechBatches(speech, test=True)
    print(f"{len(train)} training clips, {len(test)} test clips, {len(train.symbols)} phonemes", flush=True)
    torch.manual_seed(0)
    model = PhonemeRecognizer(len(train.symbols)).to(device).train()
    training = Training(NAME, model, steps=arguments.steps, learning_rate=arguments.learning_rate)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        batch = train.draw(arguments.batch_tokens, generator)
        with autocast(device):
            states = model.encoder(
                batch.input_features.to(device), attention_mask=batch.attention_mask.to(device)
            ).last_hidden_state
            logits = model.head(states)
        return {"loss": phoneme_loss(logits, batch)}

    def evaluate(step: int) -> None:
        unseen = torch.tensor([clip.language in UNSEEN_LANGUAGES for clip in test.clips])
        for name, group in {"seen speakers": ~unseen, "unseen speakers": unseen}.items():
            rate = phoneme_error_rate(model, test, group.nonzero()[:, 0])
            training.writer.add_scalar(f"phoneme error rate/{name}", rate, step)
            print(f"{step}: {name}: phoneme error rate {rate:.3f}", flush=True)

    training.run(loss_function, evaluate=evaluate)


if __name__ == "__main__":
    main()
