"""photism sound: generate sound from text, or a training corpus from captions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from warnings import warn

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.audioldm2.settings import CorpusSettings, SeededSoundSettings, SoundPipelineSettings, SoundSettings
from photism.cli import options as option
from photism.cli.exit_status import interrupted
from photism.cli.progress import progress_bar
from photism.cli.recordings import open_recordings
from photism.cli.startup import quieten, startup
from photism.errors import InputError, ModelWarning
from photism.files import check_folder
from photism.jobs.settings import RaySettings
from photism.output_files import plan_files

if TYPE_CHECKING:
    from photism.audioldm2.dataset import RunBatches
    from photism.audioldm2.pipeline import AudioLDM2Pipeline


CANDIDATES_HARDLY_DIFFER = (
    "the candidates of the bundled model hardly differ, and their CLAP scores do not rank them; omit --candidates, or "
    "give another --model"
)


def sound(
    pipeline_settings: SoundPipelineSettings,
    generation: SeededSoundSettings,
    corpus: CorpusSettings,
    cluster: RaySettings,
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Descriptions of the sound.")] = None,
    output: Annotated[
        str | None,
        option.output(
            "Output folder, or file whose extension selects the format: wav, flac, ogg or mp3. With --captions, "
            "the folder of the corpus. Default: TEXT.wav in the current folder.",
            "--out",
        ),
    ] = None,
    force: option.Force = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object for each text.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
) -> None:
    """Generate sound from text with AudioLDM 2.

    Each file holds its text, seed, model and settings.

    For the published checkpoints, their authors advise to describe the sound with adjectives and its context, in
    general words: "clear water flowing in a forest", "a small dog" and not its name; and to give --negative
    "low quality". Results differ from seed to seed: --candidates 4 generates four, and saves the one that is most
    similar to the text.

    Examples:
        photism sound "a rooster"
        photism sound "a dog" "a cow" --candidates 4 --seed 7 --json
    """
    if corpus.captions is not None:
        for name, value in (("TEXT", texts), ("--force", force)):
            if value:
                raise InputError(f"{name} cannot be combined with --captions")
        corpus.check_generation(generation)
        if cluster.ray is not None and corpus.processes > 1:
            raise InputError("--processes and --ray exclude each other; give --ray-workers")
        run_batches = None
        if cluster.ray is not None:
            from photism.jobs.sound_job import run_on_ray

            run_batches = partial(
                run_on_ray, pipeline=pipeline_settings, address=cluster.ray, workers=cluster.ray_workers
            )
        _generate_corpus(
            corpus.captions,
            output,
            pipeline_settings,
            generation,
            corpus.processes,
            run_batches=run_batches,
            as_json=as_json,
        )
        return
    if cluster.ray is not None:
        raise InputError("--ray needs --captions: a few sounds are generated in this process")
    if not texts:
        raise InputError("TEXT is missing: describe the sound, or give --captions")
    count = generation.num_waveforms_per_prompt if corpus.all_candidates else 1
    from photism.audio.writing import check_audio_target
    from photism.audioldm2.dataset import caption_name
    from photism.audioldm2.sound_files import write_sounds

    targets = plan_files(
        texts, output, ".wav", flag="-o", force=force, count=count, stem=caption_name, check=check_audio_target
    )
    generation = _with_recording(generation, [path for paths in targets for path in paths])
    if pipeline_settings.offload is None and not pipeline_settings.compile:
        pipeline_settings = replace(pipeline_settings, offload="disk")  # each stage runs once: nothing is read twice
    pipeline = load_pipeline(pipeline_settings)
    if pipeline_settings.model is None and generation.num_waveforms_per_prompt > 1:
        warn(CANDIDATES_HARDLY_DIFFER, ModelWarning, stacklevel=2)
    with progress_bar("generating") as bar:
        generated = pipeline(texts, callback_on_step=bar.update, **vars(generation))
    for row, (text, paths) in enumerate(zip(texts, targets, strict=True)):
        written = write_sounds(text, row, paths, generated, pipeline)
        typer.echo(option.format_result(written, as_json=as_json))


def _with_recording(generation: SeededSoundSettings, targets: Sequence[Path]) -> SeededSoundSettings:
    """Read the recording that the sound starts from, if there is one.

    Raises:
        InputError: it cannot be read, or a file cannot hold its channels.
    """
    if generation.audio is None:
        return generation
    from photism.audio.original import load_original
    from photism.audio.writing import check_channels

    (file,) = open_recordings([generation.audio], ReadingSettings())
    original = load_original(file)
    if generation.span_s is not None:
        for target in targets:
            check_channels(target, len(original.samples))
    return replace(generation, audio=original)


def load_pipeline(pipeline_settings: SoundPipelineSettings) -> AudioLDM2Pipeline:
    """Return the pipeline, which reads its weights when it uses them.

    Raises:
        InputError: there is no such model, or a setting cannot be used on this machine.
    """
    with startup():
        from photism.audioldm2.pipeline import AudioLDM2Pipeline

        return AudioLDM2Pipeline.from_pretrained(settings=pipeline_settings)


def _generate_corpus(
    captions: Path,
    output: str | None,
    pipeline_settings: SoundPipelineSettings,
    generation: SoundSettings,
    processes: int,
    *,
    run_batches: RunBatches | None,
    as_json: bool,
) -> None:
    if output is None:
        raise InputError("--out is missing: name the folder of the corpus")
    folder = Path(output)
    check_folder(folder, "--out")
    lines = option.read_captions(captions)
    _ = load_pipeline(pipeline_settings)  # reports a wrong model before processes start
    from photism.audioldm2.dataset import generate_dataset

    try:
        with progress_bar("generating") as bar:
            metadata = generate_dataset(
                lines,
                folder,
                pipeline_settings,
                generation,
                processes=processes,
                before_loading=quieten,
                run_batches=run_batches,
                callback_on_recording=bar.update,
            )
    except KeyboardInterrupt:
        raise interrupted(f". {folder} holds what was generated; run the same command again to resume.") from None
    if as_json:
        typer.echo(json.dumps({"list": str(metadata), "sounds": len(lines)}))
    else:
        typer.echo(f"{metadata}  {len(lines)} recordings; `photism align {folder}` trains on them")
