"""Cached cross-attention: it leaves the UNet as it was, and leaves attention of the caller's own alone."""

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

from tests.audioldm2.peers import PROMPT, apart, load_ours

SHORT = {"num_inference_steps": 2, "audio_length_in_s": 0.1, "num_waveforms_per_prompt": 2, "output_type": "latent"}


class Scaled(AttnProcessor2_0):
    """Attention whose output is scaled by an argument."""

    def __call__(self, attn, hidden_states, *arguments, factor=1.0, **named):
        return factor * super().__call__(attn, hidden_states, *arguments, **named)


@pytest.fixture
def pipe(sound_models):
    return load_ours(sound_models / "sound")


def latents_of(pipe, **changes):
    return pipe([PROMPT, "a dog"], **SHORT, seed=0, **changes).audios


def test_the_unet_is_as_before_also_after_an_error(pipe):
    processors = dict(pipe.unet.attn_processors)

    def fail(*at):
        raise InterruptedError

    latents_of(pipe)
    assert pipe.unet.attn_processors == processors
    with pytest.raises(InterruptedError):
        latents_of(pipe, callback_on_step_end=fail)
    assert pipe.unet.attn_processors == processors
    assert not any(module._forward_pre_hooks for module in pipe.unet.modules())


def test_processors_of_the_caller_are_used_with_their_arguments(pipe):
    expected = latents_of(pipe)
    pipe.unet.set_attn_processor(AttnProcessor())
    assert apart(latents_of(pipe), expected) < 1e-5
    pipe.unet.set_attn_processor(Scaled())
    assert apart(latents_of(pipe), expected) < 1e-5
    assert apart(latents_of(pipe, cross_attention_kwargs={"factor": 1.0}), expected) < 1e-5
    assert apart(latents_of(pipe, cross_attention_kwargs={"factor": 0.5}), expected) > 0.01
    with pytest.raises(ValueError, match=r"cross_attention_kwargs must be a mapping from names to values; got 0\.5"):
        latents_of(pipe, cross_attention_kwargs=0.5)


def test_sliced_attention_gives_the_same(pipe):
    expected = latents_of(pipe)
    pipe.enable_attention_slicing(1)
    assert apart(latents_of(pipe), expected) < 1e-5


def test_weights_that_diffusers_converts_for_each_layer(pipe):
    expected = latents_of(pipe)
    pipe.unet.enable_layerwise_casting(storage_dtype=torch.bfloat16, compute_dtype=torch.float32)
    assert apart(latents_of(pipe), expected) < 0.1


@pytest.mark.slow
def test_a_compiled_unet_is_compiled_once(pipe):
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    expected = latents_of(pipe)
    pipe.unet = torch.compile(pipe.unet, backend=backend)
    for _ in range(2):
        assert apart(latents_of(pipe), expected) < 1e-5
    assert len(graphs) == 1
