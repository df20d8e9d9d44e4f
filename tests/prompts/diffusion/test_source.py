"""Checks of a diffusers pipeline before its weights are loaded."""

import json
import shutil
import sys

import pytest
import torch

from photism import InputError
from photism.prompts.settings import PipelineSettings
from photism.schedulers import SCHEDULERS


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "img2img"}, "task must be one of text-to-image, image-to-image, inpainting; got img2img"),
        ({"scheduler": "DDIM"}, "scheduler must be one of ddim, euler, .*; got DDIM"),
        ({"offload": "disk"}, "offload must be one of model, sequential; got disk"),
        ({"lora": {"a": float("nan")}}, "lora must have finite weights; got nan for a"),
        ({"offload": "sequential", "compile": True}, "compile cannot be combined with offload sequential"),
        ({"offload": "model"}, "offload must not be set on the CPU: it saves memory of a GPU"),
    ],
)
def test_wrong_settings_and_combinations(load, settings, message):
    with pytest.raises(InputError, match=message):
        load(**settings)


def test_schedulers_are_classes_of_diffusers():
    import diffusers

    for name in SCHEDULERS.values():
        assert hasattr(getattr(diffusers, name), "from_config")


def test_libraries_that_are_not_installed(load, parts, monkeypatch):
    for name in ("peft", "accelerate"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match="lora needs peft, which is not installed: pip install"):
        load(lora=parts / "lora-sd")
    monkeypatch.setattr("photism.prompts.model_folder.choose_device", torch.device)
    with pytest.raises(InputError, match="offload needs accelerate, which is not installed: pip install"):
        load(offload="model", device="cuda")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "text-to-image"}, "4 input channels for text-to-image; that of .*sd-inpaint has 9: give a mask"),
        ({"task": "image-to-image"}, "4 input channels for image-to-image; that of .*sd-inpaint has 9: give a mask"),
        (
            {"controlnet": "controlnet-sd"},
            "4 input channels for text-to-image; that of .*sd-inpaint has 9: give a mask",
        ),
    ],
)
def test_an_inpainting_unet_is_refused_for_other_tasks(load, parts, settings, message):
    settings = {name: parts / value if name == "controlnet" else value for name, value in settings.items()}
    with pytest.raises(InputError, match=message):
        load(diffusion=parts / "sd-inpaint", **settings)


@pytest.mark.parametrize(
    ("channels", "task", "needed"),
    [
        ({"in_channels": 5}, "image-to-image", "4"),
        ({"in_channels": 5}, "inpainting", "4 or 9"),
        ({"in_channels": 9, "out_channels": 24}, "inpainting", "24"),  # diffusers has no such pipeline
    ],
)
def test_a_unet_must_have_the_channels_of_the_task(load, models, tmp_path, channels, task, needed):
    diffusion = shutil.copytree(models / "sd/diffusion", tmp_path / "other")
    config = json.loads((diffusion / "unet/config.json").read_text())
    (diffusion / "unet/config.json").write_text(json.dumps(config | channels))
    message = (
        rf"UNet of {needed} input channels for {task}; that of .*other has {channels['in_channels']}: give another"
    )
    with pytest.raises(InputError, match=message):
        load(diffusion=diffusion, task=task)


def test_the_defaults_change_nothing():
    settings = PipelineSettings()
    assert settings.loras == ()
    for name in ("task", "controlnet", "scheduler", "attention_slicing", "compile", "offload"):
        assert not getattr(settings, name)
