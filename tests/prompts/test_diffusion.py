"""Loading a diffusers pipeline: its checks before weights are loaded, ControlNets and LoRA weights."""

import importlib.util
import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from photism import AudioToImagePipeline, InputError
from photism.prompts.settings import PipelineSettings
from photism.schedulers import SCHEDULERS


@pytest.fixture
def load(models, monkeypatch):
    """Return a function that loads sd with settings, and fails if weights are loaded."""
    monkeypatch.setattr("photism.prompts.model_folder.load_weights", lambda *_, **__: pytest.fail("loaded"))

    def load(model="sd", **settings):
        return AudioToImagePipeline.from_pretrained(models / model, **{"device": "cpu", **settings})

    return load


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "img2img"}, "task must be one of text-to-image, image-to-image, inpainting; got img2img"),
        ({"scheduler": "DDIM"}, "scheduler must be one of ddim, euler, euler-a, dpm.., unipc, lcm; got DDIM"),
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
    find_spec = importlib.util.find_spec
    missing = ["peft", "accelerate"]
    monkeypatch.setattr(
        "photism.prompts.diffusion.find_spec", lambda name: None if name in missing else find_spec(name)
    )
    with pytest.raises(InputError, match=r"lora needs peft, .* pip install 'photism\[diffusion\]'"):
        load(lora=parts / "lora-sd")
    monkeypatch.setattr("photism.prompts.model_folder.choose_device", torch.device)
    with pytest.raises(InputError, match=r"offload needs accelerate, .* pip install 'photism\[diffusion\]'"):
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
        ({"in_channels": 24, "out_channels": 24}, "inpainting", "4 or 9"),  # of the bundled model
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


def test_a_lora_is_one_file(load, parts, tmp_path):
    with pytest.raises(InputError, match=r"must contain one \.safetensors file, or name one of them; it contains none"):
        load(lora=tmp_path)
    for name in ("b", "a"):
        shutil.copy(parts / "lora-sd/pytorch_lora_weights.safetensors", tmp_path / f"{name}.safetensors")
    with pytest.raises(InputError, match=r"name one of them; it contains a\.safetensors, b\.safetensors"):
        load(lora=tmp_path)
    with pytest.raises(InputError, match="lora must be a folder or the id of a hub repository; no such is neither"):
        load(lora="no such")
    with pytest.raises(InputError, match="lora /no/such/file must be a folder or the id of a hub repository; /no is"):
        load(lora="/no/such/file")


def test_a_lora_on_the_hub(models, parts, monkeypatch):
    asked = []

    def fetch_file(hub_id, path):
        asked.append((hub_id, path))
        return str(parts / "lora-sd/pytorch_lora_weights.safetensors")

    def fetch_folder(hub_id, *, allow_patterns, revision, token):
        asked.append((hub_id, allow_patterns))
        return str(parts / "lora-sd")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch_file)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch_folder)
    loras = {"some/lora": 0.5, "some/loras/styles/a.safetensors": 0.5}
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=loras)
    assert asked == [("some/lora", ["*.safetensors"]), ("some/loras", "styles/a.safetensors")]
    assert pipeline.diffusion.get_list_adapters() == {"unet": ["lora-0", "lora-1"]}


def test_a_lora_for_another_model(models, parts, tmp_path):
    save_file({"transformer.block.lora_A.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    for lora, message in (
        (parts / "lora-xl", "lora .*lora-xl.* cannot be loaded: "),
        (tmp_path / "other.safetensors", r"lora .*other\.safetensors contains no weights for StableDiffusionPipeline"),
    ):
        with pytest.raises(InputError, match=message):
            AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=lora)


def test_pickled_weights_are_not_loaded(models, tmp_path, parts):
    torch.save({"unet.a.lora_A.weight": torch.zeros(2, 2)}, tmp_path / "lora.bin")
    with pytest.raises(InputError, match=r"lora .*lora\.bin cannot be loaded"):
        AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=tmp_path / "lora.bin")
    controlnet = shutil.copytree(parts / "controlnet-sd", tmp_path / "controlnet")
    weights = controlnet / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(InputError, match=r"controlnet .* cannot be loaded"):
        AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", controlnet=controlnet)


def test_a_task_that_diffusers_has_no_pipeline_for(models, tmp_path):
    diffusion = shutil.copytree(models / "sd/diffusion", tmp_path / "other")
    index = json.loads((diffusion / "model_index.json").read_text())
    (diffusion / "model_index.json").write_text(json.dumps(index | {"_class_name": "OtherPipeline"}))
    with pytest.raises(InputError, match=r"diffusion .*other cannot be loaded: AutoPipeline can't find a pipeline"):
        AudioToImagePipeline.from_pretrained(models / "sd", diffusion=diffusion, device="cpu", task="inpainting")


def test_the_defaults_change_nothing():
    settings = PipelineSettings()
    assert settings.loras == {}
    for name in ("task", "controlnet", "scheduler", "attention_slicing", "compile", "offload"):
        assert not getattr(settings, name)
