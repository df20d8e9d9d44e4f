"""Settings of `photism align` and `photism finetune`: shared ones first, then those of each verb.

Nothing here imports torch, so that the command line's help is quick.
"""

from __future__ import annotations

from photism.device import DTYPES
from photism.extras import require
from photism.manifest.columns import SOUND_COLUMNS
from photism.settings import SettingError, setting, settings

TRAINABLE_ADAPTERS = ("conv", "resampler")
"""The third adapter, `phonetic`, mixes memorised prompts and is trained by a recipe of its own."""
ALL_LABELS, EACH_LABEL = "{labels}", "{label}"
"""Placeholders of a template that makes captions from labels."""
DEFAULT_DIFFUSION = "stable-diffusion-v1-5/stable-diffusion-v1-5"
SCHEDULES = ("cosine", "linear", "constant")
FRAME_TARGETS = ("speech", "speakers", "names")
MAX_SPEAKERS = 5
"""The permutation-invariant loss tries every order of the speakers, 120 for five."""
RESUMABLE_CHANGES = frozenset(
    {"chunk_s", "evaluate_every", "validation_clips", "checkpoint_every_s", "keep_checkpoints", "patience"}
    | {"pictures", "picture_steps", "clip", "dtype", "push_to_hub", "cpu", "fsdp", "gradient_checkpointing", "output"}
)
"""Settings that may change when a training resumes: they affect how it runs and what it reports, not what it learns."""


