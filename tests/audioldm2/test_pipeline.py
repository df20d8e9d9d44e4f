"""The pipeline as diffusers has its own: components, schedulers, saving, arguments and output."""

import json
import shutil

import diffusers
import numpy as np
import pytest
import torch

from photism import AudioLDM2Pipeline, AudioPipelineOutput, InputError
from photism.audioldm2.settings import SoundPipelineSettings, SoundSettings
from tests.audioldm2.peers import NEGATIVE, PROMPT, SPOKEN, apart, load_ours, load_reference
from tests.support.parameters import mostly_slow
from tests.support.tiny_audioldm2 import edit_json

QUICK = {"num_inference_steps": 3, "audio_length_in_s": 0.3}
TEXTS = {"prompt": PROMPT, "negative_prompt": NEGATIVE}
CLOSE = 1e-5
ALL_LAYOUTS = ("sound", "sound-lm", "sound-new", "speech", "speech-lm")
SCHEDULERS = (
    diffusers.DDIMScheduler,
    diffusers.EulerDiscreteScheduler,
    diffusers.LMSDiscreteScheduler,
    diffusers.DPMSolverMultistepScheduler,
    diffusers.HeunDiscreteScheduler,
)


def generate(pipeline, **changes):
    return pipeline(**{**TEXTS, **QUICK, "generator": torch.Generator().manual_seed(0), **changes}).audios


@pytest.fixture(scope="module")
def built(reference):
    """Return our pipeline with the components of the one of diffusers."""
    return AudioLDM2Pipeline(**reference.components)


def test_components_of_a_caller_come_back_unchanged(reference, built):
    def layers():
        models = (each for each in reference.components.values() if isinstance(each, torch.nn.Module))
        return [type(layer) for model in models for layer in model.modules()], reference.unet.attn_processors

    assert built.components == reference.components
    before, (classes, processors) = generate(reference), layers()
    assert apart(generate(built), before) < CLOSE
    assert layers() == (classes, processors)
    np.testing.assert_array_equal(generate(reference), before)


def test_two_pipelines_with_the_same_components_and_other_schedulers(sound_models, reference):
    one = load_ours(sound_models / "sound-lm")
    other = AudioLDM2Pipeline(**one.components)
    other.scheduler = diffusers.EulerDiscreteScheduler.from_config(other.scheduler.config)
    assert other.unet is one.unet
    assert type(one.scheduler) is diffusers.DDIMScheduler
    third = diffusers.AudioLDM2Pipeline(**{**reference.components, "scheduler": other.scheduler})
    assert apart(generate(other), generate(third)) < CLOSE
    assert apart(generate(one), generate(reference)) < CLOSE


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_scheduler_from_the_configuration_of_ours_is_that_from_the_checkpoint(sound_models, reference, scheduler):
    ours = load_ours(sound_models / "sound-lm", scheduler="dpm++")
    assert ours.scheduler.config.use_exponential_sigmas
    ours.scheduler = scheduler.from_config(ours.scheduler.config)
    expected = scheduler.from_config(reference.scheduler.config)
    for name in scheduler._get_init_keys(scheduler) - {"self", "kwargs"}:
        assert ours.scheduler.config[name] == expected.config[name], name


def test_steps_by_default(sound_models, built):
    """25 of our own scheduler; 200 as diffusers, with one that the caller gave or set."""
    ours = AudioLDM2Pipeline.from_pretrained(sound_models / "sound")
    assert (type(ours.scheduler), ours.num_inference_steps) == (diffusers.DPMSolverMultistepScheduler, 25)
    ours.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(ours.scheduler.config)
    assert ours.num_inference_steps == 200
    given = AudioLDM2Pipeline.from_pretrained(sound_models / "sound", scheduler=ours.scheduler)
    assert given.scheduler is ours.scheduler
    assert [each.num_inference_steps for each in (given, built, load_ours(sound_models / "sound"))] == [200] * 3


@pytest.mark.parametrize("layout", ["sound", "speech-lm"])
def test_a_saved_pipeline_loads_in_diffusers_and_here(sound_models, tmp_path, layout):
    ours = load_ours(sound_models / layout)
    texts = TEXTS if "sound" in layout else {"transcription": SPOKEN, "negative_prompt": "a"}
    ours.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    original = json.loads((sound_models / layout / "model_index.json").read_text())
    assert index["_class_name"] == "AudioLDM2Pipeline"
    assert index["language_model"] == original["language_model"]
    expected = generate(ours, **texts)
    np.testing.assert_array_equal(generate(load_ours(tmp_path), **texts), expected)
    theirs = load_reference(tmp_path)
    if layout.endswith("lm"):  # the language model with which diffusers works
        assert apart(generate(theirs, **texts), expected) < CLOSE


