"""Jobs: a command over any number of recordings, whose results are written as they are done."""

from importlib import import_module
from typing import TYPE_CHECKING

from photism.jobs.run import run as run

if TYPE_CHECKING:
    from photism.jobs.draw_job import DrawJob as DrawJob
    from photism.jobs.embed_job import EmbedJob as EmbedJob
    from photism.jobs.hear_job import HearJob as HearJob
    from photism.jobs.label_job import LabelJob as LabelJob
    from photism.jobs.timeline_job import TimelineJob as TimelineJob
    from photism.jobs.transcribe_job import TranscribeJob as TranscribeJob

_MODULES = {
    "DrawJob": "draw_job",
    "EmbedJob": "embed_job",
    "HearJob": "hear_job",
    "LabelJob": "label_job",
    "TimelineJob": "timeline_job",
    "TranscribeJob": "transcribe_job",
}
"""The module of each job, which is imported when the job is first used."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