@settings(group="training")
class TrainingSettings:
    """Settings that all trainings share."""

    verb = ""
    """Command that takes these settings, without `photism`."""
    file = ""
    """Name of the YAML file in the output folder that holds the settings."""

    data: str = setting(
        "",
        "Folder of recordings, Lance data set, Parquet file, WebDataset shards (.tar), or a data set of the Hugging "
        "Face hub or on disk.",
        is_argument=True,
        group="input",
    )
    output: str = setting(
        "", "Folder for the model, its checkpoints and logs.", short="-o", group="output", metavar="FOLDER"
    )
    encoder: str = setting(
        "facebook/w2v-bert-2.0",
        "Wav2Vec2-BERT, Photism model or checkpoint of audio2img to start from: folder, hub id, or tiny for the "
        "bundled model.",
        group="model",
        metavar="FOLDER|ID",
    )

    dataset_config: str | None = setting(
        None, "Configuration of a hub data set that has several.", group="input", metavar="NAME"
    )
    sound_column: str | None = setting(
        None,
        f"Column with the recording. Default: the first of {', '.join(SOUND_COLUMNS)}.",
        group="input",
        metavar="COLUMN",
    )
    validation_share: float = setting(
        0.1, "Fraction of the clips without a given split to use for validation.", minimum=0, below=1, group="input"
    )
    max_unreadable: float = setting(
        0.05,
        "Fraction of the recordings that may be unreadable; with more, the training stops.",
        minimum=0,
        maximum=1,
        group="input",
    )
    limit: int | None = setting(
        None,
        "Read only this many recordings, chosen from all splits and classes. Default: all.",
        minimum=2,
        group="input",
    )
    max_duration_s: float = setting(
        30.0,
        "Longest training crop; a longer clip is cropped, or skipped where that is impossible.",
        unit="seconds",
        above=0,
        group="input",
    )
    random_crop: bool = setting(
        True, "Crop a longer clip at random each epoch; otherwise its beginning is used in every epoch.", group="input"
    )

    epochs: float = setting(10.0, "Number of passes over the training clips.", above=0)
    batch_size: int = setting(32, "Clips per optimizer step, over all processes.", minimum=1)
    chunk_s: float = setting(
        120.0,
        "Seconds of audio in a micro-batch of one process, which bounds the memory; halved when memory runs out.",
        unit="seconds",
        above=0,
        group="speed",
    )
    learning_rate: float = setting(1e-4, "Peak learning rate of the layers above the encoder.", above=0)
    layer_decay: float = setting(
        0.9, "Factor of the learning rate from each encoder layer to the one below.", above=0, maximum=1
    )
    schedule: str = setting(
        "cosine",
        "Learning rate after the warm-up: cosine or linear decay to 0 at the last step, or constant.",
        choices=SCHEDULES,
    )
    warmup_share: float = setting(0.1, "Fraction of the steps spent on linear warm-up.", minimum=0, maximum=1)
    warmup_steps: int | None = setting(
        None,
        "Number of steps of linear warm-up, in place of warmup_share. Default: warmup_share of all steps.",
        minimum=0,
    )
    adam_beta2: float = setting(0.98, "AdamW's beta2, the decay of the mean of squared gradients.", minimum=0, below=1)
    weight_decay: float = setting(0.01, "AdamW weight decay, applied to matrices only.", minimum=0)
    max_grad_norm: float = setting(1.0, "Norm to which the global gradient is clipped.", above=0)
    ema_decay: float = setting(
        0.99,
        "Decay of the exponential moving average of the weights, which is evaluated and saved; 0 for none.",
        minimum=0,
        below=1,
    )
    dropout: float | None = setting(
        None,
        "Dropout of hidden states and attention. Default: that of the encoder's configuration.",
        minimum=0,
        below=1,
    )
    layerdrop: float | None = setting(
        None,
        "Probability of skipping each encoder layer in a training step; without a value, that of the encoder's "
        "configuration.",
        minimum=0,
        below=1,
    )
    frozen_layers: int = setting(
        0,
        "Number of encoder layers to freeze, from the bottom; -1 freezes the whole encoder.",
        minimum=-1,
        group="model",
    )
    lora_rank: int = setting(
        0, "Rank of LoRA adapters that are trained in place of the encoder; 0 for none.", minimum=0, group="model"
    )
    gradient_checkpointing: bool = setting(
        False, "Recompute activations in the backward pass, which saves memory and costs time.", group="speed"
    )
    fsdp: bool = setting(
        False, "Shard the weights over the processes (FSDP), for a model larger than one device.", group="speed"
    )
    precision: str = setting(
        "bf16",
        "Mixed precision of the forward and backward pass: bf16 is autocast to bfloat16, fp16 to float16 with a scaled "
        "loss, for GPUs without bfloat16; fp32 is without autocast.",
        choices=("bf16", "fp16", "fp32"),
        group="speed",
    )
    cpu: bool = setting(False, "Train on the CPU even if there is a GPU.", group="speed")
    seed: int = setting(0, "Random seed for data order, crops, dropout and initialisation.", minimum=0)

    evaluate_every: int = setting(
        200, "Steps between evaluations on the validation split.", minimum=1, group="evaluation"
    )
    validation_clips: int = setting(
        2000, "Maximum number of validation clips to evaluate on.", minimum=1, group="evaluation"
    )
    checkpoint_every_s: float = setting(600.0, "Time between checkpoints.", unit="seconds", minimum=0, group="output")
    keep_checkpoints: int = setting(
        2, "Number of checkpoints to keep; the best weights are kept besides.", minimum=1, group="output"
    )
    push_to_hub: str | None = setting(
        None, "Hugging Face repository to publish the result to, such as me/rain.", group="output", metavar="OWNER/NAME"
    )

    def check(self) -> None:
        """Raise InputError where settings are missing or contradict each other."""
        require("accelerate", "training", "train")
        if not self.data:
            raise SettingError("data", "must name the training data: a folder, shards or a data set")
        if not self.output:
            raise SettingError("output", "must name the folder of the result")
        if self.lora_rank and self.frozen_layers == -1:
            raise SettingError("lora_rank", f"must be 0 if the whole encoder is frozen; got {self.lora_rank}")
        if self.lora_rank:
            require("peft", "lora_rank", "train")


