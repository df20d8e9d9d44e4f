"""Single files of Stable Diffusion: every tensor, and what is said of files that hold something else."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from photism import InputError
from photism.prompts.diffusion.file_kinds import STABLE_DIFFUSION
from photism.prompts.diffusion.loading import load_diffusion
from photism.prompts.diffusion.single_file import VELOCITY_SIGN, read_single_file
from photism.prompts.diffusion.single_file_configs import unet_config
from photism.prompts.diffusion.source import find_diffusion
from photism.prompts.settings import PipelineSettings
from tests.support.single_files import make_pipeline, original_pipeline, original_unet, save_single_file

KINDS = ("1", "2", "xl")


@pytest.fixture(scope="module")
def pipelines():
    return {kind: make_pipeline(kind) for kind in KINDS}


@pytest.fixture(scope="module")
def files(pipelines, tmp_path_factory):
    folder = tmp_path_factory.mktemp("single-files")
    return {
        kind: save_single_file(folder / f"{kind}.safetensors", original_pipeline(pipeline))
        for kind, pipeline in pipelines.items()
    }


def load(path, **arguments):
    return load_diffusion(path, device=torch.device("cpu"), dtype=torch.float32, **arguments)


@pytest.fixture(scope="module")
def loaded(files):
    """Return the pipelines loaded from the files; nothing is asked of a network."""

    def refuse(*address):
        pytest.fail(f"connected to {address}")

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("socket.socket.connect", refuse)
        monkeypatch.setattr("socket.getaddrinfo", refuse)
        return {kind: load(path) for kind, path in files.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_all_tensors_and_the_prompt_are_those_of_the_pipeline(kind, loaded, pipelines):
    for name, component in pipelines[kind].components.items():
        if isinstance(component, torch.nn.Module):
            weights = getattr(loaded[kind], name).state_dict()
            assert weights.keys() == component.state_dict().keys()
            for key, tensor in component.state_dict().items():
                torch.testing.assert_close(weights[key], tensor, rtol=0, atol=0, msg=key)
    arguments = {"prompt": "a photo of a cat", "device": "cpu", "num_images_per_prompt": 1}
    arguments["do_classifier_free_guidance"] = False
    ours, theirs = (each.encode_prompt(**arguments) for each in (loaded[kind], pipelines[kind]))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("kind", "scheduler", "config"),
    [
        ("1", "PNDMScheduler", {"skip_prk_steps": True, "prediction_type": "epsilon", "set_alpha_to_one": False}),
        ("2", "DDIMScheduler", {"clip_sample": False, "prediction_type": "epsilon", "set_alpha_to_one": False}),
        ("xl", "EulerDiscreteScheduler", {"timestep_spacing": "leading", "prediction_type": "epsilon"}),
    ],
)
def test_what_no_shape_shows_is_that_of_the_published_pipelines(kind, scheduler, config, loaded):
    pipeline = loaded[kind]
    assert type(pipeline.scheduler).__name__ == scheduler
    assert config.items() <= pipeline.scheduler.config.items()
    assert pipeline.scheduler.config.beta_schedule == "scaled_linear"
    assert pipeline.scheduler.config.steps_offset == 1
    assert pipeline.vae.config.scaling_factor == (0.13025 if kind == "xl" else 0.18215)
    assert pipeline.unet.config.sample_size == (128 if kind == "xl" else 64)
    assert ("force_upcast" in pipeline.vae.config._use_default_values) == (kind != "xl")


def test_averaged_weights_are_used_and_the_dtype_is_converted(pipelines, tmp_path):
    weights = {name: value.half() for name, value in original_pipeline(pipelines["1"]).items()}
    for name in [each for each in weights if each.startswith("model.diffusion_model.")]:
        averaged = name.removeprefix("model.diffusion_model.").replace(".", "")
        weights[f"model_ema.diffusion_model{averaged}"] = weights[name] + 1
    pipeline = load(save_single_file(tmp_path / "ema.safetensors", weights))
    expected = weights["model.diffusion_model.input_blocks.0.0.weight"] + 1
    torch.testing.assert_close(pipeline.unet.conv_in.weight.data, expected.float(), rtol=0, atol=0)


def test_a_unet_for_inpainting_and_what_is_loaded_for_training(tmp_path):
    path = save_single_file(tmp_path / "model.safetensors", original_pipeline(make_pipeline("1", in_channels=9)))
    source = find_diffusion(str(path), PipelineSettings(), device=torch.device("cpu"))
    assert source.unet["in_channels"] == 9
    pipeline = load(path, text_only=True)
    assert type(pipeline).__name__ == "StableDiffusionInpaintPipeline"
    assert pipeline.unet is pipeline.vae is None
    assert pipeline.text_encoder is not None


PUBLISHED = {
    "1": {"block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 768, "attention_head_dim": 8},
    "2": {
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 1024,
        "attention_head_dim": [5, 10, 20, 20],
        "use_linear_projection": True,
    },
    "xl": {
        "block_out_channels": [320, 640, 1280],
        "cross_attention_dim": 2048,
        "attention_head_dim": [5, 10, 20],
        "use_linear_projection": True,
        "transformer_layers_per_block": [1, 2, 10],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "family"), list(zip(KINDS, STABLE_DIFFUSION, strict=True)))
def test_the_configuration_of_a_full_size_unet_is_the_published_one(kind, family):
    with torch.device("meta"):
        unet = UNet2DConditionModel(**PUBLISHED[kind])
    shapes = {f"model.diffusion_model.{name}": tuple(value.shape) for name, value in original_unet(unet).items()}
    shapes["conditioner.embedders.1.model.text_projection"] = (1280, 1280)
    config = unet_config(shapes, family, prediction_type="epsilon")
    with torch.device("meta"):
        derived = UNet2DConditionModel.from_config(config)
    assert PUBLISHED[kind].items() <= config.items()
    assert {name: value.shape for name, value in derived.state_dict().items()} == {
        name: value.shape for name, value in unet.state_dict().items()
    }


@pytest.mark.parametrize(
    ("kind", "extra", "metadata", "expected"),
    [
        ("2", {}, {}, "epsilon"),
        ("2", {}, {"modelspec.architecture": "stable-diffusion-v2-768-v"}, "v_prediction"),
        ("2", {}, {"modelspec.prediction_type": "v"}, "v_prediction"),
        ("2", {VELOCITY_SIGN: torch.tensor([-0.2, 0.2])}, {}, "v_prediction"),
        ("2", {VELOCITY_SIGN: torch.tensor([-0.2, 0.2])}, {"modelspec.prediction_type": "epsilon"}, "epsilon"),
        ("xl", {"v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}, {}, "v_prediction"),
        ("xl", {}, {"modelspec.architecture": "stable-diffusion-xl-v1-base"}, "epsilon"),
    ],
)
def test_the_prediction_type(kind, extra, metadata, expected, pipelines, tmp_path):
    path = save_single_file(tmp_path / "model.safetensors", original_pipeline(pipelines[kind]) | extra, metadata)
    single = read_single_file(path, PipelineSettings())
    assert single.scheduler["prediction_type"] == expected
    assert single.configs["unet"]["sample_size"] == (128 if kind == "xl" else 96 if expected[0] == "v" else 64)
    assert single.scheduler.get("rescale_betas_zero_snr", False) == ("ztsnr" in extra)
    chosen = read_single_file(path, PipelineSettings(prediction_type="epsilon"))
    assert chosen.scheduler["prediction_type"] == "epsilon"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("first_stage", r"vae is missing: .*model\.safetensors contains none; give the one"),
        ("cond_stage", r"diffusion cannot use .*: it is a UNet without its text encoder"),
        ("middle_block.1", r"diffusion .* is incomplete: it lacks tensors of its model; fetch"),
        ("layers.1.self_attn", r"diffusion .* is incomplete: it lacks tensors of its model; fetch"),
        ("input_blocks.1.0", r"diffusion .* lacks tensors of a checkpoint of Stable Diffusion 1\.x"),
    ],
)
def test_incomplete_files(part, message, pipelines, tmp_path):
    weights = {name: value for name, value in original_pipeline(pipelines["1"]).items() if part not in name}
    with pytest.raises(InputError, match=message):
        load(save_single_file(tmp_path / "model.safetensors", weights))


def test_a_file_that_does_not_exist_is_not_looked_up(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_: pytest.fail("asked the hub"))
    for source in (str(tmp_path / "model"), "model.safetensors", "./model", "a/b/c", "tests/no/such.safetensors"):
        with pytest.raises(InputError, match=f"^diffusion {source}: no such file or folder$"):
            load(source)
