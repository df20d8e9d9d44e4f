"""photism speakers: diarization, speaker embeddings and verification."""

import csv
import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photism.cli import options as option
from photism.cli.flags import add_verb
from photism.cli.png import check_picture, sound_stem
from photism.cli.progress import recordings_bar
from photism.cli.startup import startup
from photism.errors import InputError
from photism.files import atomic_text, check_writable
from photism.listening.label_formats import as_json, as_table
from photism.listening.settings import (
    DiarizationModelSettings,
    EmbeddingSettings,
    TimelineSettings,
    VerifySettings,
    XVectorModelSettings,
)
from photism.listening.turn_formats import TURN_FORMATS, TurnFormat, as_rttm, as_srt
from photism.settings import setting, settings

if TYPE_CHECKING:
    from photism.listening.diarization import Diarization
    from photism.listening.verification import Embedding, SpeakerVerifier

PAIR_COLUMNS = ("one", "other", "same")
BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

EmbeddingFile = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="File to write, which ends in .safetensors or .npz.")
]


@settings
class TimelineOutput:
    """Output of speaker turns: a format, a file and a plot."""

    format: TurnFormat = setting("table", "Output format.", choices=TURN_FORMATS)
    output: Path | None = setting(
        None, "File for all recordings. Default: print the turns.", short="-o", metavar="FILE"
    )
    plot: Path | None = setting(
        None,
        "PNG file in which the turns of a single recording are plotted below its waveform. Needs photism[listening].",
        metavar="FILE.png",
    )
    force: bool = setting(False, "Overwrite existing files.")


def timeline(
    recordings: option.Sounds, model: DiarizationModelSettings, settings: TimelineSettings, output: TimelineOutput
) -> None:
    """Print who spoke when, by a model that classifies frames.

    Unreadable recordings are reported and skipped; the exit status is then 2.

    Examples:
        photism speakers timeline talk.wav --model turns
        photism speakers timeline talk.wav --model turns --format rttm -o talk.rttm --plot talk.png
    """
    _check_timeline_output(recordings, output)
    with startup():
        from photism.listening.diarization import SpeakerTimeline

        diarizer = SpeakerTimeline.from_pretrained(**vars(model), **vars(settings))
    with (
        recordings_bar("diarizing", len(recordings)) as bar,
        atomic_text(output.output) if output.output else nullcontext() as file,
    ):
        for result in diarizer.stream(recordings, on_error=bar.skip):
            recording = recordings[result.number]
            text = _format_turns(recording, result, output.format)
            (file.write(text) if file else bar.echo(text))
            bar.advance(result.number, result.duration_s, result.duration_s)
            if output.plot is not None:
                from photism.audio.waveform import load_waveform
                from photism.listening.plot import plot_segments

                plot_segments(output.plot, load_waveform(recording), result.turns, title=recording)


def embed(
    recordings: option.Sounds,
    model: XVectorModelSettings,
    settings: EmbeddingSettings,
    output: EmbeddingFile,
    force: option.ForceFiles = False,
) -> None:
    """Write the x-vector of each recording, by its file name, to a file.

    Unreadable recordings are reported and skipped; the exit status is then 2.

    Examples:
        photism speakers embed anna.wav ben.wav --model xvectors -o voices.npz
        photism speakers embed *.ogg --model xvectors --device cuda --batch-size 32 -o voices.safetensors
    """
    from photism.listening.embeddings import check_suffix, save_embeddings

    check_suffix(output)
    check_writable(output, "-o", force=force)
    repeated = next((each for index, each in enumerate(recordings) if each in recordings[:index]), None)
    if repeated is not None:
        raise InputError(f"{repeated} is given twice; give it once, since embeddings are stored by file name")
    verifier = _load_verifier(model, settings)
    embeddings: dict[str, Embedding] = {}
    with recordings_bar("embedding", len(recordings)) as bar:
        for number, row in verifier.stream(recordings, on_error=bar.skip, on_progress=bar.advance):
            embeddings[recordings[number]] = row
        if embeddings:
            save_embeddings(embeddings, output)


def enrol(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the speaker.")],
    recordings: option.Sounds,
    model: XVectorModelSettings,
    settings: EmbeddingSettings,
    output: EmbeddingFile,
    force: Annotated[bool, typer.Option("--force", help="Replace an enrolled speaker of that name.")] = False,
) -> None:
    """Enrol a speaker: add the mean x-vector of one or several recordings to a file of speakers.

    Examples:
        photism speakers enrol Anna anna-1.wav anna-2.wav --model xvectors -o speakers.npz
        photism speakers enrol Ben ben.wav --model xvectors -o speakers.npz --force
    """
    from photism.listening.embeddings import check_suffix, save_embeddings

    check_suffix(output)
    check_writable(output, "-o", force=True)
    enrolled = _load_others(name, output, force=force)
    verifier = _load_verifier(model, settings)
    verifier.check_speakers(enrolled)
    speaker = verifier.enrol(recordings)
    enrolled = _load_others(name, output, force=force)  # again: another process may have enrolled somebody meanwhile
    verifier.check_speakers(enrolled)
    save_embeddings({**enrolled, name: speaker}, output)


