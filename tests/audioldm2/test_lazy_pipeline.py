"""A pipeline that loads its components when they are first used: what is in memory, where, and in which dtype."""

import copy
import gc
import weakref

import diffusers
import pytest
import torch

from photism import InputError
from tests.audioldm2.peers import NEGATIVE, PROMPT, apart, load_ours

QUICK = {"num_inference_steps": 1, "audio_length_in_s": 0.1, "seed": 0}


@pytest.mark.parametrize(
    ("arguments", "keywords", "dtype"),
    [
        (("cpu",), {}, torch.float32),
        ((torch.device("cpu"),), {}, torch.float32),
        ((torch.float16,), {}, torch.float16),
        (("cpu", torch.bfloat16), {}, torch.bfloat16),
        ((), {"device": "cpu"}, torch.float32),
        ((), {"dtype": torch.float16}, torch.float16),
        ((), {"device": "cpu", "dtype": torch.bfloat16}, torch.bfloat16),
    ],
)
def test_to(sound_models, arguments, keywords, dtype):
    pipe = load_ours(sound_models / "sound")
    pipe.vae  # noqa: B018
    with pipe.models.on_device("projection_model"):
        pass
    assert pipe.to(*arguments, **keywords) is pipe
    assert vars(pipe).keys() & pipe.components.keys() >= {"vae"}
    assert (pipe.device, pipe.dtype) == (torch.device("cpu"), dtype)
    with pipe.models.on_device("vae", "projection_model", "unet") as models:
        assert {model.dtype for model in models} == {dtype}


def test_to_loads_nothing_and_refuses_a_device_that_is_not_there(sound_models):
    pipe = load_ours(sound_models / "sound").to("cpu", torch.float16)
    assert vars(pipe).keys() & set(pipe.config) == {"scheduler"}
    assert pipe.models.loader.loaded == ()
    assert (pipe.device.type, pipe.dtype) == ("cpu", torch.float16)
    with pytest.raises(InputError, match="device must be one of this machine, such as cpu or cuda; got nowhere"):
        pipe.to("nowhere")


def test_encodings_follow_the_dtype(sound_models):
    pipe = load_ours(sound_models / "sound")
    before = pipe.encode_texts(PROMPT).prompt_embeds
    after = pipe.to(torch.bfloat16).encode_texts(PROMPT).prompt_embeds
    assert (before.dtype, after.dtype) == (torch.float32, torch.bfloat16)


def test_a_component_is_loaded_when_it_is_read_and_its_parts_are_freed(sound_models, ours):
    pipe = load_ours(sound_models / "sound-lm")
    expected = pipe(PROMPT, **QUICK, num_waveforms_per_prompt=2).audios
    with pipe.models.on_device("unet") as (unet,):
        assert not any(weight.requires_grad for weight in unet.parameters())
        assert pipe.unet is unet
        assert all(weight.requires_grad for weight in unet.parameters())
    assert type(pipe.text_encoder).__name__ == "ClapModel"
    assert type(pipe.language_model).__name__ == "GPT2LMHeadModel"
    assert {"text_tower", "audio_tower", "language_model", "unet"}.isdisjoint(pipe.models.loader.loaded)
    assert apart(pipe(PROMPT, **QUICK, num_waveforms_per_prompt=2).audios, expected) < 1e-5


def test_texts_are_encoded_anew_by_an_encoder_that_the_caller_may_change(sound_models):
    pipe = load_ours(sound_models / "sound")
    before = pipe.encode_texts(PROMPT).prompt_embeds
    with torch.no_grad():
        pipe.text_encoder_2.shared.weight.mul_(2)
    assert apart(pipe.encode_texts(PROMPT).prompt_embeds, before) > 0.1


def test_a_component_that_is_set_is_used_and_recorded(sound_models):
    pipe, other = load_ours(sound_models / "sound"), load_ours(sound_models / "sound")
    with torch.no_grad():
        other.vae.decoder.conv_out.bias.add_(1)
    pipe.vae = other.vae
    assert pipe.components["vae"] is other.vae
    assert (pipe(PROMPT, **QUICK).audios == other(PROMPT, **QUICK).audios).all()
    pipe.scheduler = diffusers.PNDMScheduler()
    assert pipe.config["scheduler"] == ("diffusers", "PNDMScheduler")
    twin = copy.copy(pipe)
    twin.vae = None
    assert pipe.vae is other.vae


def test_a_pipeline_is_freed_with_its_last_reference(sound_models):
    pipe = load_ours(sound_models / "sound")
    pipe(PROMPT, **QUICK)
    unet = weakref.ref(pipe.unet)
    gc.collect()
    gc.disable()
    try:
        del pipe
        assert unet() is None
    finally:
        gc.enable()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("method", ["enable_model_cpu_offload", "enable_sequential_cpu_offload"])
def test_offloading_needs_a_gpu(sound_models, method):
    pipe = load_ours(sound_models / "sound")
    with pytest.raises(InputError, match="offloading needs a GPU, and this machine has none"):
        getattr(pipe, method)()
    assert pipe.models.loader.loaded == ()


def test_model_offloading_gives_the_same(sound_models, ours):
    """With the CPU in place of a GPU."""
    pipe = load_ours(sound_models / "sound")
    pipe.enable_model_cpu_offload(device="cpu")
    for _ in range(2):
        found, expected = (
            each([PROMPT, NEGATIVE], **QUICK, num_waveforms_per_prompt=2).audios for each in (pipe, ours)
        )
        assert apart(found, expected) < 1e-5


@pytest.mark.cuda
@pytest.mark.parametrize("method", ["enable_model_cpu_offload", "enable_sequential_cpu_offload"])
def test_offloading_on_a_gpu_gives_the_same(sound_models, ours, method):
    pipe = load_ours(sound_models / "sound")
    getattr(pipe, method)()
    for _ in range(2):
        assert pipe._execution_device.type == "cuda"
        found, expected = (each(PROMPT, **QUICK, num_waveforms_per_prompt=2).audios for each in (pipe, ours))
        assert apart(found, expected) < 1e-3
