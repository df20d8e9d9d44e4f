"""An alignment from beginning to end: data, targets, training, measures, result."""

from __future__ import annotations

import dataclasses
import gc
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from photism.alignment.audio_prompt_encoder import AudioPromptEncoder, AudioPromptEncoderConfig
from photism.alignment.data.corpus import Corpus, FeatureSettings, prepare_corpus
from photism.alignment.data.report import CorpusReport, report_corpus
from photism.alignment.data.sources import Columns, fingerprint, read_examples
from photism.alignment.data.targets import Targets, prepare_targets
from photism.alignment.training import logs
from photism.alignment.training.batches import distinct_negatives
from photism.alignment.training.checkpoints import last_checkpoint, read_folder
from photism.alignment.training.evaluation import (
    Heard,
    clip_score,
    draw_prompts,
    heat_map,
    measure,
    validation_clips,
)
from photism.alignment.training.model import build_model, feature_settings, without_lora
from photism.alignment.training.result import check_hub, push_to_hub, write_model, write_provenance
from photism.alignment.training.settings import SETTINGS, AlignSettings, differences, read_settings
from photism.alignment.training.trainer import Progress, Trainer
from photism.diffusion_model import load_diffusion
from photism.encoder import Wav2Vec2BertModel
from photism.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator

NEGATIVES_OF_STEPS = 20
BEST_BY = "audio to text: R@5"
"""What says which weights are kept."""


@dataclass(frozen=True)
class Listener:
    """Is told how it goes, in the main process.

    Attributes:
        stage: what begins.
        prepared: hours of sound that are decoded, or captions that are encoded.
        report: of the data, before the training.
        step: each step.
        measured: each evaluation.
    """

    stage: Callable[[str], None] = lambda text: None
    prepared: Callable[[float], None] = lambda amount: None
    report: Callable[[CorpusReport], None] = lambda report: None
    step: Callable[[Progress], None] = lambda progress: None
    measured: Callable[[int, Mapping[str, float]], None] = lambda step, measures: None


def align(settings: AlignSettings, *, resume: bool = False, listener: Listener | None = None) -> bool:
    """Trains an `AudioPromptEncoder` and writes it to `settings.output`.

    Under `accelerate launch` or `torchrun` every process calls this.

    Args:
        settings: of it.
        resume: go on from the last checkpoint in the output, where there is one.
        listener: is told how it goes.

    Returns:
        whether it is finished; a request to stop leaves a checkpoint to go on from.

    Raises:
        InputError: settings, data or models that cannot be used.
    """
    output = Path(settings.output)
    _check_output(settings, output, resume=resume)
    accelerator = _accelerator(settings)
    listener = listener if listener and accelerator.is_main_process else Listener()
    if settings.push_to_hub and accelerator.is_main_process:
        check_hub(settings.push_to_hub)
    listener.stage("loading the encoder")
    start = load_start(settings.encoder)
    corpus, targets = _prepare(settings, feature_settings(start), accelerator, listener)
    model = build_model(start, targets.space, settings)
    del start
    gc.collect()

    output.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(model, corpus, targets, settings, accelerator)
    if accelerator.is_main_process:
        write_provenance(output, settings)
    report = report_corpus(
        corpus,
        targets,
        batch_size=settings.batch_size,
        negatives=distinct_negatives(trainer.batches, min(trainer.steps, NEGATIVES_OF_STEPS)),
        max_duration_s=settings.max_duration_s,
    )
    listener.report(report)
    evaluation = _Evaluation(settings, trainer, listener)
    listener.stage("training")
    finished = trainer.run(evaluate=evaluation, on_step=evaluation.log)
    evaluation.close()
    if finished and accelerator.is_main_process:
        listener.stage("writing the model")
        _finish(settings, targets, corpus, report, evaluation)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return finished


def load_start(encoder: str) -> AudioPromptEncoder | Wav2Vec2BertModel:
    """What an alignment starts from.

    Args:
        encoder: folder or hub id of a Wav2Vec2-BERT, of any head, or of a Photism model.

    Raises:
        InputError: it is neither.
    """
    from photism.model_folder import find_model

    folder = find_model(encoder)
    kind = json.loads((folder / "config.json").read_text(encoding="utf8")).get("model_type")
    try:
        if kind == AudioPromptEncoderConfig.model_type:
            return AudioPromptEncoder.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        if kind == "wav2vec2-bert":
            return Wav2Vec2BertModel.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, add_adapter=False
            )
    except Exception as error:  # from_pretrained has no error of its own
        raise InputError(f"encoder {encoder} cannot be loaded: {error}") from error
    raise InputError(f"encoder must be a Wav2Vec2-BERT or a Photism model; {encoder} is {kind!r}")


def cache_folder() -> Path:
    """Where corpora and targets are kept: $PHOTISM_CACHE, or ~/.cache/photism."""
    return Path(os.environ.get("PHOTISM_CACHE") or Path.home() / ".cache" / "photism")


def _check_output(settings: AlignSettings, output: Path, *, resume: bool) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(f"output must be a folder; {output} is a file")
    path = output / SETTINGS
    if last_checkpoint(output / "checkpoints") is None:
        if not resume and (output / "config.json").exists():
            raise InputError(f"output {output} holds a model; take another folder, or delete it")
        return
    if not resume:
        raise InputError(f"output {output} holds a training; resume it, or take another folder")
    changed = differences(read_settings(path, {}), settings)
    if changed:
        raise InputError(f"a resumed training must have the settings of {path}; these differ: {'; '.join(changed)}")


