"""Train the models of the comparison: two annotations, two prompt lengths, three seeds.

    python -m recipes.sound_events.train [FOLD ...]

For each of three seeds one fold of the things is held out. On the others, `photism align` trains the lowest layer of
the bundled encoder with a new resampler towards the prompts of `text_encoder.py`, for two annotations (labels alone,
checked sentences) and two prompt lengths (47 and 76 tokens after BOS), twelve trainings in all. A training that was
killed resumes when the command is started again.

The sentences are checked by a ranker that was trained with labels alone, on the other fold: a model that was trained
on a recording prefers the captions that it was trained with, whether they are right or not. A sentence is kept if the
ranker prefers it to most others that the same template makes; every recording keeps its best one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photism import AudioPromptEncoder, CaptionRanker
from photism.files import atomic_files
from photism.hub import bundled_model
from photism.prompts.audio_prompt_encoder import AudioPromptEncoderConfig
from photism.prompts.diffusion.loading import load_diffusion
from photism.training.logging import Listener
from photism.training.run import train
from photism.training.settings import AlignSettings
from photism.training.trainer import Progress
from recipes.sound_events.captions import ANNOTATIONS, label_list, sentences, write_data
from recipes.sound_events.corpus import FOLDS, NEVER, Recording, read_recordings, work_folder
from recipes.sound_events.text_encoder import diffusion_folder

TOKENS = (47, 76)
"""Prompt lengths without BOS: that of audio2img's adapter, and all that the text encoder has."""
RANKER_TOKENS = 47
KEPT_SHARE = 0.5
"""A sentence is kept if the ranker prefers less than this fraction of the other sentences of its template to it."""
ENCODER_LAYERS = 1
RESAMPLER = {"width": 128, "num_layers": 1, "num_heads": 4, "dropout": 0.1}
"""A small model: all trainings together take some twelve minutes of one core."""
TRAINING: dict[str, Any] = {
    "adapter": "resampler",
    "validation_share": 0.0,  # the last weights are kept, so that nothing is selected on what is held out
    "epochs": 16,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "ema_decay": 0.95,
    "pictures": 0,
    "cpu": True,
}
REPORT_EVERY = 50


def start_model() -> Path:
    """Return a model to start from: the lowest layer of the bundled encoder.

    Its resampler has a single token, so that every training makes a new one, of this size, from its own seed.
    """
    folder = work_folder() / "start"
    if not (folder / "model.safetensors").exists():
        bundled = AudioPromptEncoder.from_pretrained(bundled_model())
        encoder = {**bundled.config.encoder, "num_hidden_layers": ENCODER_LAYERS}
        config = AudioPromptEncoderConfig(
            encoder=encoder,
            adapter="resampler",
            adapter_arguments=RESAMPLER,
            tokens=1,
            space_length=bundled.config.space_length,
            space_width=bundled.config.space_width,
            num_mel_bins=bundled.config.num_mel_bins,
            feature_stride=bundled.config.feature_stride,
        )
        model = AudioPromptEncoder(config)
        own = model.encoder.state_dict()
        model.encoder.load_state_dict({name: bundled.encoder.state_dict()[name] for name in own})
        with atomic_files(folder) as part:
            model.save_pretrained(part)
    return folder


def training_recordings(fold: int) -> list[Recording]:
    """Return the recordings of the things that are not in a fold."""
    return [each for each in read_recordings() if each.fold != fold]


def held_out_recordings(fold: int) -> list[Recording]:
    """Return one recording, the first by name, of each thing in a fold."""
    things: dict[str, Recording] = {}
    for each in read_recordings():
        if each.fold == fold:
            things.setdefault(each.thing, each)
    return list(things.values())


def train_model(
    name: str, annotation: str, captions: Mapping[Recording, Iterable[str]], *, tokens: int, seed: int
) -> Path:
    """Train a model unless it is there, and return its folder."""
    folder, data = model_folder(name), work_folder() / "data" / name
    if not (folder / "model.safetensors").exists():
        write_data(data, annotation, captions)
        settings = AlignSettings(
            data=str(data),
            output=str(folder),
            encoder=str(start_model()),
            diffusion=str(diffusion_folder()),
            tokens=tokens,
            seed=seed,
            **TRAINING,
        )
        print(f"{name}: {time.strftime('%H:%M:%S')}", flush=True)
        listener = Listener(report=lambda lines: print(*lines, sep="\n", flush=True), step=_print_step)
        if not train(settings, resume=(folder / "checkpoints").is_dir(), listener=listener):
            raise SystemExit(f"{name}: stopped; run the same command to resume")
    return folder


