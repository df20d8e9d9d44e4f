"""A VAE that replaces that of a diffusion model: a file in either layout, a folder, or the model itself."""

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import save_file

from photism import InputError
from photism.errors import ModelWarning
from photism.prompts.diffusion.loading import load_weights
from photism.prompts.diffusion.source import find_diffusion
from photism.prompts.settings import PipelineSettings
from tests.support.single_files import (
    make_pipeline,
    make_vae,
    original_pipeline,
    original_vae,
    prefixed,
    save_single_file,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def vae():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return make_vae()


def load(location, vae, dtype=torch.float32):
    source = find_diffusion(str(location), PipelineSettings(vae=vae), device=CPU)
    return load_weights(source, device=CPU, dtype=dtype, text_only=False).vae


def assert_equal(loaded, expected):
    assert loaded.state_dict().keys() == expected.state_dict().keys()
    for key, tensor in expected.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[key], tensor, rtol=0, atol=0)


def former_names(vae):
    """Return weights as older versions of diffusers named them, and the training's own tensors that files may hold."""
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = dict(vae.state_dict())
    for new, old in names.items():
        weights = {name.replace(f"attentions.0.{new}.", f"attentions.0.{old}."): each for name, each in weights.items()}
    return weights | {"loss.logvar": torch.zeros(())}


@pytest.mark.parametrize(
    "layout",
    [
        original_vae,
        lambda vae: prefixed("first_stage_model.", original_vae(vae)) | {"loss.logvar": torch.zeros(())},
        lambda vae: vae.state_dict(),
        former_names,
    ],
    ids=["original", "prefixed", "diffusers", "former"],
)
def test_a_file_of_each_layout(layout, vae, models, tmp_path):
    path = save_single_file(tmp_path / "vae.safetensors", layout(vae))
    loaded = load(models / "sd/diffusion", path)
    assert_equal(loaded, vae)
    assert loaded.config.block_out_channels == [32, 32]
    assert loaded.config.sample_size == 16  # of the VAE that it replaces


def test_the_scaling_factor_is_that_of_the_diffusion_model(vae, tmp_path):
    weights = original_pipeline(make_pipeline("xl"))
    without = {name: value for name, value in weights.items() if not name.startswith("first_stage_model.")}
    model = save_single_file(tmp_path / "model.safetensors", without)
    loaded = load(model, save_single_file(tmp_path / "vae.safetensors", original_vae(vae)))
    assert_equal(loaded, vae)
    assert (loaded.config.scaling_factor, loaded.config.force_upcast) == (0.13025, True)


def test_a_folder_a_pipeline_and_the_model_itself(vae, models, tmp_path):
    vae.save_pretrained(tmp_path / "vae", variant="fp16")
    with pytest.warns(ModelWarning, match="vae .* has weights in the variant fp16 only"):
        assert_equal(load(models / "sd/diffusion", tmp_path / "vae"), vae)
    assert load(models / "sd/diffusion", vae) is vae
    theirs = AutoencoderKL.from_pretrained(models / "xl/diffusion/vae")
    assert_equal(load(models / "sd/diffusion", models / "xl/diffusion"), theirs)
    tiny = AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4)
    tiny.save_pretrained(tmp_path / "tiny")
    assert_equal(load(models / "sd/diffusion", tmp_path / "tiny"), tiny)


def test_what_is_no_vae_of_these_latents(vae, models, parts, tmp_path):
    diffusion = models / "sd/diffusion"
    with pytest.raises(InputError, match=r"vae must be a VAE of diffusers, .* holds UNet2DConditionModel"):
        load(diffusion, diffusion / "unet")
    with pytest.raises(InputError, match=r"vae must be a VAE of diffusers, AutoencoderKL or .*; got a Linear"):
        load(diffusion, torch.nn.Linear(1, 1))
    with pytest.raises(InputError, match=r"vae must have latents of 4 channels, .*; those of AutoencoderKL have 16"):
        load(diffusion, AutoencoderKL(latent_channels=16))
    with pytest.raises(InputError, match=r"vae cannot use .*: it is a ControlNet; give it as controlnet"):
        load(diffusion, parts / "controlnet-sd/diffusion_pytorch_model.safetensors")
    with pytest.raises(InputError, match=r"^vae .*none\.safetensors: no such file or folder$"):
        load(diffusion, tmp_path / "none.safetensors")
    save_file({**vae.state_dict(), "decoder.conv_in.weight": torch.zeros(32, 16, 3, 3)}, tmp_path / "sd3.safetensors")
    with pytest.raises(InputError, match=r"vae must have latents of 4 channels, .*; those of .*sd3.* have 16"):
        load(diffusion, tmp_path / "sd3.safetensors")
    weights = {name: value for name, value in original_vae(vae).items() if "mid.block_1" not in name}
    with pytest.raises(InputError, match=r"vae .*part\.safetensors is incomplete: it lacks tensors of its model"):
        load(diffusion, save_single_file(tmp_path / "part.safetensors", weights))
