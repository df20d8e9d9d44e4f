"""Stage 7: measures a checkpoint as it is shipped.

    python -m recipes.tiny_sound.evaluate [FOLDER]

100 captions, evenly spaced among those of the corpus, each made with seed 0 and the defaults of `photism sound`: as it
is, and after "a voice says"; and all captions whose thing has a sound of its own. "Heard" is what the bundled audio
encoder hears, the caption first, and among the first five, of 805. "Nearest" is the share of sounds to whose
spectrogram none of all targets' is nearer than their own. The table is printed, and written as evaluation.json;
spectrograms of what was made stand below those of the targets in demo/sounds.png.
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
from recipes.tiny_sound.autoencoder import FLOOR, LIKE
from recipes.tiny_sound.hearing import recalls
from recipes.tiny_sound.targets import read_captions, read_targets
from recipes.tiny_sound.texts import VOICE_WORDS

ROOT = Path(__file__).parents[2]
MADE = 100
SHEET_ROWS, SHEET_COLUMNS = 6, 6


def vocoded(pipeline: AudioLDM2Pipeline, waveforms: Tensor) -> Tensor:
    """What the autoencoder and the vocoder leave of (N, T) waveforms."""
    checkpoint = pipeline.checkpoint
    with pipeline.components.on_device("vae", "vocoder") as (vae, vocoder):
        latents = encode_mel(vae, log_mel(waveforms, checkpoint), checkpoint)
        mels = decode_latents(vae, latents, checkpoint)
        return vocode(vocoder, mels, checkpoint, samples=waveforms.shape[1])


def make(pipeline: AudioLDM2Pipeline, texts: Sequence[str]) -> Tensor:
    made = [pipeline(list(texts[i : i + 25]), seed=0, output_type="pt").audios for i in range(0, len(texts), 25)]
    return torch.cat(made)


def sheet(targets: Tensor, made: Tensor, path: Path) -> None:
    """Spectrograms, low frequencies below: a target, and below it what was made of its caption."""
    mels = torch.stack([log_mel(each, LIKE) for each in (targets, made)], 1)  # (N, 2, frames, bins)
    pixels = ((mels - FLOOR) / -FLOOR).clamp(0, 1).transpose(2, 3).flip(2)  # (N, 2, bins, frames)
    pixels = torch.nn.functional.pad(pixels, (4, 4, 1, 1), value=1)
    pixels = torch.nn.functional.pad(pixels.flatten(1, 2), (0, 0, 4, 4), value=1)
    rows = pixels[: SHEET_ROWS * SHEET_COLUMNS].unflatten(0, (SHEET_ROWS, SHEET_COLUMNS))
    whole = torch.cat([torch.cat(list(row), 1) for row in rows])
    path.parent.mkdir(exist_ok=True)
    Image.fromarray((whole * 255).byte().numpy()).save(path)


def share_nearest(made: Tensor, captions: Sequence[str], *, is_effect: bool) -> float:
    """The share of sounds whose nearest target is the one of their caption."""
    targets, waveforms = read_targets()
    mels = [log_mel(each, LIKE).clamp(min=FLOOR).flatten(1) for each in (made, waveforms)]
    nearest = [targets[row] for row in torch.cdist(*mels).argmin(1)]
    right = [
        target.caption.lower() == caption.lower() and target.is_effect == is_effect
        for target, caption in zip(nearest, captions, strict=True)
    ]
    return sum(right) / len(right)


def row_of(made: Tensor, captions: Sequence[str]) -> dict[str, float]:
    """What is heard of voices, and which are nearest."""
    first, fifth, _ = recalls(made, captions)
    return {
        "sounds": len(made),
        "R@1": first,
        "R@5": fifth,
        "nearest": share_nearest(made, captions, is_effect=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=bundled_model() / "sound")
    folder = parser.parse_args().folder

    pipeline = AudioLDM2Pipeline.from_pretrained(folder, device="cpu")
    targets, waveforms = read_targets()
    captions = [read_captions()[i] for i in np.linspace(0, len(read_captions()) - 1, MADE).round().astype(int)]
    said = {target.caption: row for row, target in enumerate(targets) if not target.is_effect}
    own = {target.caption: row for row, target in enumerate(targets) if target.is_effect}
    voices = waveforms[[said[caption] for caption in captions]]
    made = make(pipeline, captions)
    table = {
        "voices that were trained on": row_of(voices, captions),
        "the same, through autoencoder and vocoder": row_of(vocoded(pipeline, voices), captions),
        "made of the caption": row_of(made, captions),
        "made of 'a voice says' and the caption": row_of(
            make(pipeline, [f"{VOICE_WORDS} {caption}" for caption in captions]), captions
        ),
    }
    kept = share_nearest(vocoded(pipeline, waveforms[list(own.values())]), list(own), is_effect=True)
    table["things' own sounds, through autoencoder and vocoder"] = {"sounds": len(own), "nearest": kept}
    nearest = share_nearest(make(pipeline, list(own)), list(own), is_effect=True)
    table["things' own sounds, made of the caption"] = {"sounds": len(own), "nearest": nearest}
    for name, row in table.items():
        shares = "  ".join(f"{key} {100 * row[key]:.0f} %" for key in ("R@1", "R@5", "nearest") if key in row)
        print(f"{name}  {row['sounds']}  {shares}")
    print(f"{sum(caption in own for caption in captions)} of the {MADE} captions have a sound of their own")
    sheet(waveforms[[own.get(caption, said[caption]) for caption in captions]], made, ROOT / "demo/sounds.png")
    (folder / "evaluation.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