def verify(
    recordings: Annotated[
        list[str], typer.Argument(metavar="SOUND...", help="One recording with --enrolled, otherwise two.")
    ],
    model: XVectorModelSettings,
    settings: VerifySettings,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per comparison.")] = False,
) -> None:
    """Compare a recording with enrolled speakers, or two recordings with each other.

    Examples:
        photism speakers verify one.wav other.wav --model xvectors --threshold 0.5
        photism speakers verify unknown.wav --model xvectors --enrolled speakers.npz --calibration threshold.json
    """
    from photism.listening.embeddings import load_embeddings
    from photism.listening.verification import Calibration

    if len(recordings) != (2 if settings.enrolled is None else 1):
        raise InputError(f"give two recordings, or one and --enrolled; got {len(recordings)}")
    threshold = Calibration.load(settings.calibration).threshold if settings.calibration else settings.threshold or 0.0
    enrolled = load_embeddings(settings.enrolled) if settings.enrolled else {}
    if settings.enrolled and not enrolled:
        raise InputError(f"{settings.enrolled} has no speakers; add them with photism speakers enrol")
    verifier = _load_verifier(model, EmbeddingSettings())
    verifier.check_speakers(enrolled)
    speakers = enrolled or {recordings[0]: verifier.embed(recordings[0])}
    results = {name: verifier.verify(each, recordings[-1], threshold=threshold) for name, each in speakers.items()}
    for name, result in sorted(results.items(), key=lambda item: -item[1].score):
        if as_json:
            comparison = {"file": recordings[-1], "speaker": name, **result._asdict()}
            typer.echo(json.dumps(comparison, ensure_ascii=False))
        else:
            verdict = "same speaker " if result.is_same else "other speaker"
            typer.echo(f"{verdict}  {result.score:5.2f} (from {threshold:.2f} on)  {name}")


def calibrate(
    pairs: Annotated[
        Path,
        typer.Argument(metavar="PAIRS.csv", help="Table with columns one and other, two files, and same, 1 or 0."),
    ],
    model: XVectorModelSettings,
    settings: EmbeddingSettings,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.json", help="File to write.")],
    force: option.ForceFiles = False,
) -> None:
    """Find the threshold of the equal error rate (EER) on pairs of your own recordings.

    Examples:
        photism speakers calibrate pairs.csv --model xvectors -o threshold.json
        photism speakers calibrate pairs.csv --model xvectors --device cuda -o threshold.json --force
    """
    check_writable(output, "-o", force=force)
    labelled = _read_pairs(pairs)
    verifier = _load_verifier(model, settings)
    with recordings_bar("embedding", len({each for *both, _ in labelled for each in both})) as bar:
        found = verifier.calibrate(labelled, on_progress=bar.advance)
    found.save(output)
    typer.echo(
        f"threshold {found.threshold:.3f}  EER {found.equal_error_rate:.1%}  minDCF {found.min_detection_cost:.3f}  "
        f"on {found.same} pairs of the same speaker and {found.different} of different speakers"
    )


speakers = typer.Typer(
    help="Diarization, speaker embeddings and speaker verification.", no_args_is_help=True, rich_markup_mode=None
)
for verb in (timeline, embed, enrol, verify, calibrate):
    add_verb(speakers, verb)


def _check_timeline_output(recordings: list[str], output: TimelineOutput) -> None:
    for flag, is_used in (("--format srt", output.format == "srt"), ("--plot", output.plot is not None)):
        if is_used and len(recordings) > 1:
            raise InputError(f"{flag} is for a single recording; got {len(recordings)}")
    if output.output is not None:
        check_writable(output.output, "-o", force=output.force)
    if output.plot is not None:
        from photism.listening.plot import check_matplotlib

        check_picture(output.plot, "--plot", force=output.force)
        check_matplotlib()


def _format_turns(recording: str, result: "Diarization", format: TurnFormat) -> str:
    if format == "rttm":
        return as_rttm(sound_stem(recording), result.turns)
    if format == "srt":
        return as_srt(result.turns)
    if format == "json":
        turns = [
            {"start_s": turn.start_s, "end_s": turn.end_s, "speaker": turn.label, "score": turn.score}
            for turn in result.turns
        ]
        return as_json({"file": recording, "duration_s": result.duration_s, "turns": turns})
    return as_table(recording, result.turns, with_times=True)


def _load_verifier(model: XVectorModelSettings, settings: EmbeddingSettings) -> "SpeakerVerifier":
    with startup():
        from photism.listening.verification import SpeakerVerifier

        return SpeakerVerifier.from_pretrained(**vars(model), **vars(settings))


def _load_others(name: str, path: Path, *, force: bool) -> "dict[str, Any]":
    """Return the other speakers in a file, if it exists.

    Raises:
        InputError: a speaker of that name is enrolled, and is not to be replaced; or the file is unreadable.
    """
    from photism.listening.embeddings import load_embeddings

    enrolled = load_embeddings(path) if path.exists() else {}
    if name in enrolled and not force:
        raise InputError(
            f"{path} has a speaker {name!r} already; choose another name, or --force to replace the speaker"
        )
    return {other: embedding for other, embedding in enrolled.items() if other != name}


def _read_pairs(path: Path) -> list[tuple[str, str, bool]]:
    """Read labelled pairs; paths are relative to the table."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a byte order mark
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    pairs: list[tuple[str, str, bool]] = []
    for number, row in enumerate(rows, start=2):
        one, other, same = (str(row.get(column) or "").strip() for column in PAIR_COLUMNS)
        if not one or not other or same.lower() not in BOOLEANS:
            raise InputError(f"{path}, line {number}: must have {', '.join(PAIR_COLUMNS)}, the last 1 or 0; got {row}")
        files = [each if "://" in each else str(path.parent / each) for each in (one, other)]
        pairs.append((files[0], files[1], BOOLEANS[same.lower()]))
    return pairs
