"""photism finetune: train a head on any Wav2Vec2-BERT, from labelled recordings."""

import typer

from photism.cli.commands import VerbGroup
from photism.cli.flags import add_verb
from photism.cli.training import Resume, run_training
from photism.training.settings import ClassifySettings, CtcSettings, FinetuneSettings, FramesSettings, SpeakerSettings

finetune = typer.Typer(cls=VerbGroup, help="Train a head on your own labelled recordings.", rich_markup_mode=None)


def classify(settings: ClassifySettings, resume: Resume = False) -> None:
    """Train a classifier of whole recordings: one class each or, with --multi-label, any number.

    DATA is a folder with metadata.csv or metadata.jsonl (file_name, labels, optionally speaker, split, start and end in
    seconds), a folder of folders named like classes, WebDataset shards, or a data set of the Hugging Face hub.

    Examples:
        photism finetune classify . -o kinds --encoder tiny --batch-size 4
        accelerate launch -m photism finetune classify . -o kinds --balance
    """
    run_training(settings, resume=resume)


def ctc(settings: CtcSettings, resume: Resume = False) -> None:
    """Train a speech recogniser, character by character (CTC).

    DATA is a folder with metadata.csv or metadata.jsonl (file_name, text, optionally speaker, split, start and end in
    seconds), WebDataset shards, or a data set of the Hugging Face hub.

    Examples:
        photism finetune ctc . -o speech --encoder tiny --batch-size 4
        photism finetune ctc . -o speech --resume
    """
    run_training(settings, resume=resume)


def frames(settings: FramesSettings, resume: Resume = False) -> None:
    """Train voice activity detection or diarization.

    DATA is a folder of recordings, each next to an RTTM file of its name, perhaps in folders of splits or listed in
    metadata.csv or metadata.jsonl; or a data set of the hub with timestamps_start, timestamps_end and speakers.

    Examples:
        photism finetune frames meetings -o activity
        photism finetune frames meetings -o diarizer --learn speakers --speakers 3
    """
    run_training(settings, resume=resume)


def speaker(settings: SpeakerSettings, resume: Resume = False) -> None:
    """Train speaker embeddings (x-vectors), evaluated on speakers who are not in the training data.

    DATA is a folder of folders named like speakers, a folder with metadata.csv or metadata.jsonl (file_name, speaker,
    optionally split, start and end in seconds), WebDataset shards, or a data set of the Hugging Face hub.

    Examples:
        photism finetune speaker voices -o speakers
        photism finetune speaker voices -o speakers --crop-s 2 --patience 5
    """
    run_training(settings, resume=resume)


for verb in (classify, ctc, frames, speaker):
    add_verb(finetune, verb, settings_file=FinetuneSettings.file)
