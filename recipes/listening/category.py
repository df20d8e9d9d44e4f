"""Classify spoken captions in twelve languages by category: the sixteen folders of the stamps.

    python -m recipes.listening.category             # train a second encoder and evaluate; resumes after a kill
    python -m recipes.listening.category --measure   # evaluate the trained ensemble
    python -m recipes.listening.category --bundled   # evaluate the bundled encoder alone, without training
    python -m recipes.listening.category --hear      # evaluate `photism hear` instead

The mixture weights of the bundled model are probabilities of captions, and the probability of a category is the sum
over its captions. They are averaged over two encoders, the bundled one and one that was trained further, and over five
playback speeds of the recording, since the errors of each on unseen speakers differ.
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
from recipes.tiny.corpus import LANGUAGES, UNSEEN_LANGUAGES, read_captions, read_recordings, read_stamps
from recipes.tiny.fit_captions import RECORDINGS, CaptionBank, compute_emissions, fit_pronunciations, fit_symbols
from recipes.tiny.speech import make_shards, read_speech
from recipes.tiny.speech_batches import EASY, HARD, SpeechBatches
from recipes.tiny.train_phonemes import PhonemeRecognizer, phoneme_loss
from recipes.tiny.training import Training, autocast, best_device, load_averaged

NAME = "category-phonemes"
STEPS = 2600
BATCH_TOKENS = 1600
LEARNING_RATE = 5e-4
VOICES = {language: 8 if language in UNSEEN_LANGUAGES else 4 for language in LANGUAGES}
"""Synthetic voices for each caption, twice as many where no human recordings are trained on."""
UNSEEN_WEIGHT = 0.75
"""Sampling weight of a clip in these languages, so that they are drawn 1.5 times as often as with four voices."""
SPEEDS = (0.8, 0.88, 1.0, 1.14, 1.22)
"""Playback speeds, which change pitch, formants and tempo together."""
BATCH_SIZE = 16


def train(bank: CaptionBank) -> None:
    """Train the bundled encoder further on phonemes, with strong noise in half of the batches."""
    make_shards(VOICES)
    clips = SpeechBatches(read_speech(VOICES))
    unseen = np.array([clip.language in UNSEEN_LANGUAGES for clip in clips.clips])
    clips.weights[torch.from_numpy(unseen)] *= UNSEEN_WEIGHT
    device = best_device()
    recognizer = PhonemeRecognizer(len(clips.symbols))
    bundled = AudioPromptEncoder.from_pretrained(bundled_model()).float()
    recognizer.encoder.load_state_dict(bundled.encoder.state_dict())
    recognizer.head.load_state_dict(bundled.adapter.phonemes.state_dict())
    training = Training(NAME, recognizer.to(device).train(), steps=STEPS, learning_rate=LEARNING_RATE)

    def loss_function(generator: torch.Generator) -> dict[str, Tensor]:
        augmentation = HARD if torch.randint(2, (), generator=generator) else EASY
        batch = clips.draw(BATCH_TOKENS, generator, augmentation)
        mask = batch.attention_mask.to(device)
        with autocast(device):
            states = recognizer.encoder(batch.input_features.to(device), attention_mask=mask).last_hidden_state
            logits = recognizer.head(states)
        return {"loss": phoneme_loss(logits, batch)}

    training.run(loss_function)
    load_averaged(NAME, recognizer)
    fit(bundled, recognizer, clips, bank).save_pretrained(trained_folder())


@torch.no_grad()
def fit(
    model: AudioPromptEncoder, recognizer: PhonemeRecognizer, clips: SpeechBatches, bank: CaptionBank
) -> AudioPromptEncoder:
    """Put the trained weights into the model and fit its biases, like stage 5 of recipes/tiny."""
    recognizer.cpu().eval()
    model.eval().encoder.load_state_dict(recognizer.encoder.state_dict())
    model.adapter.phonemes.load_state_dict(recognizer.head.state_dict())
    people = (clips.human & (clips.weights > 0)).nonzero()[:, 0]
    people = people[torch.randperm(len(people), generator=torch.Generator().manual_seed(0))]
    tuned, prior = (compute_emissions(model, clips, part, bank) for part in people[: 2 * RECORDINGS].split(RECORDINGS))
    fit_symbols(model, tuned, prior)
    fit_pronunciations(model, tuned, prior)
    return model


def trained_folder() -> Path:
    return work_folder() / "category-model"


@torch.no_grad()
def bundled_bank(pipeline: AudioToImagePipeline) -> CaptionBank:
    """Return the prompts of the captions as the bundled model has memorised them."""
    captions = read_captions()
    texts = [encode_text(pipeline.diffusion, captions[i : i + 64])[0] for i in range(0, len(captions), 64)]
    tokens = torch.cat(texts)[:, 1:]
    prompts = pipeline.encoder.memorised_prompts().prompt_embeds[:, 1:]
    return CaptionBank(tokens, prompts, sequence_similarity(tokens, prompts).argmax(1))


def classify(models: Sequence[AudioPromptEncoder], bank: CaptionBank, paths: Sequence[Path]) -> list[set[str]]:
    """Return the most probable category of each recording."""
    categories = sorted({category_of(stamp.name) for stamp in read_stamps()})
    rows = dict(zip(read_captions(), bank.row_of.tolist(), strict=True))
    counts = torch.zeros(len(bank.distinct), len(categories))
    for stamp in read_stamps():
        counts[rows[stamp.caption], categories.index(category_of(stamp.name))] += 1
    category_weights = counts / counts.sum(1, keepdim=True)  # a caption may belong to stamps of several categories
    found: list[set[str]] = []
    for start in range(0, len(paths), BATCH_SIZE):
        recordings = [load_waveform(path) for path in paths[start : start + BATCH_SIZE]]
        versions = [at_speed(each, speed) for speed in SPEEDS for each in recordings]
        weights = sum(mixture_weights(model, versions).unflatten(0, (len(SPEEDS), -1)).sum(0) for model in models)
        found += [{categories[row]} for row in (weights @ category_weights).argmax(1)]
    return found


@torch.no_grad()
def mixture_weights(model: AudioPromptEncoder, waveforms: Sequence[Waveform]) -> Tensor:
    """Return the probability of each memorised prompt, (B, prompts)."""
    features = model.extract_features(waveforms)
    states = model.encoder(features.input_features, attention_mask=features.attention_mask).last_hidden_state
    return model.adapter.mixture_weights(states, features.attention_mask)


def at_speed(recording: Waveform, speed: float) -> Waveform:
    if speed == 1:
        return recording
    samples = soxr.resample(recording.samples, SAMPLING_RATE * speed, SAMPLING_RATE)
    return load_waveform(samples, sampling_rate=SAMPLING_RATE)


def classify_by_hear(paths: Sequence[Path]) -> list[set[str]]:
    """Return the categories of the caption that `photism hear` ranks first, which several stamps may have."""
    categories: dict[str, set[str]] = defaultdict(set)
    for stamp in read_stamps():
        categories[stamp.caption.lower()].add(category_of(stamp.name))
    ranked = CaptionRanker.from_pretrained().rank(list(paths), top_k=1)
    return [categories[captions[0]["caption"].lower()] for captions in ranked]


def category_of(stamp: str) -> str:
    return stamp.split("/")[0]


def evaluate(paths: Sequence[Path], categories: Sequence[set[str]]) -> dict[str, dict[str, float]]:
    """Return the accuracy on the test recordings, by speakers, language and category."""
    training_files = {digest(each.path) for each in read_recordings() if not each.is_test}
    groups: dict[str, list[bool]] = defaultdict(list)
    recordings = {each.path: each for each in read_recordings()}
    for path, found in zip(paths, categories, strict=True):
        each = recordings[path]
        is_seen = each.language not in UNSEEN_LANGUAGES
        names = ["all", each.language, category_of(each.stamp), f"{'seen' if is_seen else 'unseen'} speakers"]
        if is_seen and digest(path) not in training_files:
            names.append("seen speakers, no duplicate files")
        for name in names:
            groups[name].append(category_of(each.stamp) in found)
    return {name: {"recordings": len(hits), "accuracy": sum(hits) / len(hits)} for name, hits in groups.items()}


def digest(path: Path) -> str:
    """Return the SHA-256 of a recording, which finds the stamps that share a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--measure", action="store_true", help="evaluate only")
    only.add_argument("--bundled", action="store_true", help="evaluate the bundled encoder alone")
    only.add_argument("--hear", action="store_true", help="evaluate photism hear")
    arguments = parser.parse_args()

    paths = [each.path for each in read_recordings() if each.is_test]
    if arguments.hear:
        categories = classify_by_hear(paths)
    else:
        pipeline = AudioToImagePipeline.from_pretrained(device="cpu")
        models, bank = [pipeline.encoder], bundled_bank(pipeline)
        if not (arguments.measure or arguments.bundled):
            train(bank)
        if not arguments.bundled:
            models.append(AudioPromptEncoder.from_pretrained(trained_folder()).eval())
        categories = classify(models, bank, paths)
    print(json.dumps(evaluate(paths, categories), indent=1))


if __name__ == "__main__":
    main()
