"""What a verb does before its own work: load heavy libraries and models, fast and without their chatter."""

from __future__ import annotations

import gc
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from photism.prompts.diffusion_options import DiffusionOptions

if TYPE_CHECKING:
    from collections.abc import Generator

    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.listening.zero_shot import CaptionRanker

DTYPES = ("float32", "float16", "bfloat16")


@contextmanager
def startup() -> Generator[None]:
    """Import libraries and load models inside this.

    Garbage is not collected meanwhile: a million objects are made, all to stay, and looking through them again and
    again takes a third of the time. Warnings and progress bars of transformers and diffusers are turned off, through
    their own settings, before they would print about being imported.
    """
    gc.disable()
    try:
        quieten()
        yield
    finally:
        gc.freeze()
        gc.enable()


def load_pipeline(
    model: str | None,
    *,
    diffusion: str | None,
    device: str | None,
    dtype: str = DTYPES[0],
    options: DiffusionOptions | None = None,
) -> tuple[AudioToImagePipeline, CaptionRanker | None]:
    """What draws and, where the model brings captions and the means to read them, what says what was heard."""
    with startup():
        import torch

        from photism.drawing.pipeline import AudioToImagePipeline
        from photism.listening.zero_shot import CaptionRanker
        from photism.prompts.model_folder import find_model, load_captions

        pipeline = AudioToImagePipeline.from_pretrained(
            model,
            diffusion=diffusion,
            device=device,
            dtype=getattr(torch, dtype),
            **vars(options or DiffusionOptions()),
        )
        captions = load_captions(find_model(model))
        has_words = captions and getattr(pipeline.diffusion, "text_encoder", None) is not None
        return pipeline, CaptionRanker(pipeline.encoder, pipeline.diffusion, captions) if has_words else None


def quieten() -> None:
    """Turns off warnings and progress bars of transformers and diffusers."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()

    from diffusers.utils import logging as diffusers_logging

    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
