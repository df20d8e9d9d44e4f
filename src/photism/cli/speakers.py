"""photism speakers: who spoke when, and whether two recordings are of one speaker."""

import csv
import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photism.cli import options as option
from photism.cli.png import check_picture, sound_stem
from photism.cli.progress import recordings_bar
from photism.cli.startup import DTYPES, startup
from photism.errors import InputError
from photism.files import atomic_text, check_writable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photism.listening.diarization import Timeline
    from photism.listening.verification import SpeakerVerifier

TIMELINE_FORMATS = ("table", "rttm", "json", "srt")
PAIR_COLUMNS = ("one", "other", "same")
TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

speakers = typer.Typer(
    help="Say who spoke when, and whether recordings are of one speaker.", no_args_is_help=True, rich_markup_mode=None
)

XVectorModel = Annotated[str, typer.Option(help="Folder or hub id of a Wav2Vec2BertForXVector.")]
Embeddings = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Ends in .safetensors or .npz.")]


@speakers.command()
def timeline(
    sounds: option.Sounds,
    model: Annotated[str, typer.Option(help="Folder or hub id of a Wav2Vec2BertForAudioFrameClassification.")],
    threshold: Annotated[float, typer.Option(help="Probability from which on somebody speaks.")] = 0.5,
    min_on: Annotated[float, typer.Option(metavar="SECONDS", help="Leave out shorter turns.")] = 0.1,
    min_off: Annotated[float, typer.Option(metavar="SECONDS", help="Fill shorter pauses.")] = 0.1,
    overlap: Annotated[bool, typer.Option(help="Several may speak at once.")] = True,
    format: Annotated[str, typer.Option(metavar="NAME", help="table, rttm, json or srt.")] = "table",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="In place of printing.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw one sound's turns. Needs photism[listening].")
    ] = None,
    force: option.ForceFiles = False,
    device: option.Device = None,
    dtype: option.Dtype = DTYPES[0],
    workers: option.Workers = 2,
) -> None:
    """Say who spoke when, by a model that gives speakers to frames."""
    if format not in TIMELINE_FORMATS:
        raise InputError(f"--format must be one of {', '.join(TIMELINE_FORMATS)}; got {format}")
    for name, is_used in (("--format srt", format == "srt"), ("--plot", plot is not None)):
        if is_used and len(sounds) > 1:
            raise InputError(f"{name} is for one sound; got {len(sounds)}")
    if output is not None:
        check_writable(output, "-o", force=force)
    _check_workers(workers)
    _check_dtype(dtype)
    if plot is not None:
        check_picture(plot, "--plot", force=force)
        from photism.listening.plot import check_matplotlib

        check_matplotlib()
    with startup():
        from photism.listening.diarization import SpeakerTimeline, TurnRules

        rules = TurnRules(threshold=threshold, min_on_s=min_on, min_off_s=min_off, overlap=overlap)
        listener = SpeakerTimeline.from_pretrained(model, device=device, dtype=dtype, num_workers=workers)
    with recordings_bar("listening", len(sounds)) as bar, atomic_text(output) if output else nullcontext() as file:
        for found in listener.stream(list(sounds), rules=rules, on_error=bar.skip):
            text = _timeline_text(sounds[found.number], found, format)
            (file.write(text) if file else bar.echo(text))
            bar.advance(found.number, found.duration_s, found.duration_s)
            if plot is not None:
                from photism.audio.waveform import load_waveform
                from photism.listening.plot import write_timeline

                sound = sounds[found.number]
                write_timeline(plot, load_waveform(sound), found.turns, title=sound)


@speakers.command()
def embed(
    sounds: option.Sounds,
    model: XVectorModel,
    output: Embeddings,
    force: option.ForceFiles = False,
    device: option.Device = None,
    dtype: option.Dtype = DTYPES[0],
    batch_size: option.BatchSize = 8,
    workers: option.Workers = 2,
) -> None:
    """Write the embedding of each sound, by its name, to a file."""
    from photism.listening.embeddings import check_ending, save_embeddings

    check_ending(output)
    check_writable(output, "-o", force=force)
    twice = next((sound for index, sound in enumerate(sounds) if sound in sounds[:index]), None)
    if twice is not None:
        raise InputError(f"{twice} is given twice; an embedding is written by the name of its sound")
    verifier = _verifier(model, device, dtype, batch_size, workers)
    found: dict[str, NDArray[np.float32]] = {}
    with recordings_bar("embedding", len(sounds)) as bar:
        for number, row in verifier.stream(list(sounds), on_error=bar.skip, on_heard=bar.advance):
            found[sounds[number]] = row
        if found:
            save_embeddings(found, output)


@speakers.command()
def enrol(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the speaker.")],
    sounds: option.Sounds,
    model: XVectorModel,
    output: Embeddings,
    force: Annotated[bool, typer.Option("--force", help="Enrol a speaker of that name anew.")] = False,
    device: option.Device = None,
    dtype: option.Dtype = DTYPES[0],
    batch_size: option.BatchSize = 8,
    workers: option.Workers = 2,
) -> None:
    """Add a speaker, by one or several sounds, to a file of speakers."""
    from photism.listening.embeddings import check_ending, save_embeddings

    check_ending(output)
    check_writable(output, "-o", force=True)
    known = _enrolled_beside(name, output, force=force)
    verifier = _verifier(model, device, dtype, batch_size, workers)
    verifier.check_speakers(known)
    speaker = verifier.enrol(list(sounds))
    known = _enrolled_beside(name, output, force=force)  # again: while it listened, somebody may have been added
    verifier.check_speakers(known)
    save_embeddings({**known, name: speaker}, output)


