"""LoRA weights."""

import shutil

import pytest
import torch
from safetensors.torch import save_file

from photism import AudioToImagePipeline, InputError


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
