"""The folder that a fine-tuning leaves: a model that transformers and Photism load, and how it came to be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from photism.files import atomic_files
from photism.training.checkpoint import Best
from photism.training.heads.report import Preflight
from photism.training.heads.settings import SETTINGS, FinetuneSettings
from photism.training.heads.task import Evaluation, Task

WORST = "worst.jsonl"
SHOWN_CASES = 10
KEPT_CASES = 200
PUBLISHED = ["*.json", "model.safetensors", "*.txt", "*.png", "README.md", WORST, SETTINGS]
"""What goes to the hub: checkpoints and logs stay."""


def write_result(
    folder: Path,
    model: Any,
    extractor: Any,
    task: Task,
    *,
    verb: str,
    settings: FinetuneSettings,
    preflight: Preflight,
    measures: Sequence[Mapping[str, float]],
    best: Best,
    evaluation: Evaluation,
) -> None:
    """The model, what it needs, its card and its worst cases, in place of those that are there.

    Args:
        folder: of the result.
        model: with its best weights.
        extractor: its feature extractor.
        task: that it has learned.
        verb: as on the command line.
        settings: of the training.
        preflight: of the data.
        measures: of each evaluation, with its "step".
        best: of the model's weights.
        evaluation: of these.
    """
    with atomic_files(folder) as part:
        model.save_pretrained(part)
        extractor.save_pretrained(part)
        task.save(part)
        if len(measures) > 1 and evaluation.measures:
            _draw_curve(measures, part / "curve.png")
        for name, figure in evaluation.figures.items():
            figure.savefig(part / f"{name}.png", dpi=120)
        worst = "".join(json.dumps(asdict(case), ensure_ascii=False) + "\n" for case in evaluation.worst[:KEPT_CASES])
        (part / WORST).write_text(worst, encoding="utf8")
        (part / "report.json").write_text(json.dumps(asdict(preflight), ensure_ascii=False, indent=1), encoding="utf8")
        pictures = sorted(path.name for path in part.glob("*.png"))
        card = model_card(task, verb=verb, settings=settings, preflight=preflight, best=best, evaluation=evaluation)
        card += "".join(f"\n![{Path(name).stem}]({name})\n" for name in pictures)
        (part / "README.md").write_text(card, encoding="utf8")


def model_card(
    task: Task, *, verb: str, settings: FinetuneSettings, preflight: Preflight, best: Best, evaluation: Evaluation
) -> str:
    """README.md of the result, in Markdown."""
    head = [
        "---",
        "library_name: transformers",
        f"pipeline_tag: {task.pipeline_tag}",
        f"base_model: {settings.encoder}",
        "tags: [photism, audio, wav2vec2-bert]",
        "---",
        "",
        f"# {Path(settings.output).name}",
        "",
        f"A {task.kind.__name__}, fine-tuned by `photism finetune {verb}` from `{settings.encoder}`.",
        "",
        "## Data",
        "",
        f"`{settings.data}`",
        "",
        *[f"- {line}" for line in preflight.lines() if not line.startswith("  ")],
        "",
    ]
    measured: list[str] = []
    if evaluation.measures:
        measured = [
            "## Measured",
            "",
            f"On the validation split, with the weights of step {best.step}, the best trained ones that were measured:",
            "",
            "| | |",
            "|---|---|",
            *[f"| {key} | {value:.4g} |" for key, value in evaluation.measures.items()],
            "",
        ]
    if evaluation.worst:
        measured += [
            f"The worst; {WORST} has more:",
            "",
            "| sound | heard | right |",
            "|---|---|---|",
            *[f"| {_cell(each.name)} | {_cell(each.heard)} | {_cell(each.written)} |" for each in _shown(evaluation)],
            "",
        ]
    training = [
        "## Training",
        "",
        f"`photism finetune {verb} --config {SETTINGS}` trains it again; `versions.json` says with what it was made.",
        "",
        "| setting | |",
        "|---|---|",
        *[f"| {key} | {value} |" for key, value in asdict(settings).items()],
        "",
    ]
    return "\n".join(head + measured + training)


def postmortem(best: Best, evaluation: Evaluation) -> list[str]:
    """What was measured of the result and its worst cases, for people."""
    told = [f"the weights of step {best.step} are kept: {describe(evaluation.measures)}"] if evaluation.measures else []
    if evaluation.worst:
        told.append(f"most wrong are, with more in {WORST}:")
        told += [
            f"  {each.name}: heard {each.heard or 'nothing'}, is {each.written or 'nothing'}"
            for each in _shown(evaluation)
        ]
    return told


def describe(measures: Mapping[str, float]) -> str:
    """A line of what was measured."""
    return "  ".join(f"{key} {value:.3f}" for key, value in measures.items())


def _shown(evaluation: Evaluation) -> Sequence[Any]:
    return evaluation.worst[:SHOWN_CASES]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _draw_curve(measures: Sequence[Mapping[str, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    names = [name for name in measures[-1] if name != "step"]
    figure = Figure(figsize=(7, 2.2 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), sharex=True, squeeze=False)[:, 0]
    steps = [each["step"] for each in measures]
    for axes, name in zip(panels, names, strict=True):
        axes.plot(steps, [each[name] for each in measures], marker=".")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    panels[-1].set_xlabel("step")
    figure.savefig(path, dpi=120)
