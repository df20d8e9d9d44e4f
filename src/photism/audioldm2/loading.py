"""The arguments of `from_pretrained`: settings of the pipeline, components, and what diffusers knows besides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch

from photism.audioldm2.components import COMPONENTS
from photism.audioldm2.settings import SoundPipelineSettings
from photism.device import choose_dtype, dtype_name
from photism.errors import InputError
from photism.hub import bundled_model
from photism.settings import changed

ALIASES = {"pretrained_model_name_or_path": "model", "torch_dtype": "dtype"}
"""Names that diffusers has for settings."""
LIBRARY_OPTIONS = (
    "cache_dir",
    "device_map",
    "disable_mmap",
    "force_download",
    "local_files_only",
    "low_cpu_mem_usage",
    "max_memory",
    "offload_folder",
    "offload_state_dict",
    "proxies",
    "quantization_config",
    "revision",
    "token",
    "use_safetensors",
)
"""Options with which diffusers loads all components, and at once."""
EAGER_SETTINGS = ("model", "scheduler", "device", "dtype", "variant")
"""Settings that can be combined with `LIBRARY_OPTIONS`."""


@dataclass(frozen=True, eq=False)
class LoadingRequest:
    """What is loaded.

    Attributes:
        settings: settings of the pipeline.
        dtypes: data types of components, or of all others for the key "default".
        components: components that the caller gives, by name.
        options: options for diffusers, by name.
        names_scheduler: whether the caller chose the scheduler.
    """

    settings: SoundPipelineSettings
    dtypes: Mapping[str, torch.dtype]
    components: Mapping[str, Any]
    options: Mapping[str, Any]
    names_scheduler: bool

    @property
    def library_arguments(self) -> dict[str, Any]:
        """Arguments of `DiffusionPipeline.from_pretrained`, with the options."""
        dtypes = {"default": choose_dtype(self.settings.dtype), **self.dtypes}
        model = self.settings.model or bundled_model() / "sound"
        named = {"pretrained_model_name_or_path": model, "variant": self.settings.variant, "dtype": dtypes}
        return {**named, **self.components, **self.options}


def read_loading(settings: SoundPipelineSettings | None, changes: Mapping[str, Any]) -> LoadingRequest:
    """Divide the arguments of `from_pretrained` by what they are, and check them.

    Args:
        settings: settings of the pipeline.
        changes: settings, components and options by name; settings take precedence over those in `settings`.

    Raises:
        InputError: an argument cannot be used, or two of them not together.
    """
    components = {name: value for name, value in changes.items() if name in COMPONENTS and not _is_setting(name, value)}
    options = {name: value for name, value in changes.items() if name in LIBRARY_OPTIONS}
    named: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in components and name not in options:
            if ALIASES.get(name, name) in named:
                raise InputError(f"{name} and {ALIASES.get(name)} are the same; give one of them")
            named[ALIASES.get(name, name)] = value
    dtype: Any = named.pop("dtype", None)
    dtypes: dict[str, torch.dtype] = {}
    if isinstance(dtype, Mapping):
        given = cast("Mapping[str, Any]", dtype)
        dtypes = {name: choose_dtype(each) for name, each in given.items()}
        dtype = given.get("default")
    if dtype is not None:
        named["dtype"] = dtype_name(dtype)
    for name in ("model", "device"):
        if named.get(name) is not None:
            named[name] = str(named[name])
    if options:
        for name, value in named.items():
            if value and name not in EAGER_SETTINGS:
                raise InputError(
                    f"{name} cannot be combined with {next(iter(options))}, with which diffusers loads all"
                )
    names_scheduler = settings is not None or "scheduler" in changes
    settings = changed(SoundPipelineSettings, settings, named)
    return LoadingRequest(settings, dtypes, components, options, names_scheduler)


def _is_setting(name: str, value: Any) -> bool:
    """Return whether the argument is the setting `scheduler`, a name, and not the component."""
    return name == "scheduler" and (value is None or isinstance(value, str))
