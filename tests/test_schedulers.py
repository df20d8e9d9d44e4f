"""Names and options of schedulers, and the steps that they can take."""

import inspect

import diffusers
import pytest
import torch

from photism.schedulers import OPTIONS, SCHEDULERS, SIGMAS, SPACINGS, check_steps, parse_scheduler, set_timesteps
from photism.settings import SettingError

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
EPSILON = {**BETAS, "prediction_type": "epsilon", "steps_offset": 1}
ZERO_SNR = {
    **BETAS,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
ALL = [name + option for name in SCHEDULERS for option in ("", *(f":{each}" for each in OPTIONS[name]))]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_each_scheduler_takes_the_options_of_its_class(name):
    taken = inspect.signature(getattr(diffusers, SCHEDULERS[name]).__init__).parameters
    for option, key in SIGMAS.items():
        assert (option in OPTIONS[name]) == (key in taken)
    assert all(option in OPTIONS[name] for option in SPACINGS) == (name not in ("lcm", "tcd"))
    assert ("sde" in OPTIONS[name]) == (name == "dpm++")


def test_options_set_the_configuration_and_the_rest_is_kept():
    own = {**EPSILON, "use_karras_sigmas": True, "timestep_spacing": "leading"}
    scheduler = parse_scheduler("dpm++:sde:exponential:trailing").apply(own)
    config = scheduler.config
    assert type(scheduler) is diffusers.DPMSolverMultistepScheduler
    assert (config.use_exponential_sigmas, config.use_karras_sigmas, config.use_beta_sigmas) == (True, False, False)
    assert (config.timestep_spacing, config.algorithm_type) == ("trailing", "sde-dpmsolver++")
    assert (config.beta_end, config.prediction_type) == (0.012, "epsilon")
    plain = parse_scheduler("dpm++").apply(own).config
    assert (plain.use_karras_sigmas, plain.timestep_spacing) == (True, "leading")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("pndm", "scheduler must be one of ddim, .*, with options as in dpm.*; got pndm"),
        ("EulerDiscreteScheduler", "got EulerDiscreteScheduler; EulerDiscreteScheduler is euler here"),
        ("ddim:karras", "ddim:karras has the option 'karras'; ddim takes trailing, leading, linspace"),
        ("lcm:trailing", "lcm:trailing has the option 'trailing'; lcm takes no options"),
        ("euler:", "euler: has the option ''; euler takes karras, exponential, beta, trailing, leading, linspace"),
        ("dpm++:karras:beta", "dpm.*:karras:beta must have at most one of karras, exponential, beta"),
        ("euler:leading:trailing", "must have at most one of trailing, leading, linspace"),
    ],
)
def test_what_cannot_be_used_is_one_line(value, message):
    with pytest.raises(SettingError, match=message):
        parse_scheduler(value)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("config", [EPSILON, ZERO_SNR], ids=["epsilon", "zero-snr"])
def test_samples_are_finite_and_of_the_size_of_the_data(name, config):
    """The model knows its data: a single image, which every scheduler has to reach."""
    image = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4)
    scheduler = parse_scheduler(name).apply(config)
    for steps in (2, 4, 12):
        scheduler.set_timesteps(steps)
        generator = torch.Generator().manual_seed(0)
        sample = torch.randn(image.shape, generator=generator) * scheduler.init_noise_sigma
        taken = inspect.signature(scheduler.step).parameters
        extra = {"generator": generator} if "generator" in taken else {}
        for number, timestep in enumerate(scheduler.timesteps):
            scaled = scheduler.scale_model_input(sample, timestep)
            if name.startswith("euler"):  # its timesteps lie between those of training
                alpha = 1 / (1 + scheduler.sigmas[number].double() ** 2).sqrt()
            else:
                alpha = scheduler.alphas_cumprod[int(timestep)].sqrt()
            noise_share = (1 - alpha**2).sqrt()
            noise = (scaled - alpha * image) / noise_share
            output = noise if config is EPSILON else alpha * noise - noise_share * image
            sample = scheduler.step(output, timestep, sample, **extra, return_dict=False)[0]
        assert torch.isfinite(sample).all()
        assert (sample - image).abs().max() < 0.1


def test_highest_noise_level_of_a_model_with_zero_terminal_snr():
    own = parse_scheduler("euler").apply(ZERO_SNR)
    karras = parse_scheduler("euler:karras").apply(ZERO_SNR)
    own.set_timesteps(12)
    karras.set_timesteps(12)
    assert own.sigmas[0] == pytest.approx(4096, rel=1e-3)
    assert karras.sigmas[0] == pytest.approx(14.6146, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "steps", "strength", "message"),
    [
        ("lcm", 60, None, "must be at most 50, the original_inference_steps of LCMScheduler; got 60"),
        ("tcd", 51, None, "must be at most 50, the original_inference_steps of TCDScheduler; got 51"),
        ("ddim", 1001, None, "must be at most 1000, the steps of training; got 1001"),
        ("euler", 1001, None, "must be at most 1000, the steps of training; got 1001"),
        ("ddim", 4, 0.2, "strength 0.2 leaves none of 4 num_inference_steps; raise one of them"),
        ("dpm++:beta", 50, None, "50 cannot be used with DPMSolver.*: its first two timesteps are equal"),
    ],
)
def test_steps_that_a_scheduler_cannot_take(name, steps, strength, message):
    scheduler = parse_scheduler(name).apply(EPSILON)
    with pytest.raises(SettingError, match=message):
        check_steps(scheduler, steps, strength=strength)
    assert scheduler.num_inference_steps is None


@pytest.mark.parametrize(("name", "steps"), [("lcm", 50), ("ddim", 1000), ("euler", 1), ("dpm++:karras", 100)])
def test_steps_that_a_scheduler_can_take(name, steps):
    check_steps(parse_scheduler(name).apply(EPSILON), steps, strength=1.0)


def test_custom_timesteps_are_tried_on_a_copy():
    lcm = parse_scheduler("lcm").apply(EPSILON)
    assert set_timesteps(lcm, timesteps=[999, 499]).timesteps.tolist() == [999, 499]
    with pytest.raises(SettingError, match=r"timesteps \[499, 999\] cannot be used with LCMScheduler: .*descending"):
        set_timesteps(lcm, timesteps=[499, 999])
    with pytest.raises(SettingError, match="sigmas cannot be used: LCMScheduler chooses its own"):
        set_timesteps(lcm, sigmas=[10.0, 1.0])
