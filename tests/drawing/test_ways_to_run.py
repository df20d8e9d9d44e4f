"""Schedulers, LoRA weights, dtypes, compilation, slicing and offloading, compared with diffusers."""

import shutil

import diffusers
import numpy as np
import pytest
import torch

from photism import AudioToImagePipeline, CaptionRanker, InputError
from photism.schedulers import SCHEDULERS

STEPS = 4
GUIDANCE_SCALE = 7.5  # the default of diffusers
LEVELS = 1  # of 255
HALF_LEVELS = {torch.bfloat16: 16, torch.float16: 4}  # of 255


def load(models, **settings):
    return AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", **settings)


def drawn(pipeline, sound, **settings):
    return pipeline(sound, num_inference_steps=STEPS, **settings).images[0][0]


def diffusers_image(diffusion, pipeline, sound):
    """Return the image that diffusers generates from the prompt of `pipeline`, with seed 0."""
    prompt = pipeline.encoder.encode([sound]).prompt_embeds
    diffusion.set_progress_bar_config(disable=True)
    return diffusion(
        prompt_embeds=prompt,
        negative_prompt_embeds=pipeline.encoder.negative[None, : prompt.shape[1]],
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE_SCALE,
        generator=torch.Generator().manual_seed(0),
    ).images[0]


def levels_apart(one, other):
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


OPTIONS = {
    "dpm++:karras": {"use_karras_sigmas": True},
    "euler:exponential:trailing": {"use_exponential_sigmas": True, "timestep_spacing": "trailing"},
}


@pytest.mark.parametrize(
    ("model", "name"),
    [*((model, name) for model in ("sd", "sd2") for name in SCHEDULERS), *(("sd", name) for name in OPTIONS)],
)
def test_schedulers_generate_the_images_of_diffusers(models, parts, sounds, model, name):
    folder = models / "sd/diffusion" if model == "sd" else parts / model
    ours = load(models, diffusion=folder, scheduler=name)
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    scheduler_class = getattr(diffusers, SCHEDULERS[name.partition(":")[0]])
    theirs.scheduler = scheduler_class.from_config(theirs.scheduler.config, **OPTIONS.get(name, {}))
    assert ours.diffusion.scheduler.config.prediction_type == ("epsilon" if model == "sd" else "v_prediction")
    together = ours(sounds[:2], num_inference_steps=STEPS, guidance_scale=GUIDANCE_SCALE, images_per_sound=2)
    for row, sound in enumerate(sounds[:2]):  # the noise that a scheduler adds comes from the seed of the image
        assert levels_apart(together.images[row][0], diffusers_image(theirs, ours, sound)) <= LEVELS


def test_a_lora_is_scaled_by_its_weight(models, parts, pipeline, sounds):
    lora = parts / "lora-sd"
    without = drawn(pipeline, sounds[0])
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(models / "sd/diffusion")
    theirs.load_lora_weights(lora, adapter_name="a")
    for weight in (1.0, 0.4, 0.0):
        ours = load(models, lora={lora: weight})
        theirs.set_adapters("a", weight)
        assert levels_apart(drawn(ours, sounds[0]), diffusers_image(theirs, ours, sounds[0])) <= LEVELS
        assert (levels_apart(drawn(ours, sounds[0]), without) > LEVELS) == bool(weight)
    for alone in (lora, str(lora / "pytorch_lora_weights.safetensors")):
        assert (
            levels_apart(drawn(load(models, lora=alone), sounds[0]), drawn(load(models, lora={lora: 1}), sounds[0]))
            == 0
        )


def test_several_loras_add_up(models, parts, pipeline, sounds, tmp_path):
    one = parts / "lora-sd"
    other = shutil.copytree(one, tmp_path / "other")
    both, twice = (load(models, lora=loras) for loras in ({one: 0.5, other: 0.5}, {one: 1.0}))
    assert levels_apart(drawn(both, sounds[0]), drawn(twice, sounds[0])) <= LEVELS


def test_a_lora_and_a_controlnet_of_xl(models, parts, sounds, xl):
    ours = AudioToImagePipeline.from_pretrained(
        models / "xl",
        task="image-to-image",
        controlnet=diffusers.ControlNetModel.from_pretrained(parts / "controlnet-xl"),
        lora=parts / "lora-xl",
        scheduler="lcm",
        device="cpu",
    )
    assert type(ours.diffusion).__name__ == "StableDiffusionXLControlNetImg2ImgPipeline"
    assert ours.diffusion.get_list_adapters() == {"unet": ["lora-xl"]}


