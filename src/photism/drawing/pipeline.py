"""Generate images from recordings: an audio prompt encoder and a diffusers pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from photism.audio.long_recording import Recording, load_recording
from photism.audio.waveform import AudioSource
from photism.device import choose_device
from photism.display.progress import notebook_progress
from photism.display.short_repr import short_repr
from photism.drawing.diffusion_arguments import count_steps
from photism.drawing.generate import (
    GeneratedImage,
    ImageGenerator,
    call_parameters,
    prepare_generator,
    report_steps,
    resolve_guidance_scale,
)
from photism.drawing.negative_prompt import TextPrompt, default_negative, encode_negative, read_negative
from photism.drawing.previews import Preview, report_previews
from photism.drawing.settings import DrawSettings, ImageSettings
from photism.errors import InputError
from photism.prompts.audio2img import audio2img_encoder
from photism.prompts.audio_prompt import AudioPrompt, concatenate, select_rows
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.diffusion.lora_weights import LoraWeights
from photism.prompts.diffusion.pipeline_task import share_models
from photism.prompts.diffusion.sampling_defaults import has_embedded_guidance, sampling_defaults
from photism.prompts.mixing import extend, place, token_range, with_strength
from photism.prompts.model_folder import load_models
from photism.prompts.prompt_space import check_widths
from photism.prompts.settings import PipelineSettings, Task
from photism.prompts.text import count_tokens, encode_text_prompt
from photism.seeds import seeds_of_prompts
from photism.settings import SettingError, accepts, changed

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from typing_extensions import Never

BUNDLED_STEPS = 12
"""Denoising steps of the bundled model; another model has the default of its diffusers pipeline."""
BUNDLED_GUIDANCE_SCALE = 3.0
"""Guidance scale of the bundled model; another model has the default of its diffusers pipeline."""


@dataclass(frozen=True, eq=False)
class AudioToImageOutput:
    """Images of recordings.

    Attributes:
        images: the images of each recording.
        seeds: the seed of each image of each recording, which generates the same image again.
        prompts: the prompts that the images were generated from, a row for each recording.
        settings: the settings that were used: defaults are replaced by their values.
        nsfw_content_detected: for each image of each recording, whether the diffusers pipeline's safety checker blacked
            it out; False without a safety checker.
        models: settings that the pipeline was loaded with; None if it was made of its parts.
    """

    images: list[list[Image]]
    seeds: list[list[int]]
    prompts: AudioPrompt
    settings: DrawSettings
    nsfw_content_detected: list[list[bool]]
    models: PipelineSettings | None = None

    def save(self, path: str | Path) -> list[Path]:
        """Write the images to PNG files, which hold their seeds, models and settings, and return the files.

        Existing files are overwritten, as by `Image.save` of Pillow.

        Args:
            path: file that ends in .png; several images, in the order of `images`, are numbered: herd-1.png.

        Raises:
            InputError: the file does not end in .png, or its folder does not exist.
        """
        from photism.drawing.image_files import save_images

        return save_images(self, Path(path))

    def __getattr__(self, name: str) -> Never:
        """Say where the image is, which is what audio2img's pipeline returns."""
        raise AttributeError(
            f"AudioToImageOutput has no attribute {name!r}; the image of a single recording is output.images[0][0]"
        )

    def __repr__(self) -> str:
        images = list(chain.from_iterable(self.images))
        size = {"size": f"{images[0].width}×{images[0].height}"} if images else {}
        return short_repr(self, recordings=len(self.images), images=len(images), **size, seeds=self.seeds)

    def _repr_html_(self) -> str:
        from photism.drawing.image_html import images_html

        return images_html(self.images, self.seeds, self.nsfw_content_detected)


