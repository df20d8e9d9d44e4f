"""Settings of how a job runs, which change none of its rows."""

from __future__ import annotations

from photism.settings import setting, settings


@settings
class RunSettings:
    """How a job runs over many recordings."""

    max_errors: int | None = setting(
        None,
        "Number of recordings in error above which the command ends; what is done stays. Default: no limit.",
        minimum=0,
    )
