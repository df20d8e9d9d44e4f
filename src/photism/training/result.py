"""Result of a training in its output folder: the model, its card, figures, and the worst errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from photism.files import as_utf8
from photism.training.checkpoint import Best
from photism.training.data.report import DatasetReport
from photism.training.model_card import draw_curves, model_card
from photism.training.settings import AlignSettings, TrainingSettings
from photism.training.task import AnyTask, ErrorCase, Evaluation, TaskReport

WORST = "worst.jsonl"
MAX_SAVED_CASES = 200
MAX_PRINTED_CASES = 10


@dataclass(frozen=True)
class Preflight:
    """What is known before the first step.

    Attributes:
        dataset: report on the data set.
        task: what the task finds in it.
        notes: how the data set is read, and what of it is not.
    """

    dataset: DatasetReport
    task: TaskReport
    notes: Sequence[str] = ()

    def lines(self) -> list[str]:
        """Return the report as lines; names of single recordings are indented."""
        return [
            *self.notes,
            *self.dataset.split_lines(),
            *self.dataset.column_lines(),
            *self.task.lines,
            *self.dataset.problem_lines(),
        ]


@dataclass(frozen=True)
class Outcome:
    """What a training led to.

    Attributes:
        best: step and metrics of the best weights.
        evaluation: evaluation of the best weights.
        history: metrics of all evaluations, each with its "step".
    """

    best: Best
    evaluation: Evaluation
    history: Sequence[Mapping[str, float]]

    def lines(self) -> list[str]:
        """Return the best metrics and the worst errors as lines."""
        lines: list[str] = []
        if self.evaluation.metrics:
            lines.append(f"best weights, of step {self.best.step}: {self.evaluation.summary()}")
        if self.evaluation.worst:
            lines.append(f"worst errors ({WORST} has more):")
            lines += [
                f"  {case.name}: predicted {case.prediction or 'nothing'}, reference {case.reference or 'nothing'}"
                for case in self.evaluation.worst[:MAX_PRINTED_CASES]
            ]
        return lines


def published_files(settings: TrainingSettings) -> list[str]:
    """Return patterns of the files that are published: all but checkpoints and logs.

    Of an alignment, the files that name its recordings stay as well.
    """
    named = (
        ["config.json", "captions.json", "versions.json"] if isinstance(settings, AlignSettings) else ["*.json", WORST]
    )
    return [*named, "model*.safetensors", "*.txt", "*.png", "README.md", settings.file]


def write_result(
    folder: Path, task: AnyTask, settings: TrainingSettings, preflight: Preflight, outcome: Outcome
) -> None:
    """Write everything that accompanies the model.

    Args:
        folder: folder that holds the model.
        task: task of the training.
        settings: settings of the training.
        preflight: report before the training.
        outcome: outcome of the training.
    """
    evaluation, card = outcome.evaluation, task.card()
    task.save(folder, evaluation)
    if len(outcome.history) > 1 and evaluation.metrics:
        draw_curves(outcome.history, card.curves, folder / "curve.png")
    for name, figure in evaluation.figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
    _write_lines(folder / WORST, [_line_of(case) for case in evaluation.worst[:MAX_SAVED_CASES]])
    report = {"sounds": asdict(preflight.dataset), "notes": list(preflight.notes), **preflight.task.values}
    (folder / "report.json").write_text(as_utf8(json.dumps(report, ensure_ascii=False, indent=1)), encoding="utf8")
    text = model_card(
        card,
        settings,
        data_lines=[line.rstrip(":") for line in preflight.lines() if not line.startswith("  ")],
        best=outcome.best,
        worst=evaluation.worst[:MAX_PRINTED_CASES],
        figures=sorted(path.name for path in folder.glob("*.png")),
    )
    (folder / "README.md").write_text(as_utf8(text), encoding="utf8")


def _line_of(case: ErrorCase) -> dict[str, object]:
    """Return a line of worst.jsonl, in which a prediction and its reference have the names that the file began with."""
    return {"name": case.name, "error": case.error, "heard": case.prediction, "written": case.reference}


def _write_lines(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    lines = [as_utf8(json.dumps(row, ensure_ascii=False)) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf8")
