"""Parity with the audio2img repository, whose pipeline.py is transcribed here."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from transformers import SeamlessM4TFeatureExtractor

from photism import AudioToImagePipeline, CaptionRanker, InputError, Waveform
from photism.prompts.audio2img import is_audio2img
from tests.support.tiny_audio2img import make_audio2img
from tests.support.tiny_checkpoint import WIDTH, make_sd

TOLERANCE = 1e-4
LEVELS = 1  # of 255
STEPS = 2
SEED = 5
# Samples of 2 frames, of an odd number, of 375 to 377, and of more, whose end affects the normalisation only.
LENGTHS = [719, 8160, 60_240, 60_400, 60_560, 64_000, 200_000]


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory):
    """Make a Stable Diffusion whose text encoder takes 77 tokens, as all of them do."""
    folder = tmp_path_factory.mktemp("diffusion")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make_sd(folder / "text", length=77).save_pretrained(folder / "sd")
    return folder / "sd"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, request):
    """Make what the training notebook saves, with its feature extractor or, for `None`, without."""
    return make_audio2img(tmp_path_factory.mktemp("checkpoint"), getattr(request, "param", 1.0))


without_extractor_too = pytest.mark.parametrize(
    "checkpoint", [1.0, None], ids=["padded with 1", "without preprocessor_config.json"], indirect=True
)


@pytest.fixture(scope="module")
def pipeline(checkpoint, diffusion):
    return AudioToImagePipeline.from_pretrained(checkpoint, diffusion=diffusion, device="cpu")


@pytest.fixture(scope="module")
def waveforms():
    noise = np.random.default_rng(0)
    return [(0.1 * noise.standard_normal(length)).astype(np.float32) for length in LENGTHS]


def reference_pipeline(checkpoint, diffusion):
    """Transcribe its AudioToImagePipeline: a function from samples to a prompt, and one from samples to an image."""
    audio_encoder = transformers.Wav2Vec2BertModel.from_pretrained(checkpoint).eval()
    has_preprocessor = (checkpoint / "preprocessor_config.json").exists()
    feature_extractor = (
        SeamlessM4TFeatureExtractor.from_pretrained(checkpoint, stride=2)
        if has_preprocessor
        else SeamlessM4TFeatureExtractor(stride=2)
    )
    stable_diffusion = StableDiffusionPipeline.from_pretrained(diffusion)

    @torch.no_grad()
    def prompt(samples):
        words = stable_diffusion.tokenizer(
            "", return_tensors="pt", truncation=True, padding="max_length", max_length=48
        )
        bos = stable_diffusion.text_encoder(**words).last_hidden_state[:, :1]
        features = feature_extractor(
            samples,
            sampling_rate=16_000,
            return_tensors="pt",
            truncation=True,
            padding="max_length",
            max_length=375,
        )
        tokens = audio_encoder(features.input_features).last_hidden_state
        return torch.cat([bos, tokens], dim=1)

    def draw(samples):
        noise = 0.01 * np.random.default_rng(0).standard_normal(4 * 16_000, dtype=np.float32)
        return stable_diffusion(
            prompt_embeds=prompt(samples),
            negative_prompt_embeds=prompt(noise),
            num_inference_steps=STEPS,
            generator=torch.Generator().manual_seed(SEED),
        ).images[0]

    return prompt, draw


@without_extractor_too
def test_prompts_and_images_equal_the_repositorys(pipeline, checkpoint, diffusion, waveforms):
    prompt, draw = reference_pipeline(checkpoint, diffusion)
    output = pipeline([Waveform(samples) for samples in waveforms], seed=SEED, num_inference_steps=STEPS)
    for samples, ours, (image,) in zip(waveforms, output.prompts.prompt_embeds, output.images, strict=True):
        torch.testing.assert_close(ours, prompt(samples)[0], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(np.asarray(image, np.int16), np.asarray(draw(samples), np.int16), atol=LEVELS)
    assert output.prompts.prompt_embeds.shape == (len(waveforms), 48, WIDTH)


def test_prompts_do_not_depend_on_the_batch(pipeline, waveforms):
    together = pipeline.encoder.encode([Waveform(samples) for samples in waveforms])
    assert together.windows == (1,) * len(waveforms)
    for samples, prompt in zip(waveforms, together.prompt_embeds, strict=True):
        torch.testing.assert_close(pipeline.encoder.encode([Waveform(samples)]).prompt_embeds[0], prompt)


def test_the_default_negative_prompt_is_noise(pipeline, waveforms):
    assert pipeline.negative == "noise"
    sound = Waveform(waveforms[1])
    default, noise, empty = (
        np.asarray(pipeline(sound, num_inference_steps=STEPS, **settings).images[0][0], np.int16)
        for settings in ({}, {"negative": "noise"}, {"negative": "empty"})
    )
    np.testing.assert_array_equal(default, noise)
    assert np.abs(noise - empty).max() > LEVELS


@without_extractor_too
def test_it_can_be_saved_as_a_photism_model(pipeline, diffusion, waveforms, tmp_path):
    pipeline.encoder.save_pretrained(tmp_path)
    loaded = AudioToImagePipeline.from_pretrained(tmp_path, diffusion=diffusion, device="cpu")
    assert loaded.negative == "noise"
    sound = [Waveform(waveforms[1])]
    torch.testing.assert_close(loaded.encoder.encode(sound), pipeline.encoder.encode(sound), rtol=0, atol=0)


def test_it_ranks_captions(checkpoint, diffusion, waveforms):
    ranker = CaptionRanker.from_pretrained(checkpoint, diffusion=diffusion, device="cpu")
    assert len(ranker.rank(Waveform(waveforms[0]), captions=["Rain.", "A bird."])[0]) == 2


def test_the_default_diffusion_model_is_stable_diffusion_2_1(checkpoint, monkeypatch):
    requested = []

    def download(hub_id, path):
        requested.append(hub_id)
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    with pytest.raises(InputError, match=r"stabilityai/stable-diffusion-2-1: no network$"):
        AudioToImagePipeline.from_pretrained(checkpoint)
    assert requested == ["stabilityai/stable-diffusion-2-1"]


def test_a_mismatch_is_reported_before_weights_are_loaded(checkpoint, models, tmp_path):
    bare = shutil.copytree(checkpoint, tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"prompts of width 32, .* space 'audio2img' has width 16"):
        AudioToImagePipeline.from_pretrained(bare, diffusion=models / "xl/diffusion", device="cpu")


def test_missing_weights_and_too_short_prompts_are_refused(checkpoint, diffusion, models, tmp_path):
    damaged = shutil.copytree(checkpoint, tmp_path / "damaged")
    weights = load_file(damaged / "model.safetensors")
    del weights["adapter.layers.1.ffn.output_dense.bias"]
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks weights: adapter\.adapter\.layers\.1\.ffn\.output_dense\.bias$"):
        AudioToImagePipeline.from_pretrained(damaged, diffusion=diffusion, device="cpu")
    with pytest.raises(InputError, match="diffusion must accept prompts of at least 48 tokens; it accepts 20"):
        AudioToImagePipeline.from_pretrained(checkpoint, diffusion=models / "sd/diffusion", device="cpu")


@pytest.mark.parametrize(
    "other",
    [
        {"add_adapter": False},
        {"num_adapter_layers": 1},
        {"adapter_stride": 4},
        {"adapter_act": "gelu"},
        {"architectures": ["Wav2Vec2BertForCTC"]},
        {"model_type": "wav2vec2"},
    ],
)
def test_other_encoders_are_not_recognised_as_audio2img(checkpoint, tmp_path, other):
    settings = json.loads((checkpoint / "config.json").read_text())
    assert is_audio2img(settings)
    assert not is_audio2img(settings | other)
    (tmp_path / "config.json").write_text(json.dumps(settings | other))
    with pytest.raises(
        InputError, match=r"must be an AudioPromptEncoder, .* or a checkpoint of audio2img; its model_type is"
    ):
        AudioToImagePipeline.from_pretrained(tmp_path)


def test_the_default_negative_must_be_a_word(models):
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    assert pipeline.negative == "empty"
    pipeline.encoder.config.default_negative = "https://example.org/a.wav"  # must not be downloaded
    with pytest.raises(InputError, match="default_negative must be one of empty, silence, noise, none; got https"):
        AudioToImagePipeline(pipeline.encoder, pipeline.diffusion)
