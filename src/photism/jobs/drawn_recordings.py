"""Draw recordings, each by itself or mixed with others, with the captions that are nearest to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from photism.drawing.image_files import DrawnImages, RankedRecording, encode_images
from photism.drawing.metadata import describe_settings
from photism.drawing.settings import DrawSettings
from photism.prompts.settings import MixSettings, PipelineSettings

if TYPE_CHECKING:
    from photism.audio.long_recording import Recording
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.drawing.previews import Preview
    from photism.listening.zero_shot import CaptionRanker
    from photism.prompts.audio_prompt import AudioPrompt


def load_drawing(
    settings: PipelineSettings, *, steps: int | None = None
) -> tuple[AudioToImagePipeline, CaptionRanker | None]:
    """Load a pipeline and a ranker of its captions; None if it has no captions, or no text encoder to encode them.

    Args:
        settings: settings of the pipeline.
        steps: number of denoising steps, which is checked before weights are loaded; None for the model's.
    """
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.listening.zero_shot import CaptionRanker

    pipeline = AudioToImagePipeline.from_pretrained(settings=settings, num_inference_steps=steps)
    has_ranker = pipeline.captions and getattr(pipeline.diffusion, "text_encoder", None) is not None
    return pipeline, CaptionRanker(pipeline.encoder, pipeline.diffusion, pipeline.captions) if has_ranker else None


def encode_and_rank(
    pipeline: AudioToImagePipeline,
    ranker: CaptionRanker | None,
    recordings: Sequence[tuple[str, Recording]],
    *,
    batch_size: int,
) -> tuple[AudioPrompt, list[RankedRecording]]:
    """Return the prompts of recordings, and the captions that are nearest to each.

    Args:
        pipeline: encodes the recordings.
        ranker: ranks captions; None if the model has none.
        recordings: names and recordings.
        batch_size: number of recordings that are encoded at once.
    """
    prompts = pipeline.encoder.encode([recording for _, recording in recordings], batch_size=batch_size)
    ranked = ranker.rank_prompts(prompts) if ranker else [[] for _ in recordings]
    return prompts, [
        RankedRecording(name, [(each["caption"], each["score"]) for each in captions], known, recording.warnings)
        for (name, recording), captions, known in zip(recordings, ranked, prompts.known, strict=True)
    ]


def draw_prompts(
    pipeline: AudioToImagePipeline,
    prompts: AudioPrompt,
    recordings: Sequence[RankedRecording],
    *,
    given: DrawSettings,
    decoded: DrawSettings,
    mixing: MixSettings,
    models: Mapping[str, Any],
    callback_on_step: Callable[[int, int], None] | None = None,
    callback_on_preview: Callable[[Preview], None] | None = None,
) -> Iterator[DrawnImages]:
    """Draw recordings, and yield the images of each, or of all that are mixed.

    Args:
        pipeline: generates the images.
        prompts: prompts of the recordings.
        recordings: the recordings, with their captions.
        given: settings as the user gave them, with the names of files, for the metadata of the images.
        decoded: these settings with their files read.
        mixing: which recordings are drawn together, and how.
        models: metadata of the models.
        callback_on_step: called after each step with the number of steps that are done and that of all.
        callback_on_preview: called every `preview_steps` of `decoded` with the images as the model predicts them then.

    Raises:
        InputError: a setting cannot be used with the pipeline.
    """
    from photism.prompts.mixing import mix_prompts

    outputs = pipeline.stream(
        mix_prompts(prompts, mixing),
        decoded,
        callback_on_step=callback_on_step,
        callback_on_preview=callback_on_preview,
    )
    for group in mixing.groups(recordings):
        rows = list(islice(outputs, mixing.morph or 1))
        used = describe_settings(given, rows[0].settings)
        yield encode_images(group, rows, {**models, **used, "weights": mixing.mix, "morph": mixing.morph})
