"""Folders and hub repositories whose weights are in a variant, in shards, or pickled."""

import shlex
import shutil

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from photism import InputError
from photism.errors import ModelWarning
from photism.prompts.diffusion.loading import load_weights
from photism.prompts.diffusion.source import find_diffusion
from photism.prompts.diffusion.variants import choose_variant
from photism.prompts.settings import PipelineSettings

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pipeline(models):
    return StableDiffusionPipeline.from_pretrained(models / "sd/diffusion")


@pytest.fixture(scope="module")
def half(pipeline, tmp_path_factory):
    """Return a folder with weights in the variant fp16 alone, those of the UNet in shards."""
    folder = tmp_path_factory.mktemp("half")
    pipeline.save_pretrained(folder, variant="fp16")
    for path in (folder / "unet").glob("*.safetensors"):
        path.unlink()
    pipeline.unet.save_pretrained(folder / "unet", variant="fp16", max_shard_size="50KB")
    assert len(list((folder / "unet").glob("diffusion_pytorch_model.fp16-0000*.safetensors"))) > 1
    return folder


def load(location, **settings):
    source = find_diffusion(str(location), PipelineSettings(**settings), device=CPU)
    return load_weights(source, device=CPU, dtype=torch.float32, text_only=False)


def assert_same_weights(loaded, expected):
    for name in ("unet", "vae", "text_encoder"):
        ours, theirs = (getattr(each, name).state_dict() for each in (loaded, expected))
        assert ours.keys() == theirs.keys()
        for key, tensor in theirs.items():
            torch.testing.assert_close(ours[key], tensor, rtol=0, atol=0)


def run_printed_command(error, monkeypatch):
    """Run the command at the end of an error message, without the seconds that an interpreter needs to import torch."""
    python, option, script, *arguments = shlex.split(str(error.value).partition("convert it: ")[2])
    assert (python, option) == ("python", "-c")
    monkeypatch.setattr("sys.argv", ["-c", *arguments])
    exec(script, {})


def test_the_only_variant_is_found_and_used(half, pipeline):
    with pytest.warns(ModelWarning, match=r"^diffusion .* has weights in the variant fp16 only; loading these$"):
        loaded = load(half)
    assert_same_weights(loaded, pipeline)


def test_weights_without_a_variant_are_preferred_and_a_variant_is_chosen(half, models, pipeline, tmp_path, recwarn):
    both = shutil.copytree(models / "sd/diffusion", tmp_path / "both")
    halved = StableDiffusionPipeline.from_pretrained(both)
    with torch.no_grad():
        halved.vae.encoder.conv_in.bias += 1
    halved.vae.save_pretrained(both / "vae", variant="fp16")
    assert_same_weights(load(both), pipeline)
    loaded = load(both, variant="fp16")  # the VAE has it, the others have weights without a variant
    torch.testing.assert_close(loaded.vae.encoder.conv_in.bias, halved.vae.encoder.conv_in.bias)
    assert_same_weights(load(half, variant="fp16"), pipeline)
    assert not [each for each in recwarn if each.category is ModelWarning]
    with pytest.raises(InputError, match=r"variant must be one of those that diffusion .* has, fp16; got bf16"):
        load(both, variant="bf16")
    with pytest.raises(InputError, match=r"variant must be one of those that diffusion .* has, none; got fp16"):
        load(models / "sd/diffusion", variant="fp16")


def test_a_damaged_variant_is_found_before_it_is_loaded(half, tmp_path):
    damaged = shutil.copytree(half, tmp_path / "damaged")
    (damaged / "vae/diffusion_pytorch_model.fp16.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"vae of diffusion .* diffusion_pytorch_model\.fp16\.safetensors is damaged"):
        load(damaged, variant="fp16")


def choose(config, *, parts=("unet", "vae", "text_encoder", "scheduler"), **settings):
    return choose_variant("diffusion some/model", "some/model", config, parts=parts, **{"asked": None, **settings})


def test_a_hub_repository_with_one_variant(half, tmp_path, monkeypatch):
    files = [path.relative_to(half).as_posix() for path in half.rglob("*") if path.is_file()]
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda _: files)
    config = tmp_path / "snapshots/0/model_index.json"  # in a cache without weights
    with pytest.warns(ModelWarning, match="diffusion some/model has weights in the variant fp16 only"):
        assert choose(config) == "fp16"
    pickled = [name.replace("model.fp16.safetensors", "pytorch_model.bin") for name in files if "unet" not in name]
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda _: pickled)
    with pytest.raises(InputError, match=r"pickled weights.*: text_encoder/pytorch_model\.bin.*; https://.*/convert"):
        choose(config)


def test_cached_weights_are_used_without_asking_the_hub(half, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda _: pytest.fail("asked the hub"))
    snapshot = shutil.copytree(half, tmp_path / "snapshots/0")
    with pytest.warns(ModelWarning, match="fp16 only"):
        assert choose(snapshot / "unet/config.json") == "fp16"


def test_without_a_network_nothing_is_known_of_a_repository(tmp_path, monkeypatch):
    def fail(_):
        raise ConnectionError

    monkeypatch.setattr("huggingface_hub.list_repo_files", fail)
    assert choose(tmp_path / "model_index.json") is None


def test_the_command_for_pickled_weights_converts_them(models, pipeline, tmp_path, monkeypatch):
    folder = shutil.copytree(models / "sd/diffusion", tmp_path / "a folder")
    for path, model in (
        ("unet/diffusion_pytorch_model.bin", pipeline.unet),
        ("text_encoder/pytorch_model.bin", pipeline.text_encoder),
    ):
        torch.save(model.state_dict(), folder / path)
        (folder / path.replace("/pytorch_", "/")).with_suffix(".safetensors").unlink()
    with pytest.raises(InputError, match=r"diffusion .* is pickled, .*convert it: python -c ") as error:
        load(folder)
    run_printed_command(error, monkeypatch)
    assert_same_weights(load(folder), pipeline)


@pytest.mark.parametrize("setting", ["diffusion", "vae", "controlnet"])
def test_a_pickled_file_is_refused_with_a_command(setting, models, tmp_path, monkeypatch):
    torch.save({"state_dict": {"weight": torch.ones(2)}, "epoch": 3}, tmp_path / "model.ckpt")
    location = tmp_path / "model.ckpt" if setting == "diffusion" else models / "sd/diffusion"
    settings = {} if setting == "diffusion" else {setting: tmp_path / "model.ckpt"}
    with pytest.raises(InputError, match=rf"{setting} .*model\.ckpt is pickled, and reading it would run") as error:
        load(location, **settings)
    run_printed_command(error, monkeypatch)
    assert load_file(tmp_path / "model.safetensors").keys() == {"weight"}
