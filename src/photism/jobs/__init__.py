"""Jobs: a verb over any number of recordings, whose results are written as they are done."""

from photism.jobs.run import run as run
from photism.jobs.verbs import HearJob as HearJob
