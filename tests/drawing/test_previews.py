"""Previews of a generation: what the model predicts at a step, compared with the schedulers of diffusers."""

import diffusers
import numpy as np
import pytest
import torch

from photism.drawing import previews
from photism.drawing.previews import Previewer, predicted_original
from photism.schedulers import SCHEDULERS


@pytest.fixture
def unlimited(monkeypatch, pipeline, sounds):
    """Let previews take any time, so that each one that is due is made, and of all images."""
    monkeypatch.setattr(previews, "MAX_SHARE", np.inf)
    pipeline(sounds[0], num_inference_steps=2, preview_steps=1, callback_on_preview=lambda _: None)  # measures it


class Clock:
    """A clock whose time passes in the steps and in decoding only."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", [*SCHEDULERS.values(), "PNDMScheduler"])
def test_the_prediction_of_each_scheduler_is_the_original_if_the_unet_is_right(name, prediction_type):
    """A UNet that knows the noise exactly predicts the image without it, whatever the scheduler."""
    skip = {"skip_prk_steps": True} if name == "PNDMScheduler" else {}
    scheduler = getattr(diffusers, name)(prediction_type=prediction_type, **skip)
    scheduler.set_timesteps(4)
    noise, original = torch.randn(2, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    original = original.tanh()  # DDIM clips to -1 to 1
    timestep = scheduler.timesteps[0]
    alpha = scheduler.alphas_cumprod[int(timestep)]
    noisy = alpha.sqrt() * original + (1 - alpha).sqrt() * noise
    sample = scheduler.add_noise(original, noise, timestep[None]) if scheduler.init_noise_sigma != 1 else noisy
    scheduler.scale_model_input(sample, timestep)
    output = noise if prediction_type == "epsilon" else alpha.sqrt() * noise - (1 - alpha).sqrt() * original
    stepped = scheduler.step(output, timestep, sample, return_dict=True)
    predicted = predicted_original(scheduler, stepped, output, timestep, sample)
    if name == "LCMScheduler":  # its boundary condition: c_skip ≈ 0 and c_out ≈ 1 this far from the start
        torch.testing.assert_close(predicted, original, atol=0.05, rtol=0)
    else:
        torch.testing.assert_close(predicted, original, atol=1e-3, rtol=1e-3)


def test_previews_change_nothing_and_show_the_images_that_they_become(pipeline, sounds, unlimited):
    settings = {"num_inference_steps": 6, "seed": 3, "images_per_sound": 2, "batch_size": 3}
    expected = pipeline(sounds[:2], **settings)
    found = []
    output = pipeline(sounds[:2], preview_steps=2, callback_on_preview=found.append, **settings)
    for ours, theirs in zip(output.images, expected.images, strict=True):
        assert [each.tobytes() for each in ours] == [each.tobytes() for each in theirs]
    shown = [(each.first, len(each.images), each.done, each.total) for each in found]
    assert shown == [(0, 3, 2, 12), (0, 3, 4, 12), (3, 1, 8, 12), (3, 1, 10, 12)]
    final = np.asarray(expected.images[1][1], float)
    near, far = (abs(np.asarray(found[number].images[0], float) - final).mean() for number in (-1, -2))
    assert near < far


def test_without_preview_steps_there_are_no_previews(pipeline, sounds, unlimited):
    found = []
    pipeline(sounds[0], num_inference_steps=3, callback_on_preview=found.append)
    assert not found


def test_a_preview_of_the_last_step_is_the_image(pipeline, sounds, unlimited, monkeypatch):
    """The step after which no noise is left predicts the result, which is therefore no preview of its own."""
    taken = []
    monkeypatch.setattr(
        Previewer, "after_step", lambda self, diffusion, step: taken.append((diffusion, self._predicted))
    )
    output = pipeline(sounds[0], num_inference_steps=3, preview_steps=1, callback_on_preview=lambda _: None)
    diffusion, predicted = taken[-1]
    (image,) = previews.decode_preview(diffusion, predicted)
    assert abs(np.asarray(image, int) - np.asarray(output.images[0][0], int)).max() <= 1


def test_a_safety_checker_lets_nothing_be_shown_before_it_has_looked(pipeline, sounds, unlimited, monkeypatch):
    seen = []
    monkeypatch.setattr(previews, "decode_preview", lambda *_: seen.append(1) or [])
    monkeypatch.setitem(vars(pipeline.diffusion), "safety_checker", lambda images, **_: (images, [False] * len(images)))
    monkeypatch.setitem(
        vars(pipeline.diffusion),
        "feature_extractor",
        lambda *_, **__: type("Features", (), {"to": lambda self, _: self, "pixel_values": torch.zeros(1)})(),
    )
    pipeline(sounds[0], num_inference_steps=3, preview_steps=1, callback_on_preview=seen.append)
    assert not seen


@pytest.mark.parametrize(("decoding_s", "expected"), [(0.1, 20), (1.0, 4), (5.0, 0)])
def test_previews_take_at_most_a_fifth_of_the_time_of_the_steps(monkeypatch, decoding_s, expected):
    """The first preview of a VAE measures; one whose time is known is skipped where it would take too long."""
    clock, shown = Clock(), []
    vae = torch.nn.Module()
    diffusion = type("Diffusion", (), {"vae": vae, "vae_scale_factor": 8, "num_timesteps": 21, "scheduler": None})()
    monkeypatch.setattr(Previewer, "_record_predictions", lambda *_: None)

    def decode(*_):
        clock.now_s += decoding_s
        return []

    monkeypatch.setattr(previews, "decode_preview", decode)
    for _ in range(2):  # the first generation measures
        shown.clear()
        previewer = Previewer(diffusion, 1, shown.append, clock=clock)
        for step in range(21):
            clock.now_s += 1
            previewer._predicted = torch.zeros(1, 4, 8, 8)
            previewer.after_step(diffusion, step)
    assert len(shown) == expected
    assert len(shown) * decoding_s <= 21 / 5


def test_large_images_have_small_previews(pipeline, sounds, unlimited, monkeypatch):
    monkeypatch.setattr(previews, "MAX_SIDE", 32)
    found = []
    pipeline(sounds[0], num_inference_steps=2, height=64, width=128, preview_steps=1, callback_on_preview=found.append)
    assert found[0].images[0].size == (32, 16)


def test_a_busy_moment_does_not_rule_out_previews_for_good(monkeypatch):
    """A preview that took long once is tried again after some drawings without any."""
    clock, shown, decoding_s = Clock(), [], [20.0]
    diffusion = type("Diffusion", (), {"vae": torch.nn.Module(), "vae_scale_factor": 8, "num_timesteps": 21})()
    diffusion.scheduler = None
    monkeypatch.setattr(Previewer, "_record_predictions", lambda *_: None)

    def decode(*_):
        clock.now_s += decoding_s[0]
        return []

    monkeypatch.setattr(previews, "decode_preview", decode)
    for _ in range(20):
        previewer = Previewer(diffusion, 1, shown.append, clock=clock)
        for step in range(21):
            clock.now_s += 1
            previewer._predicted = torch.zeros(1, 4, 8, 8)
            previewer.after_step(diffusion, step)
        decoding_s[0] = 0.1
    assert len(shown) > 20
