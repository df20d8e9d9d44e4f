"""How weights move: learning rates by layer and step, the average of where they have been, and all of it kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from photism.training.sharding import local, whole, whole_like

BETAS = (0.9, 0.98)


class Optimization:
    """AdamW on the trained weights and what is trained beside them, and the weights' moving average.

    Args:
        parameters: the model's, that are trained.
        rates: the highest learning rate of each, and of each of those in `beside`.
        beside: numbers that are not the model's, by names that are not either; FSDP takes no number alone.
        weight_decay: of matrices.
        max_grad_norm: longer gradients of the weights are shortened to this.
        warmup_share: of the steps, in which the learning rates rise.
        ema_decay: of the average; 0 for none.

    Attributes:
        learning_rate: the highest of all.
    """

    def __init__(
        self,
        parameters: Mapping[str, Tensor],
        rates: Mapping[str, float],
        *,
        weight_decay: float,
        max_grad_norm: float,
        warmup_share: float,
        ema_decay: float,
        beside: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.parameters, self.beside = parameters, beside or {}
        self.max_grad_norm, self.warmup_share, self.ema_decay = max_grad_norm, warmup_share, ema_decay
        self.learning_rate = max(rates.values())
        self.optimizers = [_adamw(each, rates, weight_decay) for each in (self.parameters, self.beside) if each]
        self.average = {name: local(parameter).detach().clone() for name, parameter in parameters.items()}

    def clip(self) -> float:
        """Shortens the gradient of the weights where it is too long; how long it was."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.max_grad_norm)
        return float(whole(norm))

    def step(self, number: int, *, steps: int) -> float:
        """Moves the weights by their gradients.

        Args:
            number: of the step, from 0.
            steps: of the training.

        Returns:
            the highest learning rate.
        """
        factor = schedule(number, steps=steps, warmup_steps=round(self.warmup_share * steps))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = factor * group["highest"]
            optimizer.step()
        self._update_average(number + 1)
        return factor * self.learning_rate

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def fill_gradients(self) -> list[Tensor]:
        """The gradients of all weights: 0 where nothing has used one, such as a layer that was left out."""
        for parameter in self.parameters.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self.parameters.values() if parameter.grad is not None]

    @torch.no_grad()
    def swap_average(self) -> None:
        """Exchanges the average and the weights, in place; once more, and all is as it was."""
        for name, parameter in self.parameters.items():
            weights = local(parameter)
            held = weights.clone()
            weights.copy_(self.average[name])
            self.average[name].copy_(held)

    def weights(self) -> dict[str, Tensor]:
        """As they are now, whole; every process has to ask."""
        return {name: whole(parameter) for name, parameter in self.parameters.items()}

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """All that is needed to go on: "weights", "average" and "optimizer"; every process has to ask."""
        average = {name: whole(value, like=self.parameters[name]) for name, value in self.average.items()}
        optimizer = {name: whole(value) for name, value in self.beside.items()}
        for name, parameter, state in self._states():
            optimizer |= {f"{name}|{key}": whole(value, like=parameter) for key, value in state.items()}
        return {"weights": self.weights(), "average": average, "optimizer": optimizer}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Takes what `tensors` gave."""
        for name, parameter in self.parameters.items():
            parameter.copy_(whole_like(tensors["weights"][name], parameter))
            self.average[name].copy_(local(whole_like(tensors["average"][name], parameter)))
        trained = {**self.parameters, **self.beside}
        for key, value in tensors["optimizer"].items():
            name, _, entry = key.partition("|")
            if not entry:
                self.beside[name].copy_(value)
                continue
            state = self.optimizers[name in self.beside].state[trained[name]]
            state[entry] = value if entry == "step" else whole_like(value, trained[name])

    def _states(self) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """What the optimizers know of each parameter."""
        for name, parameter in [*self.parameters.items(), *self.beside.items()]:
            yield name, parameter, self.optimizers[name in self.beside].state.get(parameter, {})

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        # At first it follows closely, so that it is not held back by where it began.
        decay = min(self.ema_decay, step / (step + 9))
        weights: Sequence[Tensor] = [local(parameter) for parameter in self.parameters.values()]
        for average, weight in zip(self.average.values(), weights, strict=True):
            average.lerp_(weight, 1 - decay)


def schedule(step: int, *, steps: int, warmup_steps: int) -> float:
    """The factor of the learning rate: up in a line to 1, then down by half a cosine, to 0 after the last step."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def _adamw(parameters: Mapping[str, Tensor], rates: Mapping[str, float], weight_decay: float) -> torch.optim.Optimizer:
    """Biases and norms do not decay."""
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, parameter in parameters.items():
        groups.setdefault((rates[name], parameter.ndim > 1), []).append(parameter)
    described: list[dict[str, Any]] = []
    for (highest, decays), members in groups.items():
        decay = weight_decay if decays else 0.0
        described.append({"params": members, "weight_decay": decay, "lr": highest, "highest": highest})
    return torch.optim.AdamW(described, betas=BETAS)
