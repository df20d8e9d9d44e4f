"""Stage 5: sounds are aligned to the token sequences of their captions.

    python recipes/tiny/train_captions.py [--frozen-steps N] [--steps N]

First the resampler alone, on encoder states computed once: a step costs the resampler alone, and this is where the
thousands of phrases are learnt by heart. Then encoder and resampler together, phonemes beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import torch
from corpus import UNHEARD_LANGUAGES, read_captions
from speech import read_speech
from speech_batches import EASY, HARD, TOKEN_FRAMES, Batch, SpeechBatches
from torch import Tensor, nn
from train_phonemes import encoder_config, load_phoneme_writer, phoneme_loss
from train_text_encoder import encode_captions, load_text_encoder
from training import Training, autocast, best_device, load_averaged

from photism.alignment import (
    AudioPromptEncoder,
    LearnedTemperature,
    PromptSpace,
    RetrievalMetrics,
    regression_loss,
    retrieval,
    sequence_contrastive_loss,
    sequence_similarity,
)

FROZEN_NAME, NAME = "captions-frozen", "captions"
REGRESSION_WEIGHT = 10.0
"""The contrast is content once the right caption is the nearest, the UNet needs its very tokens: at 1 the tokens of
clips that are told rightly were at a cosine of .59 from their caption's, after 500 steps at 10 at .71."""
PHONEME_WEIGHT = 0.3
HUMAN_VIEWS = 5
"""Of a person's recording, for the frozen half: one easy, the others hard. Synthetic speech is varied as it is."""


@dataclass(frozen=True)
class CaptionBank:
    """The token sequences of all captions: `tokens` (805, S - 1, D); `distinct` are the rows that differ (some captions
    differ only in the case of a letter, which the tokenizer does not keep), `row_of` (805,) says which one each is."""

    tokens: Tensor
    distinct: Tensor
    row_of: Tensor


def build_caption_bank(device: torch.device) -> CaptionBank:
    tokens = encode_captions(load_text_encoder().to(device), read_captions())[:, 1:]
    similarity = sequence_similarity(tokens, tokens)
    first_equal = (similarity > 1 - 1e-6).int().argmax(dim=1)
    rows = first_equal.unique()
    return CaptionBank(tokens, tokens[rows], torch.searchsorted(rows, first_equal))


def build_prompt_space(bank: CaptionBank) -> PromptSpace:
    empty = encode_captions(load_text_encoder(), [""])[0]
    return PromptSpace("tiny", bos=empty[0], negative=empty, norm=float(bank.tokens.norm(dim=-1).mean()))


def build_audio_prompt_encoder(space: PromptSpace) -> AudioPromptEncoder:
    return AudioPromptEncoder.for_space(
        space,
        encoder=encoder_config(),
        adapter="resampler",
        adapter_arguments={"width": 256, "num_layers": 2, "num_heads": 4, "dropout": 0.1},
        feature_stride=TOKEN_FRAMES,
    )


class Aligner(nn.Module):
    """The model that is shipped, and what only its training needs."""

    def __init__(self, bank: CaptionBank, symbols: int) -> None:
        super().__init__()
        self.model = build_audio_prompt_encoder(build_prompt_space(bank))
        self.temperature = LearnedTemperature(0.07, minimum=0.03)
        self.phoneme_head = nn.Linear(self.model.encoder.config.hidden_size, symbols + 1)

    def caption_loss(self, tokens: Tensor, caption_ids: Tensor, bank: CaptionBank) -> dict[str, Tensor]:
        """Contrast with every caption, and regression to the right one, of (B, S - 1, D) tokens."""
        targets = bank.row_of[caption_ids.to(bank.row_of.device)]
        contrast = sequence_contrastive_loss(tokens, bank.distinct, targets=targets, temperature=self.temperature())
        regression = regression_loss(tokens, bank.distinct[targets])
        return {"loss": contrast + REGRESSION_WEIGHT * regression, "contrast": contrast, "regression": regression}


@torch.no_grad()
def evaluate_retrieval(
    model: AudioPromptEncoder, test: SpeechBatches, bank: CaptionBank
) -> dict[str, RetrievalMetrics]:
    """The right caption among all, for test recordings of known voices and of voices never heard."""
    model.eval()
    tokens = torch.empty(len(test), model.config.tokens, model.config.space_width)
    for part in test.lengths.argsort().split(128):
        batch = test.make(part)
        with autocast(model.device):
            prompt = model(batch.input_features.to(model.device), batch.attention_mask.to(model.device))
        tokens[part] = prompt.prompt_embeds[:, 1:].float().cpu()
    model.train()
    # Captions that are the same prompt are the same answer.
    relevant = bank.row_of.cpu()[test.caption_ids][:, None] == bank.row_of.cpu()[None, :]
    similarity = sequence_similarity(tokens, bank.tokens.cpu())
    unheard = torch.tensor([clip.language in UNHEARD_LANGUAGES for clip in test.clips])
    groups = {"known voices": ~unheard, "unheard voices": unheard}
    return {name: retrieval(similarity[group], relevant[group]) for name, group in groups.items()}


