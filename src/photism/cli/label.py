"""photism label: classification of recordings by a trained model."""

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.progress import end_with_skipped, recordings_bar
from photism.cli.recordings import open_recordings, skip_and_release
from photism.cli.startup import startup
from photism.errors import warning_field
from photism.listening.label_formats import classes_as_dict, format_labels
from photism.listening.segment_files import LabelOutput, SegmentWriter
from photism.listening.settings import ClassifierModelSettings, LabelSettings


def label(
    recordings: option.Recordings,
    model: ClassifierModelSettings,
    settings: LabelSettings,
    reading: ReadingSettings,
    output: LabelOutput,
) -> None:
    """Print the classes of recordings, by a trained classifier.

    Whole recordings are classified or, with --window, every window. Without --model, the classes are eight spoken
    languages, as a message on the error stream says. Unreadable recordings are reported and skipped; the
    exit status is then 2.

    Examples:
        photism label speech.ogg
        photism label street.wav --model superb/wav2vec2-base-superb-ks --window 2 --hop 1 -o street.csv
    """
    files = open_recordings(recordings, reading)
    writer = SegmentWriter(files, output)
    with startup():
        from photism.listening.classification import AudioClassifier
        from photism.listening.classifier_checkpoint import bundled_question

        classifier = AudioClassifier.from_pretrained(**vars(model))
    if model.model is None:
        question = bundled_question(classifier.names)
        typer.echo(f"photism: no --model was given, defaulted to the bundled classifier: {question}", err=True)
    with recordings_bar("classifying", len(files)) as bar, writer.open(bar.echo):
        callbacks = {"on_error": skip_and_release(bar, files), "on_progress": bar.advance}
        for labels in classifier.stream(files, **callbacks, **vars(settings)):
            is_whole = settings.window_s is None
            fields = classes_as_dict(labels, is_whole=is_whole)
            file = files[labels.number]
            fields |= warning_field(file.warnings)
            text = format_labels(file.name, labels, output.chosen_format, fields=fields, with_times=not is_whole)
            writer.write(labels.number, text, labels.segments, duration_s=labels.duration_s)
    end_with_skipped(bar.skipped, len(files))
