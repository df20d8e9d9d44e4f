"""Alignment: predict the prompt embeddings that a diffusion model's text encoder returns for a clip's caption."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from photism.prompts.diffusion.loading import load_diffusion
from photism.prompts.losses import LearnedTemperature
from photism.prompts.metrics import (
    cosine_similarity,
    cross_modal_retrieval,
    euclidean_distance,
    mean_squared_error,
    sequence_similarity,
)
from photism.settings import SettingError
from photism.training.alignment_losses import batch_losses, contrastive_groups, distinct_negatives
from photism.training.data.captions import caption_columns, captions_of_row
from photism.training.data.feature_cache import lock
from photism.training.data.feature_dataset import FeatureDataset
from photism.training.data.report import first_names
from photism.training.data.sampler import Crop, EpochSampler
from photism.training.data.text_embeddings import TextEmbeddings, prepare_text_embeddings
from photism.training.prompt_model import PromptEncoderBuilder, choose_diffusion
from photism.training.sample_images import clip_score, generate_images
from photism.training.settings import AlignSettings
from photism.training.task import Batch, CardSections, ErrorCase, Evaluation, TaskReport, TaskType
from photism.user_cache import cache_folder

if TYPE_CHECKING:
    from photism.training.logging import Listener

TEMPERATURE = "temperature"
"""Name under which checkpoints hold the logarithm of the learned temperature."""
TO_TEXT, TO_AUDIO = "audio to text", "text to audio"
RECALLS = [f"{TO_TEXT}: R@{count}" for count in (1, 5, 10)]
BEST_BY = f"{TO_TEXT}: R@5"
FIGURE_CLIPS = 32
NEGATIVES_STEPS = 20
"""Steps whose batches are inspected for the number of distinct negatives."""


class AlignTask:
    """Alignment of a data set, a `BatchLossTask`.

    Args:
        settings: settings of the training.
        dataset: data set whose texts are captions.
        text: embeddings of all captions in the data set.
        device: device of the model.
    """

    target_noun = "captions"
    crops_long_clips = True
    crop_s = float("inf")
    evaluates_windows = False

    def __init__(
        self, settings: AlignSettings, dataset: FeatureDataset, text: TextEmbeddings, device: torch.device
    ) -> None:
        self.settings, self.dataset, self.text, self.device = settings, dataset, text, device
        self.builder = PromptEncoderBuilder(text.space, settings)
        self.train_clips: Sequence[int] = dataset.split("train")
        self.validation_clips: Sequence[int] = dataset.split("validation")
        self.target_ids: Sequence[Sequence[int]] = [text.ids(clip.texts) for clip in dataset.clips]
        self.temperature = LearnedTemperature(settings.temperature).to(device)
        self.extra_parameters: Mapping[str, Tensor] = {TEMPERATURE: self.temperature.log_temperature}

    def report(self, sampler: EpochSampler) -> TaskReport:
        """Return the number of distinct negatives of a clip, and the captions that the tokenizer truncates."""
        used = set(chain.from_iterable(clip.texts for clip in self.dataset.clips))
        pairs = zip(self.text.captions, self.text.is_truncated, strict=True)
        truncated = sorted(used & {caption for caption, is_truncated in pairs if is_truncated})
        batch_size, group = self.settings.batch_size, self.settings.contrastive_group
        values: dict[str, Any] = {"cut_captions": truncated, "batch_size": batch_size}
        lines: list[str] = []
        if sampler.steps_per_epoch:
            steps = max(1, round(self.settings.epochs * sampler.steps_per_epoch))
            batches = map(sampler.batch, range(min(steps, NEGATIVES_STEPS)))
            values["negatives"] = distinct_negatives(batches, group)
            where = f"a group of {group} within a batch of {batch_size}" if group else f"a batch of {batch_size}"
            lines.append(f"{where} has {values['negatives']:.1f} distinct negatives on average")
        if truncated:
            lines.append(f"the tokenizer truncates {len(truncated)} captions{first_names(truncated)}")
        return TaskReport(lines, values)

    def targets(self, crops: Sequence[Crop]) -> dict[str, Tensor]:
        """Return number and embeddings of each crop's caption, which positions are padding, and the pooled embeddings.

        With contrastive groups, also the number of each crop's group.
        """
        ids = torch.tensor([crop.target for crop in crops], dtype=torch.long)
        positions = self.text.space.length - 1
        targets = {
            "caption_ids": ids,
            "text_embeds": self.text.tokens(ids, positions),
            "is_padding": self.text.is_padding(ids, positions),
        }
        if self.settings.contrastive_group is not None:
            targets["group"] = torch.tensor(contrastive_groups(crops, self.settings.contrastive_group))
        pooled = self.text.pooled(ids)
        return targets if pooled is None else {**targets, "pooled": pooled}

    def outputs(self, model: Any, batch: Batch) -> tuple[Tensor, ...]:
        """Return prompt tokens (B, S, D) without BOS, and pooled embeddings (B, P) if the space has them."""
        prompt = model(batch.features, batch.mask)
        return tuple(each for each in (prompt.prompt_embeds[:, 1:], prompt.pooled_prompt_embeds) if each is not None)

    def losses(self, outputs: Sequence[Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses of a whole batch, and the temperature."""
        temperature = self.temperature() if self.settings.learn_temperature else self.settings.temperature
        losses = batch_losses(outputs, targets, self.settings, temperature=temperature)
        return {**losses, "temperature": torch.as_tensor(temperature)}

    def predict(self, model: Any, batch: Batch) -> list[tuple[Tensor, ...]]:
        """Return tokens (S, D) and, if the space has them, pooled embeddings (P,) of each crop, float32."""
        rows = [each.float().cpu() for each in self.outputs(model, batch)]
        # Copies: the processes exchange pickled predictions, and a pickled view holds the tensor of its whole batch.
        return [tuple(each.clone() for each in prediction) for prediction in zip(*rows, strict=True)]

    def evaluate(self, clips: Sequence[int], predictions: Sequence[tuple[Tensor, ...]]) -> Evaluation:
        """Return retrieval metrics in both directions, distances to the first caption, and wrong nearest captions."""
        tokens, *pooled = (torch.stack(each) for each in zip(*predictions, strict=True))
        captions = [self.target_ids[clip] for clip in clips]
        candidates = sorted(set(chain.from_iterable(captions)))
        column = {caption: index for index, caption in enumerate(candidates)}
        relevant = torch.zeros(len(clips), len(candidates), dtype=torch.bool)
        for row, own in enumerate(captions):
            relevant[row, [column[caption] for caption in own]] = True
        count = tokens.shape[1]
        similarity = sequence_similarity(tokens, self.text.tokens(torch.tensor(candidates), count))
        both = cross_modal_retrieval(similarity, relevant)
        metrics: dict[str, float] = {}
        for name, way in ((TO_TEXT, both.audio_to_text), (TO_AUDIO, both.text_to_audio)):
            metrics[f"{name}: R@1"] = way.recall_at_1
            metrics[f"{name}: R@5"] = way.recall_at_5
            metrics[f"{name}: R@10"] = way.recall_at_10
            metrics[f"{name}: median rank"] = way.median_rank
        first = self.text.tokens(torch.tensor([own[0] for own in captions]), count)
        metrics["cosine similarity"] = cosine_similarity(tokens, first)
        metrics["mean squared error"] = mean_squared_error(tokens, first)
        metrics["Euclidean distance"] = euclidean_distance(tokens, first)
        return Evaluation(
            metrics,
            worst=self._worst(clips, similarity, relevant, [self.text.captions[each] for each in candidates]),
            figures={"similarity": self._similarity_figure(tokens, captions)},
            headline=[*RECALLS, f"{TO_TEXT}: median rank"],
            sample=partial(self._sample, tokens, pooled, captions) if self.settings.pictures else None,
        )

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return R@5 of captions; without validation clips 0, so that the last weights are kept."""
        return metrics.get(BEST_BY, 0.0)

    def save(self, folder: Path, evaluation: Evaluation) -> None:
        """Save the captions, from which `photism hear` chooses."""
        captions = sorted({caption for clip in self.dataset.clips for caption in clip.texts})
        (folder / "captions.json").write_text(json.dumps(captions, ensure_ascii=False, indent=0), encoding="utf8")

    def card(self) -> CardSections:
        """Return what the task adds to the model card."""
        settings = self.settings
        model = settings.push_to_hub or Path(settings.output).name
        return CardSections(
            ["library_name: photism", "tags: [audio, wav2vec2-bert, stable-diffusion, audio-to-image]"],
            [
                "An audio encoder for Photism: it turns a recording into the prompt embeddings that the text encoder "
                f"of `{settings.diffusion}` returns for its caption.",
                f"    photism draw recording.wav --model {model} --diffusion {settings.diffusion}",
            ],
            curves=RECALLS,
        )

    def _worst(
        self, clips: Sequence[int], similarity: Tensor, relevant: Tensor, captions: Sequence[str]
    ) -> list[ErrorCase]:
        """Return the clips whose nearest caption is wrong, by the number of wrong captions before their own."""
        own = similarity.masked_fill(~relevant, -torch.inf).max(1, keepdim=True)
        before = ((similarity >= own.values) & ~relevant).sum(1)
        nearest = similarity.masked_fill(relevant, -torch.inf).argmax(1)
        cases = [
            ErrorCase(self.dataset.clips[clip].name, float(count), captions[int(wrong)], captions[int(right)])
            for clip, count, wrong, right in zip(clips, before, nearest, own.indices, strict=True)
            if count
        ]
        return sorted(cases, key=lambda case: -case.error)

    def _similarity_figure(self, tokens: Tensor, captions: Sequence[Sequence[int]]) -> Any:
        """Return a matplotlib figure of the similarity of the first clips and captions; matches are on the diagonal."""
        from matplotlib.figure import Figure

        shown = slice(FIGURE_CLIPS)
        ids = torch.tensor([own[0] for own in captions[shown]])
        similarity = sequence_similarity(tokens[shown], self.text.tokens(ids, tokens.shape[1]))
        figure = Figure(figsize=(9, 8), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(similarity.numpy(), cmap="viridis")
        names = [self.text.captions[caption][:24] for caption in ids.tolist()]
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
        axes.set_yticks(range(len(names)), names, fontsize=6)
        axes.set_xlabel("caption")
        axes.set_ylabel("clip, by its caption")
        figure.colorbar(image, label="mean cosine of tokens")
        return figure

    def _sample(
        self, tokens: Tensor, pooled: Sequence[Tensor], captions: Sequence[Sequence[int]]
    ) -> tuple[dict[str, float], dict[str, Any]]:
        """Return the CLIP score, if a CLIP model is given, and images of the first clips, by name."""
        settings, space = self.settings, self.text.space
        dtype = torch.float32 if self.device.type == "cpu" else torch.bfloat16
        pipeline = load_diffusion(settings.diffusion, device=self.device, dtype=dtype)
        tokens = tokens[: settings.pictures]
        images = generate_images(
            pipeline,
            torch.cat([space.bos.expand(len(tokens), 1, -1), tokens], dim=1),
            pooled[0][: settings.pictures] if pooled else None,
            negative=space.negative[: 1 + tokens.shape[1]],
            pooled_negative=space.pooled_negative,
            steps=settings.picture_steps,
            seed=settings.seed,
        )
        texts = [self.text.captions[own[0]] for own in captions[: settings.pictures]]
        named = {
            f"pictures/{number} {text[:40]}": image
            for number, (image, text) in enumerate(zip(images, texts, strict=True))
        }
        return {"CLIP score": clip_score(images, texts, settings.clip)} if settings.clip else {}, named


def _create(settings: AlignSettings, dataset: FeatureDataset, device: torch.device, listener: Listener) -> AlignTask:
    """Encode the captions, in the process that comes first, and free the text encoder again."""
    listener.stage("encoding the captions")
    captions = list(dict.fromkeys(caption for clip in dataset.clips for caption in clip.texts))
    folder = cache_folder() / "targets"
    with lock(folder / "lock"):
        pipeline = load_diffusion(settings.diffusion, device=device, dtype=torch.float32, text_only=True)
        if settings.caption_length is not None:
            _truncate_captions(pipeline, settings.caption_length)
        name = Path(settings.diffusion).name
        text = prepare_text_embeddings(captions, pipeline, folder, name=name, on_captions=listener.prepared)
        del pipeline
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return AlignTask(settings, dataset, text, device)


def _truncate_captions(pipeline: Any, length: int) -> None:
    """Let the tokenizers of a diffusion pipeline truncate and pad captions to a length.

    Raises:
        SettingError: the text encoder takes fewer tokens.
    """
    for tokenizer in filter(None, (pipeline.tokenizer, getattr(pipeline, "tokenizer_2", None))):
        if length > tokenizer.model_max_length:
            raise SettingError(
                "caption_length",
                f"must be at most the text encoder's {tokenizer.model_max_length} tokens; got {length}",
            )
        tokenizer.model_max_length = length


def _columns(settings: AlignSettings) -> dict[str, Any]:
    """Return which columns the settings name, as arguments of `captions_of_row` and `caption_columns`."""
    texts = tuple(map(str.strip, settings.text_column.split(","))) if settings.text_column else None
    return {"text_columns": texts, "label_column": settings.label_column}


ALIGN = TaskType(
    read_row=lambda row, settings: captions_of_row(row, **_columns(settings), label_template=settings.label_template),
    required=lambda settings: "caption",
    cache_key=lambda settings: {
        "sound": settings.sound_column,
        "captions": [settings.text_column, settings.label_column, settings.label_template],
    },
    create=_create,
    complete=choose_diffusion,
    columns=lambda row, settings: caption_columns(row, **_columns(settings)),
)
