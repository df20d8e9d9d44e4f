"""What an alignment is worth while it runs: measures, how similar sounds and captions are, and pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from photism.prompts.diffusion import load_diffusion
from photism.training.align.evaluation import Heard, clip_score, draw_prompts, heat_map, measure
from photism.training.align.learner import AlignmentLearner
from photism.training.align.settings import AlignSettings
from photism.training.data.feature_dataset import evenly
from photism.training.monitor import Monitor


class Measurement:
    """Measures a model on the same sounds each time, and tells a monitor."""

    def __init__(self, settings: AlignSettings, learner: AlignmentLearner, monitor: Monitor) -> None:
        self.settings, self.learner, self.monitor = settings, learner, monitor
        self.clips = evenly(learner.corpus.split("validation"), settings.validation_clips)

    def __call__(self, step: int) -> Mapping[str, float]:
        """What the weights are worth after a step; nothing, where no sounds are kept to measure on."""
        if not self.clips:
            return {}
        heard = self.learner.hear(self.clips)
        measures = measure(heard, self.learner.targets)
        if self.monitor.is_main:
            if self.settings.pictures:
                measures |= self._draw(heard, step)
            self.monitor.measured(step, measures, {"similarity": heat_map(heard, self.learner.targets)})
        self.learner.processes.wait()
        return measures

    def _draw(self, heard: Heard, step: int) -> dict[str, float]:
        """Pictures of the first sounds, and how they agree with their captions."""
        settings, targets = self.settings, self.learner.targets
        space, device = targets.space, self.learner.processes.device
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
        captions = [targets.captions[each[0]] for each in heard.captions[: settings.pictures]]
        for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
            name = f"pictures/{number} {caption[:40]}"
            self.monitor.writer.add_image(name, np.asarray(picture), step, dataformats="HWC")
        return {"CLIP score": clip_score(pictures, captions, settings.clip)} if settings.clip else {}
