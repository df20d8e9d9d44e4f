"""Fingerprints of models: equal fingerprints mean that two models compute the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from torch import Tensor, nn

TRAINING_ONLY = "masked_spec_embed"
"""Name of the embedding that SpecAugment masks with; inference does not use it, and checkpoints may lack it."""
NOT_COMPUTED_WITH = frozenset({"architectures", "attn_implementation", "dtype", "torch_dtype", "transformers_version"})
"""Settings of a configuration that change nothing, or only how a result is rounded; so do those with an underscore,
which are paths and versions."""
DIGITS = 16
"""Hexadecimal digits of a fingerprint."""
DIGEST_VALUES = 64
"""Values of each tensor that enter a fingerprint; other training changes nearly all of them."""


def model_fingerprint(model: nn.Module, *, counted: Collection[str] | None = None) -> str:
    """Return 16 hexadecimal digits that depend on the weights and the configuration of a model.

    They do not depend on its device, and depend on its dtype only in so far as that rounds the weights: a checkpoint in
    float16 has one fingerprint in float16 and in float32, and one in float32 another one where it is loaded in float16.
    Weights of LoRA and of IP-Adapters count with their scales. The configuration is that of transformers or diffusers,
    if there is one, such as the number of heads; of transformers, what is as by default does not count.

    Args:
        model: any module; its weights may be offloaded.
        counted: names of the settings of its configuration that count; by default all.
    """
    import torch

    settings = _settings(getattr(model, "config", None))
    if counted is not None:
        settings = {name: value for name, value in settings.items() if name in counted}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(_tensors(model).items()):
        if name.endswith(TRAINING_ONLY):
            continue
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        values = tensor.detach().flatten()
        values = values[:: max(1, len(values) // DIGEST_VALUES)].to("cpu", torch.float64)
        digest.update(values.numpy().tobytes())
    for name, module in model.named_modules():
        scaling = getattr(module, "scaling", None)
        if isinstance(scaling, dict):  # the scale of LoRA weights in a layer of peft, which no tensor holds
            digest.update(f"{name} {scaling}".encode())
        scale = getattr(module, "scale", None)
        if isinstance(scale, list):  # of the images of an IP-Adapter
            digest.update(f"{name} {scale}".encode())
    return digest.hexdigest()[:DIGITS]


def combine(*parts: object) -> str:
    """Return 16 hexadecimal digits that depend on the texts of parts, such as fingerprints and settings, in order."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()[:DIGITS]


def _settings(config: Any) -> dict[str, Any]:
    """Return what a configuration sets, also within configurations that it has; {} if it is of another kind."""
    if hasattr(config, "to_diff_dict"):  # of transformers, a new version of which may have further settings
        values = config.to_diff_dict()
    elif isinstance(config, Mapping):
        values = cast("Mapping[str, Any]", config)
    else:
        return {}
    found: dict[str, Any] = {}
    for name, value in values.items():
        if not str(name).startswith("_") and name not in NOT_COMPUTED_WITH:
            inner = getattr(config, str(name), None)
            inner = inner if hasattr(inner, "to_diff_dict") else value
            found[str(name)] = _settings(inner) or value
    return found


def _tensors(model: nn.Module) -> Mapping[str, Tensor]:
    state = model.state_dict()
    if any(tensor.is_meta for tensor in state.values()):  # sequential offloading
        from accelerate.utils.modeling import get_state_dict_offloaded_model

        return get_state_dict_offloaded_model(model)
    return state
