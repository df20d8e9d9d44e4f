"""The scheduler of a diffusers pipeline from its configuration alone, to check steps before weights are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from photism.errors import as_input_error
from photism.hub import fetch_file
from photism.json_files import read_json_object
from photism.prompts.diffusion.sampling_defaults import declared_sampling
from photism.prompts.diffusion.source import DiffusionSource
from photism.schedulers import parse_scheduler

SCHEDULER_CONFIG = "scheduler/scheduler_config.json"


def find_scheduler(source: DiffusionSource) -> Any:
    """Return the scheduler that a pipeline will have; None if it has no configuration of one that diffusers knows.

    Args:
        source: from `find_diffusion`. A single file has no configuration of its scheduler.

    Raises:
        InputError: the configuration is damaged.
    """
    import diffusers

    if source.single_file is not None:
        return None
    path, name = Path(source.location, SCHEDULER_CONFIG), f"the scheduler of diffusion {source.location}"
    if not Path(source.location).is_dir():
        _, path = fetch_file("diffusion", source.location, SCHEDULER_CONFIG)
    config = read_json_object(path, name) if path.is_file() else {}
    scheduler_class = getattr(diffusers, str(config.get("_class_name")), None)
    if scheduler_class is None:
        return None
    with as_input_error(f"{name} cannot be used"):
        own = scheduler_class.from_config(config)
    chosen = source.settings.scheduler or declared_sampling(source.loras).scheduler
    return own if chosen is None else parse_scheduler(chosen).apply(own.config)
