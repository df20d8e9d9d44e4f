"""Schedulers and numbers of steps, dtypes, compiling, offloading, slicing, batches, seeds, scores."""

import copy

import diffusers
import numpy as np
import pytest
import torch

from photism import InputError
from photism.audioldm2.clap_ranking import rank_waveforms
from photism.audioldm2.settings import SoundPipelineSettings, SoundSettings
from photism.schedulers import SCHEDULERS
from tests.audioldm2.peers import NEGATIVE, PROMPT, apart, load_ours
from tests.support.parameters import mostly_slow

LATENTS = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))


def latents_of(pipeline, **settings):
    arguments = {"latents": LATENTS, "audio_length_in_s": 0.32, "output_type": "latent", "num_inference_steps": 4}
    arguments |= settings
    return pipeline(PROMPT, negative_prompt=NEGATIVE, **arguments).audios


@pytest.mark.parametrize("name", mostly_slow(SCHEDULERS, "ddim", "euler-a"))
def test_schedulers_agree_with_diffusers(sound_models, reference, name, monkeypatch):
    ours = load_ours(sound_models / "sound", scheduler=name)
    assert type(ours.scheduler).__name__ == SCHEDULERS[name]
    monkeypatch.setattr(reference, "scheduler", copy.deepcopy(ours.scheduler))
    expected = reference(
        PROMPT,
        negative_prompt=NEGATIVE,
        latents=LATENTS,
        audio_length_in_s=0.32,
        num_inference_steps=4,
        generator=torch.Generator().manual_seed(1),
        output_type="latent",
    ).audios
    found = latents_of(ours, generator=torch.Generator().manual_seed(1))
    assert apart(found, expected) < 1e-4


@pytest.mark.slow
def test_second_order_schedulers_take_few_steps_by_default(sound_models):
    counts = {name: SoundPipelineSettings(scheduler=name).num_inference_steps for name in SCHEDULERS}
    assert counts == {"ddim": 200, "euler": 200, "euler-a": 200, "dpm++": 25, "unipc": 25, "lcm": 4, "tcd": 4}
    assert SoundPipelineSettings(scheduler=None).num_inference_steps == 200
    steps = []
    load_ours(sound_models / "sound", scheduler="dpm++")(
        PROMPT, audio_length_in_s=0.1, callback_on_step=lambda done, total: steps.append((done, total))
    )
    assert steps == [(number, 25) for number in range(1, 26)]


@pytest.mark.slow
def test_25_steps_are_close_to_200_of_the_reference(sound_models, ours):
    short = {"latents": LATENTS[:, :, :4], "guidance_scale": 1.0}
    many = latents_of(ours, **short, audio_length_in_s=0.16, num_inference_steps=200)

    def distance(name):
        ours = load_ours(sound_models / "sound", scheduler=name)
        few = latents_of(ours, **short, audio_length_in_s=0.16, num_inference_steps=25)
        return (few - many).abs().mean() / many.std()

    assert distance("dpm++") < 0.05
    assert distance("unipc") < 0.05
    assert distance("ddim") > 0.15


@pytest.mark.parametrize("name", ["dpm++", "unipc"])
def test_25_steps_converge_where_the_noise_is_known(sound_models, name):
    """On a mixture of three Gaussians, whose noise prediction has a closed form."""
    means, std = (-1.0, 0.3, 1.5), 0.25

    def solve(scheduler, steps):
        scheduler.set_timesteps(steps)
        alphas = scheduler.alphas_cumprod.double()
        sample = torch.randn(1, 1, 2000, 1, generator=torch.Generator().manual_seed(0)).double()
        for time in scheduler.timesteps:
            alpha = alphas[time]
            variance = alpha * std**2 + 1 - alpha
            offsets = [sample - alpha.sqrt() * mean for mean in means]
            weights = torch.softmax(torch.stack([-(each**2) / (2 * variance) for each in offsets]), 0)
            clean = sum(
                weight * (mean + alpha.sqrt() * std**2 / variance * each)
                for weight, mean, each in zip(weights, means, offsets, strict=True)
            )
            noise = (sample - alpha.sqrt() * clean) / (1 - alpha).sqrt()
            sample = scheduler.step(noise, time, sample, return_dict=False)[0]
        return sample

    ddim, ours = (load_ours(sound_models / "sound", scheduler=each).scheduler for each in (None, name))
    fine = diffusers.DDIMScheduler.from_config(ddim.config, timestep_spacing="trailing")
    exact = solve(fine, 1000)
    of_200, few = solve(ddim, 200), solve(ours, 25)
    assert (few - exact).abs().mean() < 2 * (of_200 - exact).abs().mean()


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.1), (torch.float16, 0.02)])
def test_half_precision(sound_models, ours, dtype, tolerance, device):
    half = load_ours(sound_models / "sound", dtype=dtype, device=device)
    assert apart(latents_of(half).cpu(), latents_of(ours)) < tolerance
    found = half(PROMPT, num_inference_steps=2, num_waveforms_per_prompt=2, seed=0)
    assert found.audios.dtype == np.float32
    assert np.isfinite(found.audios).all()
    assert np.isfinite(found.scores).all()


