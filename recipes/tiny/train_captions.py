"""Stage 5: sounds are aligned to the token sequences of their captions.

    python recipes/tiny/train_captions.py [--steps N]

The prompt adapter alone is trained, on the phonemes that the encoder wrote once: a step costs the adapter alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from corpus import UNHEARD_LANGUAGES, read_captions
from speech import read_speech
from speech_batches import BLANK, EASY, HARD, TOKEN_FRAMES, Batch, SpeechBatches
from torch import Tensor
from train_phonemes import encoder_config, load_phoneme_writer
from train_text_encoder import encode_captions, load_text_encoder
from training import Training, autocast, best_device

from photism.alignment import (
    AudioPromptEncoder,
    PromptSpace,
    RetrievalMetrics,
    retrieval,
    sequence_similarity,
)

NAME = "captions"
NOISE = 0.4
"""Added to the logits of phonemes, in each frame, and as much again in all frames of a clip alike: another voice is
another mistake."""
SHARPNESS = (0.6, 1.2)
"""That these logits are multiplied by, a number a clip."""
HUMAN_VIEWS = 4
"""Of a person's recording: one easy, the others hard. Of synthetic speech one of each."""
ENOUGH_FRAMES = 50
"""Of a phoneme said by people, below which anybody's are taken."""
STRETCH = (0.8, 1.3)
JITTER = (0.3, 1.7)
"""How fast time goes from state to state, so that no clip is heard twice alike."""


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


def build_audio_prompt_encoder(bank: CaptionBank, symbols: int) -> AudioPromptEncoder:
    model = AudioPromptEncoder.for_space(
        build_prompt_space(bank),
        encoder=encoder_config(),
        adapter="phonetic",
        adapter_arguments={"symbols": symbols + 1, "prompts": len(bank.distinct), "dropout": 0.1},
        feature_stride=TOKEN_FRAMES,
    )
    model.adapter.remember(bank.distinct)
    for fixed in (model.adapter.mixture, model.adapter.basis):
        fixed.requires_grad_(False)
    return model


def phoneme_logits(model: AudioPromptEncoder, batch: Batch) -> Tensor:
    """(B, F, symbols) of a batch's clips."""
    with autocast(model.device):
        mask = batch.attention_mask.to(model.device)
        states = model.encoder(batch.input_features.to(model.device), attention_mask=mask).last_hidden_state
        return model.adapter.phonemes(states).float()


def caption_loss(model: AudioPromptEncoder, logits: Tensor, attention_mask: Tensor, captions: Tensor) -> Tensor:
    """Cross-entropy of the captions (B,), rows of the bank's distinct ones, given logits (B, F, symbols) of phonemes.

    The adapter's prompts are mixed of the captions', so that it learns the shares and nothing else. Tokens that are
    learnt themselves stay where they start for a thousand steps.
    """
    noise = torch.randn_like(logits) + torch.randn_like(logits[:, :1])
    logits = (logits + NOISE * noise) * torch.empty_like(logits[:, :1, :1]).uniform_(*SHARPNESS)
    with autocast(model.device):
        shares = model.adapter.choose(F.dropout(logits.softmax(-1), 0.05), attention_mask)
    return F.cross_entropy(shares.float(), captions.to(shares.device))


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


