"""The components of a pipeline, ready to compute: those that the pipeline holds, and those that its loader provides."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from torch import nn

from photism.audioldm2.checkpoint import CLASSES, AudioLDM2Checkpoint
from photism.audioldm2.component_loader import PARTS, ComponentLoader
from photism.encoder.onednn_layout import use_onednn
from photism.errors import InputError
from photism.locks import lock_of

COMPONENTS = (*CLASSES, "scheduler")
"""Names of the components of a pipeline."""
TEXT_COMPONENTS = ("text_encoder", "text_encoder_2", "projection_model", "language_model", "tokenizer", "tokenizer_2")
"""Components that encode texts."""


class Components:
    """Components of a pipeline at the moment; the pipeline makes a new one for each use.

    Args:
        attributes: attributes of the pipeline, of which components are used as the caller gave them or has changed
            them. What is put into a model for speed is taken out again.
        loader: provides the components that are no attributes, as the parts that are needed.
        device: device that the models compute on.
    """

    def __init__(self, attributes: Mapping[str, Any], loader: ComponentLoader, device: torch.device) -> None:
        self.held = {name: attributes[name] for name in COMPONENTS if name in attributes}
        self.loader = loader
        self.device = device

    @cached_property
    def checkpoint(self) -> AudioLDM2Checkpoint:
        """Configurations of the components."""
        return self.loader.checkpoint.with_components(self.held)

    @cached_property
    def scheduler(self) -> Any:
        """Copy of the pipeline's scheduler, which counts the steps of one call."""
        return deepcopy(self.held["scheduler"])

    @property
    def tokenizers(self) -> tuple[Any, Any]:
        """Tokenizer of CLAP, and that of T5 or VITS."""
        return self._processor("tokenizer"), self._processor("tokenizer_2")

    @property
    def feature_extractor(self) -> Any:
        """Feature extractor of CLAP's audio tower."""
        return self._processor("feature_extractor")

    @property
    def encodings(self) -> dict[Any, Any]:
        """Encodings of texts to look up and to add to; empty if the caller may change what encodes them."""
        return self.loader.encodings if self.held.keys().isdisjoint(TEXT_COMPONENTS) else {}

    @contextmanager
    def on_device(self, *names: str) -> Generator[list[Any]]:
        """Hold models on the device until the end of the block, and load those that are not in memory.

        Args:
            names: names of `PARTS`.

        Raises:
            InputError: a component is None, or its weights are missing or damaged.
        """
        with ExitStack() as stack:
            yield [stack.enter_context(self._ready(name)) for name in names]

    @contextmanager
    def _ready(self, name: str) -> Generator[Any]:
        component = PARTS[name].component
        with ExitStack() as stack:
            if component in self.held:
                model = _held_model(component, self.held[component])
            else:
                model = stack.enter_context(self.loader.part(name))
            # What is put into a model for a call must be taken out before another thread computes with it.
            stack.enter_context(lock_of(model))
            if self.loader.settings.offload == "model":
                model.to(self.device)
                stack.callback(model.to, "cpu")
            stack.enter_context(use_onednn(model))
            yield model

    def _processor(self, name: str) -> Any:
        if name not in self.held:
            return self.loader.processor(name)
        if self.held[name] is None:
            raise _is_none(name)
        return self.held[name]


def _held_model(component: str, module: Any) -> Any:
    """Return the model that computes; GPT-2 without its head.

    Raises:
        InputError: it is None.
    """
    if module is None:
        raise _is_none(component)
    hook: Any = getattr(module, "_hf_hook", None)
    if type(hook).__name__ == "CpuOffload":
        # Model offloading of accelerate moves a module when it is called as a whole. Here a part of it may be called.
        hook.pre_forward(module)
    return getattr(module, "transformer", module) if component == "language_model" else module


def _is_none(component: str) -> InputError:
    return InputError(f"the pipeline has no {component}: give it one")


def is_in_memory(attributes: Mapping[str, Any]) -> bool:
    """Return whether a model is among the attributes of a pipeline."""
    return any(isinstance(attributes.get(name), nn.Module) for name in COMPONENTS)
