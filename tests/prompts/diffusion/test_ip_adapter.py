"""IP-Adapters: finding, checks before anything is loaded, and images compared with diffusers' own call."""

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from photism import AudioToImagePipeline, InputError
from photism.drawing.metadata import describe_models
from photism.prompts.settings import PipelineSettings
from tests.support.tiny_ip_adapter import make_image_encoder, make_ip_adapter

STEPS = 2
SCALE = 0.7


def picture(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def adapters(models, tmp_path_factory):
    """Return the files of IP-Adapters by model and kind."""
    folder = tmp_path_factory.mktemp("ip-adapters")
    made = {}
    with torch.random.fork_rng():
        torch.manual_seed(2)
        for model, kind in (("sd", "plain"), ("sd", "plus"), ("xl", "plain")):
            unet = diffusers.UNet2DConditionModel.from_pretrained(models / model / "diffusion/unet")
            made[model, kind] = make_ip_adapter(unet, folder / f"{model}-{kind}", kind=kind)
    return made


@pytest.fixture(scope="module")
def ours(models, adapters):
    given = {"ip_adapter": adapters["sd", "plain"], "ip_adapter_scale": SCALE}
    return AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", **given)


def load_theirs(models, adapters, model, kind):
    theirs = diffusers.DiffusionPipeline.from_pretrained(models / model / "diffusion")
    file = adapters[model, kind]
    theirs.load_ip_adapter(str(file.parent), subfolder="", weight_name=file.name)
    theirs.set_ip_adapter_scale(SCALE)
    theirs.set_progress_bar_config(disable=True)
    return theirs


@pytest.mark.parametrize(("model", "kind"), [("sd", "plain"), ("sd", "plus"), ("xl", "plain")])
def test_images_with_a_style_are_those_of_diffusers(models, adapters, sounds, model, kind):
    ours = AudioToImagePipeline.from_pretrained(
        models / model, device="cpu", ip_adapter=adapters[model, kind], ip_adapter_scale=SCALE
    )
    theirs = load_theirs(models, adapters, model, kind)
    styles = [picture(0), picture(1)]
    for scale in (4.0, 1.0):
        output = ours(sounds[:2], style=styles, guidance_scale=scale, num_inference_steps=STEPS, seed=3)
        empty = ours.encoder.empty_prompt
        for row, (image,) in enumerate(output.images):
            pooled = {}
            if output.prompts.pooled_prompt_embeds is not None:
                pooled["pooled_prompt_embeds"] = output.prompts.pooled_prompt_embeds[row, None]
                pooled["negative_pooled_prompt_embeds"] = empty.pooled_prompt_embeds
            expected = theirs(
                prompt_embeds=output.prompts.prompt_embeds[row, None],
                negative_prompt_embeds=empty.prompt_embeds,
                **pooled,
                ip_adapter_image=[styles],
                guidance_scale=scale,
                num_inference_steps=STEPS,
                generator=torch.Generator().manual_seed(3),
            )
            assert difference(image, expected.images[0]) <= 1


def difference(one, other):
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


def draw(pipeline, sound, **settings):
    return pipeline(sound, num_inference_steps=STEPS, **settings).images[0][0]


def test_the_style_steers_the_image_and_scale_0_ignores_it(models, adapters, ours, sounds):
    one, other = (draw(ours, sounds[0], style=picture(seed)) for seed in (0, 1))
    assert difference(one, other) > 1
    ignored = {"ip_adapter": adapters["sd", "plain"], "ip_adapter_scale": 0.0}
    unsteered = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", **ignored)
    plain = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    assert difference(draw(unsteered, sounds[0], style=picture(0)), draw(plain, sounds[0])) <= 1


def test_an_image_with_a_style_depends_on_its_recording_and_seed_only(ours, sounds):
    together = ours(sounds[:2], style=picture(0), images_per_sound=2, batch_size=3, num_inference_steps=STEPS)
    for row, images in enumerate(together.images):
        for seed, image in enumerate(images):
            assert difference(image, draw(ours, sounds[row], style=picture(0), seed=seed)) <= 1


def test_arguments_of_diffusers_have_the_effect_of_a_style(ours, sounds):
    expected = draw(ours, sounds[0], style=picture(0))
    image = {"ip_adapter_image": picture(0)}
    embeds = ours.diffusion.prepare_ip_adapter_image_embeds([picture(0)], None, "cpu", 1, True)
    for given in (image, {"ip_adapter_image_embeds": embeds}):
        assert difference(draw(ours, sounds[0], diffusion_arguments=given), expected) == 0
    with pytest.raises(InputError, match="style and diffusion_arguments ip_adapter_image cannot be given together"):
        draw(ours, sounds[0], style=picture(0), diffusion_arguments=image)
    with pytest.raises(InputError, match="contains scale, which the UNet's processors ignore"):
        draw(ours, sounds[0], style=picture(0), diffusion_arguments={"cross_attention_kwargs": {"scale": 0.5}})


def test_a_style_and_an_ip_adapter_need_each_other(models, ours, sounds):
    with pytest.raises(InputError, match="style is missing: the IP-Adapter of diffusion needs an image"):
        draw(ours, sounds[0])
    plain = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    with pytest.raises(InputError, match="style cannot be used: diffusion has no IP-Adapter; load it with ip_adapter"):
        draw(plain, sounds[0], style=picture(0))
    with pytest.raises(InputError, match="attention_slicing cannot be combined with ip_adapter"):
        PipelineSettings(ip_adapter="a", attention_slicing=True)
    with pytest.raises(InputError, match="image_encoder must be given together with ip_adapter"):
        PipelineSettings(image_encoder="a")
    with pytest.raises(InputError, match="ip_adapter_scale must be given together with ip_adapter"):
        PipelineSettings(ip_adapter_scale=0.6)
    assert PipelineSettings(ip_adapter="a").style_scale == 0.6


def test_an_ip_adapter_that_does_not_fit_is_refused_before_anything_is_loaded(load, adapters, tmp_path):
    message = r"is an IP-Adapter for prompts of width 32; diffusion takes prompts of width 16"
    with pytest.raises(InputError, match=message):
        load(ip_adapter=adapters["xl", "plain"])
    weights = load_file(adapters["sd", "plain"])
    for name, content, message in (
        ("alone", weights, "image_encoder is missing: .* holds no config.json and model.safetensors"),
        ("lora", {"lora_unet_a.lora_down.weight": torch.ones(2, 2)}, "it is LoRA weights; give it as lora"),
        ("fewer", {key: each for key, each in weights.items() if "adapter.1." not in key}, "is for another model: it"),
        (
            "face",
            {key.replace("proj.proj.", "proj.proj.0."): each for key, each in weights.items()},
            "is an IP-Adapter FaceID, which takes embeddings of a face recogniser instead of pictures",
        ),
    ):
        save_file(content, tmp_path / f"{name}.safetensors")
        with pytest.raises(InputError, match=message):
            load(ip_adapter=tmp_path / f"{name}.safetensors")
    make_image_encoder(tmp_path / "other", hidden=24)
    with pytest.raises(InputError, match=r"trained with an image encoder of hidden_size 12; that of .* has 24"):
        load(ip_adapter=adapters["sd", "plus"], image_encoder=tmp_path / "other")


@pytest.mark.parametrize(
    ("source", "weights", "encoder"),
    [
        ("some/adapter/models/plain.safetensors", "models/plain.safetensors", "models/image_encoder"),
        ("some/adapter", "plain.safetensors", "image_encoder"),
    ],
)
def test_the_files_of_an_ip_adapter_on_the_hub(models, adapters, tmp_path, monkeypatch, source, weights, encoder):
    asked = []

    def download(hub_id, path):
        asked.append((hub_id, path))
        return str(adapters["sd", "plain"])

    def fetch(hub_id, *, allow_patterns, revision, token):
        asked.append((hub_id, *allow_patterns))
        (tmp_path / encoder).parent.mkdir(exist_ok=True)
        (tmp_path / encoder).symlink_to(adapters["sd", "plain"].parent / "image_encoder")
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.list_repo_files", lambda hub_id: ["README.md", "plain.safetensors"])
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    ours = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", ip_adapter=source)
    files = (f"{encoder}/config.json", f"{encoder}/model.safetensors")
    assert asked == [("some/adapter", weights), ("some/adapter", *files)]
    assert describe_models(ours.settings)["ip_adapter"] == source
