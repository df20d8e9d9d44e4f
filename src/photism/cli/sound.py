"""photism sound: generate sound from text, or a training corpus from captions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photism.audioldm2.settings import SoundPipelineSettings, SoundSettings
from photism.cli.exit_status import ExitStatus
from photism.cli.options import read_captions
from photism.cli.progress import progress_bar
from photism.cli.startup import quieten, startup
from photism.errors import InputError
from photism.output_files import plan_files
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.audioldm2.pipeline import AudioLDM2Pipeline, SoundOutput


@settings
class SoundVerbSettings(SoundSettings):
    """Settings of the generation on the command line, where the seed is 0 by default."""

    seed: int = setting(
        0, "Random seed of the first candidate of each text; the next candidates have the next seeds.", minimum=0
    )


@settings
class CorpusSettings:
    """Settings of a training corpus, and of what is saved."""

    captions: Path | None = setting(
        None,
        "Text file with a caption in each line: generate a training corpus for `photism align`, with a recording for "
        "each caption.",
        metavar="FILE",
    )
    processes: int = setting(1, "Number of processes that generate a corpus.", minimum=1)
    all_candidates: bool = setting(False, "Save all candidates, numbered, the best first.", flag="--all")

    def check(self) -> None:
        """Refuse several processes without a corpus.

        Raises:
            SettingError: `processes` needs `captions`.
        """
        if self.processes > 1 and self.captions is None:
            raise SettingError("processes", "needs {}", "captions")


def sound(
    pipeline_settings: SoundPipelineSettings,
    generation: SoundVerbSettings,
    corpus: CorpusSettings,
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT...", help="Descriptions of the sound.")] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            "--out",
            metavar="FILE|FOLDER",
            help="Output folder, or file whose extension selects the format: wav, flac, ogg or mp3. With --captions, "
            "the folder of the corpus. Default: TEXT.wav in the current folder.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each text.")] = False,
) -> None:
    """Generate sound from text with AudioLDM 2. Each file holds its text, seed, model and settings.

    Examples:
        photism sound "a rooster"
        photism sound "a dog" "a cow" --candidates 4 --seed 7 --json
    """
    if corpus.captions is not None:
        _check_corpus(generation, texts=texts, all_candidates=corpus.all_candidates, force=force)
        _generate_corpus(corpus.captions, output, pipeline_settings, generation, corpus.processes, as_json=as_json)
        return
    if not texts:
        raise InputError("TEXT is missing: describe the sound, or give --captions")
    count = generation.num_waveforms_per_prompt if corpus.all_candidates else 1
    from photism.audio.writing import check_audio_target
    from photism.audioldm2.dataset import caption_name

    targets = plan_files(
        texts, output, ".wav", flag="-o", force=force, count=count, stem=caption_name, check=check_audio_target
    )
    if pipeline_settings.offload is None and not pipeline_settings.compile:
        pipeline_settings = replace(pipeline_settings, offload="disk")  # each stage runs once: nothing is read twice
    pipeline = load_pipeline(pipeline_settings)
    with progress_bar("generating") as bar:
        generated = pipeline(texts, return_dict=True, callback_on_step=bar.update, **vars(generation))
    for row, (text, paths) in enumerate(zip(texts, targets, strict=True)):
        typer.echo(_report(text, write_sounds(text, row, paths, generated, pipeline), as_json=as_json))


def load_pipeline(pipeline_settings: SoundPipelineSettings) -> AudioLDM2Pipeline:
    """Return the pipeline, which reads its weights when it uses them.

    Raises:
        InputError: there is no such model, or a setting cannot be used on this machine.
    """
    with startup():
        from photism.audioldm2.pipeline import AudioLDM2Pipeline

        return AudioLDM2Pipeline.from_pretrained(**vars(pipeline_settings))


def write_sounds(
    text: str, row: int, paths: Sequence[Path], generated: SoundOutput, pipeline: AudioLDM2Pipeline
) -> list[dict[str, Any]]:
    """Write the waveforms of a text, with its settings in their tags.

    Args:
        text: text that was generated.
        row: its position among the prompts.
        paths: files for its waveforms, the best first.
        generated: output of the pipeline.
        pipeline: pipeline that generated it.

    Returns:
        the entries of its files in the JSON output.
    """
    from photism.audio.writing import write_waveform

    used = generated.settings
    about = {
        "model": pipeline.settings.model or "tiny",
        "scheduler": pipeline.settings.scheduler,
        "dtype": None if pipeline.settings.dtype == "float32" else pipeline.settings.dtype,
        "steps": used.num_inference_steps,
        "guidance_scale": used.guidance_scale,
        "negative": used.negative_prompt,
        "transcription": used.transcription,
        "from": used.audio,
        "strength": used.strength,
        "span": used.span_s,
        "loop": used.loop or None,
    }
    written: list[dict[str, Any]] = []
    for rank, path in enumerate(paths):
        number = row * used.num_waveforms_per_prompt + rank
        entry: dict[str, Any] = {} if generated.seeds is None else {"seed": generated.seeds[number]}
        if generated.scores is not None:
            entry["score"] = generated.scores[row][rank]
        tags = {"text": text, **entry, **about}
        write_waveform(generated.audios[number], path, sampling_rate=generated.sampling_rate, title=text, about=tags)
        written.append({"file": str(path), **entry, "seconds": used.audio_length_in_s})
    return written


def _report(text: str, written: Sequence[dict[str, Any]], *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"text": text, "sounds": list(written)}, ensure_ascii=False)
    lines = [
        f"  {each['file']}  {each['seconds']:.2f} s  seed {each['seed']}"
        + (f"  score {each['score']:.2f}" if "score" in each else "")
        for each in written
    ]
    return "\n".join([text, *lines])


def _check_corpus(generation: SoundSettings, **others: object) -> None:
    """Refuse what cannot be combined with --captions."""
    names = {"texts": "TEXT", "all_candidates": "--all", "force": "--force"}
    for name, value in others.items():
        if value:
            raise InputError(f"{names[name]} cannot be combined with --captions")
    for name in ("audio", "transcription", "strength", "span_s"):
        if getattr(generation, name) is not None:
            raise SettingError(name, "cannot be combined with --captions")


def _generate_corpus(
    captions: Path,
    output: str | None,
    pipeline_settings: SoundPipelineSettings,
    generation: SoundSettings,
    processes: int,
    *,
    as_json: bool,
) -> None:
    if output is None:
        raise InputError("--out is missing: name the folder of the corpus")
    lines = read_captions(captions)
    _ = load_pipeline(pipeline_settings)  # reports a wrong model before processes start
    from photism.audioldm2.dataset import generate_dataset

    folder = Path(output)
    try:
        with progress_bar("generating") as bar:
            metadata = generate_dataset(
                lines,
                folder,
                pipeline_settings,
                generation,
                processes=processes,
                before_loading=quieten,
                callback_on_recording=bar.update,
            )
    except KeyboardInterrupt:
        typer.echo(f"Stopped. {folder} holds what was generated; run the same command again to resume.", err=True)
        raise typer.Exit(ExitStatus.INTERRUPTED) from None
    if as_json:
        typer.echo(json.dumps({"list": str(metadata), "sounds": len(lines)}))
    else:
        typer.echo(f"{metadata}  {len(lines)} recordings; `photism align {folder}` trains on them")