def test_a_scheduler_that_was_saved_is_loaded_again(sound_models, tmp_path):
    """But for DDIM, which the published checkpoints have."""
    ours = AudioLDM2Pipeline.from_pretrained(sound_models / "sound", device="cpu")
    for scheduler, kept, steps in (
        (ours.scheduler, diffusers.DPMSolverMultistepScheduler, 25),
        (diffusers.DDIMScheduler(), diffusers.DPMSolverMultistepScheduler, 25),
        (diffusers.EulerDiscreteScheduler(), diffusers.EulerDiscreteScheduler, 200),
        (diffusers.DPMSolverMultistepScheduler(use_karras_sigmas=True), diffusers.DPMSolverMultistepScheduler, 200),
    ):
        ours.scheduler = scheduler
        folder = tmp_path / f"{steps}-{type(scheduler).__name__}"
        shutil.copytree(sound_models / "sound", folder)
        shutil.rmtree(folder / "scheduler")
        scheduler.save_pretrained(folder / "scheduler")
        edit_json(folder / "model_index.json", scheduler=["diffusers", type(scheduler).__name__])
        loaded = AudioLDM2Pipeline.from_pretrained(folder, device="cpu")
        assert (type(loaded.scheduler), loaded.num_inference_steps) == (kept, steps)
        assert bool(loaded.scheduler.config.use_karras_sigmas) == bool(scheduler.config.get("use_karras_sigmas"))
    assert type(AudioLDM2Pipeline.from_pretrained(folder, scheduler="ddim").scheduler) is diffusers.DDIMScheduler
    chosen = AudioLDM2Pipeline.from_pretrained(folder, scheduler="dpm++").scheduler.config
    assert (chosen.use_karras_sigmas, chosen.use_exponential_sigmas) == (False, True)


def test_a_variant_is_loaded_and_the_guidance_scale_is_saved(sound_models, tmp_path):
    ours = AudioLDM2Pipeline(**load_ours(sound_models / "sound").components, guidance_scale=2.0)
    ours.save_pretrained(tmp_path, variant="fp16")
    assert not (tmp_path / "unet/diffusion_pytorch_model.safetensors").exists()
    loaded = load_ours(tmp_path, variant="fp16")
    np.testing.assert_array_equal(generate(loaded), generate(ours))
    assert loaded(PROMPT, **QUICK).settings.guidance_scale == 2.0
    with pytest.raises(
        InputError, match=r"variant must be one of the weights in .*, which has none that is called bf16"
    ):
        load_ours(tmp_path, variant="bf16")


def test_from_pipe(reference, built):
    expected = generate(reference)
    assert apart(generate(AudioLDM2Pipeline.from_pipe(reference)), expected) < CLOSE
    np.testing.assert_array_equal(generate(diffusers.AudioLDM2Pipeline.from_pipe(built)), expected)


def test_components_and_dtypes_of_a_caller_take_the_place_of_the_checkpoints(sound_models, reference):
    dtypes = {"vae": torch.bfloat16, "default": torch.float32}
    ours = load_ours(sound_models / "sound-lm", unet=reference.unet, torch_dtype=dtypes)
    assert ours.unet is reference.unet
    assert (ours.unet.dtype, ours.vae.dtype, ours.text_encoder_2.dtype) == (
        torch.float32,
        torch.bfloat16,
        torch.float32,
    )
    assert apart(generate(ours, output_type="latent"), generate(reference, output_type="latent")) < CLOSE
    with pytest.raises(InputError, match="torch_dtype and dtype are the same; give one of them"):
        load_ours(sound_models / "sound-lm", dtype="float32", torch_dtype=torch.float32)


