"""Which weights an alignment starts from: an adapter that fits is continued, and one that does not is reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from photism import AudioToImagePipeline, Waveform
from photism.audio.log_mel import log_mel
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.pretrained_encoder import load_pretrained_encoder
from photism.prompts.prompt_space import PromptSpace
from photism.settings import SettingError
from photism.training.prompt_model import PromptEncoderBuilder, choose_diffusion
from photism.training.settings import DEFAULT_DIFFUSION, AlignSettings
from tests.support.tiny_audio2img import make_audio2img
from tests.support.tiny_checkpoint import WIDTH, make_sd

LENGTHS = [880, 8240, 60_400, 64_000]  # samples, of 4, 50, 376 and 398 mel frames; the model takes 376


@pytest.fixture(scope="module")
def audio2img(tmp_path_factory):
    """A checkpoint of audio2img, and a Stable Diffusion whose text encoder takes 77 tokens."""
    folder = tmp_path_factory.mktemp("audio2img")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make_sd(folder / "text", length=77).save_pretrained(folder / "sd")
    make_audio2img(folder / "checkpoint")
    return folder


@pytest.fixture(scope="module")
def published(audio2img):
    return AudioToImagePipeline.from_pretrained(audio2img / "checkpoint", diffusion=audio2img / "sd", device="cpu")


@pytest.fixture(scope="module")
def waveforms():
    noise = np.random.default_rng(0)
    return [Waveform((0.1 * noise.standard_normal(length)).astype(np.float32)) for length in LENGTHS]


def make_space(*, length=77, width=WIDTH, pooled=None):
    pooled = None if pooled is None else torch.randn(pooled)
    return PromptSpace("sd", torch.randn(width), torch.randn(length, width), 1.0, pooled)


def make_builder(space, **given):
    return PromptEncoderBuilder(space, AlignSettings(data="-", output="-", diffusion="sd", **given))


def test_the_adapter_of_an_audio2img_checkpoint_is_continued(audio2img, published, waveforms, tmp_path):
    pretrained = load_pretrained_encoder(str(audio2img / "checkpoint"))
    builder = make_builder(published.encoder.prompt_space)
    expected = f"the training continues the encoder and the adapter of {audio2img / 'checkpoint'}"
    assert builder.start_line(pretrained) == expected
    model = builder.build(pretrained)
    expected = published.encoder.encode(waveforms).prompt_embeds
    torch.testing.assert_close(model.encode(waveforms).prompt_embeds, expected, rtol=0, atol=0)
    # What the training computes of the features in its cache.
    assert builder.max_tokens(model) == 188
    features, mask = log_mel(waveforms)
    torch.testing.assert_close(model.eval()(features, mask).prompt_embeds, expected, rtol=0, atol=1e-5)
    builder.save(model, tmp_path, pretrained)
    loaded = AudioToImagePipeline.from_pretrained(tmp_path, diffusion=audio2img / "sd", device="cpu")
    assert loaded.negative == "noise"
    torch.testing.assert_close(loaded.encoder.encode(waveforms).prompt_embeds, expected, rtol=0, atol=0)


def test_its_convolutions_are_continued_to_a_longer_prompt(audio2img, published, waveforms):
    pretrained = load_pretrained_encoder(str(audio2img / "checkpoint"))
    model = make_builder(published.encoder.prompt_space, tokens=76).build(pretrained)
    weights = published.encoder.adapter.state_dict()
    torch.testing.assert_close(dict(model.adapter.state_dict()), dict(weights), rtol=0, atol=0)
    assert model.config.input_tokens == 4 * 76
    assert model.encode(waveforms).prompt_embeds.shape == (len(waveforms), 77, WIDTH)


@pytest.mark.parametrize(
    ("given", "space", "reason"),
    [
        ({"adapter": "resampler"}, {}, "it is a conv adapter, not a resampler one"),
        ({}, {"width": 24}, f"it produces prompts of width {WIDTH}, and sd takes 24"),
    ],
)
def test_an_audio2img_adapter_that_does_not_fit_is_reported(audio2img, given, space, reason):
    pretrained = load_pretrained_encoder(str(audio2img / "checkpoint"))
    builder = make_builder(make_space(**space), **given)
    line = builder.start_line(pretrained)
    assert line == (
        f"the training starts from the encoder of {audio2img / 'checkpoint'}; its adapter is left behind: {reason}"
    )
    model = builder.build(pretrained, device="meta")
    assert (model.config.input_tokens, model.config.default_negative) == (None, "empty")


def test_a_photism_model_is_continued_if_its_tokens_fit(models):
    pretrained = load_pretrained_encoder(str(models / "sd"))
    space = make_space(length=20)
    before = AudioPromptEncoder.from_pretrained(models / "sd").adapter.state_dict()
    model = make_builder(space).build(pretrained)
    assert model.config.tokens == 12
    torch.testing.assert_close(dict(model.adapter.state_dict()), dict(before), rtol=0, atol=0)
    fewer = make_builder(space, tokens=8)
    assert fewer.build(pretrained).config.tokens == 8
    line = fewer.start_line(pretrained)
    assert line.endswith("its adapter is left behind: it produces 12 tokens, not 8")


def test_the_pooled_projection_is_continued_with_the_adapter(models):
    pretrained = load_pretrained_encoder(str(models / "xl"))
    before = AudioPromptEncoder.from_pretrained(models / "xl").pooled_projection.state_dict()
    model = make_builder(make_space(length=20, width=2 * WIDTH, pooled=WIDTH)).build(pretrained)
    torch.testing.assert_close(dict(model.pooled_projection.state_dict()), dict(before), rtol=0, atol=0)
    line = make_builder(make_space(length=20, width=2 * WIDTH)).start_line(pretrained)
    assert line.startswith("the training continues the encoder and the adapter of")
    assert line.endswith("; its pooled_projection is left behind")


def test_other_adapters_are_reported(bare_encoder, models, tmp_path):
    line = make_builder(make_space()).start_line(load_pretrained_encoder(str(bare_encoder)))
    assert line == f"the training starts from the encoder of {bare_encoder}"
    config = transformers.Wav2Vec2BertConfig.from_pretrained(bare_encoder, add_adapter=True, num_adapter_layers=1)
    config.use_intermediate_ffn_before_adapter = True
    transformers.Wav2Vec2BertModel(config).save_pretrained(tmp_path)
    pretrained = load_pretrained_encoder(str(tmp_path))
    builder = make_builder(make_space())
    line = builder.start_line(pretrained)
    assert line.endswith("its adapter and intermediate_ffn are left behind")
    builder.build(pretrained)
    phonetic = load_pretrained_encoder("tiny")
    line = builder.start_line(phonetic)
    assert line.endswith("its adapter is left behind: a phonetic adapter is trained by a recipe of its own")


def test_the_shape_of_the_conv_adapter(bare_encoder, audio2img):
    shape = {"num_adapter_layers": 1, "adapter_kernel_size": 5, "adapter_stride": 4}
    builder = make_builder(make_space(), adapter="conv", tokens=10, **shape)
    model = builder.build(load_pretrained_encoder(str(bare_encoder)))
    assert model.config.adapter_arguments == {"num_layers": 1, "kernel_size": 5, "stride": 4}
    assert model(torch.randn(2, 50, 160), torch.ones(2, 50)).prompt_embeds.shape == (2, 11, WIDTH)
    line = make_builder(make_space(), **shape).start_line(load_pretrained_encoder(str(audio2img / "checkpoint")))
    assert line.endswith("its adapter is left behind: its layers have another shape")
    with pytest.raises(SettingError, match="num_adapter_layers must not be set for the resampler adapter; got 1"):
        make_builder(make_space(), **shape).build(load_pretrained_encoder(str(bare_encoder)))


def test_a_new_conv_adapter_is_initialised_as_transformers_initialises_that_of_the_notebook():
    config = transformers.Wav2Vec2BertConfig(
        hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=96, output_hidden_size=64
    )
    arguments = {"num_heads": 2, "intermediate_width": 96}
    space = make_space(width=64)
    adapted = transformers.Wav2Vec2BertConfig(**{**config.to_dict(), "add_adapter": True, "num_adapter_layers": 2})
    torch.manual_seed(0)
    ours = AudioPromptEncoder.for_space(space, encoder=config, adapter="conv", adapter_arguments=arguments, tokens=47)
    theirs = transformers.Wav2Vec2BertModel(adapted).adapter.state_dict()
    for name, parameter in ours.adapter.adapter.named_parameters():
        expected = theirs[name]
        assert parameter.mean().item() == pytest.approx(expected.mean().item(), abs=0.02), name
        assert parameter.std().item() == pytest.approx(expected.std().item(), rel=0.2), name


def test_dropout_and_layerdrop_are_those_of_the_settings_or_of_the_encoder(audio2img):
    pretrained = load_pretrained_encoder(str(audio2img / "checkpoint"))
    before = pretrained.config.to_dict()
    config = make_builder(make_space(), dropout=0.3, layerdrop=0.2).build(pretrained, device="meta").encoder.config
    assert (config.hidden_dropout, config.attention_dropout, config.layerdrop) == (0.3, 0.3, 0.2)
    same = make_builder(make_space()).build(pretrained, device="meta").encoder.config
    assert same.layerdrop == before["layerdrop"]
    assert same.hidden_dropout == before["hidden_dropout"] == pretrained.config.hidden_dropout


def test_a_conv_adapter_that_was_trained_on_its_window_hears_no_more(bare_encoder, waveforms):
    pretrained = load_pretrained_encoder(str(bare_encoder))
    model = make_builder(make_space(), adapter="conv", tokens=47, max_duration_s=3.76).build(pretrained)
    assert model.config.max_input_tokens == 188
    noise = np.random.default_rng(1).standard_normal(64_000).astype(np.float32)
    features, mask = log_mel([Waveform(0.1 * noise)])
    longer = model.eval()(features, mask).prompt_embeds
    torch.testing.assert_close(longer, model(features[:, :188], mask[:, :188]).prompt_embeds)
    torch.testing.assert_close(longer, model.encode([Waveform(0.1 * noise)]).prompt_embeds, atol=1e-5, rtol=0)
    whole = make_builder(make_space(), adapter="conv", tokens=47).build(pretrained)
    assert whole.config.max_input_tokens is None


def test_the_diffusion_model_is_by_default_that_of_the_model_to_start_from(
    audio2img, bare_encoder, models, monkeypatch
):
    settings = AlignSettings(data="-", output="-")
    for encoder, expected in (
        (bare_encoder, DEFAULT_DIFFUSION),
        (audio2img / "checkpoint", "stabilityai/stable-diffusion-2-1"),
        (models / "sd", str(models / "sd" / "diffusion")),
    ):
        pretrained = load_pretrained_encoder(str(encoder))
        assert choose_diffusion(settings, pretrained).diffusion == expected
        named = replace(settings, diffusion="me/diffusion")
        assert choose_diffusion(named, pretrained).diffusion == "me/diffusion"
    monkeypatch.chdir(models / "sd")
    relative = replace(settings, diffusion="diffusion")
    assert choose_diffusion(relative, pretrained).diffusion == str(Path("diffusion").resolve())
