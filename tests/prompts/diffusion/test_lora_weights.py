"""Weights of LoRAs for one call, which leave no trace."""

import shutil
from pathlib import Path
from threading import Thread

import pytest
import torch

from photism import AudioToImagePipeline
from photism.prompts.diffusion.lora_weights import MODULE_ATTRIBUTES, LoraWeights, default_weights, name_loras
from photism.prompts.settings import PipelineSettings
from photism.settings import SettingError

SETTINGS = {"num_inference_steps": 2, "seed": 5}


@pytest.fixture(scope="module")
def lora(parts, tmp_path_factory):
    """Return two LoRA files of the same weights."""
    folder = tmp_path_factory.mktemp("loras")
    for name in ("ink", "oil.v2"):
        shutil.copy(parts / "lora-sd/pytorch_lora_weights.safetensors", folder / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module")
def styled(models, lora):
    loras = {lora / "ink.safetensors": 0.7, lora / "oil.v2.safetensors": 0.2}
    return AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=loras)


def pixels(pipeline, sound, **changes):
    return pipeline(sound, **SETTINGS, **changes).images[0][0].tobytes()


def scalings(pipeline):
    modules = pipeline.diffusion.unet.modules()
    return [dict(each.scaling) for each in modules if isinstance(getattr(each, "scaling", None), dict)]


def test_names_are_those_of_files_folders_and_repositories():
    sources = [
        Path("a/ink.safetensors"),
        "b/ink.safetensors",
        "owner/lcm-lora.v1-5",
        "x/wash/pytorch_lora_weights.safetensors",
        "half.safetensors",
    ]
    assert list(name_loras(sources).values()) == ["ink", "ink-2", "lcm-lora-v1-5", "wash", "lora-half"]
    assert default_weights(PipelineSettings(lora=(("ink", 0.5), ("oil", 1.0), ("ink", 0.25)))) == {
        "ink": 0.75,
        "oil": 1,
    }


def test_names_are_no_attributes_of_the_dictionaries_that_keep_the_weights():
    attributes = {*dir(torch.nn.ModuleDict()), *dir(torch.nn.ParameterDict())}
    assert {name for name in attributes if not name.startswith("_")} <= MODULE_ATTRIBUTES
    assert attributes.isdisjoint(name_loras(attributes).values())


@pytest.mark.parametrize("weight", [0.3, 1.5])
def test_an_image_has_the_weights_of_its_call_and_the_next_one_its_own(models, lora, styled, sounds, weight):
    before, state = pixels(styled, sounds[0]), scalings(styled)
    changed = pixels(styled, sounds[0], lora_weights={"ink": weight})
    assert changed != before
    loras = {lora / "ink.safetensors": weight, lora / "oil.v2.safetensors": 0.2}
    loaded = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=loras)
    assert changed == pixels(loaded, sounds[0])
    assert scalings(styled) == state
    assert pixels(styled, sounds[0]) == before


def test_a_weight_of_0_leaves_a_lora_out(models, styled, sounds):
    plain = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    assert pixels(styled, sounds[0], lora_weights={"ink": 0, "oil-v2": 0}) == pixels(plain, sounds[0])


def test_weights_are_put_back_where_a_generation_is_ended(styled, sounds):
    state = scalings(styled)

    def end(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        styled(sounds[0], **SETTINGS, lora_weights={"ink": 0}, callback_on_step=end)
    assert scalings(styled) == state


def test_what_a_thread_draws_between_two_steps_has_its_own_weights(styled, sounds):
    """A server lets short works run in the thread of a longer one, at its steps."""
    from photism.cancellation import cancellable

    expected, found = pixels(styled, sounds[0]), []
    changed = pixels(styled, sounds[0], lora_weights={"ink": 0})

    def draw_between():
        if not found:
            found.append(None)
            with cancellable(lambda: None):
                found[0] = pixels(styled, sounds[0])

    with cancellable(draw_between):
        assert pixels(styled, sounds[0], lora_weights={"ink": 0}) == changed
    assert found == [expected]


def test_another_thread_waits(styled, sounds):
    expected, found = pixels(styled, sounds[0]), []
    with LoraWeights(styled.diffusion, {"ink": 0}).applied():
        thread = Thread(target=lambda: found.append(pixels(styled, sounds[0])))
        thread.start()
        pixels(styled, sounds[0])
        assert not found
    thread.join()
    assert found == [expected]


def test_a_lora_that_the_model_does_not_have_is_refused(styled, sounds, models):
    with pytest.raises(SettingError, match=r"^lora_weights must name LoRAs .*; it has ink, oil-v2, not oil$"):
        styled(sounds[0], lora_weights={"oil": 1})
    plain = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    with pytest.raises(SettingError, match=r"it has none, not ink$"):
        plain(sounds[0], lora_weights={"ink": 1})
    with pytest.raises(SettingError, match="lora_weights must be finite; got nan for ink"):
        styled(sounds[0], lora_weights={"ink": float("nan")})


def test_words_have_the_weights_of_their_call(models, parts, sounds, tmp_path):
    """Weights for the text encoder change the texts."""
    from tests.prompts.diffusion.test_lora import make_lora, own

    with torch.random.fork_rng():
        torch.manual_seed(1)
        path = make_lora(own(models), tmp_path / "words", parts=("unet", "text_encoder"))
    ours, low = (
        AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora={path: weight}) for weight in (1, 0.1)
    )
    words = {"text": "A koala.", "negative": "noise", "sound_strength": 0.2}
    assert pixels(ours, sounds[0], lora_weights={"words": 0.1}, **words) == pixels(low, sounds[0], **words)
