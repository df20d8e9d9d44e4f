"""Callbacks after each step, and the progress bar."""

import diffusers
import pytest
import torch

from photism import AudioLDM2Pipeline, InputError
from tests.audioldm2.peers import PROMPT, load_ours

SHORT = {"audio_length_in_s": 0.1, "output_type": "latent"}


@pytest.mark.parametrize(
    ("name", "every"), [("DDIMScheduler", 1), ("DDIMScheduler", 2), ("HeunDiscreteScheduler", 2), ("PNDMScheduler", 1)]
)
def test_callback_is_called_as_in_diffusers(reference, name, every):
    scheduler = getattr(diffusers, name).from_config(reference.scheduler.config)
    components = {**reference.components, "scheduler": scheduler}
    seen = []
    for pipeline_class in (AudioLDM2Pipeline, diffusers.AudioLDM2Pipeline):
        calls = []
        pipeline_class(**components)(
            PROMPT,
            num_inference_steps=5,
            **SHORT,
            generator=torch.Generator().manual_seed(0),
            callback=lambda step, time, latents, calls=calls: calls.append((step, float(time), tuple(latents.shape))),
            callback_steps=every,
        )
        seen.append(calls)
    assert seen[0]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("steps", [0, 1.5, None])
def test_invalid_callback_steps(ours, steps):
    with pytest.raises(InputError, match=f"callback_steps must be a whole number of at least 1; got {steps}"):
        ours(PROMPT, callback_steps=steps)


def test_the_progress_bar_is_that_of_diffusers(sound_models, capsys):
    pipe = load_ours(sound_models / "sound")
    pipe.set_progress_bar_config(desc="steps of sound")
    pipe(["rain", "dog"], num_inference_steps=2, batch_size=1, **SHORT)
    assert "steps of sound: 100%" in capsys.readouterr().err
    pipe(PROMPT, num_inference_steps=2, **SHORT, callback_on_step=lambda done, total: None)
    pipe.set_progress_bar_config(disable=True)
    pipe(PROMPT, num_inference_steps=2, **SHORT)
    assert "steps of sound" not in capsys.readouterr().err
