"""Model of a fine-tuning: a new head on a pretrained encoder, saved in the layout of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from photism.encoder.processor import SeamlessM4TFeatureExtractor
from photism.prompts.pretrained_encoder import PretrainedEncoder
from photism.training.data.example import speaker_of_row
from photism.training.parameters import configure_dropout, merge_lora, prepare_encoder
from photism.training.settings import FinetuneSettings
from photism.training.task import CardSections


@dataclass(frozen=True)
class HeadBuilder:
    """How a model with a new head is made and saved.

    Attributes:
        model_class: class of the model.
        config: values of its configuration that differ from the encoder's.
        settings: settings of the training.
    """

    model_class: type
    config: Mapping[str, Any]
    settings: FinetuneSettings
    encoder_name = "wav2vec2_bert"

    def build(self, pretrained: PretrainedEncoder, *, device: str = "cpu") -> Any:
        """Return a model with a new head and the weights of the pretrained encoder; on "meta" without weights.

        Raises:
            InputError: the encoder does not fit its configuration, or more layers are to be frozen than it has.
        """
        settings, config = self.settings, configure_dropout(pretrained.config, self.settings)
        changes = {
            **self.config,
            "use_weighted_layer_sum": settings.weighted_layer_sum,
            "apply_spec_augment": False,  # the features are masked, see `spec_augment_`
        }
        for name, value in changes.items():
            setattr(config, name, value)
        torch.manual_seed(settings.seed)
        with torch.device(device):
            model: Any = self.model_class(config)
            if device != "meta":
                pretrained.load_into(model.wav2vec2_bert)
            adapter = model.wav2vec2_bert.adapter
            model.wav2vec2_bert = prepare_encoder(model.wav2vec2_bert, settings)
        if adapter is not None:
            adapter.requires_grad_(True)  # new, whatever of the encoder is frozen
        return model

    def start_line(self, pretrained: PretrainedEncoder) -> str:
        """Return that the checkpoint's own head, or prompt adapter, is left behind, if it has one."""
        return pretrained.start_line()

    def min_tokens(self, model: Any) -> int:
        """Return 1: crops are padded to the longest only."""
        return 1

    def max_tokens(self, model: Any) -> None:
        """Return None: crops are used completely."""

    def save(self, model: Any, folder: Path, pretrained: PretrainedEncoder) -> None:
        """Save the model, with LoRA merged and in the type of the settings, and its feature extractor."""
        model.wav2vec2_bert = merge_lora(model.wav2vec2_bert)
        model.to(getattr(torch, self.settings.dtype))
        model.save_pretrained(folder)
        features, prompt_config = pretrained.features, pretrained.prompt_config
        SeamlessM4TFeatureExtractor(
            feature_size=features.num_mel_bins,
            num_mel_bins=features.num_mel_bins,
            stride=features.stride,
            padding_value=prompt_config.padding_value if prompt_config else 0.0,
        ).save_pretrained(folder)


def finetune_card(builder: HeadBuilder, pipeline_tag: str) -> CardSections:
    """Return the sections of a fine-tuned model's card.

    Args:
        builder: how the model is made.
        pipeline_tag: task in the terms of the Hugging Face hub.
    """
    settings = builder.settings
    return CardSections(
        ["library_name: transformers", f"pipeline_tag: {pipeline_tag}", "tags: [photism, audio, wav2vec2-bert]"],
        [f"A {builder.model_class.__name__}, fine-tuned with `photism {settings.verb}` from `{settings.encoder}`."],
    )


def finetune_cache_key(settings: FinetuneSettings, targets: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the settings that decide which clips and texts a data set has.

    Args:
        settings: settings of the training.
        targets: settings that decide its targets alone.
    """
    columns = [settings.sound_column, settings.speaker_column]
    return {"columns": columns, "task": settings.verb.removeprefix("finetune "), **(targets or {})}


def group_by_speaker(row: Mapping[str, Any], settings: FinetuneSettings) -> str | None:
    """Return the speaker of a row, whose clips are kept in one split, if the row names one."""
    return speaker_of_row(row, settings.speaker_column)
