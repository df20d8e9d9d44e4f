"""Invalid arguments, settings and checkpoints: one clear message each, before weights are loaded."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from photism import InputError
from photism.audioldm2.pipeline import AudioLDM2Pipeline
from photism.audioldm2.settings import SoundPipelineSettings
from photism.errors import ModelWarning
from tests.audioldm2.peers import PROMPT, apart, load_ours
from tests.support.tiny_audioldm2 import edit_json, make_vits_tokenizer

EMBEDS, GENERATED, MASK = torch.zeros(2, 5, 24), torch.zeros(2, 8, 16), torch.ones(2, 5)


@pytest.fixture(scope="module")
def unloaded(sound_models):
    return {name: load_ours(sound_models / name) for name in ("sound", "speech")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "prompt is missing: give a text, a list of texts, or what encode_texts returned"),
        ({"prompt": 3}, "prompt must be a text or a list of at least one text; got 3"),
        ({"prompt": ["a", None]}, "prompt must be a text or a list of at least one text"),
        ({"prompt": "a", "negative_prompt": []}, "negative_prompt must be a text or a list of at least one text"),
        (
            {"prompt": ["a", "b"], "negative_prompt": ["c"] * 3},
            "negative_prompt must be one text, or one for each of 2",
        ),
        (
            {"prompt": "a", "transcription": "b"},
            "transcription cannot be used with .*, which does not generate speech; anhnct",
        ),
        ({"prompt": "a", "num_inference_steps": 1001}, "num_inference_steps must be at most 1000, .*; got 1001"),
        ({"prompt": "a", "num_inference_steps": 2.5}, "num_inference_steps must be a whole number; got 2.5"),
        (
            {"prompt": "a", "guidance_scale": float("inf")},
            "guidance_scale must be at least 0; got inf",
        ),
        ({"prompt": "a", "eta": 2}, "eta must be at least 0 and at most 1; got 2"),
        ({"prompt": "a", "audio_length_in_s": 0.039}, "audio_length_in_s must be at least 0.04; got 0.039"),
        ({"prompt": "a", "audio_length_in_s": "long"}, "audio_length_in_s must be a number; got 'long'"),
        ({"prompt": "a", "audio_length_in_s": 3601}, "audio_length_in_s must be .* at most 3600; got 3601"),
        ({"prompt": "a", "max_new_tokens": 0}, "max_new_tokens must be at least 1; got 0"),
        ({"prompt": "a", "batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"prompt": "a", "seed": -1}, "seed must be at least 0 and below 2\\*\\*63; got -1"),
        ({"prompt": "a", "seed": 1.5}, "seed must be a whole number, or a list of them; got 1.5"),
        ({"prompt": "a", "seed": "7"}, "seed must be a whole number, or a list of them; got '7'"),
        (
            {"prompt": "a", "seed": [1, 2]},
            "seed must be one number, or a list of as many as num_waveforms_per_prompt, 1; got 2",
        ),
        ({"prompt": "a", "seed": 1, "generator": torch.Generator()}, "seed and generator exclude each other"),
        (
            {"prompt": "a", "generator": [torch.Generator()] * 2},
            "generator must be one, or one for each of 1 waveforms",
        ),
        ({"prompt": "a", "latents": [0]}, "latents must be a tensor .*; got list"),
        ({"prompt": "a", "latents": torch.full((1, 8, 32, 8), torch.nan)}, "latents must be finite"),
        (
            {"prompt": "a", "prompt_embeds": EMBEDS, "generated_prompt_embeds": GENERATED},
            "prompt and prompt_embeds exclude",
        ),
        ({"prompt_embeds": EMBEDS}, "prompt_embeds and generated_prompt_embeds must be given together"),
        ({"prompt": "a", "attention_mask": MASK}, "attention_mask must be given with prompt_embeds"),
        (
            {"prompt_embeds": EMBEDS[:, :, 1:], "generated_prompt_embeds": GENERATED},
            r"prompt_embeds must have the shape \(rows, states, 24\); got \(2, 5, 23\)",
        ),
        (
            {"prompt_embeds": EMBEDS, "generated_prompt_embeds": GENERATED[:1]},
            "must have as many rows; got 2 and 1",
        ),
        (
            {"prompt_embeds": EMBEDS, "generated_prompt_embeds": GENERATED, "attention_mask": MASK[:, 1:]},
            r"attention_mask must have the shape \(2, 5\) of prompt_embeds; got \(2, 4\)",
        ),
        (
            {
                "prompt": ["a", "b"],
                "negative_prompt": "c",
                "negative_prompt_embeds": EMBEDS,
                "negative_generated_prompt_embeds": GENERATED,
            },
            "negative_prompt and negative_prompt_embeds exclude each other",
        ),
        (
            {
                "prompt_embeds": EMBEDS,
                "generated_prompt_embeds": GENERATED,
                "negative_prompt_embeds": EMBEDS,
                "negative_generated_prompt_embeds": GENERATED[:, 1:],
            },
            "negative_generated_prompt_embeds must have as many states as generated_prompt_embeds, 8; got 7",
        ),
    ],
)
def test_invalid_arguments_are_refused_before_weights_are_loaded(unloaded, arguments, message):
    ours = unloaded["sound"]
    with pytest.raises(InputError, match=message):
        ours(**arguments)
    assert set(ours.models.loader.loaded) <= {"tokenizer", "tokenizer_2"}


def test_negative_embeddings_must_fit_prompts_given_as_text(unloaded):
    negative = {"negative_prompt_embeds": EMBEDS, "negative_generated_prompt_embeds": GENERATED}
    with pytest.raises(InputError, match="negative_prompt_embeds must have 1 row, or one for each of 3 prompts; got 2"):
        unloaded["sound"](["a", "b", "c"], **negative)


def test_a_negative_prompt_given_as_embeddings_is_that_text(ours):
    encoded = ours.encode_texts("a dog")
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
        ({"prompt": "a"}, "transcription is missing: .* generates speech; give the words to speak"),
        ({"prompt": ["a", "b"], "transcription": ["c"] * 3}, "transcription must be one text, or one for each of 2"),
        (
            {"prompt": "a", "transcription": "a" * 31},
            "transcription must have at most 30 phonemes; .* has 31: shorten it",
        ),
    ],
)
def test_invalid_transcriptions_are_refused(unloaded, arguments, message):
    with pytest.raises(InputError, match=message):
        unloaded["speech"](**arguments)


def test_a_missing_phonemizer_is_an_error_with_a_remedy(sound_models, tmp_path):
    folder = tmp_path / "speech"
    shutil.copytree(sound_models / "speech", folder)
    shutil.rmtree(folder / "tokenizer_2")
    make_vits_tokenizer(folder / "tokenizer_2", phonemize=True)
    with pytest.raises(InputError, match="transcription needs phonemizer, which is not installed: pip install"):
        load_ours(folder)("a", "hello")


def test_a_long_prompt_is_truncated_with_a_warning(sound_models):
    ours = load_ours(sound_models / "sound")
    long, truncated = ("rain " * 30).strip(), ("rain " * 23).strip()
    with pytest.warns(
        ModelWarning, match=r"prompt is longer than 23 tokens; cut off: 'rain rain rain rain rain rain rain'"
    ):
        found = ours.encode_texts(long, do_classifier_free_guidance=False)
    assert torch.allclose(
        found.prompt_embeds, ours.encode_texts(truncated, do_classifier_free_guidance=False).prompt_embeds, atol=1e-6
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
            "must be an AudioLDM 2 checkpoint, such as cvssp/audioldm2; got .*: it has no model_index.json",
        ),
        (
            lambda at: (at / "vae/config.json").write_text("{"),
            "vae of .* has an unreadable config.json: Expecting",
        ),
        (lambda at: edit_json(at / "model_index.json", unet=None), "its unet is missing, not AudioLDM2UNet2D"),
        (
            lambda at: edit_json(at / "model_index.json", text_encoder=["transformers", "CLIPTextModel"]),
            "its text_encoder is CLIPTextModel, not ClapModel",
        ),
        (
            lambda at: (at / "model_index.json").write_text("[1]"),
            "unreadable model_index.json: it is not a JSON object",
        ),
        (lambda at: edit_json(at / "model_index.json", vae="AutoencoderKL"), "its vae is missing, not AutoencoderKL"),
        (lambda at: edit_json(at / "model_index.json", scheduler=None), "it has no scheduler"),
        (
            lambda at: edit_json(at / "vocoder/config.json", model_in_dim=None),
            "incomplete configuration: 'model_in_dim' is missing",
        ),
        (
            lambda at: edit_json(at / "vocoder/config.json", model_in_dim=30),
            "takes 30 mel bins, which is not a multiple of its VAE's scale factor 4",
        ),
    ],
)
def test_a_folder_that_is_not_a_checkpoint_is_refused(sound_models, tmp_path, edit, message):
    with pytest.raises(InputError, match=message):
        load_ours(copy_with(sound_models, tmp_path, edit))


def test_missing_weights_are_an_error(sound_models, tmp_path):
    def lose_one(folder):
        path = folder / "language_model/model.safetensors"
        weights = load_file(path)
        del weights["h.1.mlp.c_fc.weight"]
        save_file(weights, path, metadata={"format": "pt"})

    ours = load_ours(copy_with(sound_models, tmp_path, lose_one))
    with pytest.raises(
        InputError, match=r"language_model of model .* is damaged: 1 weights are missing, such as h\.1\.mlp\.c_fc"
    ):
        ours(PROMPT)


class RunsCode:
    def __reduce__(self):
        return pytest.fail, ("ran code of a file with weights",)


def test_truncated_weights_and_pickled_code_are_refused(sound_models, tmp_path):
    folder = copy_with(sound_models, tmp_path, lambda at: None)
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    given = load_ours(sound_models / "sound").encode_texts(PROMPT)._asdict()
    with pytest.raises(InputError, match=r"unet of model .* cannot be loaded"):
        load_ours(folder)(**given)
    weights.unlink()
    with pytest.raises(InputError, match="has no weights in unet"):
        load_ours(folder)(**given)
    torch.save({"conv_in.weight": RunsCode()}, weights.with_suffix(".bin"))
    with pytest.raises(InputError, match=r"unet of model .* cannot be loaded"):
        load_ours(folder)(**given)


def test_pickled_weights_are_loaded_where_there_are_no_others(sound_models, tmp_path, ours):
    folder = copy_with(sound_models, tmp_path, lambda at: None)
    for path in folder.glob("*/*.safetensors"):
        name = "pytorch_model" if path.stem == "model" else path.stem
        torch.save(load_file(path), path.with_name(f"{name}.bin"))
        path.unlink()
    settings = {"num_inference_steps": 1, "audio_length_in_s": 0.1, "seed": 0}
    assert apart(load_ours(folder)(PROMPT, **settings).audios, ours(PROMPT, **settings).audios) < 1e-5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scheduler": "pndm"}, "scheduler must be one of ddim, .*; got pndm"),
        ({"offload": "tape"}, "offload must be one of model, sequential, disk; got tape"),
        ({"compile": True, "offload": "disk"}, "compile cannot be combined with offload disk"),
    ],
)
def test_invalid_pipeline_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SoundPipelineSettings(**settings)


def test_configurations_are_fetched_first_and_the_licence_is_logged_before_weights(sound_models, monkeypatch, caplog):
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
    ours.encode_texts(PROMPT)
    assert "t5" in ours.models.loader.loaded
    assert {pattern.split("/")[0] for patterns in fetched[1:] for pattern in patterns} == {
        "text_encoder",
        "text_encoder_2",
        "projection_model",
        "language_model",
    }
    assert caplog.text.count("downloading cvssp/audioldm2: the published weights of AudioLDM 2 are for non-com") == 1


def test_model_index_has_the_entries_of_diffusers(sound_models):
    index = json.loads((sound_models / "sound/model_index.json").read_text())
    assert index["_class_name"] == "AudioLDM2Pipeline"
    assert index["language_model"] == ["transformers", "GPT2Model"]
