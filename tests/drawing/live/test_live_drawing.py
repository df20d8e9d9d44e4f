"""Pictures of a recording that goes on: they depend on the samples and their time alone."""

import numpy as np
import pytest
from diffusers import StableDiffusionInpaintPipeline

from photism import AudioToImagePipeline, InputError, load_waveform
from photism.drawing.live.live_drawing import LiveDrawing
from photism.drawing.live.settings import LiveSettings
from photism.hub import bundled_model

TIMES = (0.1, 0.4, 0.8, 1.2, 1.6)


@pytest.fixture(scope="module")
def words():
    """Return a recording of a word, with silence before and after it."""
    elephant = load_waveform(bundled_model() / "examples" / "elephant.en.ogg").samples
    return np.pad(elephant, (4000, 8000))


def drawing(pipeline, **settings):
    return LiveDrawing(pipeline, LiveSettings(**{"num_inference_steps": 1, **settings}))


def pixels(picture):
    return np.asarray(picture.image, np.int16)


def pictures(made, samples, times, block):
    """Feed samples in blocks, and return the pictures of some times."""
    found = []
    for time_s in times:
        while made.duration_s < time_s:
            start = round(made.duration_s * 16_000)
            made.feed(samples[start : start + block])
        found.append(made.picture(time_s))
    return found


def test_a_picture_depends_neither_on_blocks_nor_on_other_pictures(pipeline, words):
    ours = pictures(drawing(pipeline), words, TIMES, block=160)
    whole = pictures(drawing(pipeline), words, TIMES, block=len(words))
    late = pictures(drawing(pipeline), words, TIMES[-1:], block=1000)
    for one, other in zip([*ours, ours[-1]], [*whole, *late], strict=True):
        assert one.time_s == other.time_s
        np.testing.assert_array_equal(pixels(one), pixels(other))


def test_followed_samples_are_no_longer_held(pipeline, words):
    made, late = drawing(pipeline), drawing(pipeline)
    for each in (made, late):
        each.feed(words[:16_000])
    assert made.follow(0.5) == 0.5
    assert made.follow() == 1.0
    assert sum(map(len, made._fed)) < 512
    np.testing.assert_array_equal(pixels(made.picture()), pixels(late.picture()))


def test_the_default_time_is_the_end_of_the_samples(pipeline, words):
    made = drawing(pipeline)
    made.feed(words[:12_000])
    assert made.picture().time_s == 0.75
    assert made.picture(5.0).time_s == 0.75
    with pytest.raises(InputError, match=r"at least that of the last picture, 0\.75; got 0\.5"):
        made.picture(0.5)


def test_silence_is_drawn_as_the_empty_text(pipeline):
    made = drawing(pipeline, noise=0, zoom=0)
    made.feed(np.zeros(16_000, np.float32))
    picture = made.picture()
    expected = pipeline(pipeline.encoder.empty_prompt, num_inference_steps=1).images[0][0]
    np.testing.assert_array_equal(pixels(picture), np.asarray(expected))
    assert (picture.caption, picture.known, picture.newest_captions, picture.segment_start_s) == (None, None, (), None)
    assert picture.is_silent


def test_an_inpainting_pipeline_is_refused(pipeline):
    diffusion = StableDiffusionInpaintPipeline(**pipeline.diffusion.components, requires_safety_checker=False)
    with pytest.raises(InputError, match="must not be for inpainting"):
        LiveDrawing(AudioToImagePipeline(pipeline.encoder, diffusion))


@pytest.mark.parametrize("samples", [np.zeros((1, 400), np.float32), np.zeros(400), np.full(400, np.nan, np.float32)])
def test_samples_that_cannot_be_used_are_refused(pipeline, samples):
    with pytest.raises(InputError):
        drawing(pipeline).feed(samples)


def test_a_buffer_may_be_used_again(pipeline, words):
    made, other = drawing(pipeline), drawing(pipeline)
    buffer = np.empty(1000, np.float32)
    for start in range(0, 16_000, 1000):
        buffer[:] = words[start : start + 1000]
        made.feed(buffer)
    other.feed(words[:16_000])
    np.testing.assert_array_equal(pixels(made.picture()), pixels(other.picture()))
