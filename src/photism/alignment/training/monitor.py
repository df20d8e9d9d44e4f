"""What is told of an alignment while it runs: measures, TensorBoard, pictures, and to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from photism.alignment.data.report import CorpusReport
from photism.alignment.training.evaluation import (
    Heard,
    clip_score,
    draw_prompts,
    heat_map,
    measure,
    validation_clips,
)
from photism.alignment.training.settings import AlignSettings
from photism.alignment.training.trainer import Progress, Trainer
from photism.diffusion_model import load_diffusion
from photism.training import logs


@dataclass(frozen=True)
class Listener:
    """Is told how it goes, in the main process.

    Attributes:
        stage: what begins.
        prepared: hours of sound that are decoded, or captions that are encoded.
        report: of the data, before the training.
        step: each step.
        measured: each evaluation.
    """

    stage: Callable[[str], None] = lambda text: None
    prepared: Callable[[float], None] = lambda amount: None
    report: Callable[[CorpusReport], None] = lambda report: None
    step: Callable[[Progress], None] = lambda progress: None
    measured: Callable[[int, Mapping[str, float]], None] = lambda step, measures: None


class Monitor:
    """Measures, and writes what TensorBoard shows."""

    def __init__(self, settings: AlignSettings, trainer: Trainer, listener: Listener) -> None:
        self.settings, self.listener = settings, listener
        self.clips = validation_clips(trainer.corpus, settings.validation_clips)
        self.folder = Path(settings.output)
        self.path = self.folder / "measures.jsonl"
        self.is_main = trainer.processes.is_main
        self.writer: Any = None
        if self.is_main:
            logs.cut(self.path, trainer.step)
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=trainer.step + 1)

    def __call__(self, trainer: Trainer, step: int) -> Mapping[str, float]:
        """What the averaged weights are worth; nothing, where no sounds are kept to measure on."""
        if not self.clips:
            return {}
        heard = trainer.hear(self.clips)
        measures = measure(heard, trainer.targets)
        if self.is_main:
            if self.settings.pictures:
                measures |= self._draw(heard, trainer, step)
            for key, value in measures.items():
                self.writer.add_scalar(f"measured/{key}", value, step)
            self.writer.add_figure("similarity", heat_map(heard, trainer.targets), step)
            self.writer.flush()
            logs.append(self.path, step, measures)
            self.listener.measured(step, measures)
        trainer.processes.wait()
        return measures

    def log(self, progress: Progress) -> None:
        """Losses and speed of a step."""
        if self.is_main:
            for key, value in progress.losses.items():
                self.writer.add_scalar(f"training/{key}", value, progress.step)
            self.writer.add_scalar("training/samples per second", progress.samples_per_s, progress.step)
            self.listener.step(progress)

    def close(self) -> None:
        """At the end."""
        if self.writer is not None:
            self.writer.close()

    def _draw(self, heard: Heard, trainer: Trainer, step: int) -> dict[str, float]:
        """Pictures of the first sounds, and how they agree with their captions."""
        settings, space = self.settings, trainer.targets.space
        device = trainer.processes.device
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        pipeline = load_diffusion(settings.diffusion, device=device, dtype=dtype)
        tokens = heard.tokens[: settings.pictures]
        pictures = draw_prompts(
            pipeline,
            torch.cat([space.bos.expand(len(tokens), 1, -1), tokens], dim=1),
            None if heard.pooled is None else heard.pooled[: settings.pictures],
            negative=space.negative[: 1 + tokens.shape[1]],
            pooled_negative=space.pooled_negative,
            steps=settings.picture_steps,
            seed=settings.seed,
        )
        captions = [trainer.targets.captions[each[0]] for each in heard.captions[: settings.pictures]]
        for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
            self.writer.add_image(f"pictures/{number} {caption[:40]}", np.asarray(picture), step, dataformats="HWC")
        return {"CLIP score": clip_score(pictures, captions, settings.clip)} if settings.clip else {}
