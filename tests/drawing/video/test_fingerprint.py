"""Fingerprint of a film: what changes it, and what is known before a model is loaded."""

import accelerate
import numpy as np
import pytest

from photism import AudioToImagePipeline, load_waveform
from photism.audio.long_recording import LongRecording
from photism.audio.sources import SoundFile
from photism.drawing.negative_prompt import TextPrompt
from photism.drawing.video.audio_features import measure_recording
from photism.drawing.video.film import Film
from photism.drawing.video.fingerprint import describe_settings, fingerprint, requested_fingerprint
from photism.drawing.video.key_moments import KeyMoment
from photism.drawing.video.settings import FilmSettings


@pytest.fixture
def sound(sounds):
    return measure_recording(sounds[0])


@pytest.fixture
def fingerprint_with(models, sound):
    def fingerprint_of(**given):
        pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", **given)
        return fingerprint(Film(pipeline, sound))

    return fingerprint_of


def differing(one, other):
    return {name for name in one if one[name] != other[name]}


def test_equal_films_have_equal_fingerprints(fingerprint_with):
    assert fingerprint_with() == fingerprint_with()


@pytest.mark.parametrize("given", [{"scheduler": "dpm++"}, {"scheduler": "euler-a"}, {"lora": True}])
def test_changes_of_the_diffusion_model_change_the_fingerprint(fingerprint_with, parts, given):
    given = {"lora": parts / "lora-sd"} if "lora" in given else given
    assert differing(fingerprint_with(), fingerprint_with(**given)) == {"diffusion"}


def test_lora_weights_change_the_fingerprint(fingerprint_with, parts):
    one, same, other = (fingerprint_with(lora={parts / "lora-sd": weight}) for weight in (1.0, 1.0, 0.9))
    assert one == same
    assert differing(one, other) == {"diffusion"}


def test_weights_of_loras_for_one_film_change_its_frames_and_its_fingerprint(models, parts, sound):
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora=parts / "lora-sd")
    plain, changed = (Film(pipeline, sound, FilmSettings(lora_weights=given)) for given in (None, {"lora-sd": 0.2}))
    assert fingerprint(changed) == fingerprint(plain) | {"lora_weights": {"lora-sd": 0.2}}
    own = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu", lora={parts / "lora-sd": 0.2})
    one, other = (next(iter(film.frames(range(1)))) for film in (changed, Film(own, sound)))
    assert (np.asarray(one.image) == np.asarray(other.image)).all()


def test_attention_slicing_does_not_change_the_fingerprint(fingerprint_with):
    assert fingerprint_with(attention_slicing=True) == fingerprint_with()


def test_sequential_offloading_does_not_change_the_fingerprint(models, sound):
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    expected = fingerprint(Film(pipeline, sound))
    accelerate.cpu_offload(pipeline.diffusion.unet, "cpu")
    assert next(pipeline.diffusion.unet.parameters()).is_meta
    assert fingerprint(Film(pipeline, sound)) == expected


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_inference_steps": 3, "height": 24, "width": 32, "guidance_scale": 2.0, "negative": "noise"},
        {"height": 25, "width": 33},
        {"negative": "none", "guidance_scale": 0.5},
        {"negative": TextPrompt("A cat."), "seed": 7},
        {"hop_s": 0.5},
        {"sync": "fixed"},
        {"sync": "speech", "fade_s": 0.2},
    ],
)
def test_a_requested_fingerprint_is_part_of_the_fingerprint(pipeline, sound, settings):
    settings = FilmSettings(**settings)
    known = requested_fingerprint(sound, settings)
    found = fingerprint(Film(pipeline, sound, settings))
    assert {name: found[name] for name in known} == known
    assert {"sound", "fps", "seed"} <= known.keys()


def test_other_recordings_and_their_weights_are_part_of_the_fingerprint(pipeline, sound, sounds):
    others, settings = [measure_recording(each) for each in sounds[1:3]], FilmSettings(mix="2,1,1")
    known, found = requested_fingerprint(sound, settings, others), fingerprint(Film(pipeline, sound, settings, others))
    assert {name: found[name] for name in known} == known
    assert known["mix"] == "2,1,1"
    assert known["mixed_sound"] == [{"sound": requested_fingerprint(each, settings)["sound"]} for each in others]
    plain = fingerprint(Film(pipeline, sound))
    assert found.keys() - plain.keys() == {"mix", "mixed_sound", "mixed_sync"}


def test_a_film_is_not_resumed_with_a_text_in_chunks():
    short, long = (describe_settings(FilmSettings(text="rain", long_text=each)) for each in (False, True))
    assert "long_text" not in short
    assert long["long_text"] is True


@pytest.mark.parametrize("source", [SoundFile.of, load_waveform])
def test_long_recordings_are_distinguished_by_their_sound(sounds, source):
    def described(path):
        read = source(path)
        long = LongRecording(read, 16_000, load_waveform(path).level)
        found = describe_settings(FilmSettings(negative=long, moments=[KeyMoment(0, sound=long)]))
        return found["negative"], found["moments"][0][1]

    one, same, other = (described(sounds[number]) for number in (0, 0, 1))
    assert one == same
    assert None not in one
    assert not set(one) & set(other)
