"""Stage 6: export the trained parts as the bundled model, `packages/photism-tiny`.

    python -m recipes.tiny.export

Writes the AudioPromptEncoder and, in `diffusion/`, a pipeline in Stable Diffusion's layout, with float16 weights.
Existing files are replaced; `lcm/`, `language/` and `sound/` are those of other stages and recipes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler

from photism.files import apply_umask
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from recipes.tiny.corpus import read_captions
from recipes.tiny.fit_captions import FOLDER as CAPTIONS
from recipes.tiny.train_diffusion import NAME, build_pipeline, build_unet
from recipes.tiny.training import load_averaged

FOLDER = Path(__file__).parents[2] / "packages/photism-tiny/src/photism_tiny"
MAX_BYTES = 64 * 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()

    unet = build_unet()
    load_averaged(NAME, unet)
    pipeline = build_pipeline(torch.device("cpu"), unet.eval())
    # Trained with DDIM's schedule; a second-order solver needs fewer steps.
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    shutil.rmtree(FOLDER / "diffusion", ignore_errors=True)
    pipeline.to(torch.float16).save_pretrained(FOLDER / "diffusion")
    apply_umask((FOLDER / "diffusion").rglob("*.safetensors"))

    AudioPromptEncoder.from_pretrained(CAPTIONS).half().save_pretrained(FOLDER)

    (FOLDER / "captions.json").write_text(json.dumps(read_captions(), ensure_ascii=False, indent=0) + "\n")
    written = [FOLDER / "model.safetensors", *(FOLDER / "diffusion").rglob("*.safetensors")]
    size = sum(path.stat().st_size for path in written)
    print(f"{FOLDER}: {size / 2**20:.1f} MiB of weights")
    if size > MAX_BYTES:
        sys.exit(f"the weights exceed the {MAX_BYTES / 2**20:.0f} MiB that the bundled model may have")


if __name__ == "__main__":
    main()
