"""A pipeline of diffusers whose components are loaded when they are first used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import DiffusionPipeline
from diffusers.utils.torch_utils import get_device
from typing_extensions import Self

from photism.audioldm2.checkpoint import DEFAULT_GUIDANCE_SCALE
from photism.audioldm2.component_loader import ComponentLoader
from photism.audioldm2.components import COMPONENTS, Components, is_in_memory
from photism.deferred_imports.context import deferred_imports
from photism.device import choose_device
from photism.errors import InputError


class LazyPipeline(DiffusionPipeline):
    """Pipeline whose attributes are its components, each loaded when it is read.

    A component that the caller gave, set or read is an attribute, as in any pipeline of diffusers. The others are in
    the loader, in the parts that a call needs. What is done to all components, such as `to`, changes those in memory at
    once, and the others when they are loaded.
    """

    model_cpu_offload_seq = "text_encoder->text_encoder_2->projection_model->language_model->unet->vae->vocoder"

    def _hold(self, loader: ComponentLoader, components: Mapping[str, Any]) -> None:
        """Set the loader and the components in memory."""
        self._loader = loader
        self.register_to_config(**{name: loader.checkpoint.classes.get(name, (None, None)) for name in COMPONENTS})
        self.register_modules(**components)
        if loader.can_load:
            self.register_to_config(_name_or_path=loader.checkpoint.location)
        if loader.checkpoint.guidance_scale != DEFAULT_GUIDANCE_SCALE:
            self.register_to_config(guidance_scale=loader.checkpoint.guidance_scale)

    def __getattr__(self, name: str) -> Any:
        """Load a component; called for attributes that do not exist."""
        loader = vars(self).get("_loader")
        if loader is None or name not in COMPONENTS:
            return super().__getattr__(name)
        if loader.is_paused:
            return None
        with loader.loading_lock:
            if name not in vars(self):  # another thread may have loaded it meanwhile
                setattr(self, name, loader.component(name))
            return vars(self)[name]

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; diffusers records the class of a component that replaces another one."""
        if name not in COMPONENTS:
            super().__setattr__(name, value)
            return
        vars(self).setdefault(name, value)
        with deferred_imports:  # diffusers asks whether the component was compiled
            super().__setattr__(name, value)

    @property
    def models(self) -> Components:
        """Components as the pipeline computes with them; a component that is read from here stays in the loader."""
        return Components(vars(self), self._loader, self._execution_device)

    @property
    def device(self) -> torch.device:
        """Device of the components."""
        if self._loader.can_load and (self._loader.device.type != "cpu" or not is_in_memory(vars(self))):
            return self._loader.device
        with self._loader.paused():
            return super().device

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the weights."""
        if not is_in_memory(vars(self)):
            return self._loader.dtypes["default"]
        with self._loader.paused():
            return super().dtype

    @property
    def _execution_device(self) -> torch.device:
        with self._loader.paused():
            return super()._execution_device

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move the pipeline to a device, convert its weights to a dtype, or both, and return it.

        Args:
            args: device, dtype, or both in this order.
            kwargs: `device`, `dtype`, and whether to `silence_dtype_warnings`.

        Raises:
            InputError: this machine has no such device.
        """
        given = [each for each in (*args, kwargs.get("device"), kwargs.get("dtype")) if each is not None]
        dtype = next((each for each in given if isinstance(each, torch.dtype)), None)
        device = next((choose_device(each) for each in given if not isinstance(each, torch.dtype)), None)
        with self._loader.paused():
            super().to(*args, **kwargs)
        self._loader.move(device, dtype)
        return self

    def enable_model_cpu_offload(self, gpu_id: int | None = None, device: Any = None) -> None:
        """Keep the models on the CPU, and move each to the GPU while it computes.

        Args:
            gpu_id: number of the GPU.
            device: device to compute on; by default the GPU of this machine.

        Raises:
            InputError: there is no GPU.
        """
        self._prepare_offload(device)
        super().enable_model_cpu_offload(gpu_id, device)

    def enable_sequential_cpu_offload(self, gpu_id: int | None = None, device: Any = None) -> None:
        """Keep the weights on the CPU, and move those of each layer to the GPU while it computes.

        Args:
            gpu_id: number of the GPU.
            device: device to compute on; by default the GPU of this machine.

        Raises:
            InputError: there is no GPU.
        """
        self._prepare_offload(device)
        super().enable_sequential_cpu_offload(gpu_id, device)

    def _prepare_offload(self, device: Any) -> None:
        """Let the models be loaded on the CPU: all of them may not fit on the GPU.

        Raises:
            InputError: there is no GPU to compute on.
        """
        if device is None and get_device() == "cpu":
            raise InputError("offloading needs a GPU, and this machine has none; from_pretrained(offload='disk') works")
        self.to("cpu", silence_dtype_warnings=True)

    def maybe_free_model_hooks(self) -> None:
        """Offload all models again, if model offloading is enabled."""
        with self._loader.paused():
            super().maybe_free_model_hooks()
