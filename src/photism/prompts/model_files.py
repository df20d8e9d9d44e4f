"""Files of a Photism model, in a folder or on the Hugging Face hub, without loading any weights.

config.json, model.safetensors    the AudioPromptEncoder, or a checkpoint of audio2img
diffusion/                        a diffusers pipeline of the same prompt space; may be elsewhere
captions.json                     list of the captions that the model recognises; may be missing
caption_translations.json         the same in other languages; may be missing
caption_catalogue.json            in which languages the captions can be spoken, and the layout of
caption_thumbnails.webp           small images of the captions on one sheet; both may be missing
lcm/                              an LCM-LoRA of diffusion/, for the scheduler lcm; may be missing
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from photism.errors import InputError
from photism.hub import bundled_model, fetch_files, resolve_bundled
from photism.json_files import read_texts

CAPTIONS, TRANSLATIONS = "captions.json", "caption_translations.json"
CATALOGUE, THUMBNAILS = "caption_catalogue.json", "caption_thumbnails.webp"
CAPTION_FILES = ("config.json", CAPTIONS, TRANSLATIONS, CATALOGUE, THUMBNAILS)
"""Files about the captions of a model, and the one that shows that it is a model."""
DIFFUSION = "diffusion"
PARTS = ("*.json", "*.safetensors", "*.txt")
"""Files of a model on the hub that are fetched to load it: no pickled weights, no images."""
CONFIGS = ("config.json", "preprocessor_config.json", f"{DIFFUSION}/unet/config.json")
"""Files that are fetched first, to check whether the model fits the diffusion model."""


def find_model(model: str | Path | None, *, files: Sequence[str] = PARTS) -> Path:
    """Return the folder of a model; a model on the hub is fetched into the hub's cache.

    Args:
        model: folder or hub id; None or "tiny" for the bundled model.
        files: patterns of the files to fetch from the hub.

    Raises:
        InputError: the model does not exist, or it is not one of Photism's.
    """
    folder = bundled_model() if model is None else Path(resolve_bundled(model))
    if not folder.is_dir():
        folder = fetch_files("model", str(model), files)
    if not (folder / "config.json").is_file():
        raise InputError(f"model must be a folder with a Photism model, but {folder} has no config.json")
    return folder


def load_captions(folder: Path) -> tuple[str, ...]:
    """Return the captions that a model recognises; none if it has no list of them.

    Raises:
        InputError: captions.json is not a list of texts.
    """
    path = folder / CAPTIONS
    return read_texts(path, f"model {folder}") if path.exists() else ()
