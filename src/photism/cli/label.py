"""photism label: classification of recordings by a trained model."""

from functools import partial
from typing import TYPE_CHECKING, Any

from photism.cli import options as option
from photism.cli.label_output import LabelOutput, LabelWriter
from photism.cli.startup import startup
from photism.listening.settings import ClassifierModelSettings, LabelSettings

if TYPE_CHECKING:
    from photism.listening.windowed_scores import Labels


def label(
    recordings: option.Sounds, model: ClassifierModelSettings, settings: LabelSettings, output: LabelOutput
) -> None:
    """Print the classes of recordings, by a trained audio classifier; for whole recordings or over time.

    Unreadable recordings are reported and skipped; the exit status is then 2.

    Examples:
        photism label speech.ogg
        photism label street.wav --model superb/wav2vec2-base-superb-ks --window 2 --hop 1 -o street.csv
    """
    writer = LabelWriter(recordings, output)
    with startup():
        from photism.listening.classification import AudioClassifier

        classifier = AudioClassifier.from_pretrained(**vars(model), **vars(settings))
    stream = partial(classifier.stream, recordings)
    writer.write(stream, None if settings.window_s else _as_dict, description="classifying")


def _as_dict(recording: str, labels: "Labels") -> dict[str, Any]:
    classes = [{"label": segment.label, "score": segment.score} for segment in labels.segments]
    return {"file": recording, "duration_s": labels.duration_s, "labels": classes}
