"""LoRA weights."""

import json
import shutil

import diffusers
import pytest
import torch
from diffusers.utils import convert_all_state_dict_to_peft, convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from photism import AudioToImagePipeline, CaptionRanker, InputError
from photism.errors import ModelWarning
from photism.prompts.diffusion.lora_check import check_lora
from tests.support.tiny_checkpoint import CAPTIONS


def test_a_lora_is_one_file(load, parts, tmp_path):
    with pytest.raises(InputError, match=r"must contain one \.safetensors file, or name one of them; it contains none"):
        load(lora=tmp_path)
    for name in ("b", "a"):
        shutil.copy(parts / "lora-sd/pytorch_lora_weights.safetensors", tmp_path / f"{name}.safetensors")
    with pytest.raises(InputError, match=r"name one of them; it contains a\.safetensors, b\.safetensors"):
        load(lora=tmp_path)
    with pytest.raises(InputError, match=r"^lora no such: no such folder; an id of the hub is NAME or OWNER/NAME"):
        load(lora="no such")
    with pytest.raises(InputError, match="lora /no/such/file: no such file or folder"):
        load(lora="/no/such/file")


def test_a_lora_on_the_hub(models, parts, monkeypatch):
    asked = []

    def fetch_file(hub_id, path):
        asked.append((hub_id, path))
        return str(parts / "lora-sd/pytorch_lora_weights.safetensors")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch_file)
    names = ["README.md", "styles/b.safetensors", "weights.safetensors"]
    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda hub_id: names)
    loras = {"some/lora": 0.5, "some/loras/styles/a.safetensors": 0.5}
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=loras)
    assert asked == [("some/lora", "weights.safetensors"), ("some/loras", "styles/a.safetensors")]
    assert pipeline.diffusion.get_list_adapters() == {"unet": ["lora"]}  # of the same file, with the sum of weights


def test_only_one_file_of_a_hub_repository_is_fetched(load, monkeypatch):
    def fetch(*args, **given):
        pytest.fail("fetched")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    for names, found in ((["a/b.safetensors", "c.bin"], "none"), (["b.safetensors", "a.safetensors"], "a.*, b.*")):
        monkeypatch.setattr("huggingface_hub.list_repo_files", lambda hub_id, names=names: names)
        with pytest.raises(InputError, match=rf"lora some/lora must contain one .* file, .*; it contains {found}$"):
            load(lora="some/lora")


def make_lora(pipeline, folder, *, parts, **config):
    """Write LoRA weights for components of a pipeline in the layout of diffusers, and return their file."""
    layers = {}
    for part in parts:
        model = getattr(pipeline, part)
        targets = ["to_q", "to_v"] if part == "unet" else ["q_proj", "v_proj"]
        model.add_adapter(LoraConfig(r=2, target_modules=targets, init_lora_weights=False, **config), "made")
        found = get_peft_model_state_dict(model, adapter_name="made")
        layers[f"{part}_lora_layers"] = found if config else convert_state_dict_to_diffusers(found)
    type(pipeline).save_lora_weights(folder, **layers)
    return folder / "pytorch_lora_weights.safetensors"


def own(models, name="sd"):
    """Return diffusers' own pipeline of a tiny model."""
    return diffusers.DiffusionPipeline.from_pretrained(models / name / "diffusion")


@pytest.fixture(scope="module")
def loras(models, tmp_path_factory):
    """Return LoRA files: of the UNet and text encoder, and of each alone."""
    folder = tmp_path_factory.mktemp("loras")
    parts = {"both": ("unet", "text_encoder"), "text": ("text_encoder",), "unet": ("unet",)}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return {name: make_lora(own(models), folder / name, parts=each) for name, each in parts.items()}


@pytest.fixture(scope="module")
def with_text(models, loras):
    """Return a pipeline with a LoRA that also changes the text encoder."""
    return AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora={loras["both"]: 0.7})


def test_a_lora_of_the_text_encoder_does_not_change_what_is_recognised(models, with_text, sounds):
    plain = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    scores = [
        CaptionRanker(ours.encoder, ours.diffusion, CAPTIONS).score_prompts(ours.encoder.encode(sounds[:2]))
        for ours in (with_text, plain)
    ]
    assert torch.equal(*scores)
    assert torch.equal(with_text.encoder.empty_prompt.prompt_embeds, plain.encoder.empty_prompt.prompt_embeds)


