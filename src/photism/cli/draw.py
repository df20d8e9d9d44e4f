"""photism draw: generate images from recordings."""

from __future__ import annotations

from itertools import islice
from typing import Annotated
from warnings import warn

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.progress import end_with_skipped, progress_bar
from photism.cli.recordings import open_recordings, read_recordings
from photism.cli.startup import load_pipeline
from photism.cli.text_sound import TextSound
from photism.drawing.metadata import describe_models, describe_settings
from photism.drawing.settings import DrawSettings
from photism.errors import InputError, RecordingWarning
from photism.output_files import check_png, plan_files, sound_stem
from photism.prompts.settings import MixSettings, PipelineSettings

NOT_KNOWN = "no known sound recognised; the image is that of the closest captions"


def draw(
    *,
    sounds: option.OptionalRecordings = None,
    output: Annotated[str | None, option.output("Image file, or an existing folder. Default: SOUND.png.")] = None,
    settings: DrawSettings,
    reading: ReadingSettings,
    models: PipelineSettings,
    spoken: TextSound,
    mixing: MixSettings,
    controlnet: option.ControlNet = None,
    force: option.Force = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each recording; for all with --mix or --morph.")
    ] = False,
) -> None:
    """Generate images from recordings.

    The images are PNG files, which hold their seed, model and settings. Of several recordings, unreadable ones are
    reported and skipped; the exit status is then 2.

    Examples:
        photism draw elephant.ogg
        photism draw elephant.ogg banana.ogg --images 4 --seed 7
    """
    models = option.with_controlnet(models, controlnet, settings)
    generated = spoken.plan(sounds, output, force=force)
    files = open_recordings([str(generated)] if generated else sounds or [], reading)
    if not files:
        raise InputError("SOUND is missing: name a recording, or generate a sound with --from-text")
    groups = mixing.groups([file.name for file in files])
    targets = plan_files(
        [group[0] for group in groups],
        output,
        ".png",
        flag="-o",
        force=force,
        count=settings.images_per_sound,
        stem=lambda sound: mixing.name or sound_stem(sound),
        check=check_png,
    )
    decoded = settings.decoded()
    if generated:
        spoken.generate(generated, models, seed=settings.seed if isinstance(settings.seed, int) else 0)
    read = read_recordings(files, skips=len(groups) > 1)
    skipped = len(files) - len(read)
    if not read:
        end_with_skipped(skipped, len(files))
    if skipped:
        groups, targets = [groups[number] for number in read], [targets[number] for number in read]
    pipeline, ranker = load_pipeline(models, steps=settings.num_inference_steps)
    from photism.drawing.image_files import RankedRecording, write_images
    from photism.prompts.mixing import mix_prompts

    prompts = pipeline.encoder.encode(list(read.values()), batch_size=settings.batch_size)
    ranked = ranker.rank_prompts(prompts) if ranker else [[] for _ in read]
    recordings = {
        files[number].name: RankedRecording(
            files[number].name,
            [(each["caption"], each["score"]) for each in captions],
            known,
            read[number].warnings,
        )
        for number, captions, known in zip(read, ranked, prompts.known, strict=True)
    }
    for (number, recording), known in zip(read.items(), prompts.known, strict=True):
        for warning in recording.level.warnings or (NOT_KNOWN,) * (known is False):
            warn(f"{files[number].name}: {warning}", RecordingWarning, stacklevel=2)
    with progress_bar("drawing") as bar:
        outputs = pipeline.stream(mix_prompts(prompts, mixing), decoded, callback_on_step=bar.update)
        for group, paths in zip(groups, targets, strict=True):
            rows = list(islice(outputs, mixing.morph or 1))
            used = describe_settings(settings, rows[0].settings)
            about = {**describe_models(models), **used, "weights": mixing.mix, "morph": mixing.morph}
            written = write_images([recordings[sound] for sound in group], rows, paths, about)
            bar.echo(option.format_result(written, as_json=as_json) + "\n")
    end_with_skipped(skipped, len(files))
