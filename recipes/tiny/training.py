"""Trainings of the recipes: a module and the loss of a step, in the trainer of `photism align` and `photism finetune`.

Every random number of a step comes from a generator that is seeded with the number of the step, so that a training that
was killed and started again draws the same batches and reaches the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from photism.training.checkpoint import CHECKPOINTS, last_checkpoint, read_checkpoint
from photism.training.distributed import DistributedContext, new_accelerator
from photism.training.logging import Listener, TrainingLogger
from photism.training.optimizer import Optimizer
from photism.training.trainer import Progress, Trainer
from recipes.tiny.corpus import cache_folder

CHECKPOINT_EVERY_S = 180.0
REPORT_EVERY_S = 30.0

LossFunction = Callable[[torch.Generator], Mapping[str, Tensor]]
"""Returns the "loss" of a step, and other values to log. All its random numbers come from the generator, or torch's."""


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 arithmetic: 4.5 times as fast as float32 on a CPU with AVX-512 BF16, and a GPU's native speed."""
    return torch.autocast(device.type, torch.bfloat16)


def batch_of(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Draw `size` indices below `count`, without repetition where possible: int64 (B,)."""
    if size <= count:
        return torch.randperm(count, generator=generator)[:size]
    return torch.randint(count, (size,), generator=generator)


class Training:
    """AdamW on one module, with warm-up, cosine decay, EMA and checkpoints.

    Args:
        name: name of the training, whose folder in the cache is `runs/NAME`; it resumes from a checkpoint there.
        module: module with every trained parameter, on its device. Several networks are an `nn.ModuleDict`.
        steps: steps of the whole training; the learning rate reaches zero there.
        learning_rate: peak learning rate.
        warmup_steps: steps of linear warm-up.
        ema_decay: decay of the exponential moving average of the weights.
        evaluate_every: steps between evaluations.
        seed: seed of all random numbers.

    Attributes:
        writer: TensorBoard's `SummaryWriter`.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        *,
        steps: int,
        learning_rate: float,
        warmup_steps: int = 200,
        ema_decay: float = 0.999,
        evaluate_every: int = 500,
        seed: int = 0,
    ) -> None:
        self.name, self.module, self.seed = name, module, seed
        parameters = {name: each for name, each in module.named_parameters() if each.requires_grad}
        optimizer = Optimizer(
            parameters,
            dict.fromkeys(parameters, learning_rate),
            weight_decay=0.01,
            max_grad_norm=1.0,
            warmup_steps=min(warmup_steps, steps),
            ema_decay=ema_decay,
        )
        self.trainer = Trainer(
            self._compute_gradients,
            optimizer,
            cache_folder() / "runs" / name,
            steps=steps,
            batch_size=1,  # progress is counted in steps
            distributed=DistributedContext(new_accelerator(cpu=not torch.cuda.is_available())),
            buffers=_untrained(module, parameters),
            evaluate_every=evaluate_every,
            checkpoint_every_s=CHECKPOINT_EVERY_S,
            keep_checkpoints=1,
        )
        if self.trainer.resume():
            print(f"{name}: resumes at step {self.trainer.step} of {steps}", flush=True)
        self.logger = TrainingLogger(self.trainer.folder, is_main=True, listener=Listener(step=self._print))
        self.trainer.folder.mkdir(parents=True, exist_ok=True)
        self.logger.open(self.trainer.step)
        self.writer = self.logger.writer
        self._printed = time.monotonic()

    def run(self, loss_function: LossFunction, *, evaluate: Callable[[int], None] = lambda step: None) -> None:
        """Train to the last step; SIGINT and SIGTERM save a checkpoint and exit.

        Args:
            loss_function: computes the loss of a step.
            evaluate: draws samples or prints metrics after a step. The module holds the EMA of its weights and is in
                evaluation mode meanwhile.
        """
        self._loss_function = loss_function

        @torch.no_grad()
        def evaluate_module(step: int) -> dict[str, float]:
            was_training = self.module.training
            self.module.eval()
            evaluate(step)
            self.module.train(was_training)
            return {}

        finished = self.trainer.run(evaluate=evaluate_module, on_step=self.logger.log_step)
        self.logger.close()
        if not finished:
            raise SystemExit(f"stopped at step {self.trainer.step}; run the same command to resume")

    def _compute_gradients(self, step: int) -> dict[str, float]:
        seed = self.seed * 1_000_000_007 + step
        torch.manual_seed(seed)
        losses = self._loss_function(torch.Generator().manual_seed(seed))
        losses["loss"].backward()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _print(self, progress: Progress) -> None:
        if time.monotonic() - self._printed < REPORT_EVERY_S and progress.step < progress.steps:
            return
        self._printed = time.monotonic()
        values = "  ".join(f"{name} {value:.4g}" for name, value in progress.losses.items())
        rate, minutes = progress.samples_per_s, progress.remaining_s / 60
        print(f"{progress.step}/{progress.steps}  {values}  {rate:.2f} steps/s  {minutes:.0f} min left", flush=True)


def load_averaged(name: str, module: nn.Module) -> int:
    """Load the EMA of the weights of a training into a module, in place, and return the step that they are from.

    Raises:
        SystemExit: that stage has not been trained yet.
    """
    path = last_checkpoint(cache_folder() / "runs" / name / CHECKPOINTS)
    if path is None:
        raise SystemExit(f"{name}: not trained yet; see recipes/tiny/README.md for the order of the stages")
    tensors, state = read_checkpoint(path)
    own = module.state_dict()
    with torch.no_grad():
        for key, value in {**tensors.get("buffers", {}), **tensors["average"]}.items():
            own[key].copy_(value)
    return state["step"]


def _untrained(module: nn.Module, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return buffers and frozen parameters, which a checkpoint has to hold as well: each tensor once, by one name."""
    pointers = {parameter.data_ptr() for parameter in trained.values()}
    untrained: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        if tensor.data_ptr() not in pointers:
            untrained[name] = tensor
            pointers.add(tensor.data_ptr())
    return untrained