@settings(group="objective")
class AlignSettings(TrainingSettings):
    """Settings of `photism align`."""

    verb = "align"
    file = "align.yaml"

    diffusion: str = setting(
        "",
        "Diffusion model whose text encoder defines the targets: a single .safetensors file, or folder or hub id of a "
        f"diffusers pipeline. Default: that of the model to start from, or {DEFAULT_DIFFUSION}.",
        group="model",
        metavar="FILE|FOLDER|ID",
    )
    adapter: str | None = setting(
        None,
        "Prompt adapter to train. Default: the one of the model to start from, or resampler.",
        choices=TRAINABLE_ADAPTERS,
        group="model",
    )
    tokens: int | None = setting(
        None,
        "Number of prompt tokens the adapter produces, without BOS. Default: the full prompt length.",
        group="model",
    )
    num_adapter_layers: int | None = setting(
        None,
        "Number of layers of the conv adapter. Default: those of the model to start from, or 2.",
        minimum=1,
        group="model",
    )
    adapter_kernel_size: int | None = setting(
        None,
        "Kernel size of the conv adapter's convolutions. Default: that of the model, or 3.",
        minimum=1,
        group="model",
    )
    adapter_stride: int | None = setting(
        None,
        "Factor by which each layer of the conv adapter lowers the frame rate. Default: 2.",
        minimum=1,
        group="model",
    )
    caption_length: int | None = setting(
        None,
        "Number of tokens to which captions are truncated and padded, BOS and EOS included. Default: the full prompt "
        "length.",
        minimum=3,
        group="input",
    )
    text_column: str | None = setting(
        None,
        "Columns with captions, separated by commas. Default: labels, or else text, caption, captions, …",
        group="input",
        metavar="COLUMN",
    )
    label_column: str | None = setting(
        None,
        "Column with labels, from which captions are made. Default: labels, or without captions label or category.",
        group="input",
        metavar="COLUMN",
    )
    label_template: str = setting(
        "{labels}",
        "Caption made from labels: {labels} puts all of them in one caption, {label} makes one caption of each.",
        group="input",
        metavar="TEXT",
    )

    contrastive_weight: float = setting(1.0, "Weight of the contrastive loss.", minimum=0)
    contrastive_group: int | None = setting(
        None,
        "Number of clips that are contrasted with each other, a divisor of batch_size. Default: the whole batch.",
        minimum=2,
    )
    mask_equal_captions: bool = setting(True, "Exclude equal captions from the negatives of a clip.")
    symmetric: bool = setting(True, "Contrast captions with clips as well as clips with captions.")
    temperature: float = setting(
        0.15, "Temperature of the contrastive loss; the initial value if it is learned.", above=0
    )
    learn_temperature: bool = setting(True, "Train the temperature.")
    regression_weight: float = setting(
        1.0, "Weight of the regression loss, which brings each token to its target's direction and norm.", minimum=0
    )
    norm_weight: float = setting(0.5, "Weight of the norm within the regression loss.", minimum=0)
    padding_weight: float = setting(
        1.0, "Weight of prompt positions after the caption's end, relative to those before.", minimum=0, maximum=1
    )
    pictures: int = setting(
        4,
        "Number of sample images to generate at each evaluation, one from each of the first validation clips; 0 for "
        "none.",
        minimum=0,
        group="evaluation",
    )
    picture_steps: int = setting(20, "Number of denoising steps of the sample images.", minimum=1, group="evaluation")
    clip: str | None = setting(
        None,
        "CLIP model that scores the sample images against their captions: folder or hub id.",
        group="evaluation",
        metavar="FOLDER|ID",
    )

    validation_share: float = 0.05
    batch_size: int = 256
    warmup_share: float = 0.05
    ema_decay: float = 0.999
    evaluate_every: int = 500
    validation_clips: int = 1000

    def check(self) -> None:
        """Raise InputError where settings are missing or contradict each other."""
        super().check()
        if self.text_column and self.label_column:
            raise SettingError(
                "label_column", f"must not be given together with {{}}; got {self.label_column!r}", "text_column"
            )
        if (ALL_LABELS in self.label_template) == (EACH_LABEL in self.label_template):
            raise SettingError(
                "label_template",
                f"must contain either {ALL_LABELS}, for one caption of all labels, or {EACH_LABEL}, for a caption of "
                f"each; got {self.label_template!r}",
            )
        if self.contrastive_weight + self.regression_weight == 0:
            raise SettingError("contrastive_weight", "must be above 0 if regression_weight is 0; got 0")
        if self.batch_size < 2:
            raise SettingError(
                "batch_size", f"must be at least 2, since clips are contrasted with each other; got {self.batch_size}"
            )
        if self.contrastive_group and self.batch_size % self.contrastive_group:
            raise SettingError(
                "contrastive_group", f"must divide {{}} {self.batch_size}; got {self.contrastive_group}", "batch_size"
            )
        if self.caption_length and self.tokens and self.tokens >= self.caption_length:
            raise SettingError(
                "tokens",
                f"must be below {{}} {self.caption_length}, which includes BOS; got {self.tokens}",
                "caption_length",
            )


