"""Jobs: a command over any number of recordings, whose results are written as they are done."""

from photism.jobs.draw_job import DrawJob as DrawJob
from photism.jobs.embed_job import EmbedJob as EmbedJob
from photism.jobs.hear_job import HearJob as HearJob
from photism.jobs.label_job import LabelJob as LabelJob
from photism.jobs.run import run as run
from photism.jobs.timeline_job import TimelineJob as TimelineJob
from photism.jobs.transcribe_job import TranscribeJob as TranscribeJob
