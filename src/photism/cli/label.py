"""photism label: classification of recordings by a trained model."""

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.output_settings import LabelOutput
from photism.cli.outputs import OutputPlan
from photism.cli.process import process
from photism.jobs.job import Worker
from photism.jobs.label_job import LabelJob
from photism.jobs.settings import RunSettings
from photism.listening.settings import ClassifierModelSettings, LabelSettings
from photism.manifest.read import read_manifest


def label(
    recordings: option.Recordings,
    model: ClassifierModelSettings,
    settings: LabelSettings,
    reading: ReadingSettings,
    output: LabelOutput,
    running: RunSettings,
) -> None:
    """Print the classes of recordings, by a trained classifier.

    Whole recordings are classified or, with --window, every window. Without --model, the classes are eight spoken
    languages, as a message on the error stream says. Unreadable recordings are reported and skipped; the
    exit status is then 2.

    Examples:
        photism label tomato.ru.ogg
        photism label '*.ogg' --top-k 1 -o languages.csv
    """
    job = LabelJob(model, settings, reading)
    manifest = read_manifest(recordings, allow_missing=True, reading=reading)
    plan = OutputPlan(job, manifest, output.choice)

    def print_question(_: Worker) -> None:
        """Print which question the bundled classifier answers."""
        from photism.listening.classifier_checkpoint import bundled_names, bundled_question

        question = bundled_question(bundled_names())
        typer.echo(f"photism: no --model was given, defaulted to the bundled classifier: {question}", err=True)

    process(
        job,
        manifest,
        plan,
        running,
        description="classifying",
        device=model.device,
        segments_of=lambda labels: labels.segments,
        on_load=print_question if model.model is None else None,
    )