class StateBank:
    """Encoder states of every clip, people's in several views, to train the resampler on."""

    def __init__(self, aligner: Aligner, train: SpeechBatches, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(1)
        states: list[Tensor] = []
        lengths: list[Tensor] = []
        clips: list[Tensor] = []
        aligner.eval()
        shortest_first = train.lengths.argsort()
        for view in range(HUMAN_VIEWS):
            viewed = shortest_first[train.human[shortest_first]] if view else shortest_first
            for part in viewed.split(256):
                batch = train.make(part, generator, HARD if view else EASY)
                with torch.no_grad(), autocast(device):
                    output = aligner.model.encoder(
                        batch.input_features.to(device), attention_mask=batch.attention_mask.to(device)
                    ).last_hidden_state
                states.append(output[batch.attention_mask.bool().to(device)].half())
                lengths.append(batch.attention_mask.sum(1))
                clips.append(part)
        aligner.train()
        self.states = torch.cat(states)
        self.lengths, self.clips = torch.cat(lengths), torch.cat(clips)
        self.starts = self.lengths.cumsum(0) - self.lengths
        views = torch.where(train.human, HUMAN_VIEWS, 1)
        self.weights, self.caption_ids = (train.weights / views)[self.clips], train.caption_ids[self.clips]

    def draw(self, batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """States (B, F, D), their mask (B, F) and the captions (B,)."""
        pool = torch.multinomial(self.weights, batch_size * 8, replacement=True, generator=generator)
        pool = pool[self.lengths[pool].argsort()]
        start = int(torch.randint(8, (), generator=generator)) * batch_size
        chosen = pool[start : start + batch_size]
        lengths = self.lengths[chosen][:, None]
        frame = torch.arange(int(lengths.max()))
        index = self.starts[chosen][:, None] + frame.clamp(max=lengths - 1)
        return self.states[index.to(self.states.device)], (frame < lengths).long(), self.caption_ids[chosen]


def train_frozen(aligner: Aligner, train: SpeechBatches, bank: CaptionBank, steps: int, evaluate: Evaluate) -> None:
    """The resampler on states of the encoder that wrote phonemes."""
    device = bank.tokens.device
    writer = load_phoneme_writer(len(train.symbols))
    aligner.model.encoder.load_state_dict(writer.encoder.state_dict())
    aligner.phoneme_head.load_state_dict(writer.head.state_dict())
    aligner.model.encoder.requires_grad_(False)
    aligner.phoneme_head.requires_grad_(False)
    training = Training(FROZEN_NAME, aligner, steps=steps, learning_rate=1e-3)
    if training.step < steps:
        states = StateBank(aligner, train, device)

        def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
            hidden_states, mask, caption_ids = states.draw(256, generator)
            with autocast(device):
                hidden_states = nn.functional.dropout(hidden_states.float(), 0.1)
                tokens = aligner.model.adapter(hidden_states, mask.to(device))
            return aligner.caption_loss(tokens, caption_ids, bank)

        training.run(loss_function, on_checkpoint=lambda step: evaluate(training, step))
    aligner.requires_grad_(True)
    load_averaged(FROZEN_NAME, aligner)


def train_whole(
    aligner: Aligner,
    train: SpeechBatches,
    bank: CaptionBank,
    evaluate: Evaluate,
    *,
    steps: int,
    batch_tokens: int,
    learning_rate: float,
) -> None:
    """Encoder and resampler together."""
    device = bank.tokens.device
    training = Training(NAME, aligner, steps=steps, learning_rate=learning_rate)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        batch: Batch = train.draw(batch_tokens, generator)
        mask = batch.attention_mask.to(device)
        with autocast(device):
            states = aligner.model.encoder(batch.input_features.to(device), attention_mask=mask).last_hidden_state
            tokens = aligner.model.adapter(states, mask)
            logits = aligner.phoneme_head(states)
        losses = aligner.caption_loss(tokens, batch.caption_ids, bank)
        phonemes = phoneme_loss(logits, batch)
        return losses | {"loss": losses["loss"] + PHONEME_WEIGHT * phonemes, "phonemes": phonemes}

    training.run(loss_function, on_checkpoint=lambda step: evaluate(training, step))


Evaluate = Callable[[Training, int], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frozen-steps", type=int, default=3300)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--learning-rate", type=float, default=2.5e-4)
    parser.add_argument("--voices", type=int, default=4)
    arguments = parser.parse_args()

    device = best_device()
    speech = read_speech(arguments.voices)
    train, test = SpeechBatches(speech), SpeechBatches(speech, test=True)
    bank = build_caption_bank(device)
    torch.manual_seed(0)
    aligner = Aligner(bank, len(train.symbols)).to(device).train()

    def evaluate(training: Training, step: int) -> None:
        averaged = Aligner(bank, len(train.symbols)).to(device)
        averaged.load_state_dict(training.averaged())
        for name, metrics in evaluate_retrieval(averaged.model, test, bank).items():
            training.writer.add_scalar(f"recall at 1/{name}", metrics.recall_at_1, step)
            training.writer.add_scalar(f"recall at 5/{name}", metrics.recall_at_5, step)
            print(f"{step}: {name}: R@1 {metrics.recall_at_1:.3f}  R@5 {metrics.recall_at_5:.3f}", flush=True)

    train_frozen(aligner, train, bank, arguments.frozen_steps, evaluate)
    train_whole(
        aligner,
        train,
        bank,
        evaluate,
        steps=arguments.steps,
        batch_tokens=arguments.batch_tokens,
        learning_rate=arguments.learning_rate,
    )


if __name__ == "__main__":
    main()
