"""photism align: an audio encoder for the prompts of a diffusion model, from sounds with captions."""

from pathlib import Path
from typing import Any

from photism.cli.flags import with_flags
from photism.cli.startup import startup
from photism.cli.training import given_settings, train
from photism.training.align.settings import SETTINGS, AlignSettings


def align(config: Path | None, resume: bool, **given: Any) -> None:
    """Align an audio encoder with the prompts of a diffusion model, from captioned sounds.

    DATA is a folder with metadata.csv or metadata.jsonl (file_name, text or labels, optionally split, start and end
    seconds), a folder of folders named like labels, shards of a WebDataset, or the name of a data set of the hub.

    Several GPUs: accelerate launch -m photism align DATA ...
    """
    settings = given_settings(AlignSettings, given, config=config, resume=resume, file=SETTINGS)

    with startup():
        from photism.training.align.result import describe
        from photism.training.align.run import align as run

    train(lambda listener: run(settings, resume=resume, listener=listener), output=settings.output, describe=describe)


with_flags(align, AlignSettings)