def test_only_the_unet_is_compiled(sound_models, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda model, **given: compiled.append((type(model), given)))
    ours = load_ours(sound_models / "sound", compile=True)
    assert latents_of(ours, num_inference_steps=1).isfinite().all()
    assert compiled == [(type(ours.unet), {"mode": None})]


@pytest.mark.slow
def test_a_compiled_unet_gives_the_same(sound_models, ours, monkeypatch):
    """Run the graph that torch traces, without compiling it to machine code, which takes minutes."""
    graphs = []
    compile_with = torch.compile

    def trace_only(function, **settings):
        def backend(graph, inputs):
            graphs.append(graph)
            return graph.forward

        return compile_with(function, backend=backend)

    monkeypatch.setattr(torch, "compile", trace_only)
    compiled = load_ours(sound_models / "sound", compile=True)
    assert apart(latents_of(compiled), latents_of(ours)) < 1e-5
    assert graphs


def test_compiling_needs_a_compiler(sound_models, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match=r"compile needs a C\+\+ compiler; no-such-compiler was not found"):
        load_ours(sound_models / "sound", compile=True)


@pytest.mark.slow
def test_offloading_to_disk_gives_the_same(sound_models, ours):
    settings = {"num_inference_steps": 2, "num_waveforms_per_prompt": 2, "audio_length_in_s": 0.3, "seed": 0}
    disk = load_ours(sound_models / "sound", offload="disk")
    for _ in range(2):
        found, expected = (pipeline(PROMPT, **settings) for pipeline in (disk, ours))
        assert apart(found.audios, expected.audios) < 1e-5
        assert set(disk.models.loader.loaded) == {"tokenizer", "tokenizer_2", "feature_extractor"}


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloading_to_cpu_memory_needs_a_gpu(sound_models, offload):
    with pytest.raises(InputError, match=f"offload must not be {offload} on a CPU"):
        load_ours(sound_models / "sound", offload=offload)


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloading_to_cpu_memory_gives_the_same(sound_models, ours, offload):
    """With the CPU in place of a GPU."""
    pipeline = load_ours(sound_models / "sound")
    object.__setattr__(pipeline.settings, "offload", offload)
    assert apart(latents_of(pipeline), latents_of(ours)) < 1e-5


@pytest.mark.cuda
@pytest.mark.parametrize("offload", [None, "model", "sequential", "disk"])
def test_on_a_gpu(sound_models, ours, offload):
    on_gpu = load_ours(sound_models / "sound", device="cuda", offload=offload)
    assert apart(latents_of(on_gpu).cpu(), latents_of(ours)) < 1e-3


@pytest.mark.cuda
def test_compiled_with_cuda_graphs(sound_models, ours):
    on_gpu = load_ours(sound_models / "sound", device="cuda", compile=True)
    for _ in range(2):
        assert apart(latents_of(on_gpu).cpu(), latents_of(ours)) < 1e-3


@pytest.mark.slow
def test_vae_slicing_and_tiling(sound_models, ours):
    expected = ours([PROMPT, NEGATIVE], num_inference_steps=2, seed=0).audios
    sliced = load_ours(sound_models / "sound", vae_slicing=True)
    assert apart(sliced([PROMPT, NEGATIVE], num_inference_steps=2, seed=0).audios, expected) < 1e-5
    tiled = load_ours(sound_models / "sound", vae_tiling=True)
    with tiled.models.on_device("vae") as (vae,):
        assert vae.use_tiling
    assert tiled(PROMPT, num_inference_steps=2, seed=0).audios.shape == (1, 20_480)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_batch_size_does_not_change_the_sound(ours, batch_size):
    arguments = {"num_inference_steps": 2, "num_waveforms_per_prompt": 2, "audio_length_in_s": 0.4, "seed": 0}
    prompts = [PROMPT, "a dog barks", "rain"]
    steps = []
    found = ours(prompts, **arguments, batch_size=batch_size, callback_on_step=lambda *at: steps.append(at))
    expected = ours(prompts, **arguments)
    assert apart(found.audios, expected.audios) < 1e-4
    assert found.seeds == expected.seeds
    assert steps == [(number + 1, len(steps)) for number in range(len(steps))]


