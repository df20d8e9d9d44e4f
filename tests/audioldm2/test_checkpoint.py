"""What a checkpoint's configurations say, and what holds if they say nothing."""

import shutil

import pytest

from photism.audioldm2.checkpoint import read_checkpoint
from tests.support.tiny_audioldm2 import MAX_NEW_TOKENS, edit_json


@pytest.mark.parametrize(("layout", "default"), [("sound", 8), ("speech", 512)])
def test_the_number_of_generated_states(sound_models, tmp_path, layout, default):
    assert read_checkpoint(sound_models / layout).max_new_tokens == MAX_NEW_TOKENS[layout]
    folder = tmp_path / layout
    shutil.copytree(sound_models / layout, folder)
    edit_json(folder / "language_model/config.json", max_new_tokens=None)
    assert read_checkpoint(folder).max_new_tokens == default