def test_attention_slicing_generates_the_same_image(models, pipeline, sounds):
    sliced = load(models, attention_slicing=True)
    processors = {type(each).__name__ for each in sliced.diffusion.unet.attn_processors.values()}
    assert processors == {"SlicedAttnProcessor"}
    assert levels_apart(drawn(sliced, sounds[0]), drawn(pipeline, sounds[0])) <= LEVELS


@pytest.mark.slow
def test_a_compiled_unet_generates_the_same_image(models, pipeline, sounds, monkeypatch):
    """Run the graph that torch captures; compiling it to machine code takes minutes and is torch's own."""
    graphs = []

    def without_machine_code(function, **settings):
        def backend(graph, inputs):
            graphs.append(graph)
            return graph.forward

        return compile_with(function, backend=backend, **settings)

    compile_with = torch.compile
    monkeypatch.setattr(torch, "compile", without_machine_code)
    compiled = load(models, compile=True)
    assert levels_apart(drawn(compiled, sounds[0]), drawn(pipeline, sounds[0])) <= LEVELS
    assert graphs


def test_compiling_needs_a_compiler(models, monkeypatch):
    monkeypatch.setattr(diffusers.StableDiffusionPipeline, "__init__", lambda *_, **__: pytest.fail("loaded"))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match=r"compile needs a C\+\+ compiler; no-such-compiler was not found: install"):
        load(models, compile=True)


@pytest.mark.parametrize(("dtype", "levels"), HALF_LEVELS.items())
@pytest.mark.parametrize("model", ["sd", "xl"])
def test_half_precision(models, sounds, model, dtype, levels, request, device):
    full = request.getfixturevalue("pipeline" if model == "sd" else "xl")
    ours = AudioToImagePipeline.from_pretrained(models / model, device=device, dtype=dtype)
    assert ours.encoder.dtype == ours.diffusion.unet.dtype == ours.diffusion.vae.dtype == dtype
    output = ours(sounds[:2], num_inference_steps=STEPS)
    assert output.prompts.prompt_embeds.dtype == dtype
    for (picture,), (expected,) in zip(output.images, full(sounds[:2], num_inference_steps=STEPS).images, strict=True):
        apart = np.abs(np.asarray(picture, np.int16) - np.asarray(expected, np.int16))
        assert apart.max() <= levels


@pytest.mark.cuda
def test_a_compiled_unet_on_a_gpu(models, pipeline, sounds):
    compiled = AudioToImagePipeline.from_pretrained(models / "sd", device="cuda", compile=True)
    assert levels_apart(drawn(compiled, sounds[0]), drawn(pipeline, sounds[0])) <= 4


def test_a_pipeline_with_offloaded_models_generates_the_same_image(models, pipeline, sounds):
    """Use accelerate's hooks with the CPU instead of a GPU."""
    diffusion = diffusers.StableDiffusionPipeline.from_pretrained(models / "sd/diffusion")
    diffusion.enable_model_cpu_offload(device="cpu")
    ours = AudioToImagePipeline(load(models).encoder, diffusion)
    for settings in ({}, {"text": "rain", "sound_strength": 0.5}):
        for _ in range(2):  # hooks come off and on again with a call
            assert levels_apart(drawn(ours, sounds[0], **settings), drawn(pipeline, sounds[0], **settings)) <= LEVELS


def test_the_encoder_is_on_the_device_where_offloaded_layers_compute(models, sounds):
    """Check the device of the encoder: the weights of a pipeline offloaded by layers are on the meta device."""
    diffusion = diffusers.StableDiffusionPipeline.from_pretrained(models / "sd/diffusion")
    diffusion.enable_sequential_cpu_offload(device="cpu")
    assert diffusion.device.type == "meta"
    ours = AudioToImagePipeline(load(models).encoder, diffusion)
    assert ours.encoder.encode(sounds[:1]).prompt_embeds.device.type == "cpu"
    assert CaptionRanker(ours.encoder, ours.diffusion).encoder.device.type == "cpu"


@pytest.mark.cuda
@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloading_to_the_cpu(models, pipeline, sounds, offload):
    ours = AudioToImagePipeline.from_pretrained(models / "sd", device="cuda", offload=offload)
    assert ours.encoder.device.type == "cuda"
    assert next(ours.diffusion.unet.parameters()).device.type != "cuda"
    assert levels_apart(drawn(ours, sounds[0]), drawn(pipeline, sounds[0])) <= 4


def test_offloading_is_for_a_gpu(models, monkeypatch):
    monkeypatch.setattr(diffusers.StableDiffusionPipeline, "__init__", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(InputError, match="offload must not be set on the CPU: it saves memory of a GPU"):
        load(models, offload="model")
