"""The entry of `photism align` and `photism finetune`: data, report, training, evaluation, result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file

from photism.errors import InputError
from photism.files import atomic_files, check_folder
from photism.library_logging import quiet_libraries
from photism.prompts.pretrained_encoder import PretrainedEncoder, load_pretrained_encoder
from photism.settings import SettingError
from photism.training.checkpoint import BEST, read_best
from photism.training.cost import measure_cost
from photism.training.data.feature_cache import PreparationSettings, cached_dataset
from photism.training.data.feature_dataset import FeatureDataset, evenly_spaced
from photism.training.data.readers import READERS_VERSION, fingerprint, read_examples
from photism.training.data.report import report_dataset
from photism.training.distributed import DistributedContext, full_tensor, new_accelerator
from photism.training.logging import METRICS, Listener, TrainingLogger, read_log
from photism.training.notebook_progress import notebook_listener
from photism.training.output import check_output, create_repository, push_to_hub, write_provenance
from photism.training.result import Outcome, Preflight, published_files, write_result
from photism.training.settings import (
    AlignSettings,
    ClassifySettings,
    CtcSettings,
    FinetuneSettings,
    FramesSettings,
    SpeakerSettings,
    TrainingSettings,
)
from photism.training.task import AnyTask, Evaluation, TaskType
from photism.training.task_model import TaskModel
from photism.training.tasks.align import ALIGN
from photism.training.tasks.classify import CLASSIFY
from photism.training.tasks.ctc import CTC
from photism.training.tasks.frames import FRAMES
from photism.training.tasks.speaker import SPEAKER
from photism.training.trainer import Trainer
from photism.user_cache import cache_folder

TASKS: dict[type[TrainingSettings], TaskType] = {
    AlignSettings: ALIGN,
    ClassifySettings: CLASSIFY,
    CtcSettings: CTC,
    FramesSettings: FRAMES,
    SpeakerSettings: SPEAKER,
}


def train(settings: TrainingSettings, *, resume: bool = False, listener: Listener | None = None) -> bool:
    """Train a model for a task and write it to `settings.output`.

    Under `accelerate launch` or `torchrun` every process calls this.

    Args:
        settings: settings of one of the verbs, which choose the task.
        resume: continue from the last checkpoint in the output, if there is one.
        listener: callbacks of the training. By default a notebook shows a progress bar, and nothing is shown elsewhere.

    Returns:
        Whether it is finished; a training that was asked to stop has left a checkpoint.

    Raises:
        InputError: settings, data or models cannot be used.
        MemoryError: a single clip does not fit into memory.
    """
    check_output(settings, resume=resume)
    check_folder(cache_folder(), "$PHOTISM_CACHE")
    distributed = DistributedContext(new_accelerator(cpu=settings.cpu), fsdp=settings.fsdp)
    if settings.precision == "fp16" and distributed.device.type == "cpu":
        raise SettingError("precision", "must be bf16 or fp32 on a CPU; got fp16")
    if settings.push_to_hub and distributed.is_main:
        create_repository(settings.push_to_hub)
    if not distributed.is_main:
        listener = Listener()
    with nullcontext(listener) if listener else notebook_listener() as shown:
        finished = _train(settings, distributed, shown)
    distributed.close()
    return finished


def _train(given: TrainingSettings, distributed: DistributedContext, listener: Listener) -> bool:
    """Train, evaluate and write the model, and return whether it is finished."""
    pretrained, settings, task, notes = _prepare(given, distributed, listener)
    model = TaskModel(task, task.builder.build(pretrained), settings, distributed)
    preflight = _report(task, model, settings, notes)
    listener.report([task.builder.start_line(pretrained), *preflight.lines()])
    model.sampler.check_batch_size()  # after the report, which shows why there are so few clips
    clips = evenly_spaced(task.validation_clips, settings.validation_clips)
    patience = settings.patience if isinstance(settings, FinetuneSettings) else 0
    if patience and not clips:
        raise SettingError("patience", f"must be 0 if there are no validation clips; got {patience}")
    trainer = _new_trainer(model, settings, patience)
    trainer.resume()
    if distributed.is_main:
        trainer.folder.mkdir(parents=True, exist_ok=True)
        write_provenance(trainer.folder, given)
    if trainer.step < trainer.steps:
        listener.stage("measuring a step")
        listener.report([measure_cost(model, step=trainer.step).line()])
    logger = TrainingLogger(trainer.folder, is_main=distributed.is_main, listener=listener)
    logger.open(trainer.step)
    listener.stage("training")
    finished = trainer.run(evaluate=Evaluator(model, clips, logger), on_step=logger.log_step)
    logger.close()
    if finished:
        listener.stage("writing the model")
        outcome = _evaluate_best(model, clips, trainer.folder)
        listener.report(outcome.lines())
        _write(model, pretrained, settings, preflight, outcome)
    return finished


class Evaluator:
    """Evaluation of a model on the same validation clips each time, with its log.

    Args:
        model: model that is trained.
        clips: indices of the clips.
        logger: logger of the training.
    """

    def __init__(self, model: TaskModel, clips: Sequence[int], logger: TrainingLogger) -> None:
        self.model, self.clips, self.logger = model, clips, logger

    def __call__(self, step: int) -> Mapping[str, float]:
        """Return the metrics of the weights after a step; none if there are no validation clips."""
        if not self.clips:
            return {}
        evaluation = self.model.task.evaluate(self.clips, self.model.predict(self.clips))
        if self.logger.is_main and evaluation.sample is not None:
            metrics, images = evaluation.sample()
            evaluation = replace(evaluation, metrics={**evaluation.metrics, **metrics}, images=images)
        self.logger.log_evaluation(step, evaluation)
        self.model.distributed.barrier()
        return evaluation.metrics


def _prepare(
    settings: TrainingSettings, distributed: DistributedContext, listener: Listener
) -> tuple[PretrainedEncoder, TrainingSettings, AnyTask, Sequence[str]]:
    """Read the data and return the checkpoint to start from, completed settings, the task, and notes on the data."""
    kind = TASKS[type(settings)]
    data = fingerprint(settings.data, settings.dataset_config)
    key = {"data": data, "readers": READERS_VERSION, **kind.cache_key(settings)}
    source = read_examples(  # before the encoder, which may have to be downloaded
        settings.data,
        lambda row: kind.read_row(row, settings),
        read_group=lambda row: kind.group(row, settings),
        read_columns=lambda row: kind.columns(row, settings),
        sound_column=settings.sound_column,
        named_columns=_named_columns(settings),
        dataset_config=settings.dataset_config,
        limit=settings.limit,
    )
    listener.stage("loading the encoder")
    pretrained = load_pretrained_encoder(settings.encoder)
    settings = kind.complete(settings, pretrained)
    preparation = PreparationSettings(
        features=pretrained.features,
        required=kind.required(settings),
        validation_share=settings.validation_share,
        max_unreadable=settings.max_unreadable,
        limit=settings.limit,
    )
    listener.stage("reading the recordings")
    dataset: FeatureDataset = cached_dataset(source, key, preparation, on_hours=listener.prepared)
    return pretrained, settings, kind.create(settings, dataset, distributed.device, listener), source.notes


def _named_columns(settings: TrainingSettings) -> Sequence[str]:
    """Return the columns with targets and speakers that settings name."""
    names = [getattr(settings, name, None) for name in ("label_column", "speaker_column")]
    texts: str | None = getattr(settings, "text_column", None)
    if isinstance(settings, AlignSettings) and texts:
        return [*filter(None, names), *map(str.strip, texts.split(","))]
    return [name for name in (*names, texts) if name]


def _new_trainer(model: TaskModel, settings: TrainingSettings, patience: int) -> Trainer:
    return Trainer(
        model.compute_gradients,
        model.optimizer,
        Path(settings.output),
        steps=model.steps,
        batch_size=settings.batch_size,
        distributed=model.distributed,
        micro_batches=model.micro_batches,
        loss_scale=model.loss_scale,
        score=model.task.score,
        evaluate_every=settings.evaluate_every,
        checkpoint_every_s=settings.checkpoint_every_s,
        keep_checkpoints=settings.keep_checkpoints,
        patience=patience,
        clips_at_fault=model.clips_at_fault,
    )


def _report(task: AnyTask, model: TaskModel, settings: TrainingSettings, notes: Sequence[str]) -> Preflight:
    longest_s = settings.max_duration_s if task.crops_long_clips else math.inf
    dataset = report_dataset(task.dataset, target_noun=task.target_noun, max_duration_s=longest_s)
    return Preflight(dataset, task.report(model.sampler), notes)


def _evaluate_best(model: TaskModel, clips: Sequence[int], folder: Path) -> Outcome:
    """Put the best weights into the model, on every process, and evaluate them once more for the worst errors."""
    best = read_best(folder / BEST)
    if best is None:
        raise InputError(f"{folder / BEST} is missing; it held the best weights")
    model.optimizer.load_weights(load_file(folder / BEST))
    evaluation = model.task.evaluate(clips, model.predict(clips)) if clips else Evaluation({})
    return Outcome(best, evaluation, read_log(folder / METRICS))


def _write(
    model: TaskModel, pretrained: PretrainedEncoder, settings: TrainingSettings, preflight: Preflight, outcome: Outcome
) -> None:
    """Write the model and what accompanies it. Collective: call on every rank."""
    folder, task = Path(settings.output), model.task
    weights = None
    if model.distributed.is_sharded:
        weights = {name: full_tensor(tensor) for name, tensor in model.model.state_dict().items()}
    if not model.distributed.is_main:
        return
    trained = model.model
    if weights is not None:
        trained = task.builder.build(pretrained, device="meta")
        trained.load_state_dict(weights, assign=True)
    with atomic_files(folder) as part:
        with quiet_libraries:
            task.builder.save(trained, part, pretrained)
        write_result(part, task, settings, preflight, outcome)
    if settings.push_to_hub:
        push_to_hub(folder, settings.push_to_hub, published_files(settings))
