"""Published trainings as files of settings: `photism align --recipe NAME` takes its defaults from NAME.yaml."""

from pathlib import Path
from typing import Any

from photism.settings import read_settings
from photism.training.settings import AlignSettings

RECIPES = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}
"""File of each recipe, by its name."""


def read_recipe(name: str, **given: Any) -> AlignSettings:
    """Return the settings of a recipe.

    Args:
        name: name of the recipe, such as "audio2img".
        given: settings that take precedence over the recipe; `data` and `output` are required.

    Raises:
        KeyError: there is no such recipe.
        SettingError: a setting is missing or out of range.
    """
    return read_settings(AlignSettings, RECIPES[name], given)