class AudioToImagePipeline:
    """Generates images from recordings with Stable Diffusion.

    The parts are `encoder` and `diffusion`, or, by the names of audio2img's own pipeline, `audio_encoder`,
    `feature_extractor` and `diffusion_pipeline`.

    Args:
        encoder: makes the prompts. It is moved to the device of `diffusion`.
        diffusion: a diffusers pipeline with a UNet that takes `prompt_embeds`: text-to-image, image-to-image,
            inpainting or ControlNet of Stable Diffusion 1.x, 2.x or XL. It is used, never changed.
        audio_encoder: a `Wav2Vec2BertModel` with the adapter of audio2img, in place of `encoder`. It stays as it is;
            its weights are shared.
        feature_extractor: the feature extractor of `audio_encoder`.
        diffusion_pipeline: `diffusion` by the name of audio2img.
        device: device to move the diffusers pipeline to; by default it stays where it is.
        num_inference_steps: default of a call; by default that of `diffusion`, or what it was distilled to.
        guidance_scale: default of a call; by default that of `diffusion`, or what it was distilled with.
        captions: captions that the encoder recognises.
        settings: the settings it was loaded with.

    Attributes:
        negative (Negative): negative prompt of a call that gives none.

    Raises:
        InputError: a part is missing or of another kind; `diffusion` does not take prompt embeddings, or takes them in
            another width than `encoder` makes them; or the encoder's `default_negative` is not a `NegativeWord`.
    """

    def __init__(
        self,
        encoder: AudioPromptEncoder | None = None,
        diffusion: Any = None,
        *,
        audio_encoder: Any = None,
        feature_extractor: Any = None,
        diffusion_pipeline: Any = None,
        device: torch.device | str | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        captions: Sequence[str] = (),
        settings: PipelineSettings | None = None,
    ) -> None:
        diffusion = diffusion_pipeline if diffusion is None else diffusion
        _check_parts(encoder, diffusion, audio_encoder)
        parameters = call_parameters(diffusion)
        if device is not None:
            diffusion.to(choose_device(device))
        encoder = encoder or audio2img_encoder(audio_encoder, feature_extractor, diffusion)
        space = encoder.prompt_space
        check_widths(diffusion.unet.config, space=space.name, width=space.width, pooled_width=space.pooled_width)
        self.encoder = encoder.to(diffusion._execution_device)  # where offloaded weights compute, not where they wait
        self.diffusion = diffusion
        steps, scale, _ = sampling_defaults(diffusion)
        steps = num_inference_steps or steps
        scale = scale if guidance_scale is None else guidance_scale
        self.num_inference_steps: int = steps or parameters["num_inference_steps"].default
        self.guidance_scale: float = parameters["guidance_scale"].default if scale is None else scale
        self.negative = "none" if has_embedded_guidance(diffusion) else default_negative(encoder)
        self.captions = tuple(captions)
        self.settings = settings

    @classmethod
    @accepts(PipelineSettings)
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        settings: PipelineSettings | None = None,
        num_inference_steps: int | None = None,
        **changes: Any,
    ) -> AudioToImagePipeline:
        """Load an audio prompt encoder and a diffusers pipeline.

        Args:
            model: folder or hub id of a Photism model, or of a checkpoint of audio2img; by default the bundled model.
            settings: all settings in one object, over which keyword arguments take precedence.
            num_inference_steps: default of a call, which the scheduler has to be able to take.
            changes: settings by name.

        Raises:
            InputError: something is missing or damaged, cannot be done on this machine, or does not fit together, which
                is checked before weights are loaded.
        """
        if model is not None:
            changes["model"] = model
        settings = changed(PipelineSettings, settings, changes)
        encoder, diffusion, captions, (steps, scale, _), _ = load_models(settings, steps=num_inference_steps)
        steps = num_inference_steps or steps
        if settings.model is None and settings.diffusion is None:
            steps = steps or BUNDLED_STEPS
            scale = BUNDLED_GUIDANCE_SCALE if scale is None else scale
        parameters = call_parameters(diffusion)
        return cls(
            encoder,
            diffusion,
            num_inference_steps=steps or parameters["num_inference_steps"].default,
            guidance_scale=parameters["guidance_scale"].default if scale is None else scale,
            captions=captions,
            settings=settings,
        )

    def for_task(self, task: Task | None) -> AudioToImagePipeline:
        """Return a pipeline for another task that shares all models with this one, as if loaded for that task.

        Args:
            task: the task; None for that of this pipeline.

        Raises:
            InputError: the diffusers pipeline was not made for the task.
        """
        diffusion = self.diffusion if task is None else share_models(self.diffusion, task)
        if diffusion is self.diffusion:
            return self
        steps, scale = self.num_inference_steps, self.guidance_scale
        parameters = call_parameters(self.diffusion)  # their defaults are those of the task, not of the model
        return AudioToImagePipeline(
            self.encoder,
            diffusion,
            num_inference_steps=None if steps == parameters["num_inference_steps"].default else steps,
            guidance_scale=None if scale == parameters["guidance_scale"].default else scale,
            captions=self.captions,
            settings=None if self.settings is None else replace(self.settings, task=task),
        )

    @accepts(DrawSettings)
    def __call__(
        self,
        recordings: AudioSource | Sequence[AudioSource] | AudioPrompt,
        settings: DrawSettings | None = None,
        *,
        diffusion_arguments: Mapping[str, Any] | None = None,
        callback_on_step: Callable[[int, int], None] | None = None,
        callback_on_preview: Callable[[Preview], None] | None = None,
        **changes: Any,
    ) -> AudioToImageOutput:
        """Generate images of recordings.

        An image depends on its recording, its seed and the settings, not on what else is generated with it.

        Args:
            recordings: a list of anything that `load_waveform` takes, or a single one that is not a list; or prompts
                from `encoder.encode`, `encode_text` and `photism.prompts.mixing`, one row instead of each recording.
            settings: all settings in one object, over which keyword arguments take precedence.
            diffusion_arguments: further arguments of the diffusers pipeline, such as `eta`, the same for every image.
            callback_on_step: called after each step with the number of steps that are done and that of all. Without it,
                a notebook shows a progress bar, unless `diffusion.set_progress_bar_config` disables it.
            callback_on_preview: called every `preview_steps` steps with the images as the model predicts them then,
                unless that would take more than a fifth of the time, or the diffusers pipeline has a safety checker.
            changes: settings by name.

        Raises:
            InputError: a recording cannot be read or a setting cannot be used. Nothing is generated then.
        """
        settings = changed(DrawSettings, settings, changes)
        with notebook_progress(self.diffusion, callback_on_step, steps=self.num_inference_steps) as on_step:
            outputs = list(
                self.stream(
                    recordings,
                    settings,
                    diffusion_arguments=diffusion_arguments,
                    callback_on_step=on_step,
                    callback_on_preview=callback_on_preview,
                )
            )
        return AudioToImageOutput(
            [row for output in outputs for row in output.images],
            [row for output in outputs for row in output.seeds],
            concatenate([output.prompts for output in outputs]),
            outputs[0].settings,
            [row for output in outputs for row in output.nsfw_content_detected],
            self.settings,
        )

    @accepts(DrawSettings)
    def stream(
        self,
        recordings: AudioSource | Sequence[AudioSource] | AudioPrompt,
        settings: DrawSettings | None = None,
        *,
        diffusion_arguments: Mapping[str, Any] | None = None,
        callback_on_step: Callable[[int, int], None] | None = None,
        callback_on_preview: Callable[[Preview], None] | None = None,
        **changes: Any,
    ) -> Iterator[AudioToImageOutput]:
        """Generate images of recordings in batches, and return an iterator over the output of each recording.

        An output is available as soon as the batch with the last image of its recording is done.

        Args:
            recordings: as in a call.
            settings: as in a call.
            diffusion_arguments: as in a call.
            callback_on_step: as in a call.
            callback_on_preview: as in a call.
            changes: as in a call.

        Raises:
            InputError: as in a call, and before the iterator is returned.
        """
        settings = changed(DrawSettings, settings, changes)
        prompts = self.encoder.check_prompts(recordings) if isinstance(recordings, AudioPrompt) else _load(recordings)
        rows = len(prompts.prompt_embeds) if isinstance(prompts, AudioPrompt) else len(prompts)
        seeds = seeds_of_prompts(settings.seed, rows, settings.images_per_sound, count_name="images_per_sound")
        generator = self.image_generator(settings, diffusion_arguments=diffusion_arguments)
        mix_text = self.text_mixing(settings)
        if not isinstance(prompts, AudioPrompt):
            prompts = self.encoder.encode(prompts, batch_size=settings.batch_size)
        return self._generate(mix_text(prompts), seeds, generator, callback_on_step, callback_on_preview)

    def text_mixing(self, settings: ImageSettings) -> Callable[[AudioPrompt], AudioPrompt]:
        """Encode the text of the settings, and return a function that mixes it into prompts of recordings.

        Raises:
            InputError: the diffusers pipeline has no text encoder, or the text does not fit into its place.
        """
        empty = self.encoder.empty_prompt
        length, dtype = self.encoder.prompt_length, self.encoder.dtype
        tokens = count_tokens(settings.text, self.diffusion) if settings.text else 0
        replaced = token_range(settings.text_place, length=length, text_tokens=tokens)
        text = empty
        if settings.text is not None:
            places = None if replaced is None else replaced[1] - replaced[0]
            with LoraWeights(self.diffusion, settings.weight_of_loras).applied():
                text = encode_text_prompt(
                    self.diffusion,
                    [settings.text],
                    length=length,
                    dtype=dtype,
                    is_long=settings.long_text,
                    places=places,
                )

        def mix_text(prompts: AudioPrompt) -> AudioPrompt:
            prompts = extend(prompts, empty, text.prompt_embeds.shape[1])
            placed = place(prompts, text, *replaced) if replaced else prompts
            extended = extend(text, empty, placed.prompt_embeds.shape[1])
            return with_strength(placed, extended, settings.resolved_sound_strength)

        return mix_text

    def image_generator(
        self, settings: DrawSettings, *, diffusion_arguments: Mapping[str, Any] | None = None
    ) -> ImageGenerator:
        """Check settings and return a generator that turns prompts into images, again and again, with these settings.

        Raises:
            InputError: a setting cannot be used.
        """
        negative = self.negative if settings.negative is None else settings.negative
        decoded = read_negative(negative)
        is_embedded = has_embedded_guidance(self.diffusion)
        if is_embedded and decoded != "none":
            raise SettingError("negative", "cannot be used: the UNet of this model has its guidance built in")
        scale = resolve_guidance_scale(
            settings.guidance_scale, default=self.guidance_scale, has_negative=is_embedded or decoded != "none"
        )
        if scale <= 1 and decoded not in ("none", self.negative):
            is_given = settings.guidance_scale is not None
            reason = f"; got {scale:g}" if is_given else ": this model was distilled to generate without guidance"
            raise SettingError("negative", f"needs a {{}} above 1{reason}", "guidance_scale")
        loras = LoraWeights(self.diffusion, settings.weight_of_loras)
        arguments = diffusion_arguments or {}
        parameters = call_parameters(self.diffusion)
        strength = settings.strength or (parameters["strength"].default if "strength" in parameters else 1.0)
        default_steps = max(self.num_inference_steps, ceil(1 / strength))  # at least one of them is taken
        steps = count_steps(arguments, settings.num_inference_steps, default_steps)
        settings = replace(
            settings,
            num_inference_steps=steps,
            guidance_scale=scale,
            negative=negative,
            sound_strength=settings.resolved_sound_strength,
        )

        def encode() -> AudioPrompt | None:
            with loras.applied() if isinstance(decoded, TextPrompt) else nullcontext():
                return encode_negative(decoded, self.encoder, self.diffusion, is_long=settings.long_text)

        return prepare_generator(self.diffusion, settings, encode, self.encoder.empty_prompt, arguments, loras=loras)

    def encode_text(self, texts: Sequence[str], *, long_text: bool = False) -> AudioPrompt:
        """Encode texts into prompts of the length of those of recordings, to generate from or to mix with them.

        Args:
            texts: B texts, whose words may have weights.
            long_text: encode texts that are longer in chunks, into prompts of a multiple of that length.

        Raises:
            InputError: there are no texts, or the diffusers pipeline has no text encoder.
        """
        if isinstance(texts, str) or not len(texts):
            raise InputError(f"texts must be a list of at least one text; got {texts!r}")
        length, dtype = self.encoder.prompt_length, self.encoder.dtype
        return encode_text_prompt(self.diffusion, texts, length=length, dtype=dtype, is_long=long_text)

    def _generate(
        self,
        prompts: AudioPrompt,
        seeds: Sequence[Sequence[int]],
        generator: ImageGenerator,
        callback: Callable[[int, int], None] | None,
        callback_on_preview: Callable[[Preview], None] | None,
    ) -> Iterator[AudioToImageOutput]:
        settings, count = generator.settings, generator.settings.images_per_sound
        jobs = [(row, each) for row, row_seeds in enumerate(seeds) for each in row_seeds]
        size = generator.max_batch_size
        batches = [jobs[start : start + size] for start in range(0, len(jobs), size)]
        images: list[GeneratedImage] = []
        row = 0
        for number, batch in enumerate(batches):
            images += generator(
                select_rows(prompts, [row for row, _ in batch]),
                [each for _, each in batch],
                callback_on_step_end=report_steps(callback, number, len(batches)),
                callback_on_preview=report_previews(callback_on_preview, number, len(batches), first=number * size),
            )
            while len(images) >= count:
                finished, images = images[:count], images[count:]
                yield AudioToImageOutput(
                    [[each.image for each in finished]],
                    [list(seeds[row])],
                    select_rows(prompts, [row]),
                    settings,
                    [[each.is_flagged for each in finished]],
                    self.settings,
                )
                row += 1


def _check_parts(encoder: Any, diffusion: Any, audio_encoder: Any) -> None:
    """Check that one encoder and a diffusers pipeline are given."""
    if diffusion is None or (encoder is None) == (audio_encoder is None):
        raise InputError(
            "the parts must be encoder and diffusion, or audio_encoder, feature_extractor and diffusion_pipeline; "
            "AudioToImagePipeline.from_pretrained loads those of a model"
        )
    if encoder is not None and not isinstance(encoder, AudioPromptEncoder):
        raise InputError(
            f"encoder must be an AudioPromptEncoder; got {type(encoder).__name__}; a Wav2Vec2BertModel of audio2img is "
            "audio_encoder="
        )


def _load(recordings: AudioSource | Sequence[AudioSource]) -> list[Recording]:
    listed = cast("Sequence[AudioSource]", recordings if isinstance(recordings, list | tuple) else [recordings])
    if not listed:
        raise InputError("recordings must contain at least one recording; got none")
    return [load_recording(recording) for recording in listed]
