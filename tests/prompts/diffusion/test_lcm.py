"""The LCM-LoRA of a model folder."""

import shutil

import pytest
import torch
from diffusers import DiffusionPipeline, LCMScheduler
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file

from photism import AudioToImagePipeline, InputError

LAYERS = ["to_q", "proj_in", "conv1", "conv_shortcut", "time_emb_proj"]


@pytest.fixture(scope="module")
def model(models, tmp_path_factory):
    """Return a copy of the model sd with an LCM-LoRA of linear layers and of convolutions with 1×1 and 3×3 pixels."""
    folder = tmp_path_factory.mktemp("lcm") / "sd"
    shutil.copytree(models / "sd", folder)
    unet = DiffusionPipeline.from_pretrained(folder / "diffusion").unet
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet.add_adapter(LoraConfig(r=3, lora_alpha=3, target_modules=LAYERS, init_lora_weights=False))
    tensors = {f"unet.{name}": tensor for name, tensor in get_peft_model_state_dict(unet).items()}
    (folder / "lcm").mkdir()
    save_file(tensors, folder / "lcm/pytorch_lora_weights.safetensors", {"format": "pt", "num_inference_steps": "3"})
    return folder


def test_the_scheduler_lcm_merges_it(model):
    ours = AudioToImagePipeline.from_pretrained(model, device="cpu", scheduler="lcm")
    assert (ours.num_inference_steps, ours.guidance_scale) == (3, 1.0)
    assert isinstance(ours.diffusion.scheduler, LCMScheduler)
    peer = DiffusionPipeline.from_pretrained(model / "diffusion")
    before = peer.unet.down_blocks[0].resnets[0].conv1.weight.clone()
    peer.load_lora_weights(model / "lcm")
    peer.fuse_lora()
    peer.unload_lora_weights()
    merged, fused = ours.diffusion.unet.state_dict(), peer.unet.state_dict()
    assert merged.keys() == fused.keys()
    for name, tensor in fused.items():
        torch.testing.assert_close(merged[name], tensor, rtol=1e-5, atol=1e-6, msg=name)
    assert not torch.equal(merged["down_blocks.0.resnets.0.conv1.weight"], before)


def test_half_precision(model):
    half = AudioToImagePipeline.from_pretrained(model, device="cpu", dtype="float16", scheduler="lcm").diffusion.unet
    full = AudioToImagePipeline.from_pretrained(model, device="cpu", scheduler="lcm").diffusion.unet
    for name, tensor in half.state_dict().items():
        torch.testing.assert_close(tensor, full.state_dict()[name].half(), rtol=2e-3, atol=2e-3, msg=name)


def test_other_schedulers_and_other_pipelines_leave_it_out(model, models):
    own = DiffusionPipeline.from_pretrained(models / "sd/diffusion").unet.state_dict()
    for settings in ({}, {"scheduler": "ddim"}, {"scheduler": "lcm", "diffusion": models / "sd/diffusion"}):
        pipeline = AudioToImagePipeline.from_pretrained(model, device="cpu", **settings)
        assert pipeline.num_inference_steps != 3
        assert all(torch.equal(tensor, own[name]) for name, tensor in pipeline.diffusion.unet.state_dict().items())


def test_an_image_without_guidance(model, sounds):
    output = AudioToImagePipeline.from_pretrained(model, device="cpu", scheduler="lcm")(sounds[0])
    assert (output.settings.num_inference_steps, output.settings.guidance_scale) == (3, 1.0)


def test_a_lack_of_memory_is_not_reported_as_a_wrong_file(model, monkeypatch):
    def get_parameter(self, name):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.nn.Module, "get_parameter", get_parameter)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        AudioToImagePipeline.from_pretrained(model, device="cpu", scheduler="lcm")


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("unet.conv_in", (3, 9), "does not fit the UNet: unet.conv_in: "),
        ("unet.no.such", (3, 4), "does not fit the UNet: unet.no.such: "),
    ],
)
def test_of_another_unet(model, tmp_path, name, shape, message):
    shutil.copytree(model, tmp_path / "model")
    file = tmp_path / "model/lcm/pytorch_lora_weights.safetensors"
    save_file({f"{name}.lora_A.weight": torch.ones(shape), f"{name}.lora_B.weight": torch.ones(8, 3)}, file)
    with pytest.raises(InputError, match=message):
        AudioToImagePipeline.from_pretrained(tmp_path / "model", device="cpu", scheduler="lcm")
    save_file({"a": torch.ones(1)}, file, {"num_inference_steps": "few"})
    with pytest.raises(InputError, match="must have a number as num_inference_steps in its metadata; it has 'few'"):
        AudioToImagePipeline.from_pretrained(tmp_path / "model", device="cpu", scheduler="lcm")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"pytorch_lora_weights\.safetensors is damaged"):
        AudioToImagePipeline.from_pretrained(tmp_path / "model", device="cpu", scheduler="lcm")
