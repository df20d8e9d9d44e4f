"""Stage 7: evaluate the exported checkpoint.

    python -m recipes.tiny_sound.evaluate [FOLDER]

Sound is generated with seed 0 and the defaults of `photism sound`: for 100 captions, evenly spaced among those of the
corpus, with and without "a voice says" before them, and for all captions that have a sound effect. R@1 and R@5 are how
often the bundled audio encoder ranks the caption first, and among the first five, of 805. "nearest" is the fraction of
recordings whose spectrogram is nearer to their own target than to any other. The table is printed and written to
evaluation.json; demo/sounds.png shows the spectrograms of targets, and below them those generated from their captions.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from photism import AudioLDM2Pipeline
from photism.audioldm2.mel_vae import decode_latents, encode_mel, log_mel, vocode
from photism.hub import bundled_model
from recipes.tiny_sound.autoencoder import FLOOR, MEL_CONFIG
from recipes.tiny_sound.recognition import caption_recall
from recipes.tiny_sound.targets import read_captions, read_targets
from recipes.tiny_sound.texts import VOICE_WORDS

ROOT = Path(__file__).parents[2]
CAPTIONS = 100
SHEET_ROWS, SHEET_COLUMNS = 6, 6


def reconstruct(pipeline: AudioLDM2Pipeline, waveforms: Tensor) -> Tensor:
    """Pass waveforms (N, T) through autoencoder and vocoder."""
    checkpoint = pipeline.checkpoint
    with pipeline.models.on_device("vae", "vocoder") as (vae, vocoder):
        latents = encode_mel(vae, log_mel(waveforms, checkpoint), checkpoint)
        mels = decode_latents(vae, latents, checkpoint)
        return vocode(vocoder, mels, checkpoint, samples=waveforms.shape[1])


def generate(pipeline: AudioLDM2Pipeline, texts: Sequence[str]) -> Tensor:
    """Return a waveform (N, T) for each text."""
    batches = [pipeline(list(texts[i : i + 25]), seed=0, output_type="pt").audios for i in range(0, len(texts), 25)]
    return torch.cat(batches)


def save_spectrograms(targets: Tensor, generated: Tensor, path: Path) -> None:
    """Save an image of spectrograms: each target, and below it the one generated from its caption."""
    mels = torch.stack([log_mel(each, MEL_CONFIG) for each in (targets, generated)], 1)  # (N, 2, frames, bins)
    pixels = ((mels - FLOOR) / -FLOOR).clamp(0, 1).transpose(2, 3).flip(2)  # (N, 2, bins, frames)
    pixels = torch.nn.functional.pad(pixels, (4, 4, 1, 1), value=1)
    pixels = torch.nn.functional.pad(pixels.flatten(1, 2), (0, 0, 4, 4), value=1)
    rows = pixels[: SHEET_ROWS * SHEET_COLUMNS].unflatten(0, (SHEET_ROWS, SHEET_COLUMNS))
    whole = torch.cat([torch.cat(list(row), 1) for row in rows])
    path.parent.mkdir(exist_ok=True)
    Image.fromarray((whole * 255).byte().numpy()).save(path)


def nearest_fraction(generated: Tensor, captions: Sequence[str], *, is_effect: bool) -> float:
    """Return the fraction of waveforms whose nearest target is that of their caption."""
    targets, waveforms = read_targets()
    mels = [log_mel(each, MEL_CONFIG).clamp(min=FLOOR).flatten(1) for each in (generated, waveforms)]
    nearest = [targets[row] for row in torch.cdist(*mels).argmin(1)]
    is_own = [
        target.caption.lower() == caption.lower() and target.is_effect == is_effect
        for target, caption in zip(nearest, captions, strict=True)
    ]
    return sum(is_own) / len(is_own)


def evaluate_voices(generated: Tensor, captions: Sequence[str]) -> dict[str, float]:
    """Return the metrics of recordings of voices."""
    first, fifth, _ = caption_recall(generated, captions)
    return {
        "sounds": len(generated),
        "R@1": first,
        "R@5": fifth,
        "nearest": nearest_fraction(generated, captions, is_effect=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=bundled_model() / "sound")
    folder = parser.parse_args().folder

    pipeline = AudioLDM2Pipeline.from_pretrained(folder, device="cpu")
    targets, waveforms = read_targets()
    captions = [read_captions()[i] for i in np.linspace(0, len(read_captions()) - 1, CAPTIONS).round().astype(int)]
    voice_rows = {target.caption: row for row, target in enumerate(targets) if not target.is_effect}
    effect_rows = {target.caption: row for row, target in enumerate(targets) if target.is_effect}
    voices = waveforms[[voice_rows[caption] for caption in captions]]
    generated = generate(pipeline, captions)
    table = {
        "target voices": evaluate_voices(voices, captions),
        "the same, through autoencoder and vocoder": evaluate_voices(reconstruct(pipeline, voices), captions),
        "generated from the caption": evaluate_voices(generated, captions),
        "generated from 'a voice says' and the caption": evaluate_voices(
            generate(pipeline, [f"{VOICE_WORDS} {caption}" for caption in captions]), captions
        ),
    }
    reconstructed = nearest_fraction(
        reconstruct(pipeline, waveforms[list(effect_rows.values())]), list(effect_rows), is_effect=True
    )
    table["sound effects, through autoencoder and vocoder"] = {"sounds": len(effect_rows), "nearest": reconstructed}
    nearest = nearest_fraction(generate(pipeline, list(effect_rows)), list(effect_rows), is_effect=True)
    table["sound effects, generated from the caption"] = {"sounds": len(effect_rows), "nearest": nearest}
    for name, row in table.items():
        metrics = "  ".join(f"{key} {100 * row[key]:.0f} %" for key in ("R@1", "R@5", "nearest") if key in row)
        print(f"{name}  {row['sounds']}  {metrics}")
    print(f"{sum(caption in effect_rows for caption in captions)} of the {CAPTIONS} captions have a sound effect")
    save_spectrograms(
        waveforms[[effect_rows.get(caption, voice_rows[caption]) for caption in captions]],
        generated,
        ROOT / "demo/sounds.png",
    )
    (folder / "evaluation.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
