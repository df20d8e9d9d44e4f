"""Damaged configurations of a checkpoint give one error in one line, before any weights are loaded."""

import json
import shutil

import pytest
import torch

from photism import (
    AudioClassifier,
    AudioLDM2Pipeline,
    AudioToImagePipeline,
    AutoFeatureExtractor,
    InputError,
    SpeakerTimeline,
    SpeakerVerifier,
    Transcriber,
)
from photism.prompts.pretrained_encoder import load_pretrained_encoder
from tests.support.classifiers import make_classifier
from tests.support.speaker_models import make_speaker_model
from tests.support.tiny_audio2img import make_audio2img

DIFFUSION = (
    "diffusion/model_index.json",
    "diffusion/unet/config.json",
    "diffusion/vae/config.json",
    "diffusion/text_encoder/config.json",
    "diffusion/scheduler/scheduler_config.json",
    "diffusion/tokenizer/tokenizer_config.json",
)
CHECKPOINTS = {
    # files that are damaged in turn, by what loads them
    "draw": ("config.json", "captions.json", *DIFFUSION),
    "audio2img": ("config.json", "preprocessor_config.json"),
    "controlnet": ("config.json",),
    "label": ("config.json", "preprocessor_config.json"),
    "transcribe": ("config.json", "processor_config.json", "tokenizer_config.json", "vocab.json"),
    "timeline": ("config.json", "preprocessor_config.json"),
    "verify": ("config.json", "preprocessor_config.json"),
    "sound": ("model_index.json", "unet/config.json", "text_encoder/config.json", "tokenizer/tokenizer_config.json"),
    "align": ("config.json",),
    "auto": ("config.json", "preprocessor_config.json"),
}
DAMAGES = {
    "nested": b"[" * 5000 + b"]" * 5000,
    "empty": b"",
    "number": b"5",
    "null": b"null",
    "latin-1": '{"a": "é"}'.encode("latin1"),
    "digits": b'{"a": ' + b"9" * 5000 + b"}",
}


@pytest.fixture(scope="module")
def sources(models, parts, ctc_checkpoints, sound_models, bare_encoder, tmp_path_factory):
    """Folders of the checkpoints, by what loads them."""
    folder = tmp_path_factory.mktemp("sources")
    return {
        "draw": models / "sd",
        "audio2img": make_audio2img(folder / "audio2img"),
        "controlnet": parts / "controlnet-sd",
        "label": make_classifier(folder / "label", "bert"),
        "transcribe": ctc_checkpoints / "w2v-bert",
        "timeline": make_speaker_model(folder / "timeline", "AudioFrameClassification"),
        "verify": make_speaker_model(folder / "verify", "XVector"),
        "sound": sound_models / "sound",
        "align": bare_encoder,
        "auto": folder / "label",
    }


