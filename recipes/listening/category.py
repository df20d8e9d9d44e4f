"""Which kind of thing is spoken of, in any of twelve languages: the sixteen folders of the stamps.

    python -m recipes.listening.category             # trains a second encoder and measures; goes on after a kill
    python -m recipes.listening.category --measure   # measures what was trained alone
    python -m recipes.listening.category --bundled   # measures the bundled encoder alone, without training
    python -m recipes.listening.category --hear      # measures instead what `photism hear` makes of the same

The bundled model tells how likely a recording says each caption, by its phonemes, and a category is as likely as its
captions together. What one encoder mishears in a voice it does not know, another may hear, or the same one where the
voice is another's: the likelihoods are means over the bundled encoder and one that learnt more from there, and over
five speeds of the recording.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor

from photism import AudioToImagePipeline, CaptionRanker
from photism.audio.waveform import SAMPLING_RATE, Waveform, load_waveform
from photism.hub import bundled_model
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.metrics import sequence_similarity
from photism.prompts.text import encode_text
from recipes.listening.sounds import work_folder
from recipes.tiny.corpus import LANGUAGES, UNHEARD_LANGUAGES, read_captions, read_recordings, read_stamps
from recipes.tiny.fit_captions import RECORDINGS, CaptionBank, fit_pronunciations, fit_symbols
from recipes.tiny.fit_captions import hear as hear_clips
from recipes.tiny.speech import make_shards, read_speech
from recipes.tiny.speech_batches import EASY, HARD, SpeechBatches
from recipes.tiny.train_phonemes import PhonemeWriter, phoneme_loss
from recipes.tiny.training import Training, autocast, best_device, load_averaged

NAME = "category-phonemes"
STEPS = 2600
BATCH_TOKENS = 1600
LEARNING_RATE = 5e-4
VOICES = {language: 8 if language in UNHEARD_LANGUAGES else 4 for language in LANGUAGES}
"""Of espeak-ng, that say each caption: nobody else is heard in three of the languages."""
UNHEARD_WEIGHT = 0.75
"""Of a clip in these: so they are learnt from half as often again as with four voices."""
SPEEDS = (0.8, 0.88, 1.0, 1.14, 1.22)
"""Pitch, formants and pace together."""
BATCH_SIZE = 16


def train(bank: CaptionBank) -> None:
    """The bundled encoder learns phonemes for longer, half of the time in noise."""
    make_shards(VOICES)
    clips = SpeechBatches(read_speech(VOICES))
    unheard = np.array([clip.language in UNHEARD_LANGUAGES for clip in clips.clips])
    clips.weights[torch.from_numpy(unheard)] *= UNHEARD_WEIGHT
    device = best_device()
    writer = PhonemeWriter(len(clips.symbols))
    bundled = AudioPromptEncoder.from_pretrained(bundled_model()).float()
    writer.encoder.load_state_dict(bundled.encoder.state_dict())
    writer.head.load_state_dict(bundled.adapter.phonemes.state_dict())
    training = Training(NAME, writer.to(device).train(), steps=STEPS, learning_rate=LEARNING_RATE)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        augmentation = HARD if torch.randint(2, (), generator=generator) else EASY
        batch = clips.draw(BATCH_TOKENS, generator, augmentation)
        mask = batch.attention_mask.to(device)
        with autocast(device):
            states = writer.encoder(batch.input_features.to(device), attention_mask=mask).last_hidden_state
            logits = writer.head(states)
        return {"loss": phoneme_loss(logits, batch)}

    training.run(loss_function)
    load_averaged(NAME, writer)
    fit(bundled, writer, clips, bank).save_pretrained(trained_folder())


@torch.no_grad()
def fit(
    model: AudioPromptEncoder, writer: PhonemeWriter, clips: SpeechBatches, bank: CaptionBank
) -> AudioPromptEncoder:
    """The model with what the writer learnt, and what its phonemes are worth, as stage 5 of recipes/tiny finds it."""
    writer.cpu().eval()
    model.eval().encoder.load_state_dict(writer.encoder.state_dict())
    model.adapter.phonemes.load_state_dict(writer.head.state_dict())
    people = (clips.human & (clips.weights > 0)).nonzero()[:, 0]
    people = people[torch.randperm(len(people), generator=torch.Generator().manual_seed(0))]
    tuned, usual = (hear_clips(model, clips, part, bank) for part in people[: 2 * RECORDINGS].split(RECORDINGS))
    fit_symbols(model, tuned, usual)
    fit_pronunciations(model, tuned, usual)
    return model


def trained_folder() -> Path:
    return work_folder() / "category-model"


@torch.no_grad()
def bundled_bank(pipeline: AudioToImagePipeline) -> CaptionBank:
    """The captions' prompts as the bundled model remembers them."""
    captions = read_captions()
    texts = [encode_text(pipeline.diffusion, captions[i : i + 64])[0] for i in range(0, len(captions), 64)]
    tokens = torch.cat(texts)[:, 1:]
    prompts = pipeline.encoder.memorised_prompts().prompt_embeds[:, 1:]
    return CaptionBank(tokens, prompts, sequence_similarity(tokens, prompts).argmax(1))


