"""Works on recordings that may be long: their progress in seconds, and which of them give way to other requests."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from fastapi import Request

from photism.server.services import services_of

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.listening.batching import OnProgress
    from photism.server.engine.ticket import Ticket


def is_long(sound: SoundFile, request: Request) -> bool:
    """Return whether a recording is longer than those of other endpoints, and so takes minutes."""
    return (sound.measured_s or 0.0) > services_of(request).limits.max_seconds


def report_seconds(ticket: Ticket) -> OnProgress:
    """Return the `on_progress` of a work item, which reports seconds and lets requests run before the next window."""

    def report(number: int, done_s: float, duration_s: float) -> None:
        """Report the seconds that are done."""
        ticket.report(ceil(done_s), ceil(duration_s))
        ticket.give_way()

    return report