def test_a_lora_of_the_text_encoder_changes_words_as_in_diffusers(models, loras, with_text):
    theirs = own(models)
    theirs.load_lora_weights(loras["both"], adapter_name="a")
    theirs.set_adapters("a", 0.7)
    CaptionRanker(with_text.encoder, with_text.diffusion, CAPTIONS).score_prompts(with_text.encode_text(["Rain."]))
    expected = theirs.encode_prompt("A koala.", "cpu", 1, False)[0]
    length = with_text.encoder.prompt_length
    torch.testing.assert_close(with_text.encode_text(["A koala."]).prompt_embeds, expected[:, :length])
    plain = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    assert not torch.allclose(plain.encode_text(["A koala."]).prompt_embeds, expected[:, :length], atol=1e-3)


def test_a_lora_that_draws_no_recording_differently_is_refused(load, loras, tmp_path):
    with pytest.raises(InputError, match=r"has weights for the text encoder only, which does not change how a record"):
        load(lora=loras["text"])
    weights = load_file(loras["both"])
    zero = {key: each * ("lora.up" not in key and "lora_B" not in key) for key, each in weights.items()}
    save_file(zero, tmp_path / "zero.safetensors")
    with pytest.raises(InputError, match=r"zero\.safetensors changes nothing: all its weights are 0"):
        load(lora=tmp_path / "zero.safetensors")
    save_kohya(loras["unet"], tmp_path / "alpha.safetensors", alpha=0.0)
    with pytest.raises(InputError, match=r"alpha\.safetensors changes nothing: its alpha is 0"):
        load(lora=tmp_path / "alpha.safetensors")
    save_kohya(loras["unet"], tmp_path / "alpha.safetensors", alpha=float("nan"))
    with pytest.raises(InputError, match=r"alpha\.safetensors is damaged: its alpha is not a finite number"):
        load(lora=tmp_path / "alpha.safetensors")


def save_kohya(lora, target, *, alpha):
    """Write the LoRA weights of a UNet in the layout of kohya's scripts."""
    found = convert_state_dict_to_kohya(convert_all_state_dict_to_peft(load_file(lora)))
    kohya = {key.replace("lora_unet_unet_", "lora_unet_"): each for key, each in found.items()}
    save_file({key: each * 0 + alpha if key.endswith("alpha") else each for key, each in kohya.items()}, target)


def test_the_layout_of_kohya_is_that_of_diffusers(models, loras, tmp_path):
    save_kohya(loras["unet"], tmp_path / "kohya.safetensors", alpha=1.0)
    theirs = own(models)
    theirs.load_lora_weights(tmp_path / "kohya.safetensors")
    ours = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=tmp_path / "kohya.safetensors")
    torch.testing.assert_close(noise_of(ours.diffusion.unet), noise_of(theirs.unet))
    assert not torch.allclose(noise_of(ours.diffusion.unet), noise_of(own(models).unet), atol=1e-4)


def test_a_dora_is_loaded_as_in_diffusers(models, tmp_path):
    dora = make_lora(own(models), tmp_path / "dora", parts=("unet",), use_dora=True)
    theirs = own(models)
    theirs.load_lora_weights(dora)
    ours = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=dora)
    torch.testing.assert_close(noise_of(ours.diffusion.unet), noise_of(theirs.unet))


@torch.no_grad()
def noise_of(unet):
    """Return a UNet's prediction for fixed input."""
    generator = torch.Generator().manual_seed(0)
    latents, prompt = (torch.randn(shape, generator=generator) for shape in ((1, 4, 8, 8), (1, 20, 16)))
    return unet(latents, 5, prompt).sample


