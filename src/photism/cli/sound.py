"""photism sound: texts to sound files, and captions to a corpus."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from photism.audioldm2.options import SoundOffload, SoundOptions
from photism.cli import options as option
from photism.cli.captions import read_captions
from photism.cli.exit_status import ExitStatus
from photism.cli.progress import progress_bar
from photism.cli.startup import DTYPES, quieten, startup
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.audioldm2.pipeline import AudioLDM2Pipeline


@dataclass(frozen=True, kw_only=True)
class SoundModel:
    """The options that say what makes sound, by their names.

    Raises:
        InputError: one of them is wrong, or two exclude each other.
    """

    model: str | None
    scheduler: str | None
    device: str | None
    dtype: str
    compile: bool = False
    offload: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InputError(f"--dtype must be one of {', '.join(DTYPES)}; got {self.dtype}")
        _ = self.options  # what is wrong with them is told here

    @property
    def options(self) -> SoundOptions:
        """How it is loaded."""
        return SoundOptions(
            scheduler="dpm++" if self.scheduler is None else self.scheduler,
            compile=self.compile,
            offload=cast("SoundOffload | None", self.offload),
        )

    def load(self) -> AudioLDM2Pipeline:
        """What makes sound; weights are read when they are used.

        Raises:
            InputError: there is no model of that name.
        """
        with startup():
            import torch

            from photism.audioldm2.pipeline import AudioLDM2Pipeline

            return AudioLDM2Pipeline.from_pretrained(
                self.model, device=self.device, dtype=getattr(torch, self.dtype), **vars(self.options)
            )


def sound(
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="What is to be heard.")] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            "--out",
            metavar="FILE|FOLDER",
            help="wav, flac, ogg or mp3. Default: TEXT.wav in the current folder; with --captions, the corpus.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Folder or hub id of an AudioLDM 2, such as cvssp/audioldm2. Default: the bundled one."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="How long. Default: what the model was trained on, 1.92 or 10.24; or that of --from."),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps. Default: 25, with ddim 200.")] = None,
    guidance_scale: Annotated[
        float | None,
        typer.Option(help="How strongly to follow the text; 1 is without guidance. Default: the model's, or 3.5."),
    ] = None,
    negative: Annotated[str | None, typer.Option(metavar="WORDS", help="What to go away from.")] = None,
    candidates: Annotated[int, typer.Option(help="Made of each text, of which the best is kept.")] = 1,
    all_candidates: Annotated[
        bool, typer.Option("--all", help="Keep all candidates, numbered, the best first.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the first candidate of each text; the next has the next.")] = 0,
    transcription: Annotated[
        str | None, typer.Option(metavar="WORDS", help="What is said, with a checkpoint that speaks.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="SOUND", help="A recording to start from: a file or URL.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="How far to go from it: above 0, to 1. Default: 0.5; 1 in a --span.")
    ] = None,
    span: Annotated[
        str | None,
        typer.Option(
            metavar="START:STOP", help="Seconds of the recording that are made anew; past its end they continue it."
        ),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Let the end go on in the beginning.")] = False,
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make a corpus for `align`: a sound of each line of a file.")
    ] = None,
    processes: Annotated[int, typer.Option(help="That make a corpus together.")] = 1,
    batch_size: Annotated[int | None, typer.Option(help="Sounds that are made at once.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="NAME", help="dpm++, unipc, ddim, euler, euler-a or lcm. Default: dpm++.")
    ] = None,
    device: option.Device = None,
    dtype: option.Dtype = DTYPES[0],
    compile: option.Compile = False,
    offload: Annotated[
        str | None,
        typer.Option(
            metavar="model|sequential|disk",
            help="Keep weights off the GPU but for the model, or layer, at work; or on disk but for the stage at work, "
            "which is the default without --captions and --compile.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite sounds that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a text.")] = False,
) -> None:
    """Make sound from text, as files that carry their seed, model and settings."""
    if offload is None and captions is None and not compile:
        offload = "disk"  # each stage works once, so that nothing is read twice
    sounder = SoundModel(model=model, scheduler=scheduler, device=device, dtype=dtype, compile=compile, offload=offload)
    for name, number in (
        ("--candidates", candidates),
        ("--processes", processes),
        ("--batch-size", batch_size),
        ("--steps", steps),
    ):
        if number is not None and number < 1:
            raise InputError(f"{name} must be at least 1; got {number}")
    if seed < 0:
        raise InputError(f"--seed must be at least 0; got {seed}")
    if seconds is not None and not 0 < seconds < math.inf:
        raise InputError(f"--seconds must be above 0; got {seconds:g}")
    making: dict[str, Any] = {
        "audio_length_in_s": seconds,
        "num_inference_steps": steps,
        "guidance_scale": guidance_scale,
        "negative_prompt": negative,
        "loop": loop,
    }
    if captions is not None:
        for name, value in (
            ("TEXT", texts or None),
            ("--from", source),
            ("--transcription", transcription),
            ("--strength", strength),
            ("--span", span),
            ("--all", all_candidates),
            ("--force", force),
        ):
            if value is not None and value is not False:
                raise InputError(f"{name} and --captions exclude each other; give one of them")
        _make_corpus(
            sounder,
            captions,
            output,
            making,
            seed=seed,
            candidates=candidates,
            processes=processes,
            batch_size=batch_size or 1,
            as_json=as_json,
        )
        return
    if not texts:
        raise InputError("TEXT is missing: say what is to be heard, or give --captions")
    if processes > 1:
        raise InputError("--processes goes with --captions")
    targets = _targets(texts, output, candidates if all_candidates else 1, force=force)
    making |= {"transcription": transcription, "audio": source, "strength": strength, "span_s": _span(span)}
    _make_sounds(
        sounder, texts, targets, making, seed=seed, candidates=candidates, batch_size=batch_size, as_json=as_json
    )


def _make_sounds(
    sounder: SoundModel,
    texts: Sequence[str],
    targets: Sequence[Sequence[Path]],
    making: dict[str, Any],
    *,
    seed: int,
    candidates: int,
    batch_size: int | None,
    as_json: bool,
) -> None:
    """The sounds of texts, each to its files, with what is known about it."""
    pipeline = sounder.load()
    with progress_bar("sounding") as bar:
        made = pipeline(
            texts,
            **making,
            num_waveforms_per_prompt=candidates,
            seed=seed,
            batch_size=batch_size,
            callback_on_step=bar.update,
        )
    from photism.audio.writing import write_waveform

    settings = _about(sounder, pipeline, making)
    for row, (text, paths) in enumerate(zip(texts, targets, strict=True)):
        written: list[dict[str, Any]] = []
        for rank, path in enumerate(paths):
            number = row * candidates + rank
            told: dict[str, Any] = {"seed": (made.seeds or [seed])[number]}
            if made.scores is not None:
                told["score"] = made.scores[row][rank]
            about = {"text": text, **told, **settings}
            write_waveform(made.audios[number], path, sampling_rate=made.sampling_rate, title=text, about=about)
            written.append({"file": str(path), **told, "seconds": made.audios.shape[1] / made.sampling_rate})
        typer.echo(_report(text, written, as_json=as_json))


def _targets(texts: Sequence[str], output: str | None, count: int, *, force: bool) -> list[list[Path]]:
    """For each text its files, none of which is in anybody's way."""
    from photism.audio.writing import check_audio_target
    from photism.audioldm2.dataset import caption_name

    folder = Path(output or ".")
    to_folder = output is None or output.endswith("/") or folder.is_dir()
    if to_folder and not folder.is_dir():
        raise InputError(f"-o {output} is not a folder; create it")
    if not to_folder and len(texts) > 1:
        raise InputError(f"-o must be a folder for several texts, but {output} is none; create it")
    targets: list[list[Path]] = []
    seen: set[Path] = set()
    for text in texts:
        path = folder / f"{caption_name(text)}.wav" if to_folder else folder
        numbers = [""] if count == 1 else [f"-{number}" for number in range(1, count + 1)]
        paths = [path.with_name(f"{path.stem}{number}{path.suffix}") for number in numbers]
        for each in paths:
            check_audio_target(each, "-o", force=force)
            if each in seen:
                raise InputError(f"two texts would be written to {each}; make them one by one")
            seen.add(each)
        targets.append(paths)
    return targets


