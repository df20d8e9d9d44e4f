"""Model card of a training, and the curves of its metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from photism.training.checkpoint import Best
from photism.training.settings import TrainingSettings
from photism.training.task import CardSections, ErrorCase


def model_card(
    sections: CardSections,
    settings: TrainingSettings,
    *,
    data_lines: Sequence[str],
    best: Best,
    worst: Sequence[ErrorCase],
    figures: Sequence[str],
) -> str:
    """Return the README.md of a result, in Markdown.

    Args:
        sections: sections of the task.
        settings: settings of the training.
        data_lines: report on the data.
        best: step and metrics of the weights.
        worst: worst errors.
        figures: names of the images to show.
    """
    return "\n".join(
        [
            *["---", *sections.front_matter, f"base_model: {settings.encoder}", "---", ""],
            *[f"# {Path(settings.output).name}", ""],
            *[line for paragraph in sections.introduction for line in (paragraph, "")],
            *["## Data", "", f"`{settings.data}`", "", *[f"- {line}" for line in data_lines], ""],
            *(_metrics_section(best) if best.metrics else []),
            *(_errors_section(worst) if worst else []),
            *_training_section(settings),
            *[line for name in figures for line in (f"![{Path(name).stem}]({name})", "")],
        ]
    )


def _metrics_section(best: Best) -> list[str]:
    return [
        "## Metrics",
        "",
        f"On the validation split, with the weights of step {best.step}, which had the best score of all evaluations:",
        "",
        "| metric | value |",
        "|---|---|",
        *[f"| {name} | {value:.4g} |" for name, value in best.metrics.items()],
        "",
    ]


def _errors_section(worst: Sequence[ErrorCase]) -> list[str]:
    rows = [(_cell(case.name), _cell(case.prediction), _cell(case.reference)) for case in worst]
    return [
        "The worst errors; worst.jsonl has more:",
        "",
        "| recording | predicted | reference |",
        "|---|---|---|",
        *[f"| {' | '.join(row)} |" for row in rows],
        "",
    ]


def _training_section(settings: TrainingSettings) -> list[str]:
    return [
        "## Training",
        "",
        f"`photism {settings.verb} --config {settings.file}` repeats the training; `versions.json` has the versions of "
        "the software.",
        "",
        "| setting | value |",
        "|---|---|",
        *[f"| {name} | {value} |" for name, value in asdict(settings).items()],
        "",
    ]


def draw_curves(history: Sequence[Mapping[str, float]], names: Sequence[str] | None, path: Path) -> None:
    """Draw metrics over the steps, a panel each.

    Args:
        history: metrics of all evaluations, each with its "step".
        names: metrics to draw; None for all.
        path: file of the image.
    """
    from matplotlib.figure import Figure

    names = names or [name for name in history[-1] if name != "step"]
    figure = Figure(figsize=(7, 2.2 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), sharex=True, squeeze=False)[:, 0]
    steps = [each["step"] for each in history]
    for axes, name in zip(panels, names, strict=True):
        axes.plot(steps, [each[name] for each in history], marker=".")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    panels[-1].set_xlabel("step")
    figure.savefig(path, dpi=120)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
