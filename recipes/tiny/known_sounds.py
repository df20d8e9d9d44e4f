"""Stage 8: fit the decision whether a recording is known at all, which `photism hear` prints.

    python -m recipes.tiny.known_sounds [--write]

Measures test recordings of the captions and recordings of anything else, fits a logistic regression on a half of them,
and evaluates it on the other half and on packages that take no part in the fit. With `--write`, the regression is
written into the bundled model's config.json, the table between the marks of this folder's README and the model card,
and the ROC curves into known_sounds.png. No weight is changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import soxr
import torch
from torch import Tensor

from photism import CaptionRanker, InputError, load_waveform
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.prompts.known_sounds import KnownSounds, terms
from photism.prompts.prompt_adapter import PhoneticPromptAdapter
from recipes.listening.sounds import TELEPHONE_RATE, add_noise
from recipes.tiny.corpus import UNSEEN_LANGUAGES, cache_folder, read_recordings
from recipes.tiny.evaluate import write_between_marks
from recipes.tiny.export import FOLDER
from recipes.tiny.unknown_sounds import read_unknown

LONGEST_S = 20
"""Recordings are cut after this time."""
MEASURED = cache_folder() / "known-sounds.pt"
PLOT = Path(__file__).with_name("known_sounds.png")

LOST = 0.035
"""Fraction that is refused of the known recordings whose caption is among the first five, on those of the fit."""
WEIGHTS = {"known": 1.0, "stranger": 0.3, "speech": 1.2, "music": 1.0, "noise": 0.5}
"""Weight of each group in the fit, whatever its number of recordings."""
L2 = 1e-3
RANGE = (0.01, 0.99)
"""Quantiles of a measurement between which it is not clipped."""
NOISE_DB = 20.0
NAMES = {
    "known": "known speakers",
    "noisy": f"known speakers, noise at {NOISE_DB:.0f} dB",
    "telephone": "known speakers, 8 kHz",
    "stranger": "speakers not seen in training",
    "speech": "other sentences",
    "music": "music and sounds",
    "noise": "noise and tones",
}


@dataclass(frozen=True)
class Measured:
    """A recording with its measurements.

    Attributes:
        group: one of `NAMES`.
        kind: package or language.
        fitted: whether the regression is fitted on it; otherwise it is evaluated on it.
        rank: rank of the correct caption, from 0; -1 if there is none.
        values: the measurements of `PhonemeMeter`.
    """

    group: str
    kind: str
    fitted: bool
    rank: int
    values: tuple[float, ...]


def is_fitted(name: str) -> bool:
    """Return whether a recording is in the half that is fitted on, chosen by a hash of its name."""
    return hashlib.sha256(f"known|{name}".encode()).digest()[0] % 2 == 0


def read_sounds() -> Iterator[tuple[str, str, bool, str, Waveform]]:
    """Yield group, kind, whether it is fitted on, caption and waveform of each recording that holds any sound."""
    for each in read_recordings():
        if not each.is_test:
            continue
        waveform, name = load_waveform(each.path), f"{each.stamp}|{each.language}"
        if each.language in UNSEEN_LANGUAGES:
            # One half of the Greek recordings; Danish and Dutch people take no part in the fit.
            yield "stranger", each.language, each.language == "el" and is_fitted(name), each.caption, waveform
            continue
        yield "known", each.language, is_fitted(name), each.caption, waveform
        if not is_fitted(name):
            noisy = add_noise(waveform.samples, NOISE_DB, seed=name)
            yield "noisy", each.language, False, each.caption, Waveform(noisy)
            narrow = soxr.resample(waveform.samples, SAMPLING_RATE, TELEPHONE_RATE)
            yield "telephone", each.language, False, each.caption, load_waveform(narrow, sampling_rate=TELEPHONE_RATE)
    for each in read_unknown():
        try:
            waveform = each.source if isinstance(each.source, Waveform) else load_waveform(each.source)
        except InputError:  # empty, or shorter than a frame
            continue
        if not waveform.level.is_silent:
            yield each.group, each.kind, each.fitted and is_fitted(each.name), "", waveform


@torch.no_grad()
def measure() -> list[Measured]:
    """Measure all recordings with the bundled model, one at a time."""
    ranker = CaptionRanker.from_pretrained(device="cpu")
    encoder, adapter = ranker.encoder, ranker.encoder.adapter
    assert isinstance(adapter, PhoneticPromptAdapter)
    captions = [caption.lower() for caption in ranker.captions]
    found: list[Measured] = []
    for group, kind, fitted, caption, waveform in read_sounds():
        features, mask = encoder.extract_features([Waveform(waveform.samples[: LONGEST_S * SAMPLING_RATE])])
        states = encoder.encoder(features, attention_mask=mask).last_hidden_state[0][mask[0].bool()]
        weights, values = adapter.measured_weights([[states]])
        rank = -1
        if caption:
            prompt = encoder._with_bos(adapter.mix(weights))._replace(mixture_weights=weights)
            order = ranker.score_prompts(prompt)[0].argsort(descending=True).tolist()
            rank = next(place for place, index in enumerate(order) if captions[index] == caption.lower())
        found.append(Measured(group, kind, fitted, rank, tuple(values[0].tolist())))
        if len(found) % 200 == 0:
            print(f"{len(found)} recordings are measured", flush=True)
    return found


def fit(found: Sequence[Measured]) -> KnownSounds:
    """Fit the regression by Newton's method on a half of the recordings.

    Of speakers not seen in training, those count as known whose caption is among the first five; the others are left
    out.
    """
    used = [each for each in found if each.fitted and (each.group != "stranger" or each.rank < 5)]
    values = torch.tensor([each.values for each in used], dtype=torch.float64)
    edges = values.quantile(torch.tensor(RANGE, dtype=torch.float64), dim=0).T.tolist()
    ranges = tuple((round(low, 4), round(high, 4)) for low, high in edges)
    groups = [each.group for each in used]
    weights = torch.tensor([WEIGHTS[group] / groups.count(group) for group in groups], dtype=torch.float64)
    is_known = torch.tensor([float(each.rank >= 0) for each in used], dtype=torch.float64)
    inputs = torch.cat([terms(values, ranges), torch.ones(len(used), 1, dtype=torch.float64)], dim=1)
    weights /= weights.sum()
    penalty = L2 * torch.ones(inputs.shape[1], dtype=torch.float64)
    penalty[-1] = 0
    solution = torch.zeros(inputs.shape[1], dtype=torch.float64)
    for _ in range(50):
        odds = (inputs @ solution).sigmoid()
        gradient = inputs.T @ (weights * (odds - is_known)) + penalty * solution
        hessian = (inputs.T * (weights * odds * (1 - odds))) @ inputs + penalty.diag()
        solution -= torch.linalg.solve(hessian + 1e-9 * torch.eye(len(solution), dtype=torch.float64), gradient)
    fitted = KnownSounds(ranges, tuple(solution[:-1].tolist()), float(solution[-1]))
    odds = log_odds(fitted, [each for each in used if each.group == "known" and each.rank < 5])
    threshold = float(odds.quantile(LOST))
    rounded = tuple(round(value, 4) for value in fitted.coefficients)
    return KnownSounds(ranges, rounded, round(fitted.intercept - threshold, 4))


def log_odds(regression: KnownSounds, found: Iterable[Measured]) -> Tensor:
    """Return the log-odds (N,) of recordings."""
    return regression.log_odds(torch.tensor([each.values for each in found]))


def refused(regression: KnownSounds, found: Sequence[Measured]) -> float:
    """Return the fraction of recordings that are refused."""
    return float((log_odds(regression, found) <= 0).double().mean()) if found else float("nan")


def table(regression: KnownSounds, found: Sequence[Measured]) -> str:
    """Return the evaluation as tables in Markdown."""
    evaluated = [each for each in found if not each.fitted]
    lines = [
        "| recordings that are not fitted on | number | refused | … of those ranked first | … among the first 5 |",
        "|---|---|---|---|---|",
    ]
    rows = [(title, [each for each in evaluated if each.group == group]) for group, title in NAMES.items()]
    languages = [
        (code, [each for each in evaluated if each.kind == code and each.group == "stranger"])
        for code in UNSEEN_LANGUAGES
    ]
    for title, group in [*rows[:4], *languages, *rows[4:]]:
        ranked = [[each for each in group if 0 <= each.rank < most] for most in (1, 5)]
        cells = [f"{refused(regression, some):.1%} of {len(some)}" if some else "" for some in ranked]
        lines.append(f"| {title} | {len(group)} | {refused(regression, group):.1%} | {' | '.join(cells)} |")
    lines += ["", "| package | in the fit | number | refused |", "|---|---|---|---|"]
    unknown = [each for each in found if each.rank < 0]
    for kind in dict.fromkeys(each.kind for each in unknown):
        rest = [each for each in unknown if each.kind == kind and not each.fitted]
        part = "a half" if any(each.fitted for each in unknown if each.kind == kind) else "no"
        lines.append(f"| {kind} | {part} | {len(rest)} | {refused(regression, rest):.0%} |")
    return "\n".join([*lines, "", *operating_points(regression, evaluated)])


def operating_points(regression: KnownSounds, evaluated: Sequence[Measured]) -> Iterator[str]:
    """Yield the lines of a table with what other thresholds would refuse."""
    odds = {group: log_odds(regression, [each for each in evaluated if each.group == group]) for group in NAMES}
    known, strangers = (
        log_odds(regression, [each for each in evaluated if each.group == group and each.rank == 0])
        for group in ("known", "stranger")
    )
    columns = [known, *(odds[group] for group in ("speech", "music", "noise")), strangers]
    yield (
        "| known speakers refused | … of those ranked first | other sentences | music and sounds | noise and tones "
        "| strangers ranked first |"
    )
    yield "|---|---|---|---|---|---|"
    for lost in (0.01, 0.02, 0.05, 0.07, 0.1, 0.2):
        threshold = odds["known"].quantile(lost)
        shares = " | ".join(f"{float((each <= threshold).double().mean()):.1%}" for each in columns)
        yield f"| {lost:.0%} | {shares} |"


def plot(regression: KnownSounds, found: Sequence[Measured]) -> None:
    """Plot the ROC curves of all groups that are not taught, and that of correctly recognised strangers."""
    from matplotlib.figure import Figure

    evaluated = [each for each in found if not each.fitted]
    known = log_odds(regression, [each for each in evaluated if each.group == "known"])
    curves = {
        NAMES[group]: [each for each in evaluated if each.group == group] for group in ("speech", "music", "noise")
    }
    curves["strangers, caption ranked first"] = [
        each for each in evaluated if each.group == "stranger" and each.rank == 0
    ]
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    thresholds = known.sort().values
    share = torch.linspace(0, 1, len(thresholds))
    for title, group in curves.items():
        odds = log_odds(regression, group)
        axes.plot(share, [float((odds <= each).double().mean()) for each in thresholds], label=title)
    axes.axvline(
        refused(regression, [each for each in evaluated if each.group == "known"]), color="gray", linestyle=":"
    )
    axes.set(xlim=(0, 0.3), ylim=(0, 1), xlabel="recordings of known speakers refused", ylabel="refused")
    axes.legend(loc="lower right")
    figure.savefig(PLOT, dpi=120, metadata={"Software": None})


def write(regression: KnownSounds, evaluation: str) -> None:
    """Write the regression into the bundled model, and the tables into the documents."""
    path = FOLDER / "config.json"
    config = json.loads(path.read_text(encoding="utf8")) | {"known_sounds": regression.as_config()}
    path.write_text(json.dumps(dict(sorted(config.items())), indent=2) + "\n", encoding="utf8")
    for document in (Path(__file__).with_name("README.md"), FOLDER / "README.md"):
        write_between_marks(document, evaluation, name="known")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the regression, the tables and the curves")
    arguments = parser.parse_args()

    if not MEASURED.exists():
        torch.save([vars(each) for each in measure()], MEASURED)
    found = [Measured(**each) for each in torch.load(MEASURED, weights_only=True)]
    regression = fit(found)
    evaluation = table(regression, found)
    print(evaluation)
    if arguments.write:
        write(regression, evaluation)
        plot(regression, found)


if __name__ == "__main__":
    main()
