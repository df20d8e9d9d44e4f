"""Models with faster layers, compared with those of diffusers: full tensors, and no trace in the models."""

import copy

import diffusers
import pytest
import torch
from diffusers.models.attention import FeedForward

from photism import AudioToImagePipeline
from photism.drawing import faster_layers
from photism.drawing.concurrent_calls import copy_for_call
from photism.drawing.faster_layers import use_faster_layers
from photism.encoder import onednn_layout
from photism.encoder.kernels import Kernels
from photism.encoder.onednn_layout import SpatialConv


@pytest.fixture(autouse=True)
def every_layer(monkeypatch):
    """Replace the layers of small models too, and compute small convolutions by Winograd's algorithm."""
    monkeypatch.setattr(faster_layers, "MANY_WEIGHTS", 0)
    monkeypatch.setattr(onednn_layout, "WINOGRAD_POSITIONS", 1)
    monkeypatch.setattr(onednn_layout, "WINOGRAD_CHANNELS", 1)


def with_faster_layers(diffusion):
    call = copy_for_call(diffusion)
    use_faster_layers(call)
    return call


def layers(diffusion):
    return [type(module) for model in (diffusion.unet, diffusion.vae) for module in model.modules()]


def assert_equal(found, expected):
    """Compare full tensors, with a tolerance relative to the largest value."""
    torch.testing.assert_close(found, expected, atol=2e-5 * float(expected.abs().max()), rtol=0)


def unet_inputs(diffusion):
    config, size = diffusion.unet.config, diffusion.unet.config.sample_size
    added = {}
    if config.addition_embed_type == "text_time":
        width = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        added = {"text_embeds": torch.randn(2, width), "time_ids": torch.rand(2, 6)}
    text = torch.randn(2, 7, config.cross_attention_dim)
    return {
        "sample": torch.randn(2, config.in_channels, size, size),
        "timestep": 300,
        "encoder_hidden_states": text,
        "added_cond_kwargs": added,
    }


@torch.no_grad()
@pytest.mark.parametrize("kind", ["sd", "xl", "lora"])
def test_tensors_are_those_of_the_models(models, parts, kind):
    settings = {"lora": {parts / "lora-sd": 0.7}} if kind == "lora" else {}
    folder = models / ("xl" if kind == "xl" else "sd")
    diffusion = AudioToImagePipeline.from_pretrained(folder, device="cpu", **settings).diffusion
    before, call = layers(diffusion), with_faster_layers(diffusion)
    assert SpatialConv in layers(call)
    torch.manual_seed(0)
    given, latents = unet_inputs(diffusion), torch.randn(1, diffusion.vae.config.latent_channels, 11, 8)
    for found, expected in (
        (call.unet(**given).sample, diffusion.unet(**given).sample),
        (call.vae.decode(latents).sample, diffusion.vae.decode(latents).sample),
    ):
        assert_equal(found, expected)
    assert layers(diffusion) == before
    assert type(call.unet.config) is type(diffusion.unet.config)


@torch.no_grad()
def test_a_controlnet(parts, pipeline):
    torch.manual_seed(0)
    net = diffusers.ControlNetModel.from_pretrained(parts / "controlnet-sd")
    diffusion = copy.copy(pipeline.diffusion)
    vars(diffusion)["controlnet"] = net
    given = unet_inputs(diffusion)
    downsampling = 2 ** (len(net.config.conditioning_embedding_out_channels) - 1)
    size = [downsampling * side for side in given["sample"].shape[2:]]
    given |= {"controlnet_cond": torch.rand(2, 3, *size), "return_dict": False}
    found, expected = with_faster_layers(diffusion).controlnet(**given), net(**given)
    for ours, theirs in zip((*found[0], found[1]), (*expected[0], expected[1]), strict=True):
        assert_equal(ours, theirs)


@torch.no_grad()
@pytest.mark.parametrize("tokens", [1, 5, 100])
def test_a_feed_forward_network_computes_any_number_of_tokens_at_once(pipeline, tokens, monkeypatch):
    monkeypatch.setattr(faster_layers, "current_kernels", lambda: Kernels(tokens_at_once=tokens))
    network = next(module for module in pipeline.diffusion.unet.modules() if isinstance(module, FeedForward))
    call, states = with_faster_layers(pipeline.diffusion), torch.randn(2, 7, network.net[2].out_features)
    computed = []
    copied = next(module for module in call.unet.modules() if isinstance(module, FeedForward))
    copied.net[0].register_forward_hook(lambda module, inputs, output: computed.append(len(inputs[0])))
    assert_equal(copied(states), network(states))
    assert max(computed) == min(tokens, 14)
    assert sum(computed) == 14


def test_small_models_stay(pipeline, monkeypatch):
    weights = sum(weight.numel() for weight in pipeline.diffusion.unet.parameters())
    monkeypatch.setattr(faster_layers, "MANY_WEIGHTS", weights)
    assert with_faster_layers(pipeline.diffusion).unet is not pipeline.diffusion.unet
    monkeypatch.setattr(faster_layers, "MANY_WEIGHTS", weights + 1)
    assert with_faster_layers(pipeline.diffusion).unet is pipeline.diffusion.unet


def test_images_are_equal_and_the_models_unchanged(pipeline, sounds, monkeypatch):
    unet, before = pipeline.diffusion.unet, layers(pipeline.diffusion)
    used = []
    conv3x3 = onednn_layout.winograd.conv3x3
    monkeypatch.setattr(onednn_layout.winograd, "conv3x3", lambda *given: used.append(True) or conv3x3(*given))
    ours = pipeline(sounds[0], num_inference_steps=2).images[0][0]
    assert used
    assert pipeline.diffusion.unet is unet
    assert layers(pipeline.diffusion) == before
    monkeypatch.setattr(faster_layers, "MANY_WEIGHTS", float("inf"))
    theirs = pipeline(sounds[0], num_inference_steps=2).images[0][0]
    assert max(abs(one - other) for one, other in zip(ours.tobytes(), theirs.tobytes(), strict=True)) <= 1