def test_options_of_diffusers_load_all_components_at_once(sound_models, reference):
    ours = load_ours(sound_models / "sound-lm", use_safetensors=True, torch_dtype=torch.float32)
    assert {"unet", "vae", "text_encoder"} <= vars(ours).keys()
    assert apart(generate(ours), generate(reference)) < CLOSE
    chosen = load_ours(sound_models / "sound-lm", use_safetensors=True, scheduler="dpm++")
    assert chosen.num_inference_steps == 25
    with pytest.raises(InputError, match="model /nowhere cannot be loaded: "):
        AudioLDM2Pipeline.from_pretrained("/nowhere", local_files_only=True)
    with pytest.raises(InputError, match="compile cannot be combined with revision, with which diffusers loads all"):
        load_ours(sound_models / "sound-lm", compile=True, revision="main")
    with pytest.raises(TypeError, match=r"has no argument 'steps'; it takes .*revision"):
        load_ours(sound_models / "sound-lm", steps=3)


def test_arguments_by_position_are_those_of_diffusers(reference, built):
    arguments = (PROMPT, None, 0.3, 3, 3.5, NEGATIVE, None, 0.0, torch.Generator().manual_seed(0))
    assert apart(built(*arguments).audios, generate(reference)) < CLOSE


def test_a_call_takes_one_settings_object(sound_models, built):
    settings = SoundSettings(**QUICK, seed=5, negative_prompt=NEGATIVE)
    expected = built(PROMPT, **QUICK, seed=5, negative_prompt=NEGATIVE)
    np.testing.assert_array_equal(built(PROMPT, settings=settings).audios, expected.audios)
    assert built(PROMPT, settings=settings, num_inference_steps=1).settings.num_inference_steps == 1
    loading = SoundPipelineSettings(model=str(sound_models / "sound"), scheduler="unipc", device="cpu")
    assert AudioLDM2Pipeline.from_pretrained(settings=loading).settings == loading
    assert AudioLDM2Pipeline.from_pretrained(settings=loading, scheduler="ddim").settings.scheduler == "ddim"


def test_the_output_is_indexed_as_that_of_diffusers(built):
    output = built(PROMPT, **QUICK, num_waveforms_per_prompt=2, seed=3)
    assert isinstance(output, AudioPipelineOutput)
    assert output[0] is output["audios"] is output.audios
    assert output["scores"] == output.scores
    assert set(output["seeds"]) == {3, 4}


def test_a_missing_component_is_an_error_that_names_it(reference):
    without = {**reference.components, "text_encoder": None, "tokenizer": None}
    with pytest.raises(InputError, match="the pipeline has no text_encoder: give it one"):
        AudioLDM2Pipeline(**{**without, "tokenizer": reference.tokenizer})(PROMPT, **QUICK)
    with pytest.raises(InputError, match="the pipeline has no tokenizer: give it one"):
        AudioLDM2Pipeline(**{**without, "text_encoder": reference.text_encoder})(PROMPT, **QUICK)
    encoded = AudioLDM2Pipeline(**reference.components).encode_texts(**TEXTS)._asdict()
    assert apart(generate(AudioLDM2Pipeline(**without), **dict.fromkeys(TEXTS), **encoded), generate(reference)) < CLOSE


@pytest.mark.parametrize("layout", mostly_slow(ALL_LAYOUTS, "sound", "speech"))
def test_the_example_of_the_documentation(sound_models, tmp_path, layout):
    """As printed, but for the device, the length and the number of steps."""
    import scipy.io.wavfile

    pipe = AudioLDM2Pipeline.from_pretrained(sound_models / layout, torch_dtype=torch.float16)
    pipe = pipe.to("cpu")
    speech = {"transcription": "wish you have a good day", "max_new_tokens": 12} if "speech" in layout else {}
    generator = torch.Generator("cpu").manual_seed(0)
    audio = pipe(
        "The sound of a hammer hitting a wooden surface.",
        negative_prompt="Low quality.",
        num_inference_steps=2,
        audio_length_in_s=0.3,
        num_waveforms_per_prompt=3,
        generator=generator,
        **speech,
    ).audios
    scipy.io.wavfile.write(tmp_path / "techno.wav", rate=16000, data=audio[0])
    assert scipy.io.wavfile.read(tmp_path / "techno.wav")[1].shape == (4800,)
    prompt_embeds, attention_mask, generated_prompt_embeds = pipe.encode_prompt(
        prompt="Techno music with a strong, upbeat tempo and high melodic riffs",
        device="cpu",
        do_classifier_free_guidance=True,
        **speech,
    )
    audio = pipe(
        prompt_embeds=prompt_embeds,
        attention_mask=attention_mask,
        generated_prompt_embeds=generated_prompt_embeds,
        num_inference_steps=2,
        audio_length_in_s=0.3,
    ).audios[0]
    assert audio.shape == (4800,)