def told(models: Sequence[AudioPromptEncoder], bank: CaptionBank, paths: Sequence[Path]) -> list[set[str]]:
    """The likeliest category of each recording."""
    categories = sorted({category_of(stamp.name) for stamp in read_stamps()})
    rows = dict(zip(read_captions(), bank.row_of.tolist(), strict=True))
    counts = torch.zeros(len(bank.distinct), len(categories))
    for stamp in read_stamps():
        counts[rows[stamp.caption], categories.index(category_of(stamp.name))] += 1
    belonging = counts / counts.sum(1, keepdim=True)  # of a caption to the categories whose stamps share it
    found: list[set[str]] = []
    for start in range(0, len(paths), BATCH_SIZE):
        recordings = [load_waveform(path) for path in paths[start : start + BATCH_SIZE]]
        heard = [at_speed(each, speed) for speed in SPEEDS for each in recordings]
        shares = sum(shares_of(model, heard).unflatten(0, (len(SPEEDS), -1)).sum(0) for model in models)
        found += [{categories[row]} for row in (shares @ belonging).argmax(1)]
    return found


@torch.no_grad()
def shares_of(model: AudioPromptEncoder, sounds: Sequence[Waveform]) -> Tensor:
    """How likely each prompt is: (B, prompts)."""
    heard = model.extract_features(sounds)
    states = model.encoder(heard.input_features, attention_mask=heard.attention_mask).last_hidden_state
    return model.adapter.mixture_weights(states, heard.attention_mask)


def at_speed(recording: Waveform, speed: float) -> Waveform:
    if speed == 1:
        return recording
    samples = soxr.resample(recording.samples, SAMPLING_RATE * speed, SAMPLING_RATE)
    return load_waveform(samples, sampling_rate=SAMPLING_RATE)


def heard_first(paths: Sequence[Path]) -> list[set[str]]:
    """What the stamps are whose caption `photism hear` puts first: of several categories where they share it."""
    categories: dict[str, set[str]] = defaultdict(set)
    for stamp in read_stamps():
        categories[stamp.caption.lower()].add(category_of(stamp.name))
    ranked = CaptionRanker.from_pretrained().rank(list(paths), top_k=1)
    return [categories[captions[0].caption.lower()] for captions in ranked]


def category_of(stamp: str) -> str:
    return stamp.split("/")[0]


def measure(paths: Sequence[Path], categories: Sequence[set[str]]) -> dict[str, dict[str, float]]:
    """The share of test recordings told rightly, by who speaks and by category."""
    trained_on = {digest(each.path) for each in read_recordings() if not each.is_test}
    groups: dict[str, list[bool]] = defaultdict(list)
    recordings = {each.path: each for each in read_recordings()}
    for path, found in zip(paths, categories, strict=True):
        each = recordings[path]
        is_known = each.language not in UNHEARD_LANGUAGES
        names = ["all", each.language, category_of(each.stamp), "known people" if is_known else "unheard people"]
        if is_known and digest(path) not in trained_on:
            names.append("known people, new files")
        for name in names:
            groups[name].append(category_of(each.stamp) in found)
    return {name: {"recordings": len(rights), "right": sum(rights) / len(rights)} for name, rights in groups.items()}


def digest(path: Path) -> str:
    """Equal for equal files: stamps of the same thing often share one."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--measure", action="store_true", help="no training")
    only.add_argument("--bundled", action="store_true", help="nor the second encoder")
    only.add_argument("--hear", action="store_true", help="nor categories by all of their captions")
    arguments = parser.parse_args()

    paths = [each.path for each in read_recordings() if each.is_test]
    if arguments.hear:
        categories = heard_first(paths)
    else:
        pipeline = AudioToImagePipeline.from_pretrained(device="cpu")
        models, bank = [pipeline.encoder], bundled_bank(pipeline)
        if not (arguments.measure or arguments.bundled):
            train(bank)
        if not arguments.bundled:
            models.append(AudioPromptEncoder.from_pretrained(trained_folder()).eval())
        categories = told(models, bank, paths)
    print(json.dumps(measure(paths, categories), indent=1))


if __name__ == "__main__":
    main()
