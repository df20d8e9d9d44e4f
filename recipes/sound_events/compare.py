"""Evaluate the models of `train.py` on held-out recordings, and print the tables of the README.

python -m recipes.sound_events.compare
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from photism import CaptionRanker
from photism.audio.log_mel import log_mel
from photism.audio.waveform import load_waveform
from recipes.sound_events.captions import ANNOTATIONS, UNSEEN, captions_of_kinds
from recipes.sound_events.corpus import FOLDS, STAMPS, Recording, read_recordings
from recipes.sound_events.labels import KINDS
from recipes.sound_events.train import (
    TOKENS,
    check_sentences,
    held_out_recordings,
    model_folder,
    model_name,
    score,
    train_ranker,
    training_recordings,
)
from recipes.tiny.corpus import read_stamps

WORDINGS = {"labels": "labels", "sentences": "sentences", "unseen sentence": UNSEEN}
"""Wordings of the kinds that are ranked, by the heading of their column."""
TRAINED_ON, BASELINE = "trained on", "most frequent kinds"
RESAMPLES = 10_000
PARTS = (0, 5, 20, 60, 200)
"""Bounds of the parts of a recording, in frames of 10 ms."""

Ranks: TypeAlias = "dict[str, list[npt.NDArray[np.int64]]]"
"""Ranks of the right kinds by wording: for each fold an array of as many numbers as it has things."""


def ranks_of(scores: Tensor, recordings: Sequence[Recording]) -> npt.NDArray[np.int64]:
    """Return the rank, from 1, of the kind of each recording in the scores of all kinds, (B, kinds)."""
    kinds = torch.tensor([KINDS.index(each.kind) for each in recordings])
    return (scores >= scores.gather(1, kinds[:, None])).sum(1).numpy()


def evaluate(annotation: str, tokens: int) -> Ranks:
    """Return the ranks for the held-out recordings in each wording, and for those of the training in their own."""
    found: Ranks = {name: [] for name in (*WORDINGS, TRAINED_ON)}
    for fold in range(FOLDS):
        model = model_folder(model_name(annotation, tokens, fold))
        held_out, trained = held_out_recordings(fold), training_recordings(fold)
        for name, wording in WORDINGS.items():
            found[name].append(ranks_of(score(model, held_out, captions_of_kinds(wording)), held_out))
        found[TRAINED_ON].append(ranks_of(score(model, trained, captions_of_kinds(annotation)), trained))
    return found


def baseline() -> Ranks:
    """Return the ranks if the kinds are always ordered by the number of their things in training."""
    found: list[npt.NDArray[np.int64]] = []
    for fold in range(FOLDS):
        things = Counter(thing.partition("/")[0] for thing in {each.thing for each in training_recordings(fold)})
        scores = torch.tensor([float(things[kind]) for kind in KINDS])
        held_out = held_out_recordings(fold)
        found.append(ranks_of(scores.expand(len(held_out), -1), held_out))
    return dict.fromkeys(WORDINGS, found)


def nearest_recordings(*, normalize: bool) -> Ranks:
    """Return the ranks of kinds by the nearest recording of the training, with no model but the log-mel features.

    A recording is compared by the mean spectra of four parts of its two seconds, each bin standardised over the
    recordings.

    Args:
        normalize: normalise each mel bin over the recording, as the encoder expects its features.
    """
    spectra = {each: spectra_of(each, normalize=normalize) for each in read_recordings()}
    found: list[npt.NDArray[np.int64]] = []
    for fold in range(FOLDS):
        trained, held_out = training_recordings(fold), held_out_recordings(fold)
        known, new = (np.stack([spectra[each] for each in own]) for own in (trained, held_out))
        mean, deviation = known.mean(0), known.std(0) + 1e-6
        new, known = (torch.from_numpy((own - mean) / deviation) for own in (new, known))
        distances = torch.cdist(new, known)
        kinds = np.array([each.kind for each in trained])
        nearest = [distances[:, torch.from_numpy(kinds == kind)] for kind in KINDS]
        infinite = torch.full((len(new), 1), torch.inf)
        scores = torch.stack([-torch.cat([each, infinite], 1).amin(1) for each in nearest], 1)
        found.append(ranks_of(scores, held_out))
    return dict.fromkeys(WORDINGS, found)


def spectra_of(recording: Recording, *, normalize: bool) -> npt.NDArray[np.float32]:
    """Return the mean log-mel spectra of the parts of a recording, whose last frame is repeated to two seconds."""
    samples = load_waveform(recording.path).samples
    features = log_mel([samples], stride=1, normalize=normalize, dtype=torch.float32).input_features[0].numpy()
    features = np.pad(features, ((0, max(0, PARTS[-1] - len(features))), (0, 0)), mode="edge")
    return np.concatenate([features[start:end].mean(0) for start, end in itertools.pairwise(PARTS)])


def bundled_ranks() -> npt.NDArray[np.int64]:
    """Return the rank that `tiny` gives the caption of each stamp for the sound of its thing, among all captions."""
    ranker = CaptionRanker.from_pretrained()
    stamps = {f"{STAMPS}/{each.name}": each.caption for each in read_stamps()}
    recordings = [each for each in read_recordings() if each.name in stamps]
    scores = ranker.score_prompts(ranker.encoder.encode([each.path for each in recordings], batch_size=32))
    own = torch.tensor([ranker.captions.index(stamps[each.name]) for each in recordings])
    return (scores >= scores.gather(1, own[:, None])).sum(1).numpy()


def recalls(ranks: Sequence[npt.NDArray[np.int64]], k: int) -> str:
    """Return the mean of R@k over the folds and its standard deviation, in per cent."""
    values = [100 * float((each <= k).mean()) for each in ranks]
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"


def mean_over_kinds(ranks: Sequence[npt.NDArray[np.int64]], k: int) -> float:
    """Return R@k of each kind, averaged over the kinds, in per cent."""
    kinds = np.array([each.kind for fold in range(FOLDS) for each in held_out_recordings(fold)])
    found = np.concatenate(ranks) <= k
    return 100 * float(np.mean([found[kinds == kind].mean() for kind in np.unique(kinds)]))


def interval(difference: npt.NDArray[np.float64]) -> str:
    """Return the mean of a difference over things, in per cent, with its 95 % interval by a paired bootstrap."""
    generator = np.random.default_rng(0)
    chosen = generator.integers(len(difference), size=(RESAMPLES, len(difference)))
    low, high = np.quantile(difference[chosen].mean(1), (0.025, 0.975))
    return f"{100 * difference.mean():+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def print_check() -> None:
    """Print what the rankers prefer and keep, of recordings that they were trained on and of others."""
    for is_own in (True, False):
        checked = [
            each
            for ranker in range(FOLDS)
            for fold in range(FOLDS)
            if (fold == ranker) == is_own
            for each in check_sentences(
                train_ranker(ranker), [recording for recording in read_recordings() if recording.fold == fold]
            ).values()
        ]
        fractions = [fraction for each in checked for fraction in each.preferred.values()]
        kept = sum(len(each.kept) for each in checked) / len(fractions)
        print(
            f"sentences of recordings that the ranker {'was' if is_own else 'was not'} trained on: preferred to "
            f"{100 - 100 * np.mean(fractions):.1f} % of the others, {100 * kept:.1f} % kept"
        )


def print_table(all_ranks: Mapping[str, Ranks], k: int) -> None:
    """Print R@k of each model, by wording."""
    print(f"| R@{k} | {' | '.join(WORDINGS)} | {TRAINED_ON} |")
    print("|---" * (len(WORDINGS) + 2) + "|")
    for name, ranks in all_ranks.items():
        cells = [recalls(ranks[wording], k) if wording in ranks else "" for wording in (*WORDINGS, TRAINED_ON)]
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    bundled = bundled_ranks()
    print(f"tiny, {len(bundled)} stamps, R@1, R@5, R@10: {[f'{100 * (bundled <= k).mean():.1f}' for k in (1, 5, 10)]}")
    all_ranks = {
        BASELINE: baseline(),
        "nearest recording, log-mel": nearest_recordings(normalize=False),
        "nearest recording, normalised": nearest_recordings(normalize=True),
    }
    for annotation in ANNOTATIONS:
        for tokens in TOKENS:
            all_ranks[f"{annotation}, {tokens} tokens"] = evaluate(annotation, tokens)
    print_check()
    for k in (1, 5):
        print_table(all_ranks, k)
    for name, ranks in all_ranks.items():
        own = ranks.get(name.partition(",")[0], ranks["labels"])
        each_fold = ", ".join(f"{100 * (fold <= 5).mean():.1f}" for fold in own)
        median = np.median(np.concatenate(own))
        print(f"{name}: R@5 of folds {each_fold}; of kinds {mean_over_kinds(own, 5):.1f}; median rank {median:.0f}")
    for k in (1, 5):
        found = np.array(
            [
                [np.concatenate(all_ranks[f"{each}, {tokens} tokens"][each]) <= k for tokens in TOKENS]
                for each in ANNOTATIONS
            ],
            dtype=float,
        )  # (annotations, prompt lengths, things)
        print(f"R@{k}: sentences - labels {interval((found[1] - found[0]).mean(0))}")
        print(f"R@{k}: 76 - 47 tokens {interval((found[:, 1] - found[:, 0]).mean(0))}")


if __name__ == "__main__":
    main()
