"""Find LoRA weights and load them into a diffusers pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from photism.errors import InputError, as_input_error
from photism.hub import fetch_file, fetch_files
from photism.weights import check_floats, check_values, read_headers


def lora_file(source: str) -> Path:
    """Return the file of LoRA weights: the only one of a folder or hub repository, or the one that is named in it.

    Raises:
        InputError: it cannot be found, or a folder holds several.
    """
    path = Path(source)
    if path.is_file():
        return path
    if not path.is_dir():
        parts = source.split("/")
        if len(parts) > 2:
            return fetch_file(f"lora {source}", "/".join(parts[:2]), "/".join(parts[2:]))[1]
        path = fetch_files("lora", source, ["*.safetensors"])
    files = sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise InputError(f"lora {source} must contain one .safetensors file, or name one of them; it contains {found}")
    return files[0]


def add_loras(pipeline: Any, loras: tuple[tuple[Path, float], ...]) -> None:
    """Load LoRA weights into a pipeline and scale each.

    Raises:
        InputError: they cannot be loaded, or are for another model.
    """
    names: list[str] = []
    for number, (path, _) in enumerate(loras):
        name = f"lora-{number}"
        check_floats(read_headers([path], f"lora {path}"), f"lora {path}")
        with as_input_error(f"lora {path} cannot be loaded"):
            pipeline.load_lora_weights(str(path), adapter_name=name, use_safetensors=True)
        # From the weights of another model, diffusers loads nothing and raises nothing.
        if not any(name in adapters for adapters in pipeline.get_list_adapters().values()):
            raise InputError(f"lora {path} contains no weights for {type(pipeline).__name__}")
        names.append(name)
    for component in ("unet", "text_encoder", "text_encoder_2"):
        if names and getattr(pipeline, component, None) is not None:
            check_values(
                getattr(pipeline, component), f"{component} with lora {', '.join(str(path) for path, _ in loras)}"
            )
    if names:
        pipeline.set_adapters(names, [weight for _, weight in loras])