def _span(span: str | None) -> tuple[float, float] | None:
    if span is None:
        return None
    try:
        start, stop = map(float, span.split(":"))
    except ValueError:
        raise InputError(f"--span must be START:STOP in seconds, such as 1.5:3; got {span}") from None
    return start, stop


def _about(sounder: SoundModel, pipeline: AudioLDM2Pipeline, making: dict[str, Any]) -> dict[str, Any]:
    """What a file tells of how it was made."""
    return {
        "model": sounder.model or "tiny",
        "scheduler": sounder.options.scheduler,
        "dtype": None if sounder.dtype == DTYPES[0] else sounder.dtype,
        "steps": making["num_inference_steps"] or pipeline.num_inference_steps,
        "guidance_scale": pipeline.guidance_scale if making["guidance_scale"] is None else making["guidance_scale"],
        "negative": making["negative_prompt"],
        "transcription": making["transcription"],
        "from": making["audio"],
        "strength": making["strength"],
        "span": making["span_s"],
        "loop": making["loop"] or None,
    }


def _report(text: str, written: Sequence[dict[str, Any]], *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"text": text, "sounds": list(written)}, ensure_ascii=False)
    lines = [
        f"  {each['file']}  {each['seconds']:.2f} s  seed {each['seed']}"
        + (f"  fits {each['score']:.2f}" if "score" in each else "")
        for each in written
    ]
    return "\n".join([text, *lines])


def _make_corpus(
    sounder: SoundModel,
    captions: Path,
    output: str | None,
    making: dict[str, Any],
    *,
    seed: int,
    candidates: int,
    processes: int,
    batch_size: int,
    as_json: bool,
) -> None:
    if output is None:
        raise InputError("--out is missing: name the folder of the corpus")
    lines = read_captions(captions)
    _ = sounder.load()  # what is wrong with the model is told before processes start
    from photism.audioldm2.dataset import CorpusSettings, make_corpus

    settings = CorpusSettings(
        model=sounder.model,
        seed=seed,
        candidates=candidates,
        loading={"dtype": sounder.dtype, **vars(sounder.options)},
        making={name: value for name, value in making.items() if value is not None},
    )
    folder = Path(output)
    try:
        with progress_bar("sounding") as bar:
            made = make_corpus(
                lines,
                folder,
                settings,
                processes=processes,
                device=sounder.device,
                batch_size=batch_size,
                before_loading=quieten,
                callback_on_sound=bar.update,
            )
    except KeyboardInterrupt:
        typer.echo(f"stopped; what is made is in {folder}, and the same command goes on there", err=True)
        raise typer.Exit(ExitStatus.INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps({"list": str(made), "sounds": len(lines)}))
    else:
        typer.echo(f"{made}  {len(lines)} sounds; photism align {folder} trains on them")
