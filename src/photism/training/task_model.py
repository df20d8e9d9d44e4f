"""The model of a task: exact gradients of its batches and its predictions, in micro-batches on every process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from photism.audio.windowing import cut_windows
from photism.training.data.sampler import Crop, EpochSampler
from photism.training.data.spec_augment import spec_augment_
from photism.training.distributed import DistributedContext, shard
from photism.training.gradients import backward_outputs, backward_sum, compute_outputs, output_gradients
from photism.training.loss_scale import INITIAL_SCALE, LossScale
from photism.training.microbatches import MicroBatches
from photism.training.optimizer import Optimizer
from photism.training.parameters import layer_depths, layer_learning_rates, trained_parameters
from photism.training.settings import FinetuneSettings, TrainingSettings
from photism.training.task import AnyTask, Batch, BatchLossTask, ClipLossTask

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Types of mixed precision."""


class TaskModel:
    """A model that is trained for a task.

    Args:
        task: task that it is trained for.
        model: model from the task's builder, not on a device yet.
        settings: settings of the training.
        distributed: processes of the training.

    Attributes:
        sampler: batches of the training.
        micro_batches: division of a batch.
        loss_scale: factor of the loss in float16.
        optimizer: optimizer of the trained parameters.
        steps: steps of the training.

    Raises:
        SettingError: the processes cannot have equal parts of a batch.
    """

    def __init__(
        self, task: AnyTask, model: nn.Module, settings: TrainingSettings, distributed: DistributedContext
    ) -> None:
        self.task, self.settings, self.distributed = task, settings, distributed
        self.dataset = task.dataset
        distributed.check_batch_size(settings.batch_size)
        longest = self._tokens(min(settings.max_duration_s, task.crop_s))
        self.sampler = EpochSampler(
            task.dataset,
            task.target_ids,
            batch_size=settings.batch_size,
            max_tokens=min(longest, task.builder.max_tokens(model) or longest),
            seed=settings.seed,
            clips=task.train_clips,
            random_crop=settings.random_crop,
        )
        self.steps = max(1, round(settings.epochs * self.sampler.steps_per_epoch))
        self.micro_batches = MicroBatches(
            self._tokens(settings.chunk_s), min_tokens=task.builder.min_tokens(model), distributed=distributed
        )
        self.loss_scale = LossScale(INITIAL_SCALE if settings.precision == "fp16" else 1.0)
        nn.Module.to(model, distributed.device)  # the type annotation of transformers' own `to` is wrong
        encoder: Any = getattr(model, task.builder.encoder_name)
        depths = layer_depths(model, encoder=task.builder.encoder_name, layers=encoder.config.num_hidden_layers)
        self.model = shard(model, distributed.device) if distributed.is_sharded else model
        extra = task.extra_parameters if isinstance(task, BatchLossTask) else {}
        self.optimizer = Optimizer(
            trained_parameters(self.model),
            layer_learning_rates(
                {**depths, **dict.fromkeys(extra, 0)},
                peak=settings.learning_rate,
                layer_decay=settings.layer_decay,
                encoder_rate=settings.encoder_rate if isinstance(settings, FinetuneSettings) else None,
            ),
            extra_parameters=extra,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            warmup_steps=_warmup_steps(settings, self.steps),
            schedule=settings.schedule,
            beta2=settings.adam_beta2,
            ema_decay=settings.ema_decay,
        )

    def compute_gradients(self, step: int) -> dict[str, float]:
        """Compute the gradient of a step's batch, as far as this process contributes to it, and return the losses.

        The gradient is that of the loss times `loss_scale`.

        Args:
            step: number of the step, from 0.

        Raises:
            MemoryError: a single clip does not fit into memory.
        """
        return self.gradients_of(self.sampler.batch(step), step)

    def gradients_of(self, crops: Sequence[Crop], step: int) -> dict[str, float]:
        """Compute the gradient of a batch of crops, the longest first, and return its losses."""
        task = self.task
        self.model.train()
        compute: Callable[[], dict[str, float] | None]
        if isinstance(task, BatchLossTask):
            compute = partial(self._batch_loss_gradients, task, crops, step)
        else:
            compute = partial(self._clip_loss_gradients, task, crops, step)
        while (losses := compute()) is None:
            self.optimizer.zero_grad()
            self.micro_batches.shrink(crops)
        return losses

    @torch.no_grad()
    def clips_at_fault(self, step: int) -> list[str]:
        """Return the names of the clips of a step whose own loss or outputs are not finite, while those of others are.

        None are returned if this holds for all clips: then it is not the clips but the weights. Collective: call on
        every rank.

        Args:
            step: number of the step, from 0.
        """
        task, crops = self.task, self.sampler.batch(step)
        self.model.eval()

        def is_finite(crop: Crop) -> bool:
            """Return whether the loss or the outputs of a crop alone are finite."""
            if isinstance(task, BatchLossTask):
                return all(bool(each.isfinite().all()) for each in self._outputs(task, [crop]))
            with self._autocast():
                return bool(task.loss(self.model, self.batch([crop], with_targets=True)).isfinite())

        at_fault = [crop for crop in crops if not is_finite(crop)]
        names = [self.dataset.clips[crop.clip].name for crop in at_fault]
        return list(dict.fromkeys(names)) if len(at_fault) < len(crops) else []

    def predict(self, clips: Sequence[int]) -> list[Any]:
        """Return the predictions for clips, on every process; each computes its part."""
        crops = list(self._evaluation_crops(clips))
        order = sorted(range(len(crops)), key=lambda index: -crops[index].tokens)
        order += order[-1:] * (-len(order) % self.distributed.world_size)  # as many for each process
        micro_batches = self.micro_batches.split([crops[index] for index in order])
        own = [prediction for each in micro_batches for prediction in self._predict(each)]
        gathered = self.distributed.all_gather_objects(own)
        found = dict(zip(self.distributed.gather_order(order), gathered, strict=True))
        windows: dict[int, list[Any]] = {}
        for index, crop in enumerate(crops):
            windows.setdefault(crop.clip, []).append(found[index])
        return [windows[clip][0] if len(windows[clip]) == 1 else np.concatenate(windows[clip]) for clip in clips]

    def batch(self, crops: Sequence[Crop], *, mask_step: int | None = None, with_targets: bool = False) -> Batch:
        """Return crops on the device.

        Args:
            crops: crops of the batch.
            mask_step: step of the training whose SpecAugment is applied; None for none.
            with_targets: whether the batch carries the targets.
        """
        features, mask = self.dataset.batch((crop.clip, crop.start, crop.tokens) for crop in crops)
        if mask_step is not None and isinstance(self.settings, FinetuneSettings):
            spec_augment_(features, crops, self.dataset.settings, self.settings, step=mask_step)
        device = self.distributed.device
        targets = self._targets(crops) if with_targets else {}
        return Batch(crops, features.to(device), mask.to(device), targets)

    def _tokens(self, duration_s: float) -> int:
        return max(1, int(duration_s * self.dataset.settings.tokens_per_s))

    def _targets(self, crops: Sequence[Crop]) -> dict[str, Tensor]:
        return {name: each.to(self.distributed.device) for name, each in self.task.targets(crops).items()}

    def _evaluation_crops(self, clips: Iterable[int]) -> Iterable[Crop]:
        """Yield the crops that clips are evaluated on: the beginning of each or, in windows, all of it."""
        longest = self._tokens(self.settings.max_duration_s)
        for clip in clips:
            tokens = self.dataset.clips[clip].tokens
            windows = cut_windows(tokens, length=longest, hop=longest, placement="short")
            for start, stop in windows if self.task.evaluates_windows else windows[:1]:
                yield Crop(clip, start, stop - start, 0)

    @torch.no_grad()
    def _predict(self, crops: Sequence[Crop]) -> list[Any]:
        self.model.eval()
        with self._autocast():
            return self.task.predict(self.model, self.batch(crops))

    def _clip_loss_gradients(self, task: ClipLossTask, crops: Sequence[Crop], step: int) -> dict[str, float] | None:
        """Accumulate the gradient of the weighted mean over clips; None if memory ran out in some process."""
        micro_batches = self.micro_batches.split(crops)
        seeds = self.micro_batches.seeds(self.settings.seed, step, len(micro_batches))
        weight = sum(map(task.weight, crops))

        def loss(own: Sequence[Crop]) -> Tensor:
            batch = self.batch(own, mask_step=step, with_targets=True)
            with self._autocast():
                return task.loss(self.model, batch)

        scale = self.loss_scale.value * self._gradient_factor() / weight
        total = self.micro_batches.catch_oom(lambda: backward_sum(loss, micro_batches, seeds, scale=scale))
        return None if total is None else {"loss": sum(self.distributed.all_gather_objects([total])) / weight}

    def _batch_loss_gradients(self, task: BatchLossTask, crops: Sequence[Crop], step: int) -> dict[str, float] | None:
        """Compute the gradient of a loss over the whole batch; None if memory ran out in some process."""
        micro_batches = self.micro_batches.split(crops)
        seeds = self.micro_batches.seeds(self.settings.seed, step, len(micro_batches))
        forward = partial(self._outputs, task)
        outputs = self.micro_batches.catch_oom(lambda: compute_outputs(forward, micro_batches, seeds))
        if outputs is None:
            return None
        targets = self._targets(self.distributed.gather_order(crops))
        losses: dict[str, Tensor] = {}

        def loss(rows: tuple[Tensor, ...]) -> Tensor:
            losses.update(task.losses(rows, targets))
            return self.loss_scale.value * losses["loss"]

        gradients = output_gradients(outputs.rows, loss, gather=self.distributed.all_gather, rank=self.distributed.rank)
        if self.distributed.is_sharded:
            gradients = tuple(self._gradient_factor() * each for each in gradients)

        def backward() -> bool:
            backward_outputs(forward, micro_batches, seeds, last=outputs.last, gradients=gradients)
            return True

        if self.micro_batches.catch_oom(backward) is None:
            return None
        return {name: float(value.detach()) for name, value in losses.items()}

    def _outputs(self, task: BatchLossTask, crops: Sequence[Crop]) -> tuple[Tensor, ...]:
        """Return the model's outputs in the precision of the training, since those of a whole batch are kept."""
        with self._autocast():
            outputs = task.outputs(self.model, self.batch(crops))
        dtype = PRECISIONS.get(self.settings.precision, torch.float32)
        return tuple(each.to(dtype) for each in outputs)  # under autocast the last norm returns float32

    def _gradient_factor(self) -> int:
        """Return the factor that undoes FSDP's mean over the processes, where the sum is needed."""
        return self.distributed.world_size if self.distributed.is_sharded else 1

    def _autocast(self) -> torch.autocast:
        dtype = PRECISIONS.get(self.settings.precision)
        return torch.autocast(self.distributed.device.type, dtype, enabled=dtype is not None)


def _warmup_steps(settings: TrainingSettings, steps: int) -> int:
    return round(settings.warmup_share * steps) if settings.warmup_steps is None else settings.warmup_steps