def _accelerator(settings: AlignSettings) -> Any:
    try:
        from accelerate import Accelerator
    except ImportError:
        raise InputError("align needs accelerate: pip install 'photism[train]'") from None
    return Accelerator(cpu=settings.cpu)


def _prepare(
    settings: AlignSettings, features: FeatureSettings, accelerator: Any, listener: Listener
) -> tuple[Corpus, Targets]:
    """Done by the process that comes first, while the others wait and then find it done."""
    columns = Columns(
        sound=settings.sound_column,
        text=tuple(map(str.strip, settings.text_column.split(","))) if settings.text_column else None,
        label_template=settings.label_template,
    )
    about = {
        "data": fingerprint(settings.data, settings.dataset_config),
        "columns": dataclasses.asdict(columns),
        "features": dataclasses.asdict(features),
        "validation_share": settings.validation_share,
        "limit": settings.limit,
    }
    key = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=12).hexdigest()
    cache = cache_folder()
    with _lock(cache / "corpora" / f"{key}.lock"):
        listener.stage("reading the sounds")
        corpus = prepare_corpus(
            read_examples(settings.data, columns=columns, dataset_config=settings.dataset_config),
            cache / "corpora" / key,
            settings=features,
            validation_share=settings.validation_share,
            max_unreadable=settings.max_unreadable,
            limit=settings.limit,
            on_clip=listener.prepared,
        )
    captions = list(dict.fromkeys(caption for clip in corpus.clips for caption in clip.captions))
    with _lock(cache / "targets" / ".lock"):
        listener.stage("encoding the captions")
        pipeline = load_diffusion(settings.diffusion, device=accelerator.device, dtype=torch.float32, text_only=True)
        targets = prepare_targets(
            captions, pipeline, cache / "targets", name=Path(settings.diffusion).name, on_captions=listener.prepared
        )
        del pipeline
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return corpus, targets


@contextmanager
def _lock(path: Path) -> Generator[None]:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


class _Evaluation:
    """Measures, and writes what TensorBoard shows."""

    def __init__(self, settings: AlignSettings, trainer: Trainer, listener: Listener) -> None:
        self.settings, self.listener = settings, listener
        self.clips = validation_clips(trainer.corpus, settings.validation_clips)
        self.folder = Path(settings.output)
        self.path = self.folder / "measures.jsonl"
        self.is_main = trainer.processes.is_main
        self.writer: Any = None
        if self.is_main:
            logs.cut(self.path, trainer.step)
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=trainer.step + 1)

    def __call__(self, trainer: Trainer, step: int) -> float:
        """What the averaged weights are worth."""
        if not self.clips:
            return float(step)  # the last is the best that is known
        heard = trainer.hear(self.clips)
        measures = measure(heard, trainer.targets)
        if self.is_main:
            if self.settings.pictures:
                measures |= self._draw(heard, trainer, step)
            for key, value in measures.items():
                self.writer.add_scalar(f"measured/{key}", value, step)
            self.writer.add_figure("similarity", heat_map(heard, trainer.targets), step)
            self.writer.flush()
            logs.append(self.path, step, measures)
            self.listener.measured(step, measures)
        trainer.processes.wait()
        return measures[BEST_BY]

    def log(self, progress: Progress) -> None:
        """Losses and speed of a step."""
        if self.is_main:
            for key, value in progress.losses.items():
                self.writer.add_scalar(f"training/{key}", value, progress.step)
            self.writer.add_scalar("training/samples per second", progress.samples_per_s, progress.step)
            self.listener.step(progress)

    def close(self) -> None:
        """At the end."""
        if self.writer is not None:
            self.writer.close()

    def _draw(self, heard: Heard, trainer: Trainer, step: int) -> dict[str, float]:
        """Pictures of the first sounds, and how they agree with their captions."""
        settings, space = self.settings, trainer.targets.space
        device = trainer.processes.device
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        pipeline = load_diffusion(settings.diffusion, device=device, dtype=dtype)
        tokens = heard.tokens[: settings.pictures]
        pictures = draw_prompts(
            pipeline,
            torch.cat([space.bos.expand(len(tokens), 1, -1), tokens], dim=1),
            None if heard.pooled is None else heard.pooled[: settings.pictures],
            negative=space.negative[: 1 + tokens.shape[1]],
            pooled_negative=space.pooled_negative,
            steps=settings.picture_steps,
            seed=settings.seed,
        )
        captions = [trainer.targets.captions[each[0]] for each in heard.captions[: settings.pictures]]
        for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
            import numpy as np

            self.writer.add_image(f"pictures/{number} {caption[:40]}", np.asarray(picture), step, dataformats="HWC")
        return {"CLIP score": clip_score(pictures, captions, settings.clip)} if settings.clip else {}


def _finish(
    settings: AlignSettings, targets: Targets, corpus: Corpus, report: CorpusReport, evaluation: _Evaluation
) -> None:
    """Writes the model with its best weights.

    It is built once more, from what it started from, and the weights are put in: the trained one may be shared out.
    """
    output = Path(settings.output)
    tensors, state = read_folder(output / "best")
    model = build_model(load_start(settings.encoder), targets.space, settings)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in tensors["weights"].items():
            parameters[name].copy_(tensor)
    measures = logs.read(evaluation.path)
    captions = sorted({caption for clip in corpus.clips for caption in clip.captions})
    write_model(
        output,
        without_lora(model),
        captions,
        settings=settings,
        report=report,
        measures=measures,
        best_step=state["step"] if measures else None,
    )
    if settings.push_to_hub:
        push_to_hub(output, settings.push_to_hub)
