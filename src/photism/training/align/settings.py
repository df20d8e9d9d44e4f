"""All that can be said about an alignment: from YAML, from flags, or from Python."""

from __future__ import annotations

from dataclasses import dataclass

from photism.training.data.captions import check_template
from photism.training.settings import check, check_training, setting

TRAINED_ADAPTERS = ("conv", "resampler")
"""The phonetic one knows its prompts by heart, and learns no others."""


@dataclass(frozen=True)
class AlignSettings:
    """Of `align`. The help of a field is that of its flag."""

    data: str = setting("", "Folder, shards of a WebDataset (.tar), or the name of a data set.")
    output: str = setting("", "Folder of the model that comes out, and of all that the training writes.")

    encoder: str = setting(
        "facebook/w2v-bert-2.0", "Wav2Vec2-BERT to start from, or a Photism model: folder or hub id."
    )
    diffusion: str = setting(
        "stable-diffusion-v1-5/stable-diffusion-v1-5", "Diffusers pipeline whose text encoder is learned from."
    )
    adapter: str | None = setting(None, "conv or resampler. Default: the Photism model's, where it is one of these.")
    tokens: int | None = setting(None, "That the adapter makes, without the opening one. Default: all of the space.")

    dataset_config: str | None = setting(None, "Of a data set of the hub that has several.")
    sound_column: str | None = setting(
        None, "That holds the sound. Default: audio, file_name, file, path, sound, video."
    )
    text_column: str | None = setting(None, "That holds the caption; several between commas. Default: text, caption, …")
    label_template: str = setting(
        "{labels}", "Caption of labels: {labels} for all of them in one, {label} for one of each."
    )
    validation_share: float = setting(0.05, "Of the sounds without a split, kept to measure on.")
    max_unreadable: float = setting(0.05, "Share of the sounds that may be unreadable.")
    limit: int | None = setting(None, "Read only as many sounds.")
    max_duration_s: float = setting(30.0, "Longer sounds are heard in part, another part in each epoch.")

    contrastive_weight: float = setting(1.0, "Of telling a sound's caption from the others of the batch.")
    symmetric: bool = setting(True, "Tell a caption's sound from the others, too.")
    temperature: float = setting(0.15, "Of the contrast, or where it starts.")
    learn_temperature: bool = setting(True, "Train the temperature.")
    regression_weight: float = setting(1.0, "Of bringing tokens to their caption's direction and length.")
    norm_weight: float = setting(0.5, "Of the length in the regression.")
    padding_weight: float = setting(1.0, "Of positions after a caption's end, where those before it count 1.")

    epochs: float = setting(10.0, "Of the training sounds.")
    batch_size: int = setting(256, "Over all processes: a sound is told from as many captions.")
    chunk_s: float = setting(120.0, "Seconds of sound that a process encodes at once: this bounds the memory.")
    learning_rate: float = setting(1e-4, "Of the adapter and the last layer, at its highest.")
    layer_decay: float = setting(0.9, "Of the learning rate, from a layer of the encoder to the one below.")
    warmup_share: float = setting(0.05, "Of the steps, in which the learning rate rises; then it falls by a cosine.")
    weight_decay: float = setting(0.01, "Of matrices.")
    max_grad_norm: float = setting(1.0, "Longer gradients are shortened to this.")
    ema_decay: float = setting(0.999, "Of the average of the weights, which is measured and kept; 0 for none.")
    frozen_layers: int = setting(0, "Of the encoder that keep their weights, from the lowest; -1: the whole encoder.")
    lora_rank: int = setting(0, "Train the encoder's linear layers by LoRA of this rank; 0: as they are.")
    gradient_checkpointing: bool = setting(False, "Less memory for more time.")
    fsdp: bool = setting(False, "Share the weights out over processes, for a model that one device cannot hold.")
    precision: str = setting("bf16", "bf16 or fp32.")
    cpu: bool = setting(False, "Train on the processor even where there is a GPU.")
    seed: int = setting(0, "Of all that is drawn at random.")

    evaluate_every: int = setting(500, "Steps between measurements.")
    validation_clips: int = setting(1000, "To measure on at most.")
    checkpoint_every_s: float = setting(600.0, "Seconds between checkpoints.")
    keep_checkpoints: int = setting(2, "The last ones that are kept, beside the best.")
    pictures: int = setting(4, "Drawn of the same sounds at each measurement; 0 for none.")
    picture_steps: int = setting(20, "Denoising steps of these.")
    clip: str | None = setting(None, "CLIP that measures how these pictures agree with the captions: folder or hub id.")
    push_to_hub: str | None = setting(None, "Hub id to publish the result under.")

    def __post_init__(self) -> None:
        check_training(self)
        check_template(self.label_template)
        check(self, "padding_weight", 0 <= self.padding_weight <= 1, "from 0 to 1")
        check(self, "temperature", 0 < self.temperature < float("inf"), "above 0")
        for name in ("contrastive_weight", "regression_weight", "norm_weight"):
            check(self, name, 0 <= getattr(self, name) < float("inf"), "0 or more")
        check(
            self,
            "contrastive_weight",
            self.contrastive_weight + self.regression_weight > 0,
            "above 0 where regression_weight is 0",
        )
        check(self, "picture_steps", self.picture_steps >= 1, "at least 1")
        check(self, "pictures", self.pictures >= 0, "0 or more")
        check(self, "batch_size", self.batch_size >= 2, "at least 2: a sound is told from the captions of the others")
        check(self, "adapter", self.adapter in (None, *TRAINED_ADAPTERS), " or ".join(TRAINED_ADAPTERS))


SETTINGS = "align.yaml"
"""In the output of an alignment: with what it was begun."""

RUNNING = frozenset(
    {"chunk_s", "evaluate_every", "validation_clips", "checkpoint_every_s", "keep_checkpoints", "pictures"}
    | {"picture_steps", "clip", "push_to_hub", "cpu", "fsdp", "gradient_checkpointing", "output"}
)
"""What may differ when a training is resumed: it changes how it runs, and what is measured, but not what is learned."""
