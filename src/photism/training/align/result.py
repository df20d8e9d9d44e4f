"""The folder that an alignment leaves: a model that draws and hears, and how it came to be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from photism.files import atomic_files
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.training.align.report import CorpusReport
from photism.training.align.settings import AlignSettings
from photism.training.checkpoint import Best

PUBLISHED = [
    "config.json",
    "model.safetensors",
    "captions.json",
    "README.md",
    "curve.png",
    "align.yaml",
    "versions.json",
]
"""What goes to the hub: checkpoints and logs stay."""


def write_model(
    folder: Path,
    model: AudioPromptEncoder,
    captions: Sequence[str],
    *,
    settings: AlignSettings,
    report: CorpusReport,
    measures: Sequence[Mapping[str, float]],
    best: Best,
) -> None:
    """The model, its captions and its card, in place of those that are there.

    Args:
        folder: of the result.
        model: with its best weights.
        captions: that it is to choose from when it hears.
        settings: of the training.
        report: of the corpus.
        measures: of each evaluation, with its "step".
        best: of the model's weights.
    """
    with atomic_files(folder) as part:
        model.save_pretrained(part)
        (part / "captions.json").write_text(json.dumps(list(captions), ensure_ascii=False, indent=0), encoding="utf8")
        if measures:
            _draw_curve(measures, part / "curve.png")
        card = model_card(settings, report, best)
        (part / "README.md").write_text(card, encoding="utf8")
        (part / "report.json").write_text(json.dumps(asdict(report), ensure_ascii=False, indent=1), encoding="utf8")


def model_card(settings: AlignSettings, report: CorpusReport, best: Best) -> str:
    """README.md of the result, in Markdown."""
    name = Path(settings.output).name
    lines = [
        "---",
        "library_name: photism",
        f"base_model: {settings.encoder}",
        "tags: [audio, wav2vec2-bert, stable-diffusion, audio-to-image]",
        "---",
        "",
        f"# {name}",
        "",
        f"An audio encoder for Photism: it turns a sound into the prompt that the text encoder of "
        f"`{settings.diffusion}` would make of its caption.",
        "",
        f"    photism draw sound.wav --model {settings.push_to_hub or name} --diffusion {settings.diffusion}",
        "",
        "## Data",
        "",
        f"`{settings.data}`",
        "",
        *[f"- {line}" for line in report.lines() if not line.startswith("  ")],
        "",
    ]
    if best.measures:
        lines += [
            "## Measured",
            "",
            f"On the validation split, with the weights of step {best.step}, which had the best R@5 of all trained "
            "ones that were measured:",
            "",
            "| | |",
            "|---|---|",
            *[f"| {key} | {value:.4g} |" for key, value in best.measures.items()],
            "",
            "![Retrieval by step](curve.png)",
            "",
        ]
    lines += [
        "## Training",
        "",
        "`photism align --config align.yaml` trains it again; `versions.json` says with what it was trained.",
        "",
        "| setting | |",
        "|---|---|",
        *[f"| {key} | {value} |" for key, value in asdict(settings).items()],
        "",
    ]
    return "\n".join(lines)


def _draw_curve(measures: Sequence[Mapping[str, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    steps = [each["step"] for each in measures]
    for key in ("R@1", "R@5", "R@10"):
        axes.plot(steps, [100 * each[f"audio to text: {key}"] for each in measures], marker=".", label=key)
    axes.set_xlabel("step")
    axes.set_ylabel("right captions found, %")
    axes.set_ylim(0, None)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def describe(measures: Mapping[str, Any]) -> str:
    """A line of what was measured."""
    way = "audio to text: "
    return "  ".join(f"{key.removeprefix(way)} {value:.3f}" for key, value in measures.items() if key.startswith(way))
