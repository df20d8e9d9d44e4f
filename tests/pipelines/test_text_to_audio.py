"""The text-to-audio pipeline: the interface of transformers' own, the sound of AudioLDM 2."""

import numpy as np
import pytest

from photism import InputError, TextToAudioPipeline, pipeline

QUICK = {"num_inference_steps": 2, "audio_length_in_s": 0.2, "seed": 3}


@pytest.fixture(scope="module")
def generator(sound_models):
    return pipeline("text-to-audio", model=sound_models / "sound", device=-1, forward_params=QUICK)


def test_the_waveforms_are_those_of_audioldm2(generator):
    texts = ["rain", "a bird"]
    expected = generator.model(texts, **QUICK)
    found = generator(texts)
    assert [each["sampling_rate"] for each in found] == [expected.sampling_rate] * 2
    np.testing.assert_array_equal([each["audio"] for each in found], expected.audios)
    np.testing.assert_array_equal(generator("rain")["audio"], generator.model("rain", **QUICK).audios[0])
    assert [each["audio"].shape for each in generator(iter(texts))] == [expected.audios[0].shape] * 2


def test_arguments_of_the_model_and_of_its_language_model(generator):
    several = generator("rain", forward_params={"num_waveforms_per_prompt": 2}, generate_kwargs={"max_new_tokens": 3})
    expected = generator.model("rain", **QUICK, num_waveforms_per_prompt=2, max_new_tokens=3)
    np.testing.assert_array_equal(several["audio"], expected.audios)
    assert several["audio"].shape[0] == 2


def test_bad_arguments(generator):
    with pytest.raises(InputError, match=r"generate_kwargs may have max_new_tokens, since .*; got do_sample"):
        generator("rain", generate_kwargs={"do_sample": True})
    with pytest.raises(InputError, match="model must be an AudioLDM2Pipeline; got object: use transformers"):
        TextToAudioPipeline(model=object())
    with pytest.raises(InputError, match="vocoder is not supported: AudioLDM 2 has its own"):
        TextToAudioPipeline(model=generator.model, vocoder=object())
