"""Noise schedulers of diffusers by short names with options, and the steps that a scheduler can take.

    dpm++                    DPMSolverMultistepScheduler with the checkpoint's own noise schedule
    dpm++:karras             the same, with the sigmas of Karras et al. 2022, equation 5
    euler:trailing           EulerDiscreteScheduler whose first step is the last timestep of training
    dpm++:sde:exponential    options in any order

Images and sound are generated with the same names. Reading one imports nothing.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from photism.errors import InputError
from photism.settings import SettingError

SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "lcm": "LCMScheduler",
    "tcd": "TCDScheduler",
}
"""Class of diffusers for each short name."""

SIGMAS = {"karras": "use_karras_sigmas", "exponential": "use_exponential_sigmas", "beta": "use_beta_sigmas"}
"""Options that choose the noise levels of the steps, of which there can be one."""
SPACINGS = ("trailing", "leading", "linspace")
"""Options that choose how the timesteps are spaced, of which there can be one."""
SDE = "sde"
"""Option of dpm++ that adds fresh noise at each step."""

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "ddim": SPACINGS,
    "euler": (*SIGMAS, *SPACINGS),
    "euler-a": SPACINGS,
    "dpm++": (*SIGMAS, SDE, *SPACINGS),
    "unipc": (*SIGMAS, *SPACINGS),
    "lcm": (),
    "tcd": (),
}
"""Options that each scheduler takes. The steps of lcm and tcd are those that a model was distilled for."""

DISTILLED = ("lcm", "tcd")
"""Schedulers that models distilled to a few steps are sampled with."""
DISTILLED_STEPS = 4
"""Default number of steps with one of these schedulers."""

METAVAR = "NAME[:OPTION]"
DESCRIPTION = (
    f"Noise scheduler of the denoising steps: {', '.join(SCHEDULERS)}; with options, as in dpm++:karras: karras, "
    "exponential or beta noise levels, trailing, leading or linspace timesteps, sde."
)
"""What the settings that name a scheduler say of it."""


@dataclass(frozen=True)
class SchedulerChoice:
    """A scheduler by its short name, with options.

    Attributes:
        name: short name, a key of `SCHEDULERS`.
        config: entries of the scheduler's configuration that the options set.
    """

    name: str
    config: Mapping[str, Any]

    @property
    def has_sigmas(self) -> bool:
        """True if an option chooses the noise levels."""
        return any(key in self.config for key in SIGMAS.values())

    def apply(self, config: Mapping[str, Any]) -> Any:
        """Return the scheduler with the configuration of a checkpoint's own, apart from what the options set.

        Args:
            config: configuration of a scheduler of diffusers, whose betas and prediction type are kept.

        Raises:
            InputError: the options need a library that is not installed.
        """
        import diffusers

        if self.config.get(SIGMAS["beta"]) and find_spec("scipy") is None:
            raise InputError("scheduler with beta sigmas needs scipy, which is not installed: pip install scipy")
        kind = getattr(diffusers, SCHEDULERS[self.name])
        scheduler = kind.from_config(config, **self.config)
        if self.has_sigmas and scheduler.config.get("rescale_betas_zero_snr"):
            # Zero terminal SNR is an infinite noise level, where these options would spend most of the steps: their
            # highest is that of the same betas before they are rescaled.
            alpha = kind.from_config(config, rescale_betas_zero_snr=False).alphas_cumprod[-1].item()
            scheduler.register_to_config(sigma_max=math.sqrt((1 - alpha) / alpha))
        return scheduler


def parse_scheduler(value: str) -> SchedulerChoice:
    """Read a scheduler as it is written: a short name and options, separated by colons.

    Raises:
        SettingError: there is no such scheduler, it does not take an option, or two options exclude each other.
    """
    name, *options = value.split(":")
    if name not in SCHEDULERS:
        by_class = {class_name: short for short, class_name in SCHEDULERS.items()}
        hint = f"; {name} is {by_class[name]} here" if name in by_class else ""
        raise SettingError(
            "scheduler", f"must be one of {', '.join(SCHEDULERS)}, with options as in dpm++:karras; got {value}{hint}"
        )
    for option in options:
        if option not in OPTIONS[name]:
            taken = f"{name} takes {', '.join(OPTIONS[name])}" if OPTIONS[name] else f"{name} takes no options"
            raise SettingError("scheduler", f"{value} has the option {option!r}; {taken}")
    for group in (tuple(SIGMAS), SPACINGS):
        chosen = [option for option in options if option in group]
        if len(chosen) > 1:
            raise SettingError("scheduler", f"{value} must have at most one of {', '.join(group)}")
    config: dict[str, Any] = {}
    for option in options:
        if option in SIGMAS:
            config |= {key: option == other for other, key in SIGMAS.items()}
        elif option in SPACINGS:
            config["timestep_spacing"] = option
        else:
            config["algorithm_type"] = "sde-dpmsolver++"
    return SchedulerChoice(name, config)


def is_distilled(scheduler: Any) -> bool:
    """Return whether a scheduler of diffusers is one that models distilled to a few steps are sampled with."""
    return type(scheduler).__name__ in {SCHEDULERS[name] for name in DISTILLED}


def check_steps(scheduler: Any, steps: int, *, strength: float | None = None) -> None:
    """Check that a scheduler can take a number of steps, by letting a copy of it set its timesteps.

    Args:
        scheduler: scheduler of diffusers, which stays as it is.
        steps: number of steps.
        strength: fraction of the steps that is taken, the last ones; None for all.

    Raises:
        SettingError: it has fewer timesteps, or `strength` leaves no step.
    """
    limits = {
        scheduler.config.get("num_train_timesteps"): "the steps of training",
        scheduler.config.get("original_inference_steps"): f"the original_inference_steps of {_name(scheduler)}",
    }
    limit = min(limit for limit in (*limits, steps) if limit is not None)
    if steps > limit:
        problem = f"must be at most {limit}, {limits[limit]}; got {steps}"
        raise SettingError("num_inference_steps", problem, values={"maximum": limit})
    if strength is not None and int(steps * strength) < 1:
        raise SettingError(
            "strength", f"{strength:g} leaves none of {steps} {{}}; raise one of them", "num_inference_steps"
        )
    set_timesteps(scheduler, num_inference_steps=steps)


def set_timesteps(scheduler: Any, **arguments: Any) -> Any:
    """Return a copy of a scheduler whose timesteps are set.

    Args:
        scheduler: scheduler of diffusers, which stays as it is.
        arguments: of its `set_timesteps`, such as `num_inference_steps`, `timesteps` or `sigmas`.

    Raises:
        SettingError: the scheduler does not take one of the arguments, or cannot use its value.
    """
    trial = deepcopy(scheduler)
    taken = inspect.signature(trial.set_timesteps).parameters
    for name, value in arguments.items():
        if name not in taken:
            raise SettingError(name, f"cannot be used: {_name(scheduler)} chooses its own")
        try:
            trial.set_timesteps(**{name: value})
        except (ArithmeticError, IndexError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise SettingError(name, f"{value} cannot be used with {_name(scheduler)}: {reason}") from error
        first = trial.timesteps[:2].tolist()
        if len(first) == 2 and first[0] == first[1] and trial.order == 1:
            # diffusers looks the first step up by its timestep, and would leave one out.
            raise SettingError(
                name, f"{value} cannot be used with {_name(scheduler)}: its first two timesteps are equal"
            )
    return trial


def _name(scheduler: Any) -> str:
    return type(scheduler).__name__
