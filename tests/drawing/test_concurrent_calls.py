"""What a call of a diffusers pipeline shares with other calls, and what it has for itself."""

from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from photism import AudioToImagePipeline
from photism.drawing.concurrent_calls import copy_for_call, exclusive_models
from photism.locks import lock_of
from photism.prompts.text import encode_text


def test_a_call_has_its_own_scheduler_and_shares_the_models(pipeline):
    diffusion = pipeline.diffusion
    before = dict(vars(diffusion))
    call = copy_for_call(diffusion)
    call.scheduler.set_timesteps(3)
    assert vars(diffusion) == before
    assert call.scheduler is not diffusion.scheduler
    assert diffusion.scheduler.num_inference_steps is None
    assert call.unet is diffusion.unet


def is_locked(model):
    """Return whether another thread would wait for a model."""
    with ThreadPoolExecutor(1) as other:
        is_free = other.submit(lambda: lock_of(model).acquire(blocking=False) and not lock_of(model).release()).result()
    return not is_free


def fake(*, hooked=False, lora=False, unet=torch.float32, vae=torch.float32):
    models = {}
    for name, dtype in (("unet", unet), ("vae", vae)):
        models[name] = torch.nn.Linear(1, 1, dtype=dtype)
        models[name].dtype = dtype
    if hooked:
        models["unet"]._hf_hook = object()
    if lora:
        models["unet"].peft_config = {"a": object()}
    return SimpleNamespace(**models)


@pytest.mark.parametrize(
    ("made", "locked"),
    [
        ({}, set()),
        ({"unet": torch.float16}, set()),
        ({"vae": torch.float16}, {"vae"}),
        ({"hooked": True}, {"unet"}),
        ({"lora": True}, {"unet"}),
    ],
)
def test_models_are_locked_if_a_call_changes_them(made, locked):
    diffusion = fake(**made)
    with exclusive_models(diffusion):
        assert {name for name in ("unet", "vae") if is_locked(getattr(diffusion, name))} == locked
    assert not any(is_locked(model) for model in (diffusion.unet, diffusion.vae))


def test_a_vae_that_another_call_converts_is_waited_for():
    diffusion = fake(vae=torch.float16)

    def enter():
        with exclusive_models(diffusion):
            return diffusion.vae.dtype

    with ThreadPoolExecutor(1) as other:
        with lock_of(diffusion.vae):
            diffusion.vae.dtype = torch.float32
            entered = other.submit(enter)
            with pytest.raises(TimeoutError):
                entered.result(timeout=0.05)
            diffusion.vae.dtype = torch.float16
        assert entered.result() == torch.float16


@pytest.mark.parametrize("how", ["text", "caption"])
def test_encoding_waits_for_a_call_that_moves_the_models(pipeline, monkeypatch, how):
    diffusion = pipeline.diffusion
    monkeypatch.setattr(diffusion.unet, "_hf_hook", object(), raising=False)
    encode = {"text": lambda: pipeline.encode_text(["rain"]), "caption": lambda: encode_text(diffusion, ["rain"])}[how]
    with ThreadPoolExecutor(1) as other:
        with exclusive_models(diffusion):
            encoded = other.submit(encode)
            with pytest.raises(TimeoutError):
                encoded.result(timeout=0.2)
        assert encoded.result()[0].isfinite().all()


def test_the_scale_of_a_lora_does_not_reach_a_call_without_one(models, parts, sounds):
    """The call without a scale starts while that with a scale is within the UNet."""
    lora = parts / "lora-sd/pytorch_lora_weights.safetensors"
    ours = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=lora)
    prompts = ours.encoder.encode(sounds[:1])
    settings = {"num_inference_steps": 2, "seed": 0}
    scaled = {"diffusion_arguments": {"cross_attention_kwargs": {"scale": 0.1}}}
    expected = np.asarray(ours(prompts, **settings).images[0][0])
    started = []
    with ThreadPoolExecutor(1) as other:

        def start(*_):
            if not started:
                started.append(other.submit(ours, prompts, **settings))
                wait(started, timeout=1)  # it would draw, if nothing kept it from that

        hook = ours.diffusion.unet.mid_block.register_forward_pre_hook(start)
        assert (np.asarray(ours(prompts, **settings, **scaled).images[0][0]) != expected).any()
        hook.remove()
        found = started[0].result()
    np.testing.assert_array_equal(np.asarray(found.images[0][0]), expected)
