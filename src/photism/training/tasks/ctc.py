"""Speech recognition, character by character, by connectionist temporal classification (CTC)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Wav2Vec2BertConfig

from photism.encoder.adapter import output_lengths
from photism.encoder.head_losses import IGNORED_LABEL, ctc_losses
from photism.encoder.heads import Wav2Vec2BertForCTC
from photism.errors import InputError
from photism.listening.transcription.normalization import Normalizer
from photism.manifest.columns import columns_of, first_of, is_missing
from photism.training.data.example import TRANSCRIPT_COLUMNS
from photism.training.data.feature_dataset import FeatureDataset
from photism.training.data.report import first_names
from photism.training.data.sampler import Crop, EpochSampler
from photism.training.data.transcript_report import report_transcripts
from photism.training.data.transcripts import Vocabulary, count_characters, min_path_length
from photism.training.head_model import HeadBuilder, finetune_cache_key, finetune_card, group_by_speaker
from photism.training.settings import CtcSettings
from photism.training.task import Batch, CardSections, ErrorCase, Evaluation, TaskReport, TaskType

RARE_COUNT = 10
"""Characters that occur less often are reported, since they will hardly be learned."""
FAST_PERCENTILE = 5
ADAPTER: Mapping[str, Any] = {"num_adapter_layers": 1, "adapter_kernel_size": 3, "adapter_stride": 2}


@dataclass(frozen=True)
class SkippedExample:
    """A clip that cannot be trained on, and why."""

    name: str
    reason: str


class CtcTask:
    """Speech recognition on a data set, a `ClipLossTask`.

    Args:
        settings: settings of the training.
        dataset: data set whose texts are transcripts.

    Attributes:
        vocabulary: characters of the head.
        references: normalised transcripts of each clip.
        labels: ids of the characters of each transcript of each clip.
        skipped: training clips whose characters do not fit into their frames, or that are too long or empty.

    Raises:
        InputError: there is nothing to train on.
    """

    target_noun = "transcripts"
    crops_long_clips = False
    crop_s = float("inf")
    evaluates_windows = False

    def __init__(self, settings: CtcSettings, dataset: FeatureDataset) -> None:
        self.settings, self.dataset = settings, dataset
        self.config = Wav2Vec2BertConfig(add_adapter=settings.adapter, **ADAPTER)
        self.normalizer = Normalizer(
            lowercase=settings.lowercase,
            keep_punctuation=settings.keep_punctuation,
            remove=settings.remove,
            language=settings.text_language,
            drop_points=settings.drop_points,
        )
        self.references = [[self.normalizer(text) for text in clip.texts] for clip in dataset.clips]
        train = dataset.split("train")
        self.counts = count_characters(chain.from_iterable(self.references[clip] for clip in train))
        if settings.vocabulary is None:
            transcripts = chain.from_iterable(self.references[clip] for clip in train)
            self.vocabulary = Vocabulary.of(transcripts, min_count=settings.min_count)
        else:
            self.vocabulary = Vocabulary.read(Path(settings.vocabulary))
        self.labels = [[self.vocabulary.encode(text) for text in texts] for texts in self.references]
        self.skipped: list[SkippedExample] = []
        self.target_ids: Sequence[Sequence[int]] = [self._trainable(clip) for clip in range(len(dataset))]
        self.train_clips: Sequence[int] = [clip for clip in train if self.target_ids[clip]]
        # Validation clips whose characters do not fit are evaluated: the model's transcript is wrong.
        self.validation_clips: Sequence[int] = [
            clip for clip in dataset.split("validation") if self.references[clip][0] and not self._is_too_long(clip)
        ]
        if not self.train_clips:
            reasons = [f"{each.name}: {each.reason}" for each in self.skipped]
            raise InputError(f"data must have clips whose transcript fits; it has none{first_names(reasons)}")
        config = {
            "vocab_size": len(self.vocabulary),
            "pad_token_id": 0,
            "bos_token_id": None,
            "eos_token_id": None,
            "ctc_loss_reduction": "mean",
            "ctc_zero_infinity": True,
            "add_adapter": settings.adapter,
            **ADAPTER,
        }
        self.builder = HeadBuilder(Wav2Vec2BertForCTC, config, settings)

    def report(self, sampler: EpochSampler) -> TaskReport:
        """Return the normalisation, the vocabulary, its rare characters, the speed of speech, and the skipped clips."""
        texts = chain.from_iterable(clip.texts for clip in self.dataset.clips)
        pairs = list(zip(texts, chain.from_iterable(self.references), strict=True))
        transcripts = report_transcripts(pairs, self.normalizer)
        known = [each for each in self.counts if each in self.vocabulary.ids]
        lines = [*transcripts.lines(), f"{len(known)} characters: {''.join(sorted(known))}"]
        rare = sorted((count, each) for each, count in self.counts.items() if count < RARE_COUNT and each in known)
        if rare:
            lines.append(f"{len(rare)} of them are rare: " + ", ".join(f"{each} {count}" for count, each in rare))
        unknown = sorted((count, each) for each, count in self.counts.items() if each not in self.vocabulary.ids)
        if unknown:
            named = ", ".join(f"{each} {count} ({self._example(each)})" for count, each in unknown)
            lines.append(f"{len(unknown)} characters are not in the vocabulary: {named}")
        frame_ms = (
            1000 / self.dataset.settings.tokens_per_s * (ADAPTER["adapter_stride"] if self.settings.adapter else 1)
        )
        character_ms = [
            1000 * self.dataset.clips[clip].duration_s / max(1, len(self.labels[clip][self.target_ids[clip][0]]))
            for clip in self.train_clips
        ]
        lines.append(
            f"an output frame is {frame_ms:.0f} ms, a character {np.median(character_ms):.0f} ms in the median and "
            f"{np.percentile(character_ms, FAST_PERCENTILE):.0f} ms in fast speech"
        )
        if self.skipped:
            lines.append(f"skipped {len(self.skipped)} clips that cannot be trained on:")
            lines += [f"  {each.name}: {each.reason}" for each in self.skipped]
        return TaskReport(lines, {"task": lines, "transcripts": asdict(transcripts)})

    def targets(self, crops: Sequence[Crop]) -> dict[str, Tensor]:
        """Return the character ids of each crop, int64 (B, characters), padded with -100."""
        rows = [torch.tensor(self.labels[crop.clip][crop.target]) for crop in crops]
        return {"labels": pad_sequence(rows, batch_first=True, padding_value=IGNORED_LABEL)}

    def weight(self, crop: Crop) -> float:
        """Return 1: all clips count the same."""
        return 1.0

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Return the sum of the head's losses, each divided by the length of its transcript."""
        logits = model(batch.features, batch.mask).logits
        lengths = output_lengths(batch.mask.sum(1), model.config)
        losses, characters = ctc_losses(logits, batch.targets["labels"], lengths, model.config)
        return (losses / characters.clamp(min=1)).sum()

    def predict(self, model: Any, batch: Batch) -> list[NDArray[Any]]:
        """Return the most likely output of each frame, int32 (F,)."""
        best = model(batch.features, batch.mask).logits.argmax(-1).cpu().numpy()
        lengths = output_lengths(batch.mask.sum(1), model.config).tolist()
        return [row[:length].astype(np.int32) for row, length in zip(best, lengths, strict=True)]

    def evaluate(self, clips: Sequence[int], predictions: Sequence[NDArray[Any]]) -> Evaluation:
        """Return word and character error rate of all transcripts together, and the wrong ones by their own."""
        import jiwer

        references = [self.references[clip][0] for clip in clips]
        predicted = [self.vocabulary.decode(path.tolist()) for path in predictions]
        metrics = {"WER": float(jiwer.wer(references, predicted)), "CER": float(jiwer.cer(references, predicted))}
        cases = [
            ErrorCase(self.dataset.clips[clip].name, float(jiwer.cer(reference, text)), text, reference)
            for clip, text, reference in zip(clips, predicted, references, strict=True)
            if text != reference
        ]
        return Evaluation(metrics, sorted(cases, key=lambda case: -case.error))

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the negative character error rate; that of words is 100 % at first, whatever is learned."""
        return -metrics.get("CER", 0.0)

    def save(self, folder: Path, evaluation: Evaluation) -> None:
        """Save the tokenizer."""
        self.vocabulary.save(folder)

    def card(self) -> CardSections:
        """Return what the task adds to the model card."""
        sections = finetune_card(self.builder, "automatic-speech-recognition")
        return replace(sections, introduction=[*sections.introduction, self.normalizer.describe()])

    def _is_too_long(self, clip: int) -> bool:
        return self.dataset.clips[clip].duration_s > self.settings.max_duration_s

    def _trainable(self, clip: int) -> list[int]:
        """Return the numbers of the transcripts of a clip that can be trained on, and note why there are none."""
        about = self.dataset.clips[clip]
        if self._is_too_long(clip):
            self.skipped.append(SkippedExample(about.name, f"its {about.duration_s:.1f} s exceed max_duration_s"))
            return []
        frames = output_lengths(about.tokens, self.config)
        found = [index for index, each in enumerate(self.labels[clip]) if each and min_path_length(each) <= frames]
        if not found and about.split == "train":
            longest = max(self.labels[clip], key=min_path_length)
            reason = f"its {len(longest)} characters need {min_path_length(longest)} frames, but it has {frames}"
            self.skipped.append(SkippedExample(about.name, reason if longest else "its transcript is empty"))
        return found

    def _example(self, character: str) -> str:
        """Return the name of a clip in whose transcript a character occurs."""
        pairs = zip(self.dataset.clips, self.references, strict=True)
        return next(clip.name for clip, texts in pairs if character in "".join(texts))


def transcript_of_row(row: Mapping[str, Any], settings: CtcSettings) -> tuple[str, ...]:
    """Return the transcript of a row: a text, or a list of texts each of which is right."""
    found = first_of(row, _text_columns(settings))
    texts: Sequence[Any] = found if isinstance(found, list | tuple) else [] if found is None else [found]
    return tuple(
        dict.fromkeys(text for text in (" ".join(str(each).split()) for each in texts if not is_missing(each)) if text)
    )


def _text_columns(settings: CtcSettings) -> tuple[str, ...]:
    return (settings.text_column,) if settings.text_column else TRANSCRIPT_COLUMNS


CTC = TaskType(
    read_row=transcript_of_row,
    required=lambda settings: "transcript",
    cache_key=lambda settings: finetune_cache_key(settings, {"text_column": settings.text_column}),
    create=lambda settings, dataset, device, listener: CtcTask(settings, dataset),
    columns=lambda row, settings: columns_of(row, _text_columns(settings)),
    group=group_by_speaker,
)
