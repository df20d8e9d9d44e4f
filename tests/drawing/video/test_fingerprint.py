"""What a film is made of, as far as its pictures tell."""

import accelerate
import pytest

from photism import AudioToImagePipeline
from photism.drawing.negative_prompt import TextPrompt
from photism.drawing.video.audio_features import measure_sound
from photism.drawing.video.film import Film
from photism.drawing.video.fingerprint import describe, describe_request
from photism.drawing.video.settings import FilmSettings


@pytest.fixture
def sound(sounds):
    return measure_sound(sounds[0])


@pytest.fixture
def described(models, sound):
    def describe_film(**given):
        pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", **given)
        return describe(Film(pipeline, sound))

    return describe_film


def differing(one, other):
    return {name for name in one if one[name] != other[name]}


def test_the_same_is_the_same(described):
    assert described() == described()


@pytest.mark.parametrize("given", [{"scheduler": "dpm++"}, {"scheduler": "euler-a"}, {"lora": True}])
def test_what_changes_pictures_is_told(described, parts, given):
    given = {"lora": parts / "lora-sd"} if "lora" in given else given
    assert differing(described(), described(**given)) == {"diffusion"}


def test_loras_are_told_by_their_weights(described, parts):
    one, same, other = (described(lora={parts / "lora-sd": weight}) for weight in (1.0, 1.0, 0.9))
    assert one == same
    assert differing(one, other) == {"diffusion"}


def test_how_it_runs_is_not_told(described):
    assert described(attention_slicing=True) == described()


def test_a_model_that_is_offloaded_by_layers_is_the_same(models, sound):
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    expected = describe(Film(pipeline, sound))
    accelerate.cpu_offload(pipeline.diffusion.unet, "cpu")
    assert next(pipeline.diffusion.unet.parameters()).is_meta
    assert describe(Film(pipeline, sound)) == expected


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_inference_steps": 3, "height": 24, "width": 32, "guidance_scale": 2.0, "negative": "noise"},
        {"negative": "none", "guidance_scale": 0.5},
        {"negative": TextPrompt("A cat."), "seed": 7},
    ],
)
def test_what_is_known_before_a_model_is_loaded_stays_true(pipeline, sound, settings):
    settings = FilmSettings(**settings)
    known = {name: value for name, value in describe_request(sound, settings).items() if value is not None}
    described = describe(Film(pipeline, sound, settings))
    assert {name: described[name] for name in known} == known
    assert {"sound", "fps", "seed"} <= known.keys()