def _print_step(progress: Progress) -> None:
    if progress.step % REPORT_EVERY == 0:
        print(f"step {progress.step} of {progress.steps}: loss {progress.losses['loss']:.3f}", flush=True)


def train_ranker(fold: int) -> Path:
    """Train the ranker of the other folds: on labels alone, of the recordings in one fold."""
    captions = {each: [label_list(each.labels)] for each in read_recordings() if each.fold == fold}
    return train_model(f"ranker-{fold}", "labels", captions, tokens=RANKER_TOKENS, seed=fold)


def model_folder(name: str) -> Path:
    return work_folder() / "models" / name


@cache
def text_pipeline() -> Any:
    return load_diffusion(diffusion_folder(), device=torch.device("cpu"), dtype=torch.float32, text_only=True)


def score(model: Path, recordings: Sequence[Recording], captions: Sequence[str]) -> Tensor:
    """Return the scores of M captions for B recordings, float32 (B, M)."""
    ranker = CaptionRanker(AudioPromptEncoder.from_pretrained(model), text_pipeline(), captions)
    return ranker.score_prompts(ranker.encoder.encode([each.path for each in recordings], batch_size=32))


@dataclass(frozen=True)
class Checked:
    """The sentences of a recording with the fraction of other sentences of their template that the ranker prefers."""

    preferred: dict[str, float]

    @property
    def kept(self) -> list[str]:
        """The sentences that pass the check, or else the best one."""
        passed = [sentence for sentence, fraction in self.preferred.items() if fraction < KEPT_SHARE]
        return passed or [min(self.preferred, key=self.preferred.__getitem__)]


def check_sentences(model: Path, recordings: Sequence[Recording]) -> dict[Recording, Checked]:
    """Rank the sentences of recordings among those that the same template makes of all other labels."""
    templates = {
        sentence: template for each in read_recordings() for sentence, template in sentences(each.labels).items()
    }
    column = {sentence: index for index, sentence in enumerate(templates)}
    checked: dict[Recording, Checked] = {}
    for recording, scores in zip(recordings, score(model, recordings, list(templates)), strict=True):
        own = sentences(recording.labels)
        preferred: dict[str, float] = {}
        for sentence, template in own.items():
            others = [column[each] for each in templates if templates[each] == template and each not in own]
            preferred[sentence] = float((scores[others] >= scores[column[sentence]]).float().mean())
        checked[recording] = Checked(preferred)
    return checked


def checked_sentences(fold: int) -> dict[Recording, list[str]]:
    """Return the sentences to train on where a fold is held out, checked by rankers that have not learned from it.

    Each of the two other folds is checked by the ranker of the other one. Things that are never held out are few, and
    their sentences are not checked.
    """
    others = [each for each in range(FOLDS) if each != fold]
    captions = {each: list(sentences(each.labels)) for each in read_recordings() if each.fold == NEVER}
    for own, ranker in (others, others[::-1]):
        recordings = [each for each in read_recordings() if each.fold == own]
        checked = check_sentences(train_ranker(ranker), recordings)
        captions |= {recording: each.kept for recording, each in checked.items()}
    return captions


def train_fold(fold: int) -> None:
    """Train the rankers and the models where a fold is held out, unless they are there."""
    own = training_recordings(fold)
    captions = {"labels": {each: [label_list(each.labels)] for each in own}, "sentences": checked_sentences(fold)}
    for annotation in ANNOTATIONS:
        for tokens in TOKENS:
            name = model_name(annotation, tokens, fold)
            train_model(name, annotation, captions[annotation], tokens=tokens, seed=fold)


def model_name(annotation: str, tokens: int, fold: int) -> str:
    return f"{annotation}-{tokens}-{fold}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folds", nargs="*", type=int, default=range(FOLDS), help="folds to hold out; by default all")
    for fold in parser.parse_args().folds:
        train_fold(fold)


if __name__ == "__main__":
    main()
