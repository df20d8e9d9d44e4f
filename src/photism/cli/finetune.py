"""photism finetune: a head on any Wav2Vec2-BERT, from labelled sounds."""

from pathlib import Path
from typing import Any

import typer

from photism.cli.flags import with_flags
from photism.cli.startup import startup
from photism.cli.training import given_settings, train
from photism.finetuning.settings import SETTINGS, ClassifySettings, CtcSettings

app = typer.Typer(help="Train a head, and the encoder beneath it, from your own labelled sounds.", no_args_is_help=True)


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


def _finetune(kind: type[Any], given: dict[str, Any], *, config: Path | None, resume: bool) -> None:
    settings = given_settings(kind, given, config=config, resume=resume, file=SETTINGS)

    with startup():
        from photism.finetuning.result import describe
        from photism.finetuning.run import finetune as run

    train(lambda listener: run(settings, resume=resume, listener=listener), output=settings.output, describe=describe)


app.command()(with_flags(classify, ClassifySettings))
app.command()(with_flags(ctc, CtcSettings))