@settings(group="training")
class FinetuneSettings(TrainingSettings):
    """Settings that the tasks of `photism finetune` share."""

    file = "finetune.yaml"

    weighted_layer_sum: bool = setting(
        False, "Feed the head a learned weighted sum of all encoder layers instead of the last layer.", group="model"
    )
    speaker_column: str | None = setting(
        None,
        "Column with the speaker, whose clips all go to one split. Default: speaker, speaker_id or client_id, if "
        "there is one.",
        group="input",
        metavar="COLUMN",
    )
    encoder_rate: float = setting(
        0.1, "Learning rate of the top encoder layer, as a fraction of the head's.", minimum=0
    )
    patience: int = setting(
        0,
        "Stop after this many evaluations without improvement (early stopping); 0 trains to the last step.",
        minimum=0,
        group="evaluation",
    )
    mask_time: float = setting(
        0.05, "Fraction of each training clip that SpecAugment masks, in short spans of time.", minimum=0, below=1
    )
    mask_mel: float = setting(
        0.1, "Largest fraction of the mel bins that SpecAugment masks, in one band.", minimum=0, below=1
    )
    dtype: str = setting("float32", "Type of the saved weights.", choices=DTYPES, group="output")

    learning_rate: float = 5e-4
    layerdrop: float | None = 0.0


@settings(group="objective")
class ClassifySettings(FinetuneSettings):
    """Settings of `photism finetune classify`."""

    verb = "finetune classify"

    label_column: str | None = setting(
        None,
        "Column with the class. Default: labels, label or category, or else the name of the folder.",
        group="input",
        metavar="COLUMN",
    )
    classes: str | None = setting(
        None,
        "Names of the classes in output order, separated by commas. Default: all that occur, sorted.",
        metavar="NAMES",
    )
    multi_label: bool = setting(
        False, "Allow any number of classes per clip: a list, or names separated by commas in the label column."
    )
    balance: bool = setting(False, "Weight the loss so that rare classes count as much as frequent ones.")


@settings(group="input")
class CtcSettings(FinetuneSettings):
    """Settings of `photism finetune ctc`."""

    verb = "finetune ctc"

    text_column: str | None = setting(
        None, "Column with the transcript. Default: text, transcript, transcription, sentence, …", metavar="COLUMN"
    )
    text_language: str | None = setting(
        None,
        "Language of the transcripts, whose rules of letter case apply, such as tr, in which I is the capital of ı.",
        metavar="CODE",
    )
    lowercase: bool = setting(True, "Convert transcripts to lower case.")
    keep_punctuation: bool = setting(False, "Keep punctuation in the transcripts, so that the model predicts it.")
    drop_points: bool = setting(False, "Drop vowel points and reading signs of Arabic and Hebrew from the transcripts.")
    remove: str | None = setting(
        None,
        "Regular expression of text to remove from the transcripts, such as \\[.*?\\] for notes in brackets.",
        metavar="REGEX",
    )
    vocabulary: str | None = setting(
        None,
        "File vocab.json with the characters to predict. Default: all of the training transcripts.",
        group="objective",
        metavar="FILE",
    )
    min_count: int = setting(
        1, "Occurrences that a character needs to enter the vocabulary.", minimum=1, group="objective"
    )
    adapter: bool = setting(
        False,
        "Add a layer that halves the frame rate, for encoders with short frames such as w2v-bert-2.0.",
        group="model",
    )

    def check(self) -> None:
        """Raise InputError where settings are missing or contradict each other."""
        super().check()
        if self.weighted_layer_sum:
            raise SettingError("weighted_layer_sum", "must be off, since a CTC head reads the last layer; got on")
        require("jiwer", "finetune ctc", "train")


@settings(group="training")
class SpeakerSettings(FinetuneSettings):
    """Settings of `photism finetune speaker`."""

    verb = "finetune speaker"

    crop_s: float = setting(3.0, "Length of the training crop, drawn at random each epoch.", unit="seconds", above=0)


@settings(group="objective")
class FramesSettings(FinetuneSettings):
    """Settings of `photism finetune frames`."""

    verb = "finetune frames"

    learn: str = setting(
        "speech",
        "What each frame predicts: speech (voice activity), speakers (diarization), or names (those in the RTTM).",
        choices=FRAME_TARGETS,
    )
    speakers: int = setting(
        2, "Maximum number of speakers in a recording, for --learn speakers.", minimum=1, maximum=MAX_SPEAKERS
    )
    rttm: str | None = setting(
        None,
        "RTTM file of all recordings, or a folder of RTTM files. Default: next to each recording.",
        group="input",
        metavar="FILE|FOLDER",
    )
    crop_s: float = setting(
        8.0, "Length of the training crop, drawn at random each epoch.", unit="seconds", above=0, group="training"
    )
    collar_s: float = setting(
        0.0,
        "Time around each reference boundary that the diarization error rate ignores, on either side.",
        unit="seconds",
        minimum=0,
        group="evaluation",
    )