def test_the_same_lora_twice_has_the_sum_of_its_weights(models, loras, tmp_path):
    lora = loras["unet"]
    (tmp_path / "link.safetensors").symlink_to(lora)
    theirs = own(models)
    theirs.load_lora_weights(lora, adapter_name="a")
    theirs.set_adapters("a", 1.25)
    expected = noise_of(theirs.unet)
    for twice in ([(lora, 0.5), (lora, 0.75)], {lora: 0.5, str(tmp_path / "link.safetensors"): 0.75}):
        ours = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=twice)
        torch.testing.assert_close(noise_of(ours.diffusion.unet), expected)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"transformer.block.lora_A.weight": (2, 2)}, "is a LoRA for a diffusion transformer; give one for the UNet"),
        ({"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (2, 2)}, "is a LoRA for Flux"),
        ({"lora_unet_double_blocks_0_img_attn_proj.lora_down.weight": (2, 2)}, "is a LoRA for Flux"),
        ({"transformer.transformer_blocks.0.attn.add_q_proj.lora_A.weight": (2, 2)}, "LoRA for Stable Diffusion 3"),
        (
            {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight": (2, 2048)},
            r"LoRA for Stable Diffusion XL \(prompts of width 2048\); diffusion takes prompts of width 16",
        ),
        (
            {"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v.lora.down.weight": (2, 1024)},
            r"LoRA for Stable Diffusion 2\.x \(prompts of width 1024\); diffusion takes prompts of width 16",
        ),
        ({"lora_unet_down_blocks_1_attentions_0_proj_in.hada_w1_a": (2, 2)}, r"is a LoHa \(Hadamard products\), which"),
        ({"lora_unet_down_blocks_1_attentions_0_proj_in.lokr_w1": (2, 2)}, r"is a LoKr \(Kronecker products\), which"),
        ({"lora_unet_down_blocks_1_attentions_0_proj_in.dora_scale": (2, 2)}, "is a DoRA in the layout of kohya"),
        ({"lora_unet_down_blocks_1_attentions_0_proj_in.strange": (2, 2)}, "has a layout that diffusers cannot read"),
        ({"base_model.model.mid_block.no.lora_A.weight": (2, 9)}, "has a layout that diffusers cannot read; give one"),
        ({"unet.conv_in.lora_A.weight": (2, 4, 3, 3)}, r"is incomplete: it lacks conv_in\.lora_B\.weight; fetch it"),
        ({"unet.conv_in.lora_B.weight": (8, 2, 1, 1)}, r"is incomplete: it lacks conv_in\.lora_A\.weight; fetch it"),
        (
            {"unet.conv_in.lora_A.weight": (2, 4, 3, 3), "unet.conv_in.lora_B.weight": (8, 3, 1, 1)},
            "is damaged: its matrices for conv_in have the ranks 2 and 3; fetch it again",
        ),
        ({"unet.conv_in.lora_A.weight": (2, 9, 3, 3), "unet.conv_in.lora_B.weight": (8, 2, 1, 1)}, "another model: it"),
        (
            {"unet.mid_block.no.lora_A.weight": (2, 9), "unet.mid_block.no.lora_B.weight": (8, 2)},
            "none of its 1 layers",
        ),
        ({"a.weight": (2, 2), "b.weight": (2, 2)}, "has no weights for the UNet, which does not change how a record"),
        ({"emb_params": (2, 2)}, "lora cannot use .*: it is a textual inversion; give it as embedding"),
    ],
)
def test_a_lora_of_another_kind_or_model_is_refused_in_one_line(load, tmp_path, keys, message):
    save_file({key: torch.ones(shape) for key, shape in keys.items()}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=message) as error:
        load(lora=tmp_path / "other.safetensors")
    assert len(str(error.value)) - len(str(tmp_path)) < 300


def test_layers_that_the_unet_lacks_are_reported(models, loras, tmp_path):
    further = {
        "unet.down_blocks.9.conv.lora.down.weight": torch.ones(2, 8),
        "unet.down_blocks.9.conv.lora.up.weight": torch.ones(8, 2),
    }
    save_file(load_file(loras["unet"]) | further, tmp_path / "more.safetensors")
    config = json.loads((models / "sd/diffusion/unet/config.json").read_text())
    with pytest.warns(ModelWarning, match=r"more\.safetensors: ignored 1 of \d+ layers, which the UNet lacks"):
        check_lora(tmp_path / "more.safetensors", config)


def test_a_pickled_lora_is_refused_with_the_command_that_converts_it(load, tmp_path):
    for suffix in (".bin", ".pt"):
        (tmp_path / f"a{suffix}").touch()
        with pytest.raises(
            InputError, match=rf'a{suffix} is pickled, .*convert it: python -c ".*" .*a{suffix} .*a.saf'
        ):
            load(lora=tmp_path / f"a{suffix}")