@pytest.fixture
def load(sources, models, tmp_path, monkeypatch):
    """A function that changes a file of a copy of a checkpoint, and loads it; tensors must not be read."""
    loaders = {
        "draw": lambda folder: AudioToImagePipeline.from_pretrained(folder, device="cpu"),
        "audio2img": lambda folder: AudioToImagePipeline.from_pretrained(
            folder, diffusion=models / "sd/diffusion", device="cpu"
        ),
        "controlnet": lambda folder: AudioToImagePipeline.from_pretrained(
            models / "sd", controlnet=folder, device="cpu"
        ),
        "label": lambda folder: AudioClassifier.from_pretrained(folder, device="cpu"),
        "transcribe": lambda folder: Transcriber.from_pretrained(folder, device="cpu"),
        "timeline": lambda folder: SpeakerTimeline.from_pretrained(folder, device="cpu"),
        "verify": lambda folder: SpeakerVerifier.from_pretrained(folder, device="cpu"),
        "sound": lambda folder: AudioLDM2Pipeline.from_pretrained(folder, device="cpu")("rain", num_inference_steps=1),
        "align": lambda folder: load_pretrained_encoder(str(folder)),
        "auto": lambda folder: AutoFeatureExtractor.from_pretrained(folder),
    }

    def load(name, file, content):
        folder = tmp_path / "checkpoint"
        shutil.copytree(sources[name], folder)
        (folder / file).unlink(missing_ok=True)
        (folder / file).write_bytes(content)
        return loaders[name](folder)

    return load


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in CHECKPOINTS.items() for file in files])
def test_a_damaged_file_is_one_line_that_names_it(load, name, file, damage):
    with pytest.raises(InputError, match=rf"has an unreadable {file.rpartition('/')[2]}: ") as error:
        load(name, file, DAMAGES[damage])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architectures": 5}, "architectures must be a list of names; got 5"),
        ({"architectures": [None]}, r"architectures must be a list of names; got \[None\]"),
        ({"model_type": []}, r"model_type must be a name; got \[\]"),
        ({"quantization_config": {"quant_method": "gptq"}}, r"is quantised \('gptq'\), which is not supported"),
        ({"num_labels": 10**9}, "num_labels in its config.json must be a number from 0 to 1,000,000"),
        ({"num_hidden_layers": 10**6}, "does not fit its config.json, which has num_hidden_layers=1000000"),
        ({"hidden_size": 10**6}, r"has the shape \(.*\), but config.json describes \(.*1000000"),
    ],
)
@pytest.mark.parametrize("name", ["label", "transcribe", "timeline", "verify", "align", "audio2img"])
def test_a_hostile_configuration_is_one_line(load, sources, name, change, message):
    config = {**json.loads((sources[name] / "config.json").read_text()), **change}
    if name == "audio2img" and ("architectures" in change or "hidden_size" in change):
        pytest.skip("it is no longer a checkpoint of audio2img")
    with pytest.raises(InputError, match=message) as error:
        load(name, "config.json", json.dumps(config).encode())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": "x"}, "tokens must be a whole number from 1; got 'x'"),
        ({"space_width": None}, "space_width must be a whole number from 1; got None"),
        ({"input_tokens": 10_000_000}, "input_tokens must be null or from 1 to 65536; got 10000000"),
        ({"encoder": 5}, "encoder must be null or an object; got 5"),
        ({"adapter_arguments": 5}, "adapter_arguments must be null or an object; got 5"),
        ({"adapter_arguments": {"nope": 1}}, "adapter_arguments of adapter 'resampler' do not fit it: .*'nope'"),
        ({"adapter_arguments": {"width": "x"}}, "adapter_arguments must be numbers; got 'x' for width"),
        ({"feature_stride": 3}, r"num_mel_bins · feature_stride must be 160, .*; got 80 · 3"),
        ({"padding_value": "x"}, "padding_value must be a number; got 'x'"),
    ],
)
def test_the_values_of_a_prompt_encoder_have_types(load, sources, change, message):
    config = json.loads((sources["draw"] / "config.json").read_text())
    config["encoder"].setdefault("feature_projection_input_dim", 160)
    with pytest.raises(InputError, match=message):
        load("draw", "config.json", json.dumps({**config, **change}).encode())


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("unet", {"layers_per_block": 10**6}, r"unet of diffusion .* which has layers_per_block=1000000"),
        ("unet", {"conv_in_kernel": 10**6}, r"unet of diffusion .* conv_in\.weight has the shape \(8, 4, 3, 3\), but"),
        (
            "vae",
            {"latent_channels": 10**6},
            r"vae of diffusion .* has the shape \(.*\), but config.json describes",
        ),
        ("text_encoder", {"vocab_size": 10**9}, r"text_encoder of .*token_embedding\.weight has the shape"),
    ],
)
def test_a_part_of_a_diffusion_pipeline_that_does_not_fit_takes_no_memory(load, sources, file, change, message):
    config = json.loads((sources["draw"] / f"diffusion/{file}/config.json").read_text())
    with pytest.raises(InputError, match=message):
        load("draw", f"diffusion/{file}/config.json", json.dumps({**config, **change}).encode())


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("model_index.json", {"guidance_scale": None}, "guidance_scale in the model_index.json of .* must be a finite"),
        ("model_index.json", {"guidance_scale": float("nan")}, "must be a finite number; got nan"),
        ("vocoder/config.json", {"sampling_rate": "x"}, "sampling_rate in its config.json must be a number from 1 to"),
        ("vocoder/config.json", {"upsample_rates": 5}, "upsample_rates of its vocoder must be from 1 to 1,024; got 5"),
        (
            "vocoder/config.json",
            {"resblock_kernel_sizes": []},
            "vocoder of .* has weights that its config.json",
        ),
        ("vae/config.json", {"block_out_channels": []}, r"block_out_channels of its vae must be from 1 .*; got \[\]"),
        ("unet/config.json", {"sample_size": -1}, "sample_size in its config.json must be a number from 0 to inf; got"),
        ("unet/config.json", {"in_channels": 10**7}, "in_channels of its unet must be from 1 to 1,024; got 10000000"),
        ("scheduler/scheduler_config.json", {"_class_name": 5}, "the scheduler of model .* must be one of diffusers"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": None}, "the scheduler of model .* cannot be used"),
    ],
)
def test_the_values_of_audioldm_2_are_plausible(load, sources, file, change, message):
    config = json.loads((sources["sound"] / file).read_text())
    with pytest.raises(InputError, match=message):
        load("sound", file, json.dumps({**config, **change}).encode())


def test_captions_are_checked_before_weights_are_loaded(load, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "to", None)
    with pytest.raises(InputError, match=r"has an unreadable captions\.json: entry 1 of its list must be a text"):
        load("draw", "captions.json", b'["rain", 5]')
