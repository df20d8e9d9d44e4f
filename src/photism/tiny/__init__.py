"""The bundled model: weights, configuration and card."""

from pathlib import Path

MODEL_FOLDER = Path(__file__).parent
"""A Photism model folder, complete with `diffusion/`, `captions.json` and `examples/`."""

SOUND_FOLDER = MODEL_FOLDER / "sound"
"""An AudioLDM 2 checkpoint."""
