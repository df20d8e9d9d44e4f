"""What cannot be used is told in one sentence, before weights are loaded."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from photism import InputError
from photism.audioldm2.options import SoundOptions
from photism.audioldm2.pipeline import AudioLDM2Pipeline
from tests.audioldm2.peers import PROMPT, load_ours
from tests.support.tiny_audioldm2 import edit_json, make_vits_tokenizer

EMBEDS, MADE, MASK = torch.zeros(2, 5, 24), torch.zeros(2, 8, 16), torch.ones(2, 5)


@pytest.fixture(scope="module")
def unloaded(sound_models):
    return {name: load_ours(sound_models / name) for name in ("sound", "speech")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "prompt is missing: give a text, a list of them, or what encode_prompt made of them"),
        ({"prompt": 3}, "prompt must be a text or a list of at least one text; got 3"),
        ({"prompt": ["a", None]}, "prompt must be a text or a list of at least one text"),
        ({"prompt": "a", "negative_prompt": []}, "negative_prompt must be a text or a list of at least one text"),
        ({"prompt": ["a", "b"], "negative_prompt": ["c"] * 3}, "negative_prompt must be one text, or one to each of 2"),
        ({"prompt": "a", "transcription": "b"}, "transcription must be left out with .*, which does not speak; anhnct"),
        ({"prompt": "a", "num_inference_steps": 1001}, "num_inference_steps must be a whole number, from 1 to 1000"),
        ({"prompt": "a", "num_inference_steps": 2.5}, "num_inference_steps must be a whole number, .*; got 2.5"),
        (
            {"prompt": "a", "guidance_scale": float("inf")},
            "guidance_scale must be a finite number, at least 0; got inf",
        ),
        ({"prompt": "a", "eta": 2}, "eta must be a finite number, at least 0, at most 1; got 2"),
        ({"prompt": "a", "audio_length_in_s": 0.039}, "audio_length_in_s must be a finite number, at least 0.04"),
        ({"prompt": "a", "audio_length_in_s": "long"}, "audio_length_in_s must be a number, at least 0.04"),
        ({"prompt": "a", "audio_length_in_s": 3601}, "audio_length_in_s must be .* at most 3600; got 3601"),
        ({"prompt": "a", "max_new_tokens": 0}, "max_new_tokens must be a whole number, at least 1; got 0"),
        ({"prompt": "a", "batch_size": 0}, "batch_size must be a whole number, at least 1; got 0"),
        ({"prompt": "a", "seed": -1}, "seed must be from 0 to 2\\*\\*63 - 1; got -1"),
        ({"prompt": "a", "seed": 1.5}, "seed must be a whole number, or one for each waveform; got 1.5"),
        ({"prompt": "a", "seed": "7"}, "seed must be a whole number, or one for each waveform; got '7'"),
        ({"prompt": "a", "seed": [1, 2]}, "seed must be one number, or num_waveforms_per_prompt=1 of them; got 2"),
        ({"prompt": "a", "seed": 1, "generator": torch.Generator()}, "seed and generator exclude each other"),
        ({"prompt": "a", "generator": [torch.Generator()] * 2}, "generator must be one, or one to each of 1 waveforms"),
        ({"prompt": "a", "latents": [0]}, "latents must be a tensor .*; got list"),
        ({"prompt": "a", "latents": torch.full((1, 8, 32, 8), torch.nan)}, "latents must be finite"),
        ({"prompt": "a", "prompt_embeds": EMBEDS, "generated_prompt_embeds": MADE}, "prompt and prompt_embeds exclude"),
        ({"prompt_embeds": EMBEDS}, "prompt_embeds and generated_prompt_embeds must be given together"),
        ({"prompt": "a", "attention_mask": MASK}, "attention_mask must be given with prompt_embeds"),
        (
            {"prompt_embeds": EMBEDS[:, :, 1:], "generated_prompt_embeds": MADE},
            r"prompt_embeds must be \(rows, states, 24\); got \(2, 5, 23\)",
        ),
        (
            {"prompt_embeds": EMBEDS, "generated_prompt_embeds": MADE[:1]},
            "must have as many rows; got 2 and 1",
        ),
        (
            {"prompt_embeds": EMBEDS, "generated_prompt_embeds": MADE, "attention_mask": MASK[:, 1:]},
            r"attention_mask must be \(2, 5\), as prompt_embeds; got \(2, 4\)",
        ),
        (
            {
                "prompt": ["a", "b"],
                "negative_prompt": "c",
                "negative_prompt_embeds": EMBEDS,
                "negative_generated_prompt_embeds": MADE,
            },
            "negative_prompt and negative_prompt_embeds exclude each other",
        ),
        (
            {
                "prompt_embeds": EMBEDS,
                "generated_prompt_embeds": MADE,
                "negative_prompt_embeds": EMBEDS,
                "negative_generated_prompt_embeds": MADE[:, 1:],
            },
            "negative_generated_prompt_embeds must have as many states as generated_prompt_embeds, 8; got 7",
        ),
    ],
)
def test_arguments_of_a_call(unloaded, arguments, message):
    ours = unloaded["sound"]
    with pytest.raises(InputError, match=message):
        ours(**arguments)
    assert set(ours.components.loaded) <= {"tokenizer", "tokenizer_2"}


def test_given_negatives_go_with_prompts(ours):
    encoded = ours.encode_prompt("a dog")
    negative = {
        "negative_prompt_embeds": encoded.prompt_embeds,
        "negative_generated_prompt_embeds": encoded.generated_prompt_embeds,
    }
    found = ours(["rain", PROMPT], **negative, num_inference_steps=1, seed=0, output_type="pt").audios
    expected = ours(["rain", PROMPT], negative_prompt="a dog", num_inference_steps=1, seed=0, output_type="pt").audios
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompt": "a"}, "transcription is missing: .* speaks, and needs the words to be said"),
        ({"prompt": ["a", "b"], "transcription": ["c"] * 3}, "transcription must be one text, or one to each of 2"),
        ({"prompt": "a", "transcription": "a" * 31}, "transcription must be at most 30 phonemes long; .* has 31: give"),
    ],
)
def test_what_is_to_be_said(unloaded, arguments, message):
    with pytest.raises(InputError, match=message):
        unloaded["speech"](**arguments)


def test_phonemes_need_their_library(sound_models, tmp_path):
    folder = tmp_path / "speech"
    shutil.copytree(sound_models / "speech", folder)
    shutil.rmtree(folder / "tokenizer_2")
    make_vits_tokenizer(folder / "tokenizer_2", phonemize=True)
    with pytest.raises(InputError, match="transcription needs phonemizer, which is not installed: pip install"):
        load_ours(folder)("a", "hello")


def test_a_prompt_that_is_too_long_is_cut_with_a_warning(sound_models, caplog):
    ours = load_ours(sound_models / "sound")
    long, cut = ("rain " * 30).strip(), ("rain " * 23).strip()
    found = ours.encode_prompt(long, do_classifier_free_guidance=False)
    assert "only the first 24 of 31 tokens count of the prompt 'rain rain" in caplog.text
    assert torch.allclose(
        found.prompt_embeds, ours.encode_prompt(cut, do_classifier_free_guidance=False).prompt_embeds, atol=1e-6
    )


def copy_with(sound_models, tmp_path, edit):
    folder = tmp_path / "copy"
    shutil.copytree(sound_models / "sound", folder)
    edit(folder)
    return folder


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda at: (at / "model_index.json").unlink(),
            "must be a checkpoint of AudioLDM 2, such as cvssp/audioldm2; ",
        ),
        (lambda at: (at / "vae/config.json").write_text("{"), "vae/config.json of .* cannot be read"),
        (lambda at: edit_json(at / "model_index.json", unet=None), r"nothing where AudioLDM2UNet2D.* belongs \(unet\)"),
        (
            lambda at: edit_json(at / "model_index.json", text_encoder=["transformers", "CLIPTextModel"]),
            r"has CLIPTextModel where ClapModel belongs \(text_encoder\)",
        ),
        (lambda at: (at / "model_index.json").write_text("[1]"), "model_index.json of .* cannot be read"),
        (lambda at: edit_json(at / "model_index.json", vae="AutoencoderKL"), r"has nothing where .* belongs \(vae\)"),
        (lambda at: edit_json(at / "model_index.json", scheduler=None), "has no scheduler"),
        (
            lambda at: edit_json(at / "vocoder/config.json", model_in_dim=None),
            "whole configurations; .* has no 'model_in",
        ),
        (
            lambda at: edit_json(at / "vocoder/config.json", model_in_dim=30),
            "as many mel bins as its VAE can divide by 4",
        ),
    ],
)
def test_what_is_no_checkpoint(sound_models, tmp_path, edit, message):
    with pytest.raises(InputError, match=message):
        load_ours(copy_with(sound_models, tmp_path, edit))


def test_weights_that_are_missing_are_not_made_up(sound_models, tmp_path):
    def lose_one(folder):
        path = folder / "language_model/model.safetensors"
        weights = load_file(path)
        del weights["h.1.mlp.c_fc.weight"]
        save_file(weights, path, metadata={"format": "pt"})

    ours = load_ours(copy_with(sound_models, tmp_path, lose_one))
    with pytest.raises(
        InputError, match=r"has a damaged language_model: 1 weights are missing, such as h\.1\.mlp\.c_fc"
    ):
        ours(PROMPT)


def test_weights_that_are_not_safe_or_cut_off(sound_models, tmp_path):
    folder = copy_with(sound_models, tmp_path, lambda at: None)
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    given = load_ours(sound_models / "sound").encode_prompt(PROMPT)._asdict()
    with pytest.raises(InputError, match="has no unet that can be loaded"):
        load_ours(folder)(**given)
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(InputError, match=r"must have weights in safetensors; .* has none in unet"):
        load_ours(folder)(**given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scheduler": "pndm"}, "scheduler must be one of ddim, .*; got pndm"),
        ({"offload": "tape"}, "offload must be one of model, sequential, disk; got tape"),
        ({"compile": True, "offload": "disk"}, "compile must be left out with offload 'disk'"),
    ],
)
def test_options(settings, message):
    with pytest.raises(InputError, match=message):
        SoundOptions(**settings)


def test_of_the_hub_configurations_come_first_and_the_licence_before_weights(sound_models, monkeypatch, caplog):
    fetched = []

    def fetch_files(name, hub_id, patterns):
        fetched.append(patterns)
        return sound_models / "sound"

    monkeypatch.setattr("photism.audioldm2.checkpoint.fetch_files", fetch_files)
    ours = AudioLDM2Pipeline.from_pretrained("cvssp/audioldm2", device="cpu")
    assert len(fetched) == 1
    assert not any("safetensors" in pattern for pattern in fetched[0])
    with pytest.raises(InputError, match="num_inference_steps"):
        ours(PROMPT, num_inference_steps=0)
    assert len(fetched) == 1
    ours.encode_prompt(PROMPT)
    assert "t5" in ours.components.loaded
    assert {pattern.split("/")[0] for patterns in fetched[1:] for pattern in patterns} == {
        "text_encoder",
        "text_encoder_2",
        "projection_model",
        "language_model",
    }
    assert caplog.text.count("cvssp/audioldm2 is downloaded: the published weights of AudioLDM 2 are for non-com") == 1


def test_the_index_of_a_checkpoint_is_as_diffusers_has_it(sound_models):
    index = json.loads((sound_models / "sound/model_index.json").read_text())
    assert index["_class_name"] == "AudioLDM2Pipeline"
    assert index["language_model"] == ["transformers", "GPT2Model"]
