"""AdamW with layer-wise learning rates, warm-up and decay, and an exponential moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from photism.training.distributed import distribute_like, full_tensor, local_shard

BETA1 = 0.9
BETA2 = 0.98
EMA_WARMUP_STEPS = 9
"""The EMA's decay is at most n / (n + 9) after n steps, so that the initial weights do not dominate it at first."""


class Optimizer:
    """AdamW on a model's trained parameters, and the moving average (EMA) of these.

    Args:
        parameters: trained parameters of the model, by name.
        learning_rates: peak learning rate of each, and of each of `extra_parameters`.
        weight_decay: decay of matrices; vectors and scalars do not decay.
        max_grad_norm: norm to which the gradient of the model is clipped.
        warmup_steps: number of steps on which the learning rate rises.
        schedule: course of the learning rate after these, as in `learning_rate_factor`.
        ema_decay: decay of the moving average, 0 for none.
        beta2: AdamW's decay of the mean of squared gradients.
        extra_parameters: trained tensors that are not part of the model, such as a temperature, by names that it does
            not use. They are neither clipped nor averaged nor sharded.

    Attributes:
        learning_rate: highest of the peak learning rates.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        learning_rates: Mapping[str, float],
        *,
        weight_decay: float,
        max_grad_norm: float,
        warmup_steps: int,
        ema_decay: float,
        schedule: str = "cosine",
        beta2: float = BETA2,
        extra_parameters: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.parameters, self.extra_parameters = parameters, extra_parameters or {}
        self.max_grad_norm, self.ema_decay = max_grad_norm, ema_decay
        self.warmup_steps, self.schedule = warmup_steps, schedule
        self.learning_rate = max(learning_rates.values())
        # One for the model and one for the rest: FSDP's tensors cannot be in one group with others.
        self.optimizers = [
            _adamw(each, learning_rates, weight_decay, beta2)
            for each in (self.parameters, self.extra_parameters)
            if each
        ]
        self.ema = {name: local_shard(parameter).detach().clone() for name, parameter in parameters.items()}

    def unscale_gradients(self, loss_scale: float) -> None:
        """Divide all gradients by the factor that the loss had."""
        if loss_scale != 1:
            for parameter in (*self.parameters.values(), *self.extra_parameters.values()):
                if parameter.grad is not None:
                    parameter.grad.div_(loss_scale)

    def clip_gradients(self) -> float:
        """Clip the global gradient norm to `max_grad_norm` and return the norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.max_grad_norm)
        return float(full_tensor(norm))

    def step(self, number: int, *, steps: int) -> float:
        """Update weights and EMA by the gradients, and return the highest learning rate.

        Args:
            number: number of the step, from 0.
            steps: steps of the whole training.
        """
        factor = learning_rate_factor(number, steps=steps, warmup_steps=self.warmup_steps, schedule=self.schedule)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = factor * group["peak_lr"]
            optimizer.step()
        self._update_ema(number + 1)
        return factor * self.learning_rate

    def zero_grad(self) -> None:
        """Remove all gradients."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def gradients(self) -> list[Tensor]:
        """Return the gradients of the model, 0 for what was not used, such as a layer that layerdrop skipped."""
        for parameter in self.parameters.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self.parameters.values() if parameter.grad is not None]

    @torch.no_grad()
    def swap_ema(self) -> None:
        """Swap the weights with their moving average in place; calling it again restores them. No-op without EMA."""
        if self.ema_decay == 0:
            return
        for name, parameter in self.parameters.items():
            weights = local_shard(parameter)
            before = weights.clone()
            weights.copy_(self.ema[name])
            self.ema[name].copy_(before)

    def weights(self) -> dict[str, Tensor]:
        """Return the trained weights, gathered. Collective: call on every rank."""
        return {name: full_tensor(parameter) for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the trained weights by what `weights` returned."""
        for name, parameter in self.parameters.items():
            parameter.copy_(distribute_like(weights[name], parameter))

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """Return "weights", their moving average as "average", and the "optimizer" state, gathered.

        Collective: call on every rank.
        """
        ema = {name: full_tensor(value, like=self.parameters[name]) for name, value in self.ema.items()}
        optimizer = {name: full_tensor(value) for name, value in self.extra_parameters.items()}
        for name, parameter, state in self._states():
            optimizer |= {f"{name}|{key}": full_tensor(value, like=parameter) for key, value in state.items()}
        return {"weights": self.weights(), "average": ema, "optimizer": optimizer}

    @torch.no_grad()
    def load_state_dict(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restore what `state_dict` returned."""
        self.load_weights(tensors["weights"])
        for name, parameter in self.parameters.items():
            self.ema[name].copy_(local_shard(distribute_like(tensors["average"][name], parameter)))
        trained = {**self.parameters, **self.extra_parameters}
        for key, value in tensors["optimizer"].items():
            name, _, entry = key.partition("|")
            if not entry:
                self.extra_parameters[name].copy_(value)
                continue
            state = self.optimizers[name in self.extra_parameters].state[trained[name]]
            state[entry] = value if entry == "step" else distribute_like(value, trained[name])

    def _states(self) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Yield name, parameter and AdamW state of everything that is trained."""
        for name, parameter in [*self.parameters.items(), *self.extra_parameters.items()]:
            yield name, parameter, self.optimizers[name in self.extra_parameters].state.get(parameter, {})

    @torch.no_grad()
    def _update_ema(self, steps: int) -> None:
        decay = min(self.ema_decay, steps / (steps + EMA_WARMUP_STEPS))
        weights: Sequence[Tensor] = [local_shard(parameter) for parameter in self.parameters.values()]
        for ema, weight in zip(self.ema.values(), weights, strict=True):
            ema.lerp_(weight, 1 - decay)


def learning_rate_factor(step: int, *, steps: int, warmup_steps: int, schedule: str = "cosine") -> float:
    """Return the factor of the learning rate in a step: linear warm-up to 1, then a decay or none.

    Args:
        step: number of the step, from 0.
        steps: steps of the whole training.
        warmup_steps: steps of the warm-up.
        schedule: "cosine", half a cosine to 0 after the last step; "linear", a line to 0 there; or "constant", 1.
            "linear" is the schedule of that name in transformers, whose warm-up begins at 0, so that its first step
            changes no weight; the others begin one step later.
    """
    if step < warmup_steps:
        return (step if schedule == "linear" else step + 1) / warmup_steps
    if schedule == "constant":
        return 1.0
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return 1 - progress if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))


def _adamw(
    parameters: Mapping[str, Tensor], learning_rates: Mapping[str, float], weight_decay: float, beta2: float
) -> torch.optim.Optimizer:
    """Return AdamW with a group for each learning rate, and for matrices and the rest, which does not decay."""
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, parameter in parameters.items():
        groups.setdefault((learning_rates[name], parameter.ndim > 1), []).append(parameter)
    described: list[dict[str, Any]] = []
    for (peak, is_matrix), members in groups.items():
        decay = weight_decay if is_matrix else 0.0
        described.append({"params": members, "weight_decay": decay, "lr": peak, "peak_lr": peak})
    return torch.optim.AdamW(described, betas=(BETA1, beta2))
