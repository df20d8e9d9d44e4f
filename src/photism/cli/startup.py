"""What a verb does before its own work: load heavy libraries and models, fast and without their chatter."""

import gc
import logging
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def startup() -> Generator[None]:
    """Import libraries and load models inside this.

    Garbage is not collected meanwhile: a million objects are made, all to stay, and looking through them again and
    again takes a third of the time. Warnings and progress bars of transformers and diffusers are turned off, through
    their own settings, before they would print about being imported.
    """
    gc.disable()
    try:
        _quieten()
        yield
    finally:
        gc.freeze()
        gc.enable()


def _quieten() -> None:
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()

    from diffusers.utils import logging as diffusers_logging

    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
