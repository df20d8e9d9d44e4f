"""photism finetune: a head on any Wav2Vec2-BERT, from labelled sounds."""

from pathlib import Path
from typing import Any

import typer

from photism.cli.flags import with_flags
from photism.cli.startup import startup
from photism.cli.training import given_settings, train
from photism.training.heads.settings import SETTINGS, ClassifySettings, CtcSettings, FramesSettings, SpeakerSettings

app = typer.Typer()


@app.callback(invoke_without_command=True)
def finetune(context: typer.Context) -> None:
    """Train a head, and the encoder beneath it, from your own labelled sounds."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def classify(config: Path | None, resume: bool, **given: Any) -> None:
    """Train a classifier of whole recordings: one class of each or, with --multi-label, any number.

    DATA is a folder with metadata.csv or metadata.jsonl (file_name, labels, optionally speaker, split, start and end
    seconds), a folder of folders named like classes, shards of a WebDataset, or the name of a data set of the hub.

    Several GPUs: accelerate launch -m photism finetune classify DATA ...
    """
    _finetune(ClassifySettings, given, config=config, resume=resume)


def ctc(config: Path | None, resume: bool, **given: Any) -> None:
    """Train a recogniser of speech, character by character (CTC).

    DATA is a folder with metadata.csv or metadata.jsonl (file_name, text, optionally speaker, split, start and end
    seconds), shards of a WebDataset, or the name of a data set of the hub.

    Several GPUs: accelerate launch -m photism finetune ctc DATA ...
    """
    _finetune(CtcSettings, given, config=config, resume=resume)


def frames(config: Path | None, resume: bool, **given: Any) -> None:
    """Train to say when somebody speaks, or who speaks when.

    DATA is a folder of recordings, each with a file of RTTM of its name beside it, perhaps in folders of splits or
    listed in metadata.csv or metadata.jsonl; or a data set of the hub with timestamps_start, timestamps_end, speakers.

    Several GPUs: accelerate launch -m photism finetune frames DATA ...
    """
    _finetune(FramesSettings, given, config=config, resume=resume)


def speaker(config: Path | None, resume: bool, **given: Any) -> None:
    """Train vectors by which speakers are told (x-vectors), measured on speakers who are not trained on.

    DATA is a folder of folders named like speakers, a folder with metadata.csv or metadata.jsonl (file_name, speaker,
    optionally split, start and end seconds), shards of a WebDataset, or the name of a data set of the hub.

    Several GPUs: accelerate launch -m photism finetune speaker DATA ...
    """
    _finetune(SpeakerSettings, given, config=config, resume=resume)


def _finetune(kind: type[Any], given: dict[str, Any], *, config: Path | None, resume: bool) -> None:
    settings = given_settings(kind, given, config=config, resume=resume, file=SETTINGS)

    with startup():
        from photism.training.heads.result import describe
        from photism.training.heads.run import finetune as run

    train(lambda listener: run(settings, resume=resume, listener=listener), output=settings.output, describe=describe)


app.command()(with_flags(classify, ClassifySettings))
app.command()(with_flags(ctc, CtcSettings))
app.command()(with_flags(frames, FramesSettings))
app.command()(with_flags(speaker, SpeakerSettings))
