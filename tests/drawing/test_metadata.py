"""Settings as the metadata of an image."""

import numpy as np
import pytest
from PIL import Image

from photism import AudioToImagePipeline, InputError, Waveform
from photism.drawing.metadata import describe_models, describe_settings
from photism.drawing.settings import DrawSettings
from photism.prompts.settings import PipelineSettings


def test_a_text_in_chunks_is_named():
    for given, expected in ((DrawSettings(text="rain", long_text=True), True), (DrawSettings(text="rain"), None)):
        assert describe_settings(given, given)["long_text"] is expected


def test_a_size_that_was_given_is_named():
    sized = describe_settings(DrawSettings(height=64, width=96), DrawSettings(height=64, width=96))
    assert (sized["height"], sized["width"]) == (64, 96)
    assert describe_settings(DrawSettings(), DrawSettings(height=512, width=512))["height"] is None


def test_images_and_models_without_a_name_are_not_named():
    image = Image.new("RGB", (8, 8))
    given = DrawSettings(image=image, mask_image="sky.png", control_image=[image, "edges.png"])
    described = describe_settings(given, given)
    assert (described["image"], described["mask"], described["control_image"]) == (None, "sky.png", None)
    assert describe_models(PipelineSettings(controlnet=["canny", "depth"]))["controlnet"] == "canny, depth"
    assert describe_models(PipelineSettings(controlnet=object()))["controlnet"] is None


def test_saved_images_hold_their_seeds_models_and_settings(models, tmp_path):
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    noise = Waveform(np.random.default_rng(0).standard_normal(16_000).astype(np.float32))
    output = pipeline(noise, seed=7, images_per_sound=2, num_inference_steps=2, negative="text:rain")
    paths = output.save(tmp_path / "herd.png")
    assert [path.name for path in paths] == ["herd-1.png", "herd-2.png"]
    for path, image, seed in zip(paths, output.images[0], ("7", "8"), strict=True):
        saved = Image.open(path)
        np.testing.assert_array_equal(np.asarray(saved), np.asarray(image))
        about = {"seed": seed, "model": str(models / "sd"), "steps": "2", "negative": "text:rain"}
        assert about.items() <= saved.info.items()
    with pytest.raises(InputError, match=r"path must be a file that ends in \.png"):
        output.save(tmp_path / "herd.jpg")
