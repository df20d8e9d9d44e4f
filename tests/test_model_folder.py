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


@pytest.mark.parametrize("kind", [AudioToImagePipeline, CaptionRanker])
@pytest.mark.parametrize(
    ("other", "settings", "message"),
    [
        ("xl", {}, r"prompts of diffusion's width, 32 \(cross_attention_dim\); .* space 'sd' have 16"),
        ("xl", {"space_width": 32}, "pooled vectors of diffusion's width, 16; .* space 'sd' have None"),
        ("xl", {"space_width": 32, "space_pooled_width": 15}, "pooled vectors of diffusion's width, 16; .* have 15"),
        ("sd", {"space_width": 17}, r"prompts of diffusion's width, 16 \(cross_attention_dim\); .* have 17"),
    ],
)
def test_a_mismatch_is_told_before_weights_are_loaded(model, models, tmp_path, kind, other, settings, message):
    diffusion = shutil.copytree(models / other / "diffusion", tmp_path / "diffusion")
    for weights in (*model.rglob("*.safetensors"), *diffusion.rglob("*.safetensors")):
        weights.unlink()
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | settings))
    with pytest.raises(InputError, match=message):
        kind.from_pretrained(model, diffusion=diffusion, device=CPU)


def test_of_a_diffusion_pipeline_on_the_hub_the_configuration_is_fetched_first(model, models, monkeypatch):
    asked = []

    def download(*what):
        asked.append(what)
        return str(models / "xl/diffusion/unet/config.json")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(InputError, match="prompts of diffusion's width, 32"):
        AudioToImagePipeline.from_pretrained(model, diffusion="some/xl", device=CPU)
    assert asked == [("some/xl", "unet/config.json")]


def test_a_diffusion_pipeline_must_have_a_unet(model):
    (model / "diffusion/unet/config.json").unlink()
    with pytest.raises(InputError, match=r"with a UNet; .*model/diffusion has no unet/config\.json to be read: "):
        AudioToImagePipeline.from_pretrained(model)


def test_no_diffusion_pipeline_at_all(model):
    with pytest.raises(InputError, match="diffusion must be a folder or the id of a hub repository; no/such/model is"):
        AudioToImagePipeline.from_pretrained(model, diffusion="no/such/model")


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
