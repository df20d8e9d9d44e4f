"""Stage 6: export the trained models as a checkpoint in the layout of AudioLDM 2, with weights in float16.

    python -m recipes.tiny_sound.export [FOLDER]

The default folder is `sound/` of the bundled model, packages/photism-tiny. Existing files are replaced.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch

from photism.files import atomic_folder
from photism.hub import bundled_model
from recipes.tiny_sound.autoencoder import load_autoencoder
from recipes.tiny_sound.clap import build_extractor, load_clap
from recipes.tiny_sound.diffusion import build_scheduler, load_unet
from recipes.tiny_sound.language import load_texts
from recipes.tiny_sound.texts import clap_tokenizer, t5_tokenizer, tokenizer_folder
from recipes.tiny_sound.vocoder import load_vocoder

MAX_BYTES = 40 * 10**6
GUIDANCE_SCALE = 1.5
"""Guidance scale at which latents correlate best with the targets; at 3.5, as published, their contrast is too high."""

CLASSES = {
    "feature_extractor": ["transformers", "ClapFeatureExtractor"],
    "language_model": ["transformers", "GPT2Model"],
    "projection_model": ["audioldm2", "AudioLDM2ProjectionModel"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "ClapModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "RobertaTokenizer"],
    "tokenizer_2": ["transformers", "T5Tokenizer"],
    "unet": ["audioldm2", "AudioLDM2UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "vocoder": ["transformers", "SpeechT5HifiGan"],
}


def export(folder: Path) -> None:
    """Write the checkpoint, except for its card, which is kept."""
    texts = load_texts()
    models = {
        "vae": load_autoencoder(),
        "text_encoder": load_clap(),
        "text_encoder_2": texts.t5,
        "projection_model": texts.projection,
        "language_model": texts.gpt2,
        "unet": load_unet(),
        "vocoder": load_vocoder(),
    }
    with atomic_folder(folder) as unfinished:
        for name, module in models.items():
            module.to(torch.float16).save_pretrained(unfinished / name)
        build_scheduler().save_pretrained(unfinished / "scheduler")
        build_extractor().save_pretrained(unfinished / "feature_extractor")
        for name, tokenizer, of in (("tokenizer", clap_tokenizer, "clap"), ("tokenizer_2", t5_tokenizer, "t5")):
            tokenizer()  # writes its files
            shutil.copytree(tokenizer_folder(of), unfinished / name)
        index = {
            "_class_name": "AudioLDM2Pipeline",
            "_diffusers_version": "0.21.0",
            "guidance_scale": GUIDANCE_SCALE,
            **CLASSES,
        }
        (unfinished / "model_index.json").write_text(json.dumps(index, indent=1) + "\n")
        if (folder / "README.md").exists():
            shutil.copy(folder / "README.md", unfinished)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=bundled_model() / "sound")
    folder = parser.parse_args().folder

    export(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    print(f"{folder}: {size / 1e6:.1f} MB of weights")
    if size > MAX_BYTES:
        sys.exit(f"the weights exceed the limit of {MAX_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