class PhonemeBank:
    """Logits of phonemes for every clip, as the encoder that learnt them writes them, people's in several views.

    People are misheard where espeak-ng is not. So frames of synthetic speech are exchanged for a person's, in which the
    encoder heard the same phoneme said or should have.
    """

    def __init__(self, model: AudioPromptEncoder, train: SpeechBatches) -> None:
        generator = torch.Generator().manual_seed(1)
        logits: list[Tensor] = []
        labels: list[Tensor] = []
        lengths: list[Tensor] = []
        clips: list[Tensor] = []
        trained = train.weights > 0
        every, people = trained.nonzero()[:, 0], (trained & train.human).nonzero()[:, 0]
        model.eval()
        for viewed, augmentation in ((every, EASY), (every, HARD), *[(people, HARD)] * (HUMAN_VIEWS - 2)):
            for part in viewed[train.lengths[viewed].argsort()].split(256):
                batch = train.make(part, generator, augmentation)
                valid = batch.attention_mask.bool()
                with torch.no_grad():
                    written = phoneme_logits(model, batch).cpu()
                logits.append(written[valid].half())
                labels.append(align(written.log_softmax(-1), batch)[valid])
                lengths.append(batch.attention_mask.sum(1))
                clips.append(part)
        model.train()
        self.logits, self.labels = torch.cat(logits), torch.cat(labels)
        self.lengths, self.clips = torch.cat(lengths), torch.cat(clips)
        self.starts = self.lengths.cumsum(0) - self.lengths
        self.human, self.caption_ids = train.human[self.clips], train.caption_ids[self.clips]
        self.weights = train.weights[self.clips] / torch.where(self.human, HUMAN_VIEWS, 2)
        # Frames in the order of their phonemes, and where those of each begin: people's, where there are enough.
        by_people = self.human.repeat_interleave(self.lengths)
        enough = self.labels[by_people].bincount(minlength=self.logits.shape[1]) >= ENOUGH_FRAMES
        given = (by_people | ~enough[self.labels]).nonzero()[:, 0]
        self.given = given[self.labels[given].argsort()]
        self.counts = self.labels[given].bincount(minlength=self.logits.shape[1])

    def draw(self, batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Logits (B, F, symbols) of clips of similar length, all brought to one by going through them unevenly, and
        the captions (B,)."""
        pool = torch.multinomial(self.weights, batch_size * 8, replacement=True, generator=generator)
        pool = pool[self.lengths[pool].argsort()]
        start = int(torch.randint(8, (), generator=generator)) * batch_size
        chosen = pool[start : start + batch_size]
        lengths = self.lengths[chosen][:, None]
        stretch = torch.empty(()).uniform_(*STRETCH, generator=generator)
        frames = max(6, int(lengths.float().mean() * stretch))
        steps = torch.empty(batch_size, frames).uniform_(*JITTER, generator=generator)
        middle = (steps.cumsum(1) - steps / 2) / steps.sum(1, keepdim=True)  # of each step, in (0, 1)
        index = self.starts[chosen][:, None] + (middle * lengths).long().clamp(max=lengths - 1)
        share = torch.rand(batch_size, 1, generator=generator) * ~self.human[chosen, None]
        exchanged = torch.rand(index.shape, generator=generator) < share
        labels = self.labels[index[exchanged]]
        among = (torch.rand(len(labels), generator=generator) * self.counts[labels]).long()
        index[exchanged] = self.given[(self.counts.cumsum(0) - self.counts)[labels] + among]
        return self.logits[index].float(), self.caption_ids[chosen]


def align(log_probabilities: Tensor, batch: Batch) -> Tensor:
    """The phoneme or blank that each frame stands for on the likeliest of CTC's paths through a clip's phonemes.

    Args:
        log_probabilities: (B, F, symbols).
        batch: of the same clips.

    Returns:
        symbols, int64 (B, F); blank beyond a clip's end.
    """
    lengths = batch.attention_mask.sum(1)
    # A path goes through blank, phoneme, blank, phoneme, …, blank: it stays, goes on by one, or leaves a blank out.
    path = torch.full((len(lengths), 2 * int(batch.phoneme_lengths.max()) + 1), BLANK)
    for row, phonemes in zip(path, batch.phonemes.split(batch.phoneme_lengths.tolist()), strict=True):
        row[1 : 2 * len(phonemes) : 2] = phonemes
    may_skip = torch.zeros_like(path, dtype=torch.bool)
    may_skip[:, 3::2] = path[:, 3::2] != path[:, 1:-2:2]
    score = torch.full(path.shape, -torch.inf)
    score[:, :2] = log_probabilities[:, 0].gather(1, path[:, :2])
    origins = torch.zeros(log_probabilities.shape[1], *path.shape, dtype=torch.long)
    for frame in range(1, log_probabilities.shape[1]):
        one = F.pad(score[:, :-1], (1, 0), value=-torch.inf)
        two = F.pad(score[:, :-2], (2, 0), value=-torch.inf).masked_fill(~may_skip, -torch.inf)
        best, origins[frame] = torch.stack([score, one, two]).max(0)
        within = (frame < lengths)[:, None]
        score = torch.where(within, best + log_probabilities[:, frame].gather(1, path), score)
    last = 2 * batch.phoneme_lengths[:, None]  # the path ends there, or on the phoneme before
    place = last - score.gather(1, torch.cat([last, (last - 1).clamp(min=0)], dim=1)).argmax(1, keepdim=True)
    symbols = torch.full(log_probabilities.shape[:2], BLANK)
    for frame in reversed(range(log_probabilities.shape[1])):
        within = (frame < lengths)[:, None]
        symbols[:, frame : frame + 1] = path.gather(1, place).where(within, BLANK)
        place = torch.where(within, place - origins[frame].gather(1, place), place)
    return symbols


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2600)
    parser.add_argument("--batch-size", type=int, default=192)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--voices", type=int, default=4)
    arguments = parser.parse_args()

    device = best_device()
    speech = read_speech(arguments.voices)
    train, test = SpeechBatches(speech), SpeechBatches(speech, test=True)
    bank = build_caption_bank(device)
    torch.manual_seed(0)
    model = build_audio_prompt_encoder(bank, len(train.symbols)).to(device).train()
    writer = load_phoneme_writer(len(train.symbols))
    model.encoder.load_state_dict(writer.encoder.state_dict())
    model.adapter.phonemes.load_state_dict(writer.head.state_dict())
    for module in (model.encoder, model.adapter.phonemes):
        module.requires_grad_(False)
    training = Training(NAME, model, steps=arguments.steps, learning_rate=arguments.learning_rate)
    phonemes = PhonemeBank(model, train)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        logits, caption_ids = phonemes.draw(arguments.batch_size, generator)
        logits = logits.to(model.device)
        return {"loss": caption_loss(model, logits, logits.new_ones(logits.shape[:2]), bank.row_of[caption_ids])}

    def evaluate(step: int) -> None:
        averaged = build_audio_prompt_encoder(bank, len(train.symbols)).to(device)
        averaged.load_state_dict(training.averaged())
        for name, metrics in evaluate_retrieval(averaged, test, bank).items():
            training.writer.add_scalar(f"recall at 1/{name}", metrics.recall_at_1, step)
            training.writer.add_scalar(f"recall at 5/{name}", metrics.recall_at_5, step)
            print(f"{step}: {name}: R@1 {metrics.recall_at_1:.3f}  R@5 {metrics.recall_at_5:.3f}", flush=True)

    training.run(loss_function, on_checkpoint=evaluate)


if __name__ == "__main__":
    main()
