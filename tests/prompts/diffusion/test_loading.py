"""Loading a diffusers pipeline."""

import json
import shutil

import pytest
import torch

from photism import AudioToImagePipeline, InputError


def test_pickled_weights_are_not_loaded(models, tmp_path, parts):
    controlnet = shutil.copytree(parts / "controlnet-sd", tmp_path / "controlnet")
    weights = controlnet / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(InputError, match=r"controlnet .* is pickled, .*; if you trust it, convert it: python -c"):
        AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", controlnet=controlnet)


def test_a_task_that_diffusers_has_no_pipeline_for(models, tmp_path):
    diffusion = shutil.copytree(models / "sd/diffusion", tmp_path / "other")
    index = json.loads((diffusion / "model_index.json").read_text())
    (diffusion / "model_index.json").write_text(json.dumps(index | {"_class_name": "OtherPipeline"}))
    with pytest.raises(InputError, match=r"diffusion .*other cannot be loaded: AutoPipeline can't find a pipeline"):
        AudioToImagePipeline.from_pretrained(models / "sd", diffusion=diffusion, device="cpu", task="inpainting")


def test_the_prediction_type_of_a_folder(models):
    for given, expected in ((None, "epsilon"), ("v_prediction", "v_prediction")):
        pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", prediction_type=given)
        assert pipeline.diffusion.scheduler.config.prediction_type == expected
