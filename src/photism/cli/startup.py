"""Load heavy libraries and models quickly, without their warnings and progress bars."""

from __future__ import annotations

import gc
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from photism.deferred_imports.context import deferred_imports
from photism.library_logging import silence

if TYPE_CHECKING:
    from collections.abc import Generator

    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.listening.zero_shot import CaptionRanker
    from photism.prompts.settings import PipelineSettings


@contextmanager
def startup() -> Generator[None]:
    """Import libraries and load models inside this block.

    The garbage collector is off meanwhile: a million objects are made that stay, and scanning them again and again
    takes a third of the time. Warnings and progress bars of transformers and diffusers are switched off, by their own
    settings, before importing them would print any.
    """
    gc.disable()
    try:
        with deferred_imports:
            quieten()
            yield
    finally:
        gc.freeze()
        gc.enable()


def load_pipeline(
    settings: PipelineSettings, *, steps: int | None = None
) -> tuple[AudioToImagePipeline, CaptionRanker | None]:
    """Load a pipeline and a ranker of its captions; None if it has no captions, or no text encoder to encode them.

    Args:
        settings: of the pipeline.
        steps: number of denoising steps, which is checked before weights are loaded; None for the model's.
    """
    with startup():
        from photism.jobs.drawn_recordings import load_drawing

        return load_drawing(settings, steps=steps)


def quieten() -> None:
    """Switch off warnings and progress bars of transformers and diffusers."""
    silence("transformers")  # first: importing diffusers prints its warnings
    silence("diffusers")
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
