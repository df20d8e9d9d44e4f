"""ControlNets."""

import pytest

from photism import InputError


def test_a_controlnet_must_fit(load, models, parts, tmp_path):
    from diffusers import ControlNetModel

    message = r"controlnet must take prompts of diffusion's width, 16 \(cross_attention_dim\); it takes 32"
    for controlnet in (parts / "controlnet-xl", ControlNetModel.from_pretrained(parts / "controlnet-xl")):
        with pytest.raises(InputError, match=message):
            load(controlnet=controlnet)
    with pytest.raises(InputError, match=r"controlnet must be a ControlNetModel; .*unet holds UNet2DConditionModel"):
        load(controlnet=models / "sd/diffusion/unet")
    with pytest.raises(InputError, match=r"controlnet .* has an unreadable config\.json: .*no such file"):
        load(controlnet=tmp_path)
    with pytest.raises(
        InputError, match="controlnet must be a folder or the id of a hub repository; no/such is neither"
    ):
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
