"""photism align: train an audio encoder for the prompts of a diffusion model, from captioned recordings."""

from photism.cli.training import Resume, run_training
from photism.training.recipes import RECIPES
from photism.training.settings import AlignSettings

VERB_ARGUMENTS = {"settings_file": AlignSettings.file, "recipes": RECIPES}


def align(settings: AlignSettings, resume: Resume = False) -> None:
    """Train an audio encoder on captioned recordings.

    It learns to predict the prompt embeddings that a diffusion model expects from its text encoder.

    DATA is a folder with metadata.csv or metadata.jsonl (file_name, labels or text, optionally split, start and end in
    seconds), a folder of folders named like labels, WebDataset shards, or a data set of the Hugging Face hub.

    Examples:
        photism align . -o rain --encoder tiny --batch-size 4 --epochs 4
        photism align nateraw/fsd50k -o thunder --recipe audio2img
    """
    run_training(settings, resume=resume)
