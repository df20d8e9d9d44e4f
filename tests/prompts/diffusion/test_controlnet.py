"""ControlNets."""

import json

import pytest
import torch
from diffusers import ControlNetModel

from photism import InputError
from photism.errors import ModelWarning
from photism.prompts.diffusion.loading import load_weights
from photism.prompts.diffusion.source import find_diffusion
from photism.prompts.settings import PipelineSettings
from tests.support.single_files import make_pipeline, original_pipeline, original_unet, prefixed, save_single_file


def test_a_controlnet_must_fit(load, models, parts, tmp_path, monkeypatch):
    message = r"controlnet must take prompts of diffusion's width, 16 \(cross_attention_dim\); it takes 32"
    for controlnet in (parts / "controlnet-xl", ControlNetModel.from_pretrained(parts / "controlnet-xl")):
        with pytest.raises(InputError, match=message):
            load(controlnet=controlnet)
    with pytest.raises(InputError, match=r"controlnet must be a ControlNetModel; .*unet holds UNet2DConditionModel"):
        load(controlnet=models / "sd/diffusion/unet")
    with pytest.raises(InputError, match=r"controlnet .* has an unreadable config\.json: .*no such file"):
        load(controlnet=tmp_path)
    with pytest.raises(InputError, match="controlnet must be a ControlNetModel; got a Linear"):
        load(controlnet=torch.nn.Linear(1, 1))
    config = json.loads((parts / "controlnet-sd/config.json").read_text())
    del config["cross_attention_dim"]
    (tmp_path / "unnamed").mkdir()
    (tmp_path / "unnamed/config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"prompts of diffusion's width, 16 .*; it takes 1280"):
        load(controlnet=tmp_path / "unnamed")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # or it would try for half a minute
    with pytest.raises(InputError, match=r"^controlnet no/such: "):
        load(controlnet="no/such")


def test_the_configuration_of_a_controlnet_on_the_hub_is_fetched_first(load, parts, monkeypatch):
    asked = []

    def download(*what):
        asked.append(what)
        return str(parts / "controlnet-xl/config.json")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(InputError, match="controlnet must take prompts of diffusion's width, 16"):
        load(controlnet="some/controlnet")
    assert asked == [("some/controlnet", "config.json")]


@pytest.fixture(scope="module")
def single_file(tmp_path_factory):
    """Return a single file of Stable Diffusion, and a ControlNet for it whose weights are random throughout."""
    pipeline = make_pipeline("1")
    path = tmp_path_factory.mktemp("controlnet") / "model.safetensors"
    controlnet = ControlNetModel.from_unet(pipeline.unet)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(2)
        for parameter in controlnet.parameters():
            parameter += torch.randn_like(parameter)
    return save_single_file(path, original_pipeline(pipeline)), controlnet


@pytest.mark.parametrize(
    "layout",
    [
        lambda net: prefixed("control_model.", original_unet(net)),
        original_unet,
        lambda net: net.state_dict(),
    ],
    ids=["original", "without prefix", "diffusers"],
)
def test_a_file_of_each_layout(layout, single_file, tmp_path):
    model, controlnet = single_file
    path = save_single_file(tmp_path / "controlnet.safetensors", layout(controlnet))
    cpu = torch.device("cpu")
    source = find_diffusion(str(model), PipelineSettings(controlnet=path), device=cpu)
    pipeline = load_weights(source, device=cpu, dtype=torch.float32, text_only=False)
    assert type(pipeline).__name__ == "StableDiffusionControlNetPipeline"
    loaded = pipeline.controlnet
    assert loaded.config.attention_head_dim == controlnet.config.attention_head_dim == 8
    assert loaded.state_dict().keys() == controlnet.state_dict().keys()
    for name, tensor in controlnet.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=0, atol=0, msg=name)


def test_files_that_do_not_fit(load, single_file, tmp_path):
    model, controlnet = single_file
    path = save_single_file(tmp_path / "controlnet.safetensors", original_unet(controlnet))
    adapter = {"image_proj.norm.bias": torch.zeros(2)}
    with pytest.raises(InputError, match=r"controlnet cannot use .*: it is an IP-Adapter; give it as ip_adapter"):
        load(controlnet=save_single_file(tmp_path / "adapter.safetensors", adapter))
    original = {"input_hint_block.0.weight": torch.zeros(2), "label_emb.0.0.weight": torch.zeros(2)}
    with pytest.raises(InputError, match=r"controlnet .* is for Stable Diffusion XL in the original layout, which"):
        load(controlnet=save_single_file(tmp_path / "xl.safetensors", original))
    with pytest.raises(InputError, match=r"controlnet cannot use .*: it is a checkpoint of Stable Diffusion 1\.x"):
        load(controlnet=model)
    with pytest.raises(InputError, match=r"diffusion cannot use .*: it is a ControlNet; give it as controlnet"):
        load(diffusion=path)


def test_a_variant_with_a_single_file(single_file, tmp_path):
    model, controlnet = single_file
    path = save_single_file(tmp_path / "controlnet.safetensors", original_unet(controlnet))
    cpu = torch.device("cpu")
    for given in (None, path, controlnet):
        with pytest.raises(InputError, match="variant cannot be used: diffusion is a single file, which has one set"):
            find_diffusion(str(model), PipelineSettings(variant="fp16", controlnet=given), device=cpu)
    controlnet.save_pretrained(tmp_path / "folder", variant="fp16")
    settings = PipelineSettings(variant="fp16", controlnet=[path, tmp_path / "folder"])
    assert len(find_diffusion(str(model), settings, device=cpu).controlnets) == 2


def test_the_only_variant_is_used(models, parts, tmp_path):
    controlnet = ControlNetModel.from_pretrained(parts / "controlnet-sd")
    controlnet.save_pretrained(tmp_path, variant="fp16")
    cpu = torch.device("cpu")
    source = find_diffusion(str(models / "sd/diffusion"), PipelineSettings(controlnet=tmp_path), device=cpu)
    with pytest.warns(ModelWarning, match="controlnet .* has weights in the variant fp16 only"):
        loaded = load_weights(source, device=cpu, dtype=torch.float32, text_only=False).controlnet
    for name, tensor in controlnet.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=0, atol=0, msg=name)