@speakers.command()
def verify(
    sounds: Annotated[
        list[str], typer.Argument(metavar="SOUND...", help="One, or two to compare where none is enrolled.")
    ],
    model: XVectorModel,
    enrolled: Annotated[Path | None, typer.Option(metavar="FILE", help="Speakers to compare with.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Score from which on two are one, -1 to 1.")] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What photism speakers calibrate wrote.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a comparison.")] = False,
    device: option.Device = None,
    dtype: option.Dtype = DTYPES[0],
) -> None:
    """Say whether a sound is of an enrolled speaker, or two sounds of one."""
    from photism.listening.embeddings import load_embeddings
    from photism.listening.verification import Calibration

    if (threshold is None) == (calibration is None):
        raise InputError("give either --threshold or --calibration, which photism speakers calibrate writes")
    if len(sounds) != (2 if enrolled is None else 1):
        raise InputError(f"give two sounds, or one and --enrolled; got {len(sounds)}")
    least = Calibration.load(calibration).threshold if calibration else threshold or 0.0
    known = load_embeddings(enrolled) if enrolled else None
    if known == {}:
        raise InputError(f"{enrolled} holds no speaker; photism speakers enrol adds one")
    verifier = _verifier(model, device, dtype, 2, 2)
    verifier.check_speakers(known or {})
    others = known or {sounds[0]: verifier.embed(sounds[0])}
    results = {name: verifier.verify(speaker, sounds[-1], threshold=least) for name, speaker in others.items()}
    for name, result in sorted(results.items(), key=lambda item: -item[1].score):
        if as_json:
            told = {"file": sounds[-1], "speaker": name, **result._asdict()}
            typer.echo(json.dumps(told, ensure_ascii=False))
        else:
            verdict = "same speaker " if result.is_same else "other speaker"
            typer.echo(f"{verdict}  {result.score:5.2f} (from {least:.2f} on)  {name}")


@speakers.command()
def calibrate(
    pairs: Annotated[
        Path, typer.Argument(metavar="PAIRS.csv", help="Columns one, other and same: two files, and 1 or 0.")
    ],
    model: XVectorModel,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.json")],
    force: option.ForceFiles = False,
    device: option.Device = None,
    dtype: option.Dtype = DTYPES[0],
    batch_size: option.BatchSize = 8,
    workers: option.Workers = 2,
) -> None:
    """Find the threshold of your own recordings, and how often it is wrong."""
    check_writable(output, "-o", force=force)
    listed = _read_pairs(pairs)
    verifier = _verifier(model, device, dtype, batch_size, workers)
    with recordings_bar("embedding", len({sound for *both, _ in listed for sound in both})) as bar:
        found = verifier.calibrate(listed, on_heard=bar.advance)
    found.save(output)
    typer.echo(
        f"threshold {found.threshold:.3f}  EER {found.equal_error_rate:.1%}  minDCF {found.min_detection_cost:.3f}  "
        f"on {found.same} pairs of one speaker and {found.different} of two"
    )


def _read_pairs(path: Path) -> list[tuple[str, str, bool]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets begin it with a mark
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    found: list[tuple[str, str, bool]] = []
    for number, row in enumerate(rows, start=2):
        one, other, same = (str(row.get(column) or "").strip() for column in PAIR_COLUMNS)
        if not one or not other or same.lower() not in TRUTHS:
            raise InputError(f"{path}, line {number}: must have {', '.join(PAIR_COLUMNS)}, the last 1 or 0; got {row}")
        files = [each if "://" in each else str(path.parent / each) for each in (one, other)]
        found.append((files[0], files[1], TRUTHS[same.lower()]))
    return found


def _enrolled_beside(name: str, output: Path, *, force: bool) -> "dict[str, NDArray[np.float32]]":
    """Who else is in a file of speakers, where there is one.

    Raises:
        InputError: somebody of that name is, and is not to be replaced; or it is no such file.
    """
    from photism.listening.embeddings import load_embeddings

    known = load_embeddings(output) if output.exists() else {}
    if name in known and not force:
        raise InputError(f"{output} has a speaker {name!r}; give another name, or --force to enrol this one anew")
    return {other: speaker for other, speaker in known.items() if other != name}


def _timeline_text(sound: str, found: "Timeline", format: str) -> str:
    from photism.listening.diarization import as_rttm, as_srt
    from photism.listening.label_formats import as_json, as_table

    if format == "rttm":
        return as_rttm(sound_stem(sound), found.turns)
    if format == "srt":
        return as_srt(found.turns)
    if format == "json":
        turns = [
            {"start_s": turn.start_s, "end_s": turn.end_s, "speaker": turn.label, "score": turn.score}
            for turn in found.turns
        ]
        return as_json({"file": sound, "duration_s": found.duration_s, "turns": turns})
    return as_table(sound, found.turns, with_times=True)


def _verifier(model: str, device: str | None, dtype: str, batch_size: int, workers: int) -> "SpeakerVerifier":
    if batch_size < 1:
        raise InputError(f"--batch-size must be at least 1; got {batch_size}")
    _check_workers(workers)
    _check_dtype(dtype)
    with startup():
        from photism.listening.verification import SpeakerVerifier

        return SpeakerVerifier.from_pretrained(
            model, device=device, dtype=dtype, batch_size=batch_size, num_workers=workers
        )


def _check_workers(workers: int) -> None:
    if workers < 0:
        raise InputError(f"--workers must be at least 0; got {workers}")


def _check_dtype(dtype: str) -> None:
    if dtype not in DTYPES:
        raise InputError(f"--dtype must be one of {', '.join(DTYPES)}; got {dtype}")
