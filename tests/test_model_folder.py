"""Loading a Photism model, and what is said where it cannot be."""

import json
import shutil

import pytest
import torch

from photism import AudioToImagePipeline, CaptionRanker, InputError
from photism.model_folder import choose_device, load_captions

CPU = torch.device("cpu")


@pytest.fixture
def model(models, tmp_path):
    return shutil.copytree(models / "sd", tmp_path / "model")


def test_a_diffusion_pipeline_may_lie_elsewhere(model, models):
    shutil.rmtree(model / "diffusion")
    with pytest.raises(InputError, match=f"diffusion is missing: model {model} brings none"):
        AudioToImagePipeline.from_pretrained(model, device=CPU)
    elsewhere = models / "sd/diffusion"
    assert AudioToImagePipeline.from_pretrained(model, diffusion=elsewhere, device=CPU).encoder.device == CPU
    assert CaptionRanker.from_pretrained(model, diffusion=elsewhere, device=CPU).captions == load_captions(model)


def test_a_ranker_loads_no_picture_side(models):
    diffusion = CaptionRanker.from_pretrained(models / "xl", device=CPU).diffusion
    assert diffusion.unet is None
    assert diffusion.vae is None
    assert diffusion.text_encoder_2 is not None


def test_captions_may_be_missing(model):
    (model / "captions.json").unlink()
    assert load_captions(model) == ()


def test_another_kind_of_model(model):
    (model / "config.json").write_text(json.dumps({"model_type": "wav2vec2-bert"}))
    with pytest.raises(InputError, match=r"must hold an AudioPromptEncoder, .* it holds 'wav2vec2-bert'"):
        AudioToImagePipeline.from_pretrained(model)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"\xff" * 9), lambda path: path.unlink()])
@pytest.mark.parametrize("part", ["model.safetensors", "diffusion/unet/diffusion_pytorch_model.safetensors"])
def test_damaged_or_missing_weights(model, part, damage):
    damage(model / part)
    with pytest.raises(InputError, match=r"(model|diffusion) .*model.* cannot be loaded: "):
        AudioToImagePipeline.from_pretrained(model)


def test_pickled_weights_are_not_loaded(model):
    weights = model / "diffusion/unet/diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(InputError, match="cannot be loaded: "):
        AudioToImagePipeline.from_pretrained(model)


def test_no_model_at_all(tmp_path):
    with pytest.raises(InputError, match=r"must be a folder with a Photism model, but .* has no config\.json"):
        AudioToImagePipeline.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="model must be a folder or the id of a hub repository; no/such/model is"):
        AudioToImagePipeline.from_pretrained("no/such/model")


@pytest.mark.parametrize("device", ["cuda:99", "abacus", "cpu "])
def test_a_device_that_is_not_there(device):
    with pytest.raises(InputError, match=f"device must be one of this machine, such as cpu or cuda; got {device}"):
        choose_device(device)


def test_the_device_is_the_best_there_is(monkeypatch):
    assert choose_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(None).type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device(None).type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device(None).type == "cpu"
