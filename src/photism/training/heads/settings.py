"""All that can be said about a fine-tuning: from YAML, from flags, or from Python."""

from __future__ import annotations

from dataclasses import dataclass

from photism.training.settings import check, check_library, check_training, setting

DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class FinetuneSettings:
    """What all tasks have alike. The help of a field is that of its flag.

    Each task's settings are these and its own: a flag, a key of the file and a check of each are in one place.
    """

    data: str = setting("", "Folder, shards of a WebDataset (.tar), or the name of a data set.")
    output: str = setting("", "Folder of the model that comes out, and of all that the training writes.")

    encoder: str = setting(
        "facebook/w2v-bert-2.0",
        "Wav2Vec2-BERT to start from, or a Photism model: folder or hub id; tiny: the bundled one.",
    )
    weighted_layer_sum: bool = setting(False, "Read a learned mean of all layers in place of the last.")

    dataset_config: str | None = setting(None, "Of a data set of the hub that has several.")
    sound_column: str | None = setting(
        None, "That holds the sound. Default: audio, file_name, file, path, sound, video."
    )
    speaker_column: str | None = setting(
        None, "Whose sounds go to one split together. Default: speaker, speaker_id, client_id, where there is one."
    )
    validation_share: float = setting(0.1, "Of the sounds without a split, or their speakers, kept to measure on.")
    max_unreadable: float = setting(0.05, "Share of the sounds that may be unreadable.")
    limit: int | None = setting(None, "Read only as many sounds.")
    max_duration_s: float = setting(30.0, "Longer sounds are heard in part or, where that cannot be, left out.")

    epochs: float = setting(10.0, "Of the training sounds.")
    batch_size: int = setting(32, "Sounds of a step, over all processes.")
    chunk_s: float = setting(120.0, "Seconds of sound that a process encodes at once: this bounds the memory.")
    learning_rate: float = setting(5e-4, "Of the head, at its highest.")
    encoder_rate: float = setting(0.1, "Of the encoder's last layer, as a share of the head's.")
    layer_decay: float = setting(0.9, "Of the learning rate, from a layer of the encoder to the one below.")
    warmup_share: float = setting(0.1, "Of the steps, in which the learning rate rises; then it falls by a cosine.")
    weight_decay: float = setting(0.01, "Of matrices.")
    max_grad_norm: float = setting(1.0, "Longer gradients are shortened to this.")
    ema_decay: float = setting(0.99, "Of the average of the weights, which is measured and kept; 0 for none.")
    patience: int = setting(0, "Measurements without a better one after which it stops; 0: it goes on to the end.")
    frozen_layers: int = setting(0, "Of the encoder that keep their weights, from the lowest; -1: the whole encoder.")
    lora_rank: int = setting(0, "Train the encoder's linear layers by LoRA of this rank; 0: as they are.")
    dropout: float | None = setting(None, "Of states and attention. Default: the encoder's own.")
    layerdrop: float = setting(0.0, "Share of the encoder's layers that a step leaves out.")
    mask_time: float = setting(0.05, "Share of a sound that is hidden in training, in spans (SpecAugment).")
    mask_mel: float = setting(0.1, "Share of the mel bins that are hidden in training at most, in one band.")
    gradient_checkpointing: bool = setting(False, "Less memory for more time.")
    fsdp: bool = setting(False, "Share the weights out over processes, for a model that one device cannot hold.")
    precision: str = setting("bf16", "bf16 or fp32.")
    cpu: bool = setting(False, "Train on the processor even where there is a GPU.")
    seed: int = setting(0, "Of all that is drawn at random.")

    evaluate_every: int = setting(200, "Steps between measurements.")
    validation_clips: int = setting(2000, "To measure on at most.")
    checkpoint_every_s: float = setting(600.0, "Seconds between checkpoints.")
    keep_checkpoints: int = setting(2, "The last ones that are kept, beside the best.")
    dtype: str = setting("float32", "Of the result's weights: float32, float16 or bfloat16.")
    push_to_hub: str | None = setting(None, "Hub id to publish the result under.")

    def __post_init__(self) -> None:
        check_training(self)
        for name in ("layerdrop", "mask_time", "mask_mel"):
            check(self, name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        check(self, "dropout", self.dropout is None or 0 <= self.dropout < 1, "from 0 to below 1")
        check(self, "encoder_rate", 0 <= self.encoder_rate < float("inf"), "0 or more")
        check(self, "batch_size", self.batch_size >= 1, "at least 1")
        check(self, "patience", self.patience >= 0, "0 or more")
        check(self, "dtype", self.dtype in DTYPES, f"one of {', '.join(DTYPES)}")


@dataclass(frozen=True)
class ClassifySettings(FinetuneSettings):
    """Of classes of whole recordings."""

    label_column: str | None = setting(None, "That holds the class. Default: labels, label, category; or the folder.")
    classes: str | None = setting(None, "Their names between commas, in their order. Default: all that occur.")
    multi_label: bool = setting(False, "A sound may have several classes or none: a list, or names between commas.")
    balance: bool = setting(False, "Classes count alike, however many sounds each of them has.")


@dataclass(frozen=True)
class CtcSettings(FinetuneSettings):
    """Of characters of speech."""

    text_column: str | None = setting(
        None, "That holds what is said. Default: text, caption, sentence, transcription, …"
    )
    lowercase: bool = setting(True, "Write all in small letters.")
    keep_punctuation: bool = setting(False, "Learn punctuation, too.")
    remove: str | None = setting(None, "Regular expression of what is not said, such as \\[.*?\\].")
    vocabulary: str | None = setting(None, "vocab.json of the characters. Default: all of the training transcripts.")
    min_count: int = setting(1, "Characters that occur less often are left out of the vocabulary.")
    adapter: bool = setting(False, "Add a layer that makes one token of two, for encoders of short tokens.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "min_count", self.min_count >= 1, "at least 1")
        check(self, "weighted_layer_sum", not self.weighted_layer_sum, "off: a CTC head reads the last layer")
        check_library("jiwer", "finetune ctc")


@dataclass(frozen=True)
class SpeakerSettings(FinetuneSettings):
    """Of speakers, told by their voices."""

    crop_s: float = setting(3.0, "Of a sound that is heard in a step, another part in each epoch.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "crop_s", 0 < self.crop_s < float("inf"), "above 0")


LEARNED_OF_FRAMES = ("speech", "speakers", "names")
MOST_SPEAKERS = 5
"""All of their orders are tried."""


@dataclass(frozen=True)
class FramesSettings(FinetuneSettings):
    """Of who speaks when."""

    learn: str = setting("speech", "speech: whether; speakers: who, whoever they are; names: who, by the RTTM's names.")
    speakers: int = setting(2, "That a recording has at most, where these are learned.")
    rttm: str | None = setting(None, "RTTM of all recordings, or a folder of such. Default: beside each sound.")
    crop_s: float = setting(8.0, "Of a recording that is heard in a step, another part in each epoch.")
    collar_s: float = setting(0.0, "Left out of the diarization error rate on either side of each true edge.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, "learn", self.learn in LEARNED_OF_FRAMES, f"one of {', '.join(LEARNED_OF_FRAMES)}")
        check(self, "speakers", 1 <= self.speakers <= MOST_SPEAKERS, f"from 1 to {MOST_SPEAKERS}")
        check(self, "crop_s", 0 < self.crop_s < float("inf"), "above 0")
        check(self, "collar_s", 0 <= self.collar_s < float("inf"), "0 or more")


SETTINGS = "finetune.yaml"
"""In the output of a fine-tuning: with what it was begun."""

RUNNING = frozenset(
    {"chunk_s", "evaluate_every", "validation_clips", "checkpoint_every_s", "keep_checkpoints", "patience"}
    | {"dtype", "push_to_hub", "cpu", "fsdp", "gradient_checkpointing", "output"}
)
"""What may differ when a training is resumed: it changes how it runs, and what is measured, but not what is learned."""