def test_a_seed_determines_one_waveform(ours):
    settings = {"num_inference_steps": 2, "audio_length_in_s": 0.4}
    several = ours(PROMPT, **settings, num_waveforms_per_prompt=3, seed=5)
    for audio, seed in zip(several.audios, several.seeds, strict=True):
        assert apart(ours(PROMPT, **settings, seed=seed).audios[0], audio) < 1e-4
    assert ours(PROMPT, **settings, num_waveforms_per_prompt=2, seed=[9, 5]).seeds in ([9, 5], [5, 9])
    random = ours(PROMPT, **settings)
    assert apart(ours(PROMPT, **settings, seed=random.seeds[0]).audios, random.audios) < 1e-6


def test_the_seed_determines_the_noise_of_a_stochastic_scheduler(sound_models):
    ours = load_ours(sound_models / "sound", scheduler="euler-a")
    settings = {"num_inference_steps": 3, "audio_length_in_s": 0.4}
    several = ours(PROMPT, **settings, num_waveforms_per_prompt=2, seed=5)
    alone = ours(PROMPT, **settings, seed=several.seeds[1])
    assert apart(alone.audios[0], several.audios[1]) < 1e-4


def test_scores_by_hand():
    """Three waveforms each for two prompts: none is returned for the other prompt."""
    text = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    audio = torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, -1.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]])
    scores, order = rank_waveforms(text, audio)
    assert scores.tolist() == [pytest.approx([1.0, 0.6, 0.0]), pytest.approx([1.0, 0.6, 0.0])]
    assert order.tolist() == [1, 0, 2, 4, 3, 5]


def test_scores_agree_with_clap_of_transformers(ours, reference):
    found = ours(
        PROMPT, num_inference_steps=2, num_waveforms_per_prompt=2, audio_length_in_s=0.8, seed=0, output_type="pt"
    )
    import soxr

    resampled = [soxr.resample(audio.numpy(), 16_000, 48_000) for audio in found.audios]
    features = reference.feature_extractor(resampled, sampling_rate=48_000, return_tensors="pt").input_features
    with torch.no_grad():
        text = reference.tokenizer(PROMPT, return_tensors="pt")
        output = reference.text_encoder(**text, input_features=features)
    expected = output.logits_per_text / reference.text_encoder.logit_scale_t.exp()
    assert found.scores[0] == pytest.approx(expected[0].tolist(), abs=1e-5)
    assert found.waveforms[0].duration_s == pytest.approx(0.8)


def test_the_last_encodings_are_cached(sound_models, monkeypatch):
    monkeypatch.setattr("photism.audioldm2.text_encoding.CACHED_TEXTS", 3)
    ours = load_ours(sound_models / "sound")
    cache = ours.models.encodings
    for prompt in ("a", "b", "c", "d"):
        ours.encode_texts(prompt)
        assert len(cache) <= 3
        assert [key.text for key in cache][-2:] == [prompt, ""]  # the negative prompt, used each time, stays


def test_a_callback_may_change_latents(ours):
    settings = {"num_inference_steps": 2, "output_type": "latent"}
    zeroed = ours(PROMPT, **settings, callback_on_step_end=lambda *at: {"latents": torch.zeros_like(at[3]["latents"])})
    assert not zeroed.audios.any()


def test_the_output_holds_the_settings_that_were_used(ours):
    given = {
        "audio_length_in_s": 0.4,
        "num_inference_steps": 2,
        "num_waveforms_per_prompt": 2,
        "negative_prompt": "dog",
    }
    output = ours(PROMPT, **given, seed=5)
    used = SoundSettings(**given, guidance_scale=3.5, max_new_tokens=8, seed=(5, 6))
    assert output.settings == used
    again = ours(PROMPT, **vars(output.settings))
    np.testing.assert_array_equal(again.audios, output.audios)


def test_the_output_holds_the_defaults_and_random_seeds(sound_models):
    pipeline = load_ours(sound_models / "sound", scheduler="dpm++")
    used = pipeline("rain", output_type="latent").settings
    assert (used.num_inference_steps, used.audio_length_in_s, used.strength) == (25, 1.28, None)
    assert pipeline.settings == SoundPipelineSettings(model=str(sound_models / "sound"), device="cpu")
    (seed,) = used.seed
    assert 0 <= seed < 2**32


def test_return_dict_false_gives_a_tuple(ours):
    output = ours(PROMPT, num_inference_steps=1, audio_length_in_s=0.1, seed=3, return_dict=False)
    assert isinstance(output, tuple)
    assert len(output) == 1


def test_an_unknown_argument_is_refused_with_the_names_of_the_others(ours):
    with pytest.raises(TypeError, match=r"has no argument 'steps': num_inference_steps takes its place; it takes "):
        ours(PROMPT, steps=3)
